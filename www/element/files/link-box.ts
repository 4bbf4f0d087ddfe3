/** A link in place of a file: where it is pasted, and the offer that is shown before its host is asked. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { FileLink, Problem, Role } from '../../core/types.ts';
import { notHeld } from '../parts/focus.ts';
import { named } from '../parts/name.ts';
import { inert } from '../words/format.ts';
import { linkLabel, text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

/** Sends `np-link` with the text that was pasted or typed. */
export class LinkBox extends LitElement {
  static override styles = [base, css`
    :host { display: block; width: 100%; }
    .box { display: flex; gap: 8px; max-width: 400px; margin: 0 auto; }
    input { flex: 1; min-width: 0; }
    np-lora-problem { margin-top: 16px; text-align: start; }
  `];

  @property({ reflect: true }) side: Role = 'content';
  /** Why the last link leads nowhere. */
  @property({ attribute: false }) problem: Problem | null = null;
  @property({ type: Boolean }) disabled = false;
  /** Whether a link is being read; the program that does so may still be loading. */
  @property({ type: Boolean }) reading = false;

  override render(): TemplateResult | typeof nothing {
    // This is not a form, because a frame without permission to submit forms would block it.
    return html`<div class="box">
        <input type="text" inputmode="url" enterkeyhint="go" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="4000"
          aria-label=${linkLabel[this.side]} placeholder=${text.pasteLink} ?disabled=${this.disabled}
          aria-invalid=${this.problem ? 'true' : nothing} aria-describedby=${this.problem ? 'problem' : nothing} @keydown=${this.#key} @paste=${this.#pasted}>
        <button type="button" ?disabled=${this.disabled || this.reading} @click=${this.#send}>${this.reading ? text.readingLink : text.openLink}</button>
      </div>
      ${this.problem ? html`<np-lora-problem id="problem" .problem=${this.problem}></np-lora-problem>` : nothing}`;
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault();
    if (!event.repeat) this.#send();
  }

  // A link pasted into the empty box is complete.
  #pasted(event: ClipboardEvent): void {
    const input = event.target as HTMLInputElement;
    if (input.value === '') setTimeout(() => this.#send());
  }

  #send(): void {
    const input = this.renderRoot.querySelector('input');
    const value = input?.value.trim() ?? '';
    if (value === '') return input?.focus();
    if (this.reading) return;
    this.dispatchEvent(new CustomEvent('np-link', { detail: value }));
  }
}

/** Sends `np-load` when the person wants the file. */
export class LinkOffer extends LitElement {
  static override styles = [base, css`
    :host { display: block; }
    .offer { display: grid; gap: 16px; justify-items: start; }
    .name { font-weight: 650; font-size: var(--large); line-height: 1.35; }
    .url { font-family: var(--mono); font-size: var(--tiny); }
  `];

  @property({ attribute: false }) link: FileLink | null = null;
  @property({ type: Boolean }) disabled = false;

  override render(): TemplateResult | typeof nothing {
    const { link } = this;
    if (!link) return nothing;
    return html`<div class="offer">
      <div>
        <p class="name stranger">${named(link.name)}</p>
        <p class="url muted stranger">${inert(link.url, 300)}</p>
      </div>
      <button type="button" ?disabled=${this.disabled} @keydown=${notHeld} @click=${this.#load}>${text.loadFrom(inert(link.host))}</button>
      <p class="small muted">${text.offerHint}</p>
    </div>`;
  }

  override focus(): void {
    this.renderRoot.querySelector('button')?.focus();
  }

  #load(): void {
    this.dispatchEvent(new CustomEvent('np-load'));
  }
}
