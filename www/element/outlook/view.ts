/** What the projection would do to the pair: in a sentence, over μ, layer by layer, and inside one layer. */

import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, query, state } from 'lit/decorators.js';
import type { Outlook, PairFit, ResultChoice, Settings, Several, Spectra } from '../../core/types.ts';
import type { Blocks } from '../settings/block-strengths.ts';
import { Focus, asBefore } from '../parts/focus.ts';
import { inert, percent } from '../words/format.ts';
import { muText, removed } from '../words/mu.ts';
import { language } from '../words/language.ts';
import type { MuChange } from '../controls/mu-range.ts';
import { text as shared } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';
import type { Brush } from './brush.ts';
import { blockName, fieldAt, type Field, type Place } from './figures.ts';
import { layersTable } from './modules.ts';
import { formula, text, weights } from './strings.ts';
import { caveatOf, isIdle, leadOf, sharesOf, weightsOf } from './words.ts';

const UNKNOWN: Outlook['curve'] = [];

const strengthsOf = ({ contentStrength, styleStrength, contentTextStrength, styleTextStrength }: NonNullable<Outlook['balance']>): Partial<Settings> =>
  ({ contentStrength, styleStrength, contentTextStrength, styleTextStrength });

export class OutlookView extends LitElement {
  static override styles = [base, css`
    :host { display: block; min-width: 0; }
    .panel { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; align-content: start; min-height: 100%; }
    .top { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 0 16px; }
    .top p { font-variant-numeric: tabular-nums; }
    .lead { font-size: var(--large); min-height: 3em; margin: 8px 0; }
    .lead.caution { color: var(--caution); font-weight: 550; }
    .weights { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; min-height: 40px; }
    .columns { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 5fr); gap: 24px 32px; align-items: start; }
    np-lora-brush { margin-bottom: 8px; }
    .waits { visibility: hidden; }
    .suggest { display: grid; grid-template-columns: minmax(0, 1fr); gap: 4px; justify-items: start; margin-top: 16px; }
    .suggest button { max-width: 100%; white-space: normal; }
    .suggest details { justify-self: stretch; min-width: 0; }
    .suggest summary { width: max-content; max-width: 100%; padding: 4px 0; margin: -4px 0; color: var(--muted); }
    .detail { border-top: 1px solid var(--line); padding-top: 16px; scroll-margin-block: 16px 96px; }
    .detail .top { align-items: center; margin-bottom: 8px; }
    .waiting { min-height: 480px; }
    .waiting p { padding: 8px 0; }
    @container (max-width: 902px) { .lead { min-height: 4.5em; } }
    @container (max-width: 752px) {
      .columns { grid-template-columns: minmax(0, 1fr); }
      .waiting { min-height: 0; }
      .lead { font-size: var(--rem); }
    }
    @container (max-width: 652px) { .heading { display: block; } }
    @container (max-width: 568px) { .lead { min-height: 6em; } }
    @container (max-width: 448px) { .lead { min-height: 7.5em; } }
    @container (max-width: 367px) { .lead { min-height: 9em; } .heading p { min-height: 3em; } }
  `];

  @property({ attribute: false }) outlook!: Outlook;
  @property({ type: Number }) mu = 0.5;
  @property({ attribute: false }) fit: PairFit | null = null;
  @property({ attribute: false }) blocks: Blocks = {};
  @property({ attribute: false }) spectra: Spectra | null = null;
  @property({ attribute: false }) result: ResultChoice = 'fusion';
  /** The several files to make; null: one file. */
  @property({ attribute: false }) several: Several | null = null;
  /** Whether both files have the same bytes. */
  @property({ type: Boolean }) same = false;
  @property({ type: Boolean }) running = false;
  @property({ type: Boolean }) disabled = false;
  @state() private opened: Place | null = null;
  @state() private brush: Brush | null = null;
  @state() private chosen: string | null = null;
  @query('.detail') private detail!: HTMLElement | null;
  @query('np-lora-overlap-map') private map!: HTMLElement | null;

