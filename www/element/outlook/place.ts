/** The place of the outlook between the fit and the settings. The code that draws it is fetched when there is something to draw. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { Outlook, PairFit, ResultChoice, Several, Spectra } from '../../core/types.ts';
import type { Blocks } from '../settings/block-strengths.ts';
import { Fetched, fetchCharts } from '../lazy.ts';
import { text } from '../words/strings.ts';
import { Focus } from '../parts/focus.ts';
import { base } from '../parts/tokens.css.ts';

/** Sends `np-mu`, `np-balance`, `np-blocks` and `np-module` {module: its index in the outlook}; the listener then sets `spectra`. */
export class OutlookPlace extends LitElement {
  static override styles = [base, css`
    :host { display: block; min-width: 0; }
    /* As high as the most that can stand here, so that the settings below stay where they are: --map is the map's part of it. */
    .place { display: grid; min-height: max(604px, 420px + var(--map)); }
    .place.low { min-height: 0; }
    .failed { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 8px 16px; }
    @container (max-width: 991px) { .place { min-height: max(620px, 420px + var(--map)); } }
    @container (max-width: 902px) { .place { min-height: max(676px, 476px + var(--map)); } }
    @container (max-width: 752px) { .place { min-height: calc(932px + var(--map)); } }
    @container (max-width: 568px) { .place { min-height: calc(976px + var(--map)); } }
    @container (max-width: 448px) { .place { min-height: calc(1050px + var(--map)); } }
    @container (max-width: 367px) { .place { min-height: calc(1132px + var(--map)); } }
    @container (max-width: 320px) { .place { min-height: calc(1156px + var(--map)); } }
  `];

  @property({ attribute: false }) outlook: Outlook | null = null;
  @property({ type: Number }) mu = 0.5;
  @property({ attribute: false }) fit: PairFit | null = null;
  @property({ attribute: false }) blocks: Blocks = {};
  /** The spectra of the module that was last chosen, once they are there. */
  @property({ attribute: false }) spectra: Spectra | null = null;
  @property({ attribute: false }) result: ResultChoice = 'fusion';
  /** The several files to make; null: one file. */
  @property({ attribute: false }) several: Several | null = null;
  /** Whether the first outlook is on its way. */
  @property({ type: Boolean }) coming = false;
  /** Whether both files have the same bytes. */
  @property({ type: Boolean }) same = false;
  /** Whether the analysis is in progress. */
  @property({ type: Boolean }) running = false;
  @property({ type: Boolean }) disabled = false;
  #charts = new Fetched(this, fetchCharts);

  constructor() {
    super();
    // The focused content may be replaced by what comes next.
    new Focus(this, (options) => this.focus(options));
  }

  // Set through the object model, because the page's policy forbids style attributes.
  protected override willUpdate(): void {
    const rows = (this.outlook ?? this.fit)?.blocks.length ?? 0;
    this.style.setProperty('--map', `${Math.min(34 + 24 * rows, 530)}px`);
    if (this.#charts.state === 'unasked' && (this.outlook || this.running || this.coming)) void this.#charts.want();
  }

  override render(): TemplateResult | typeof nothing {
    const { outlook } = this;
    const charts = this.#charts.state;
    if (!outlook && !this.running && !this.coming) return nothing;
    if (charts === 'failed') {
      return html`<section class="panel failed" tabindex="-1" aria-label=${text.outlook}><p>${text.outlookFailed}${this.#charts.hint}</p>
        <button type="button" @click=${() => this.#charts.want()}>${text.tryAgain}</button></section>`;
    }
    // The place stays while its content changes: without it the page would be shorter for a moment, and scroll if it ended there.
    return html`<div class="place ${outlook?.total === 0 ? 'low' : ''}">${outlook && charts === 'there' ? html`<np-lora-outlook-view exportparts="outlook" .outlook=${outlook} .mu=${this.mu} .fit=${this.fit} .blocks=${this.blocks} .spectra=${this.spectra} .result=${this.result} .several=${this.several} ?same=${this.same} ?running=${this.running} ?disabled=${this.disabled}
      @np-mu=${this.#pass} @np-balance=${this.#pass} @np-blocks=${this.#pass} @np-module=${this.#pass}></np-lora-outlook-view>`
      : html`<section class="panel" tabindex="-1" aria-label=${text.outlook}><p class="muted">${text.outlookComing}</p></section>`}</div>`;
  }

  override focus(options?: FocusOptions): void {
    const part = this.renderRoot.querySelector<HTMLElement & { updateComplete?: Promise<unknown> }>('np-lora-outlook-view, section');
    void Promise.resolve(part?.updateComplete).then(() => part?.focus(options));
  }

  #pass = ({ type, detail }: CustomEvent): void => {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  };
}
