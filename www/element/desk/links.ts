/** The links in the element's attributes: what they mean, and when their hosts are asked. */

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
  /** The addresses that the attributes' links led to. */
  #led: Record<Role, string | null> = { content: null, style: null };

  constructor(private element: Linked, private places: Places) {}

  /** Offers a pasted link. It is not loaded at once, even with `autoload`. */
  paste(role: Role, link: string, offered: () => void): void {
    this.#offer(role, link, this.#hosts, false, offered);
  }

  /** `first`: the element has never been drawn. A file that is already there was then set by a script, and stays. */
  follow(changed: PropertyValues, first: boolean): void {
    const later = changed.has('hosts') || (changed.has('autoload') && this.element.autoload);
    for (const [role, name] of SOURCES) {
      const link = asText(this.element[name]);
      if (!link) {
        if (changed.has(name) && this.#isOf(role, asText(changed.get(name)))) void this.places.clear(role);
        continue;
      }
      // `hosts` and `autoload` may be set after the link; they apply as long as the place holds nothing but the link.
      const again = later && this.places.linkIn(role) === absolute(link);
      const anew = changed.has(name) && !(first && this.places.fileOf(role));
      if (again || anew) this.#given(role, link);
    }
  }

  /** Whether the content of a place came from this link. If so, it goes with the attribute; a file that a person put there stays. */
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

  /** The hosts that the element's attribute names, and the page's own. */
  get #hosts(): string[] {
    return [...asText(this.element.hosts).split(/\s+/), self.origin].filter((host) => host !== '' && host !== 'null');
  }
}

/** The address of a relative link such as `/files/cat.safetensors`, as in any other attribute; `owner/repo/file` is a link to the Hub. */
function absolute(link: string): string {
  const whole = /^\.{0,2}\/(?!\/)/.test(link) && URL.canParse(link, document.baseURI) ? new URL(link, document.baseURI) : null;
  return whole?.origin === self.origin ? whole.href : link;
}