  /** Tells screen readers which field was opened or, once, the verdict on the whole pair. */
  @state() private spoken = '';
  #saidWhole = false;
  #spokeIn = language();

  constructor() {
    super();
    // The button that balances the strengths disappears once they are balanced.
    new Focus(this, (options) => this.focus(options));
  }

  /** Closes the open field if it is no longer in the outlook. */
  protected override willUpdate(changed: PropertyValues): void {
    // A message in another language is out of date.
    if (this.#spokeIn !== language()) this.spoken = '';
    this.#spokeIn = language();
    if (changed.has('outlook') && this.opened && !fieldAt(this.outlook, this.opened)) this.#open(null);
  }

  protected override updated(changed: PropertyValues): void {
    const { outlook } = this;
    if (!this.#saidWhole && outlook.analysed === outlook.total) {
      this.#saidWhole = true;
      this.spoken = [caveatOf(outlook), leadOf(outlook, this.result, this.several)].filter(Boolean).join(' ');
    }
    if (changed.has('opened') && this.opened) this.detail?.scrollIntoView({ block: 'nearest' });
  }

  override focus(options?: FocusOptions): void {
    this.renderRoot.querySelector<HTMLElement>('#title')?.focus(options);
  }

  override render(): TemplateResult {
    const { outlook, opened } = this;
    const field = opened && fieldAt(outlook, opened);
    const [caveat, lead] = [caveatOf(outlook), leadOf(outlook, this.result, this.several)];
    return html`<section class="panel" aria-labelledby="title" part="outlook">
      <div><div class="top heading"><h2 id="title" tabindex="-1">${shared.outlook}</h2>
          <p class="small muted">${this.#analysed(outlook)}</p></div>
        ${caveat ? html`<p class="lead caution">${caveat}</p><p>${lead}</p>` : html`<p class="lead ${this.#idle ? 'caution' : ''}">${lead}</p>`}
        ${this.#weights(outlook)}</div>
      ${outlook.total === 0 ? this.#brush() : this.#charts(outlook, opened)}
      ${opened && field ? this.#detail(opened, field) : nothing}
      <p class="unseen" role="status">${this.spoken}</p>
    </section>`;
  }

  #charts(outlook: Outlook, opened: Place | null): TemplateResult {
    return html`<div class="columns">
      <div><np-lora-curve .points=${outlook.analysed === 0 ? UNKNOWN : outlook.curve} .mu=${this.mu} ?disabled=${this.disabled} @np-mu=${this.#slide}></np-lora-curve>
        ${this.#suggestion(outlook)}</div>
      <div>${this.#brush()}<np-lora-overlap-map .outlook=${outlook} .opened=${opened} .blocks=${this.blocks} .brush=${this.disabled ? null : this.brush}
          @np-blocks=${this.#pass} @np-brush=${this.#take}
          @np-field=${(event: CustomEvent<Place | null>) => this.#open(event.detail)}></np-lora-overlap-map>
        <np-lora-data label=${text.layerData} about=${text.map} .of=${() => layersTable(outlook)}></np-lora-data></div>
    </div>`;
  }

