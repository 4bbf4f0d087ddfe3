/** A file's hash: short as model sites show it, in full when it is opened, and to be copied. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { text } from './strings.ts';
import { base } from './tokens.css.ts';

export class Checksum extends LitElement {
  static override styles = [base, css`
    :host { display: block; min-width: 0; }
    summary { width: max-content; max-width: 100%; }
    .mono { font-family: var(--mono); font-size: 0.75rem; overflow-wrap: anywhere; }
    button.plain { margin-left: -8px; }
  `];

  /** SHA-256 of the whole file. */
  @property() sha256 = '';
  @state() private opened = false;
  @state() private copied = false;

  override render(): TemplateResult {
    return html`<details @toggle=${(event: Event) => { this.opened = (event.target as HTMLDetailsElement).open; }}>
      <summary class="mono">${this.sha256.slice(0, 10)}</summary>
      ${this.opened ? html`<p class="mono">SHA-256 ${this.sha256}</p>
      <button class="plain" type="button" @click=${this.#copy}>${this.copied ? text.copied : text.copyHash}</button>` : nothing}</details>`;
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.sha256);
      this.copied = true;
      setTimeout(() => { this.copied = false; }, 2000);
    } catch {
      // No clipboard here (insecure context, refused): the text can still be selected by hand.
    }
  }
}
