/** A file's hashes: folded, a short one as model sites show it; opened, all of them in full, and a button to copy. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { autoV2, autoV3 } from '../words/format.ts';
import { text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

export class Checksum extends LitElement {
  static override styles = [base, css`
    :host { display: block; min-width: 0; }
    /* Tall enough for a finger, in a line no taller. */
    summary { width: max-content; max-width: 100%; padding: 4px 0; margin: -4px 0; }
    .mono { font-family: var(--mono); font-size: var(--tiny); overflow-wrap: anywhere; }
    button.plain { margin-left: -8px; }
  `];

  /** SHA-256 of the whole file. */
  @property() sha256 = '';
  /** SHA-256 of the file's tensors; the element asks for it with `np-tensors` when it is opened. */
  @property({ attribute: false }) tensors: string | null = null;
  @state() private opened = false;
  @state() private copied = false;

  override render(): TemplateResult {
    return html`<details @toggle=${(event: Event) => { this.opened = (event.target as HTMLDetailsElement).open; }}>
      <summary class="mono">${autoV2(this.sha256)}</summary>
      ${this.opened ? html`<p class="mono">${text.autoV3} ${this.tensors === null ? text.hashing : autoV3(this.tensors)}</p>
      <p class="mono">SHA-256 ${this.sha256}</p>
      <button class="plain" type="button" @click=${this.#copy}>${this.copied ? text.copied : text.copyHash}</button>` : nothing}</details>`;
  }

  /** May ask repeatedly, because another file may have come to the same place. */
  override updated(): void {
    if (this.opened && this.tensors === null) this.dispatchEvent(new CustomEvent('np-tensors'));
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.sha256);
      this.copied = true;
      setTimeout(() => { this.copied = false; }, 2000);
    } catch {
      // There is no clipboard here (insecure context, refused); the text can still be selected by hand.
    }
  }
}
