/** Several verified files: their differences, with buttons to look at each of them and to save them. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import { named } from '../parts/name.ts';
import { bytes, percent, seconds } from '../words/format.ts';
import { muText } from '../words/mu.ts';
import { warningsOf, type Outcome } from '../model.ts';
import { text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

/** What a person wants done with one of the files, or with all. */
export interface Pick {
  what: 'save' | 'look' | 'save-all' | 'reset';
  at: number;
}

/** Sends `np-pick` {@link Pick}. */
export class ResultsView extends LitElement {
  static override styles = [base, css`
    :host { display: block; }
    .panel { display: grid; grid-template-columns: minmax(0, 1fr); gap: 24px; padding-block: 24px; border-left: 4px solid var(--good); }
    h2 { display: flex; align-items: center; gap: 8px; }
    h2 svg { flex: none; width: 20px; height: 20px; stroke: var(--good); fill: none; stroke-width: 2.5; }
    .stale { color: var(--caution); font-size: var(--small); }
    ul { list-style: none; margin: 0; padding: 0; }
    li { display: flex; flex-wrap: wrap; gap: 4px 24px; align-items: center; padding: 12px 0; border-top: 1px solid var(--line); }
    .name { flex: 1 1 calc(14 * var(--rem)); font-weight: 650; overflow-wrap: anywhere; }
    dl { display: grid; grid-template-columns: calc(2.75 * var(--rem)) calc(5 * var(--rem)) calc(7 * var(--rem)) calc(4.5 * var(--rem)); gap: 8px; margin: 0; }
    dt { color: var(--muted); font-size: var(--small); }
    dd { margin: 0; font-variant-numeric: tabular-nums; }
    li .row { flex-wrap: nowrap; margin-left: auto; }
    @container (max-width: 752px) { .name { flex-basis: 100%; } }
    @container (max-width: 568px) {
      li { gap: 8px; }
      dl, li .row { flex: 1 1 100%; }
      dl { grid-template-columns: 1fr 1.5fr 1.5fr 1.2fr; }
      li .row button, .all button.primary { flex: 1; }
    }
  `];

  @property({ attribute: false }) outcomes!: readonly Outcome[];
  /** How many of the results have not been saved yet. */
  @property({ attribute: false }) unsaved = 0;
  /** How saving ended. */
  @property({ attribute: false }) notice = '';
  /** The index of the result whose details are shown below. */
  @property({ attribute: false }) looked: number | null = null;

  override focus(): void {
    this.renderRoot.querySelector<HTMLElement>('h2')?.focus();
    this.scrollIntoView({ block: 'nearest' });
  }

  override render(): TemplateResult | typeof nothing {
    const [first] = this.outcomes;
    if (!first) return nothing;
    const warnings = warningsOf(this.outcomes.map(({ warnings }) => warnings));
    const { secondsFusing, secondsVerifying } = first.report;
    return html`<section class="panel" aria-labelledby="title" part="result">
      <div>
        <h2 id="title" tabindex="-1"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="m4 10.5 4 4 8-9" /></svg>${text.doneFiles(this.outcomes.length)}</h2>
        <p class="small muted">${text.doneFilesHint}</p>
        ${first.stale ? html`<p class="stale">${first.stale === 'files' ? text.staleFiles : text.stale}</p>` : nothing}
      </div>
      <ul>${this.outcomes.map((outcome, at) => this.#one(outcome, at))}</ul>
      ${warnings.length > 0 ? html`<div class="warnings">${warnings.map((warning) =>
        html`<np-lora-problem warning .problem=${warning}></np-lora-problem>`)}</div>` : nothing}
      <p class="small muted">${text.tookAll(seconds(secondsFusing), seconds(secondsVerifying))}</p>
      <div class="row all">
        <button class="primary" type="button" part="save" @click=${() => this.#say('save-all', 0)}>${text.saveAll}</button>
        <np-lora-start-over .unsaved=${this.unsaved} @np-reset=${() => this.#say('reset', 0)}></np-lora-start-over>
      </div>
      ${this.notice ? html`<p class="small muted">${this.notice}</p>` : nothing}
    </section>`;
  }

  #one({ file, report }: Outcome, at: number): TemplateResult {
    const figures: [string, string][] = [
      ['μ', muText(report.settings.mu)], [text.changes, percent(report.change)], [text.subjectKept, percent(report.contentKept)],
      [text.size, bytes(report.outputBytes)],
    ];
    const looked = this.looked === at;
    return html`<li>
      <span class="name stranger">${named(file.name)}</span>
      <dl>${figures.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>
      <div class="row">
        <button type="button" aria-pressed=${looked} aria-label="${text.details}: ${file.name}" @click=${() => this.#say('look', at)}>${text.details}</button>
        <button type="button" aria-label="${text.save} ${file.name}" @click=${() => this.#say('save', at)}>${text.save}</button>
      </div>
    </li>`;
  }

  #say(what: Pick['what'], at: number): void {
    this.dispatchEvent(new CustomEvent<Pick>('np-pick', { detail: { what, at } }));
  }
}
