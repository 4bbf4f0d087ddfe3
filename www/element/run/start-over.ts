/** A quiet button to go back to two empty places. Unsaved results are lost, so it asks once. */

import { LitElement, css, html, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

/** Sends `np-reset`. */
export class StartOver extends LitElement {
  static override styles = [base, css`
    :host { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; min-height: 40px; margin-inline-start: auto; }
    .ask { color: var(--caution); font-size: var(--small); font-weight: 550; }
    .row button { min-height: 32px; padding: 0 12px; font-size: var(--small); }
  `];

  /** How many results have not been saved yet. */
  @property({ type: Number }) unsaved = 0;
  @state() private asking = false;
  #focus = false;

  protected override willUpdate(): void {
    if (this.unsaved === 0) this.asking = false;
  }

  // The pressed button has gone: the focus moves to the safe button, for the keyboard and for a second click.
  protected override updated(changed: PropertyValues): void {
    if (this.#focus && changed.has('asking')) this.renderRoot.querySelector<HTMLElement>('.keep, .plain')?.focus();
    this.#focus = false;
  }

  override render(): TemplateResult {
    if (!this.asking) return html`<button class="plain" type="button" @click=${() => (this.unsaved > 0 ? this.#ask(true) : this.#reset())}>${text.startOver}</button>`;
    return html`<span class="ask" id="ask">${text.discardAsk(this.unsaved)}</span>
      <div class="row" role="group" aria-labelledby="ask" @keydown=${(event: KeyboardEvent) => { if (event.key === 'Escape') this.#ask(false); }}>
        <button type="button" aria-describedby="ask" @click=${() => this.#reset()}>${text.discard}</button>
        <button class="keep" type="button" aria-describedby="ask" @click=${() => this.#ask(false)}>${text.keep}</button>
      </div>`;
  }

  #ask(asking: boolean): void {
    this.#focus = true;
    this.asking = asking;
  }

  #reset(): void {
    this.dispatchEvent(new CustomEvent('np-reset'));
  }
}
