/** A problem as a person needs it: what happened, where, what to do, and details to pass on. The slot holds buttons to act at once. */

import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { Problem } from '../../core/types.ts';
import { inert } from '../words/format.ts';
import { called, worded } from '../words/language.ts';
import { text } from '../words/strings.ts';
import { base } from './tokens.css.ts';

export class ProblemView extends LitElement {
  static override styles = [base, css`
    :host { display: block; }
    .box, .box > [role='alert'] { display: grid; gap: 8px; }
    .box { border: 1px solid var(--danger); border-left-width: 4px; border-radius: 8px; background: var(--danger-soft); padding: 16px; }
    .title { font-weight: 650; color: var(--danger); }
    dl { display: grid; grid-template-columns: auto 1fr; gap: 0 16px; font-size: var(--small); }
    dt { color: var(--muted); }
    dd { font-family: var(--mono); }
    .detail { font-size: var(--small); }
    .tensor { font-family: var(--mono); }
    button { min-height: 32px; font-size: var(--small); padding: 0 12px; background: none; }
    .warning { font-size: var(--small); padding-left: 12px; border-left: 3px solid var(--caution); }
    .warning .title { color: var(--caution); }
  `];

  @property({ attribute: false }) problem: Problem | null = null;
  /** Whether this is a warning about something that was accepted; it is quieter, and not an alert. */
  @property({ type: Boolean }) warning = false;
  /** Whether to scroll into view by itself, if a person has just done something. */
  @property({ type: Boolean }) shown = false;
  @state() private copied = false;

  protected override updated(changed: PropertyValues): void {
    if (changed.has('problem') && this.shown && navigator.userActivation?.isActive) this.scrollIntoView({ block: 'nearest' });
  }

  override render(): TemplateResult | typeof nothing {
    const { problem } = this;
    if (!problem) return nothing;
    const [happened, remedy] = worded(problem);
    const said = inert(problem.detail, 400);
    // Few details are translated.
    const here = called(said);
    const detail = said ? html`<span class="detail stranger" lang=${here === said ? 'en' : nothing}>${here}</span>` : nothing;
    if (this.warning) {
      return html`<div class="warning">
        <span class="title">${inert(happened)}</span>
        ${detail}
        ${problem.tensor !== null ? html`<span class="stranger tensor">${inert(problem.tensor)}</span>` : nothing}
        <span class="muted">${inert(remedy)}</span>
      </div>`;
    }
    return html`<div class="box" part="error">
      <div role="alert">
        <p class="title">${inert(happened)}</p>
        <p>${inert(remedy)}</p>
        ${problem.file !== null || problem.tensor !== null ? html`<dl>
          ${problem.file !== null ? html`<dt>${text.file}</dt><dd class="stranger">${inert(problem.file)}</dd>` : nothing}
          ${problem.tensor !== null ? html`<dt>${text.tensor}</dt><dd class="stranger">${inert(problem.tensor)}</dd>` : nothing}
        </dl>` : nothing}
        ${detail}
        <p class="small muted">${problem.code}</p>
      </div>
      <div class="row"><slot></slot><button type="button" @click=${this.#copy}>${this.copied ? text.copied : text.copyDetails}</button>
        <span class="unseen" role="status">${this.copied ? text.copied : ''}</span></div>
    </div>`;
  }

  async #copy(): Promise<void> {
    const { code, message, file, tensor, detail, remedy } = this.problem ?? {};
    const lines = [`${code}: ${message}`, file && `File: ${file}`, tensor && `Tensor: ${tensor}`, detail, remedy, navigator.userAgent];
    try {
      await navigator.clipboard.writeText(lines.filter(Boolean).map((line) => inert(String(line), 2000)).join('\n'));
      this.copied = true;
      setTimeout(() => { this.copied = false; }, 2000);
    } catch {
      // There is no clipboard here (insecure context, refused); the text can still be selected by hand.
    }
  }
}
