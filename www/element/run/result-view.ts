/** A verified result: what was done with every module, how exact it is, and the file. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { Report, Spread } from '../../core/types.ts';
import { breakable, named } from '../parts/name.ts';
import { autoV2, autoV3, bytes, count, inert, percent, seconds, small } from '../words/format.ts';
import { muText, removed, STOPS } from '../words/mu.ts';
import { called } from '../words/language.ts';
import { doneWith, madeWith } from '../words/made.ts';
import { hasLeftOut } from '../files/left-out.ts';
import { isConversion, type Action, type Outcome } from '../model.ts';
import { partOf, text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

export class ResultView extends LitElement {
  static override styles = [base, css`
    :host { display: block; }
    .panel { display: grid; grid-template-columns: minmax(0, 1fr); gap: 24px; padding-block: 24px; border-left: 4px solid var(--good); }
    h2 { display: flex; align-items: center; gap: 8px; }
    h2 svg { flex: none; width: 20px; height: 20px; stroke: var(--good); fill: none; stroke-width: 2.5; }
    .lead { font-size: var(--large); }
    .lead strong { color: var(--overlap); }
    .account { display: flex; flex-wrap: wrap; gap: 8px 32px; }
    .account div { display: flex; align-items: baseline; gap: 8px; flex-direction: row-reverse; }
    .account dd { white-space: nowrap; font-size: calc(1.5 * var(--rem)); font-weight: 650; line-height: 1.3; font-variant-numeric: tabular-nums; }
    .account dt { color: var(--muted); font-size: var(--small); }
    table { width: 100%; border-collapse: collapse; font-size: var(--small); }
    th, td { text-align: left; padding: 8px 16px 8px 0; border-bottom: 1px solid var(--line); vertical-align: top; font-weight: 400; font-variant-numeric: tabular-nums; }
    thead th { color: var(--muted); padding-top: 0; }
    td.module { font-family: var(--mono); font-size: var(--tiny); color: var(--muted); padding-right: 0; }
    td.number { white-space: nowrap; }
    .use { display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; }
    .use table { width: auto; justify-self: start; }
    .use :is(th, td) { padding-block: 4px; }
    .file { display: grid; gap: 4px; }
    .file .name { font-weight: 650; }
    .sum { font-family: var(--mono); font-size: var(--tiny); }
    .stale { color: var(--caution); font-size: var(--small); }
    @container (max-width: 568px) {
      .row button.primary { width: 100%; }
      .module-head { display: none; }
      table.figures tr { display: grid; grid-template-columns: 2fr 1fr 1fr; border-bottom: 1px solid var(--line); }
      table.figures :is(th, td) { border: 0; }
      table.figures td.number { padding-bottom: 0; }
      table.figures td.module { grid-column: 2 / -1; padding: 0 0 8px; }
    }
    /* Also where letters are large: what a row is of stands above its numbers. */
    @container (max-width: 26em) {
      table.figures tr { grid-template-columns: 1fr 1fr; }
      table.figures :is(th, td) { padding: 0 0 8px; }
      table.figures th:first-child { grid-column: 1 / -1; padding: 8px 0 0; }
      table.figures td.module { grid-column: 1 / -1; }
    }
  `];

  @property({ attribute: false }) outcome!: Outcome;
  /** SHA-256 of the whole file, once it is known. */
  @property({ attribute: false }) sha256: string | null = null;
  /** How many results have not been saved yet. */
  @property({ attribute: false }) unsaved = 0;
  /** How saving it ended. */
  @property({ attribute: false }) notice = '';
  /** Whether it is one of several results, which are listed above. */
  @property({ type: Boolean }) among = false;

  override focus(): void {
    this.renderRoot.querySelector<HTMLElement>('h2')?.focus();
    this.scrollIntoView({ block: 'nearest' });
  }

  override render(): TemplateResult {
    const { report, file, warnings, stale } = this.outcome;
    const converted = isConversion(report);
    const overlap = report.settings.result === 'overlap';
    const cut = report.energyKept.result && text.resultIsCut(percent(report.energyKept.result.whole));
    const words = report.triggerWords.map((word) => inert(word));
    return html`<section class="panel" aria-labelledby="title" part="result">
      <div>
        <h2 id="title" tabindex="-1"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="m4 10.5 4 4 8-9" /></svg>${doneWith(report)}</h2>
        ${this.among ? html`<p class="stranger">${named(file.name)}</p>` : html`<p class="small muted">${text.doneHint}</p>`}
        ${stale && !this.among ? html`<p class="stale">${stale === 'files' ? text.staleFiles : text.stale}</p>` : nothing}
      </div>
      ${converted ? nothing : overlap ? this.#use(report) : html`<p class="lead">${text.changed.before}<strong>${percent(report.change)}</strong>${text.changed.after}${report.change === 0 ? text.plainAddition : text.subjectIsKept(percent(report.contentKept))}${cut ? text.gap + cut : nothing}</p>`}
      ${cut && (converted || overlap) ? html`<p class="lead">${cut}</p>` : nothing}
      ${warnings.length > 0 ? html`<div class="warnings">${warnings.map((warning) =>
        html`<np-lora-problem warning .problem=${warning}></np-lora-problem>`)}</div>` : nothing}
      <div class="file">
        <p class="name stranger">${named(file.name)}</p>
        <p class="small muted">${this.#written(report)}
          · ${text.took[converted ? 'conversion' : report.settings.result](seconds(report.secondsFusing), seconds(report.secondsVerifying))}${text.computedOn}<span title=${inert(called(report.backendReason), 300)}>${report.backend === 'webgpu' ? text.backendName.webgpu : text.backendName.cpu}${
            report.backend === 'webgpu' && report.adapter ? ` (${inert(report.adapter, 60)})` : ''}</span></p>
        ${words.length > 0 ? html`<p class="small">${text.triggerWords}${text.colon}<strong class="stranger">${words.join(', ')}</strong></p>` : nothing}
        ${overlap ? nothing : html`<p class="small muted">${text.loadHint}</p>`}
      </div>
      <div class="row">
        <button class=${stale ? '' : 'primary'} type="button" part="save" @click=${() => this.#do('save')}>${text.save}</button>
        <button type="button" @click=${() => this.#do('save-report')}>${text.saveReport}</button>
        ${this.among ? nothing : html`<np-lora-start-over .unsaved=${this.unsaved} @np-reset=${() => this.#do('reset')}></np-lora-start-over>`}
      </div>
      ${this.notice ? html`<p class="small muted">${this.notice}</p>` : nothing}
      <dl class="account">
        ${converted ? this.#count(report.passedContent + report.passedStyle, text.countConverted) : overlap ? this.#count(report.fused, text.countInBoth) : html`
          ${this.#count(report.fused, text.countFused)}
          ${this.#count(report.passedContent, text.countFromSubject)}
          ${this.#count(report.passedStyle, text.countFromStyle)}`}
        ${report.vectors > 0 ? this.#count(report.vectors, converted ? text.countVectors : text.countVectorsAdded) : nothing}
        ${report.refused.length > 0 ? this.#count(report.refused.length, text.countRefused) : nothing}
      </dl>
      ${this.#figures(report)}
      ${hasLeftOut(report) ? html`<np-lora-left-out .of=${report}></np-lora-left-out>` : nothing}
      <p class="sum muted stranger">${text.autoV3} ${inert(autoV3(report.modelHash))}
          · ${text.autoV2} ${this.sha256 === null ? text.hashing : html`${autoV2(this.sha256)} · SHA-256 ${this.sha256}`}</p>
    </section>`;
  }

  /** What an overlap is, and how to use it. */
  #use(report: Report): TemplateResult {
    // Written with a hyphen, which strength fields can read when it is pasted there.
    const strength = (at: number): string => String(Number((0 - removed(at)).toFixed(2)));
    return html`<div class="use">
      <p class="lead">${text.overlaps.before}<strong>${percent(report.contentKept)}</strong>${text.overlaps.after}</p>
      <p>${text.overlapUse}</p>
      <table>
        <thead><tr><th scope="col">μ</th><th scope="col">${text.overlapStrength}</th></tr></thead>
        <tbody>${STOPS.map((stop) => html`<tr><th scope="row">${muText(stop)}</th><td class="number">${strength(stop)}</td></tr>`)}</tbody>
      </table>
    </div>`;
  }

  #written(report: Report): string {
    const known = [report.family, report.scheme].filter((one) => one !== null).map((one) => inert(called(one)));
    const { settings } = report;
    const made = isConversion(report) || settings.result === 'overlap' ? [] : madeWith(settings);
    return [bytes(report.outputBytes), ...known, text.rankIs(count(report.rank)), inert(report.dtype), ...made].join(' · ');
  }

  #count(value: number, what: string): TemplateResult {
    return html`<div><dt>${what}</dt><dd>${count(value)}</dd></div>`;
  }

  #figures(report: Report): TemplateResult | typeof nothing {
    const rows: [string, Spread | null, (share: number) => string][] = [
      [text.overlapOfSubject, report.overlap, percent],
      // Left out if nothing was rounded because all values kept their bits.
      [text.rounding, report.rounding?.worst ? report.rounding : null, small],
      // For an overlap this equals the row above.
      [text.roundingOfChange, report.settings.result === 'overlap' ? null : report.roundingOfChange, small],
      ...(['content', 'style', 'result'] as const).map((part): [string, Spread | null, typeof percent] =>
        [text.energyKept(partOf[part]), report.energyKept[part], percent]),
    ];
    const known = rows.filter((row): row is [string, Spread, (share: number) => string] => row[1] !== null);
    if (known.length === 0) return nothing;
    return html`<table class="figures">
      <thead><tr><th scope="col">${text.overModules}</th><th scope="col">${text.median}</th>
        <th scope="col">${text.worst}</th><th scope="col" class="module-head">${text.worstModule}</th></tr></thead>
      <tbody>${known.map(([name, spread, show]) => html`<tr><th scope="row">${name}</th>
        <td class="number">${show(spread.median)}</td><td class="number">${show(spread.worst)}</td>
        <td class="module stranger">${breakable(inert(spread.worstModule))}</td></tr>`)}</tbody>
    </table>`;
  }

  #do(action: Action): void {
    this.dispatchEvent(new CustomEvent<Action>('np-do', { detail: action }));
  }
}
