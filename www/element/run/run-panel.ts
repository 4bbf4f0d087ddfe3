/** From Fuse to Save: one place that holds the button, then the progress, then the result or what went wrong. */

import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { BackendFound } from '../../core/protocol.ts';
import type { Problem, ResultChoice } from '../../core/types.ts';
import { breakable } from '../parts/name.ts';
import { Focus, notHeld } from '../parts/focus.ts';
import { bytes, inert, percentDone, seconds, wholePercent } from '../words/format.ts';
import { called } from '../words/language.ts';
import { doneWith } from '../words/made.ts';
import type { Action, ActionAt, Outcome, Running } from '../model.ts';
import type { Pick, ResultsView } from './results-view.ts';
import type { ResultView } from './result-view.ts';
import { Fetched, fetchResults } from '../lazy.ts';
import { text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

/** The share that must be done before the time left can be estimated. */
const ESTIMATE_FROM = 0.03;

function timeLeft({ progress, stageSince }: Running): string {
  if (!progress || progress.bytesTotal === 0) return '';
  const share = progress.bytesDone / progress.bytesTotal;
  if (share < ESTIMATE_FROM || share >= 1) return '';
  return text.timeLeft(seconds(((performance.now() - stageSince) / 1000) * (1 / share - 1)));
}

/** The current stage, in words. */
export function stageOf({ progress, converting, files, result }: Running): string {
  switch (progress?.stage) {
    case undefined: return text.starting;
    case 'verify': return text.checking;
    case 'measure': return text.measuring;
    default: return converting ? text.converting : files > 1 ? text.fusingFiles(files) : text.fusing[result];
  }
}

export class RunPanel extends LitElement {
  static override styles = [base, css`
    :host { display: block; }
    /* Fuse and the progress stay in reach on a small screen; a result is read from its top. */
    :host([stuck]) { position: sticky; bottom: 0; z-index: 1; padding: 16px 0 12px; background: linear-gradient(transparent, var(--page) 16px); }
    /* As where a page is shown four times as large: it would lie over a third of it. */
    @media (max-height: 400px) { :host([stuck]) { position: static; } }
    .stack { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
    .bar { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 16px; }
    .badge {
      display: inline-flex; align-items: center; gap: 8px; padding: 4px 12px; border: 1px solid var(--line); border-radius: 16px;
      font-size: var(--small); color: var(--muted); max-width: 100%; background: var(--surface);
    }
    .badge::before { content: ''; flex: none; width: 8px; height: 8px; border-radius: 50%; background: var(--edge); }
    .badge.webgpu::before { background: var(--good); }
    .figures { display: flex; flex-wrap: wrap; gap: 0 24px; font-size: var(--small); color: var(--muted); font-variant-numeric: tabular-nums; }
    .module { font-family: var(--mono); font-size: var(--tiny); color: var(--muted); min-height: 1.5em; }
    .stalled { color: var(--caution); font-size: var(--small); }
    .caution { color: var(--caution); }
    .primary { min-height: 48px; min-width: 144px; font-size: var(--large); }
    @container (max-width: 568px) {
      .bar { flex-wrap: nowrap; }
      .bar.offer { display: grid; grid-template-columns: minmax(max-content, 1fr) minmax(0, auto); gap: 8px 16px; }
      /* As wide as the other two make it. */
      .bar.offer .caution { grid-row: 1; grid-column: 1 / -1; width: 0; min-width: 100%; }
      .badge .stranger { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    }
    @media (forced-colors: active) { :host([stuck]) { background: Canvas; } }
  `];

  @property({ attribute: false }) running: Running | null = null;
  @property({ attribute: false }) outcomes: readonly Outcome[] = [];
  @property({ attribute: false }) problem: Problem | null = null;
  @property({ attribute: false }) backend: BackendFound | null = null;
  /** SHA-256 of a result, once it is known. */
  @property({ attribute: false }) hashOf: (file: File) => string | null = () => null;
  /** How many results have not been saved yet. */
  @property({ attribute: false }) unsaved = 0;
  /** The kind of result that a run would make of the pair. */
  @property({ attribute: false }) making: ResultChoice = 'fusion';
  /** The number of files that a run would make. */
  @property({ attribute: false }) files = 1;
  /** The bytes that a run would have to keep in memory, if that may be too much; else 0. */
  @property({ attribute: false }) heavy = 0;
  @property({ attribute: false }) notice = '';
  /** How saving ended. */
  @property({ attribute: false }) saved = '';
  @property({ type: Boolean }) ready = false;
  /** Whether there is a single file, which can be converted. */
  @property({ type: Boolean }) convertible = false;
  @property({ type: Boolean }) disabled = false;

  /** Whether the bar stays at the bottom of the window. */
  @property({ type: Boolean, reflect: true }) stuck = false;
  /** The index of the result that is looked at, if there are several. */
  @state() private looked: number | null = null;
  #results = new Fetched(this, fetchResults);

  constructor() {
    super();
    // The pressed button disappears when the state changes, so the focus moves to what replaces it.
    new Focus(this, (options) => {
      const result = this.renderRoot.querySelector<ResultView | ResultsView>('np-lora-results, np-lora-result');
      if (result) void result.updateComplete.then(() => result.focus());
      else this.renderRoot.querySelector<HTMLElement>('.lacking, .bar button')?.focus(options);
    });
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    this.stuck = !this.problem && (this.running !== null || (this.ready && this.outcomes.length === 0));
    if (this.outcomes.length < 2) this.looked = null;
    // Fetched long before there is a result; after a failure, tried again for the next pair and when a result is there.
    const { state } = this.#results;
    const isComing = this.ready || this.convertible || this.running !== null || this.outcomes.length > 0;
    if ((state === 'unasked' && isComing) || (state === 'failed' && ((changed.has('outcomes') && this.outcomes.length > 0) || (changed.has('ready') && this.ready)))) void this.#results.want();
  }

  override render(): TemplateResult {
    const { running, outcomes, problem } = this;
    const [outcome] = outcomes;
    return html`<div class="stack">
      ${problem ? html`<np-lora-problem exportparts="error" .problem=${problem}></np-lora-problem>` : nothing}
      ${running ? this.#progress(running) : nothing}
      ${!running && this.ready && (!outcome || outcome.stale) ? html`<div class="bar offer">
        <button class="primary" type="button" part="fuse" ?disabled=${this.disabled} @click=${() => this.#do('fuse')}>${this.making === 'fusion' ? text.fuseFiles(this.files) : text.fuse[this.making]}</button>
        ${this.#cautions()}${this.#badge()}
      </div>` : nothing}
      ${!running && this.convertible && (!outcome || outcome.stale) ? html`<div class="bar">
        <button type="button" part="convert" ?disabled=${this.disabled} @click=${() => this.#do('convert')}>${text.convert}</button>
        ${this.#cautions()}
      </div>` : nothing}
      ${running || !outcome ? nothing : this.#made()}
      ${this.notice ? html`<p class="small muted">${this.notice}</p>` : nothing}
    </div>`;
  }

  #made(): TemplateResult | typeof nothing {
    const { outcomes } = this;
    if (this.#results.state !== 'there') return this.#lacking(outcomes.length > 1 ? text.doneFiles(outcomes.length) : doneWith(outcomes[0]!.report));
    return html`${outcomes.length > 1 ? html`<np-lora-results exportparts="result, save" .outcomes=${outcomes} .looked=${this.looked} .unsaved=${this.unsaved} .notice=${this.saved}
        @np-pick=${({ detail: { what, at } }: CustomEvent<Pick>) => this.#pick(what, at)}></np-lora-results>` : nothing}
      ${this.#result(outcomes.length > 1 ? this.looked : 0)}`;
  }

  /** Shown when the view of the result has not been loaded: the result can be saved all the same. */
  #lacking(done: string): TemplateResult {
    const failed = this.#results.state === 'failed';
    return html`<section class="panel stack lacking" part="result" tabindex="-1" aria-label=${done}>
      <p role="status">${failed ? text.resultFailed + this.#results.hint : done}</p>
      <div class="bar">
        <button class="primary" type="button" part="save" @click=${() => this.#do(this.outcomes.length > 1 ? 'save-all' : 'save')}>${text.save}</button>
        ${failed ? html`<button type="button" @click=${() => this.#results.want()}>${text.tryAgain}</button>` : nothing}</div>
      ${this.saved ? html`<p class="small muted">${this.saved}</p>` : nothing}
    </section>`;
  }

  #result(at: number | null): TemplateResult | typeof nothing {
    const outcome = at === null ? undefined : this.outcomes[at];
    if (at === null || !outcome) return nothing;
    return html`<np-lora-result exportparts="result, save" .outcome=${outcome} .sha256=${this.hashOf(outcome.file)} ?among=${this.outcomes.length > 1} .unsaved=${this.unsaved} .notice=${this.outcomes.length > 1 ? '' : this.saved}
      @np-do=${(event: CustomEvent<Action>) => this.#do(event.detail, at)}></np-lora-result>`;
  }

  #pick(what: Pick['what'], at: number): void {
    if (what === 'look') this.looked = this.looked === at ? null : at;
    else this.#do(what, at);
  }

  #progress(running: Running): TemplateResult {
    const { progress, stalled } = running;
    return html`<section class="panel stack" aria-labelledby="stage" part="progress">
      <div class="bar"><h2 id="stage">${stageOf(running)}${progress ? html` <span class="muted">${wholePercent(percentDone(progress))}</span>` : nothing}</h2>
        <button type="button" @keydown=${notHeld} @click=${() => this.#do('cancel')}>${text.cancel}</button></div>
      <progress aria-labelledby="stage" max="100" .value=${progress ? percentDone(progress) : 0}></progress>
      ${progress ? html`<div>
        <div class="figures">
          <span>${text.modulesDone(progress.modulesDone, progress.modulesTotal)}</span>
          <span>${text.bytesDone(bytes(progress.bytesDone), bytes(progress.bytesTotal))}</span>
          <span>${timeLeft(running)}</span>
        </div>
        <p class="module stranger">${breakable(inert(progress.module))}</p>
      </div>` : nothing}
      ${stalled ? html`<p class="stalled">${text.stalled}</p>` : nothing}
    </section>`;
  }

  /** Warnings beside the button: unsaved results are lost with the next run, and memory may not suffice. */
  #cautions(): TemplateResult | typeof nothing {
    const cautions = [this.unsaved > 0 && text.replaces(this.unsaved), this.heavy > 0 && text.heavy(bytes(this.heavy))].filter((one) => one !== false);
    return cautions.length > 0 ? html`<span class="small caution">${cautions.join(text.gap)}</span>` : nothing;
  }

  #badge(): TemplateResult | typeof nothing {
    const { backend } = this;
    if (!backend) return nothing;
    const name = backend.backend === 'webgpu'
      ? `${text.backendName.webgpu}${backend.adapter ? ` · ${inert(backend.adapter, 60)}` : ''}`
      : text.backendName.cpu;
    const reason = inert(called(backend.reason), 300);
    return html`<span class="badge ${backend.backend}" part="backend" title=${reason}>
      <span class="stranger">${name}</span><span class="unseen">. ${reason}</span></span>`;
  }

  #do(action: Action, at = 0): void {
    this.dispatchEvent(new CustomEvent<ActionAt>('np-do', { detail: { action, at } }));
  }
}
