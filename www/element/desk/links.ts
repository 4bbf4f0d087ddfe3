/** The links that stand in the element's attributes: what they mean, and when their hosts are asked. */

import type { PropertyValues } from 'lit';
import type { Role } from '../../core/types.ts';
import type { Places } from './places.ts';
import { asText } from '../settings/settings.ts';

const SOURCES = [['content', 'contentSrc'], ['style', 'styleSrc']] as const;

interface Linked {
  readonly contentSrc: string;
  readonly styleSrc: string;
  readonly autoload: boolean;
  readonly hosts: string;
}

export class Links {
  /** Where the links of the attributes led. */
  #led: Record<Role, string | null> = { content: null, style: null };

  constructor(private element: Linked, private places: Places) {}

  /** What a person pasted is offered, whoever wants links to be loaded by themselves. */
  paste(role: Role, link: string, offered: () => void): void {
    this.#offer(role, link, this.#hosts, false, offered);
  }

  /** `first`: the element has never been drawn. A file that is there by then was set by a script, which means it. */
  follow(changed: PropertyValues, first: boolean): void {
    const later = changed.has('hosts') || (changed.has('autoload') && this.element.autoload);
    for (const [role, name] of SOURCES) {
      const link = asText(this.element[name]);
      if (!link) {
        if (changed.has(name) && this.#isOf(role, asText(changed.get(name)))) void this.places.clear(role);
        continue;
      }
      // Who may be asked, and when, may be said after the link, as long as that is all there is.
      const again = later && this.places.linkIn(role) === absolute(link);
      const anew = changed.has(name) && !(first && this.places.fileOf(role));
      if (again || anew) this.#given(role, link);
    }
  }

  /** What is in a place has come from this link: with its attribute it goes, and what a person has put there instead stays. */
  #isOf(role: Role, link: string): boolean {
    const url = this.places.urlIn(role);
    if (url !== null) return url === this.#led[role];
    return link !== '' && this.places.fileOf(role) === null && this.places.linkIn(role) === absolute(link);
  }

  #given(role: Role, link: string): void {
    this.#led[role] = null;
    this.#offer(role, absolute(link), this.#hosts, this.element.autoload, () => { this.#led[role] = this.places.urlIn(role); });
  }

  #offer(role: Role, link: string, hosts: string[], load: boolean, offered = (): void => {}): void {
    void this.places.offer(role, link, hosts, load, offered);
  }

  /** Those that the element's page names, and its own. */
  get #hosts(): string[] {
    return [...asText(this.element.hosts).split(/\s+/), self.origin].filter((host) => host !== '' && host !== 'null');
  }
}

/** `/files/cat.safetensors`, `./cat.safetensors`: as in any other attribute. `owner/repo/file` is the Hub's. */
function absolute(link: string): string {
  const whole = /^\.{0,2}\/(?!\/)/.test(link) && URL.canParse(link, document.baseURI) ? new URL(link, document.baseURI) : null;
  return whole?.origin === self.origin ? whole.href : link;
}