  get #idle(): boolean {
    return this.same || isIdle(this.outlook.verdict);
  }

  #analysed({ analysed, total, unmeasured }: Outlook): string {
    const left = unmeasured > 0 ? ` · ${text.unmeasured(unmeasured)}` : '';
    // A blank as high as the text that will replace it.
    if (analysed === 0) return '\u00a0';
    if (analysed === total) return text.analysedAll(total) + left;
    return text.analysedSome(analysed, total) + (this.running ? ' …' : '') + left;
  }

  #weights(outlook: Outlook): TemplateResult {
    const { balance } = outlook;
    return html`<div class="weights ${this.#idle ? 'waits' : ''}"><p>${weightsOf(outlook)}</p>
      ${balance ? html`<button type="button" ?disabled=${this.disabled}
        @click=${() => this.#tell('np-balance', strengthsOf(balance))}>${text.balance}</button>
        <span class="small muted">${weights.balanced(muText(balance.contentStrength), muText(balance.styleStrength))}</span>` : nothing}</div>`;
  }

  /** The suggested μ, hidden until everything is analysed and where there is nothing to weigh. Its space stays reserved. */
  #suggestion(outlook: Outlook): TemplateResult {
    const { analysed, total, suggested } = outlook;
    const { mu, share } = suggested ?? { mu: 0, share: 0 };
    const name = (mu === this.mu ? text.suggestTaken : text.suggest)(muText(mu));
    const why = mu === 0 ? text.suggestNone(percent(share)) : text.suggestHint(percent(removed(mu)));
    return html`<div class="suggest ${!suggested || analysed < total || this.#idle ? 'waits' : ''}">
      ${mu === 0 ? nothing : html`<button type="button" ?disabled=${this.disabled} aria-disabled=${mu === this.mu ? 'true' : nothing} aria-describedby="thumb"
        @click=${() => { if (mu !== this.mu) this.#tell('np-mu', { mu, committed: true }); }}>${name}</button>`}
      <details class="small"><summary id="thumb">${why}</summary>
        ${mu === 0 ? nothing : html`<p>${formula.plain(percent(share))}</p>`}<p class="muted">${formula.of(percent(share))}</p>
        <p>${this.result === 'fusion' && !this.several ? sharesOf(outlook, this.mu) : nothing}</p></details>
    </div>`;
  }

  #brush(): TemplateResult | typeof nothing {
    if (!this.fit || this.fit.blocks.length === 0) return nothing;
    return html`<np-lora-brush .list=${this.fit} .blocks=${this.blocks} .brush=${this.brush} ?paints=${this.outlook.total > 0} ?disabled=${this.disabled}
      @np-blocks=${this.#pass} @np-brush=${this.#take}></np-lora-brush>`;
  }

  #detail({ block, kind }: Place, { members }: Field): TemplateResult {
    const { spectra, chosen } = this;
    return html`<section class="detail" aria-labelledby="opened">
      <div class="top"><h3 id="opened" class="stranger">${inert(blockName(block), 60)} · ${kind === null ? text.all : inert(kind, 24)}</h3>
        <button class="plain" type="button" @click=${() => this.#close()}>${text.close}</button></div>
      <div class="columns">
        <np-lora-modules .outlook=${this.outlook} .members=${members} .chosen=${chosen}
          @np-module=${(event: CustomEvent<{ module: number }>) => this.#choose(event.detail.module)}></np-lora-modules>
        <div class="waiting">${spectra && spectra.name === chosen ? html`<np-lora-spectrum .spectra=${spectra}></np-lora-spectrum>`
          : html`<p class="muted">${text.working}</p>`}</div>
      </div>
    </section>`;
  }

  #slide = ({ detail }: CustomEvent<MuChange>): void => {
    this.#tell('np-mu', detail);
  };

  #pass = ({ type, detail }: CustomEvent): void => {
    this.#tell(type, detail);
  };

  #take = ({ detail }: CustomEvent<Brush | null>): void => {
    this.brush = detail;
  };

  #open(place: Place | null): void {
    this.opened = place;
    this.chosen = null;
    this.#tell('np-module', { module: null });
    const field = place && fieldAt(this.outlook, place);
    this.spoken = field && place ? this.#said(place, field.members.length) : '';
    // The layer with the largest overlap is shown at once: whoever opens a field wants to see what is in it.
    const [first, ...others] = field?.members ?? [];
    if (first === undefined) return;
    const overlap = (at: number): number => this.outlook.modules[at]?.overlap ?? 0;
    this.#choose(others.reduce((most, at) => (overlap(at) > overlap(most) ? at : most), first));
  }

  /** Closes the field and moves the focus back to the map. */
  #close(): void {
    const options = asBefore(this);
    this.#open(null);
    this.map?.focus(options);
  }

  #said({ block, kind }: Place, layers: number): string {
    return `${inert(blockName(block), 60)}${shared.comma}${kind === null ? text.all : inert(kind, 24)}${shared.colon}${text.listed(layers)}`;
  }

  #choose(module: number): void {
    this.chosen = this.outlook.modules[module]?.name ?? null;
    this.#tell('np-module', { module });
  }

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
