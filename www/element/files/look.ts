/** Asks before files on servers are analysed, because that reads nearly all of them. */

import { html, type ReactiveControllerHost, type TemplateResult } from 'lit';
import type { Desk } from '../desk/desk.ts';
import { bytes, inert } from '../words/format.ts';
import { text } from '../words/strings.ts';

export class Look {
  /** The files on servers that the person has agreed to read. */
  #looked = '';

  constructor(private host: ReactiveControllerHost, private desk: Desk) {}

  /** Whether the pair may be analysed without asking. */
  get isFree(): boolean {
    return ['', this.#looked].includes(this.#remote);
  }

  get #remote(): string {
    return this.desk.places.remote.map(({ url, tag }) => `${url} ${tag}`).sort().join(' ');
  }

  /** Shows what an analysis will download, and starts it when a person presses the button; `begun` is called then. */
  offer(disabled: boolean, begun: () => void): TemplateResult {
    const { remote } = this.desk.places;
    const size = bytes(remote.reduce((sum, file) => sum + file.size, 0));
    const hosts = [...new Set(remote.map(({ host }) => inert(host)))].join(text.comma);
    const begin = (): void => {
      this.#looked = this.#remote;
      this.desk.refit();
      this.host.requestUpdate();
      begun();
    };
    return html`<section class="panel row" aria-label=${text.outlook}><p>${text.lookCosts(size, hosts)}</p>
      <button type="button" ?disabled=${disabled} @click=${begin}>${text.look}</button></section>`;
  }
}
