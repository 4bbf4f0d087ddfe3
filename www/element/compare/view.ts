/** The comparison of a third file with the pair: choosing or dropping it, comparing it, and the findings. */

import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { COUNTING } from '../../core/defaults.ts';
import { toProblem } from '../../core/problem.ts';
import type { Third } from '../../core/protocol.ts';
import type { BlockLikeness, Comparison, FileLink, ModuleLikeness, Problem, Progress, Settings, Target } from '../../core/types.ts';
import type { Compare } from './place.ts';
import { isConfig, readConfig } from '../desk/drop.ts';
import { chooser, chooserStyles, LORA_FILES } from '../parts/fields.ts';
import { named } from '../parts/name.ts';
import { Focus } from '../parts/focus.ts';
import { count, inert, percent, shareDone, small } from '../words/format.ts';
import { muText } from '../words/mu.ts';
import type { Table } from '../outlook/data.ts';
import { base } from '../parts/tokens.css.ts';
import { kindName, targetName, text } from './strings.ts';
import { remarks, sentences, strength } from './words.ts';

type State =
  | { is: 'empty' }
  | { is: 'running'; third: Third; progress: Progress | null }
  | { is: 'done'; third: Third; comparison: Comparison; settings: string }
  | { is: 'failed'; third: Third; problem: Problem };

const EMPTY: State = { is: 'empty' };

const counting = (settings: Settings | null): string => JSON.stringify(COUNTING.map((name) => settings?.[name]));

export class CompareView extends LitElement {
  static override styles = [base, chooserStyles, css`
    :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; min-width: 0; }
    .well { display: flex; flex-wrap: wrap; align-items: center; justify-content: center; gap: 8px 16px; padding: 24px 16px; border: 2px dashed var(--edge); border-radius: 8px; }
    .top { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 8px 16px; }
    .top > :first-child { min-width: 0; }
    .name { font-weight: 650; line-height: 1.35; }
    .lead { font-size: var(--large); }
    .notes { display: grid; gap: 4px; font-size: var(--small); color: var(--muted); margin-top: 8px; }
    .scroll { overflow: auto; border: 1px solid var(--line); border-radius: 8px; margin: 8px 0; }
    .blocks { max-height: 400px; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: var(--small); width: 100%; }
    th, td { padding: 8px; text-align: right; font-weight: 400; white-space: nowrap; }
    th:first-child { text-align: left; }
    thead th { position: sticky; top: 0; background: var(--surface); color: var(--muted); box-shadow: 0 1px var(--line); }
    tbody tr + tr > * { border-top: 1px solid var(--line); }
    tr.best > * { font-weight: 650; }
    summary { width: max-content; max-width: 100%; padding: 4px 0; }
    @container (max-width: 568px) { .lead { font-size: var(--rem); } th, td { padding: 8px 4px; font-size: var(--tiny); } tbody th { white-space: normal; min-width: 80px; } }
  `];

  @property({ attribute: false }) compare!: Compare;
  @property({ attribute: false }) settings: Settings | null = null;
  @property({ attribute: false }) contentFile: File | FileLink | null = null;
  @property({ attribute: false }) styleFile: File | FileLink | null = null;
  @property({ type: Boolean }) disabled = false;
  @state() private shown: State = EMPTY;
  @state() private notice: 'noFile' | 'configTooLarge' | null = null;
  #aborter = new AbortController();

  constructor() {
    super();
    new Focus(this, (options) => this.renderRoot.querySelector<HTMLElement>('.top button, #file')?.focus(options));
  }

  /** Compares the LoRA among some files, with the adapter_config.json that came with it. */
  async take(files: readonly File[]): Promise<void> {
    const file = files.find((one) => !isConfig(one));
    const config = files.find(isConfig);
    this.notice = file ? null : 'noFile';
    if (!file) return;
    const read = config && await readConfig(config).catch(() => null);
    if (config && !read) this.notice = 'configTooLarge';
    await this.#start({ file, config: read?.text ?? null });
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (this.hasUpdated && (changed.has('contentFile') || changed.has('styleFile'))) this.#drop();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    // If the element was only moved, it is back at once, and the comparison goes on.
    queueMicrotask(() => { if (!this.isConnected) this.#drop(); });
  }

  override render(): TemplateResult {
    return html`${this.#body(this.shown)}
      ${this.notice ? html`<p class="small muted">${text[this.notice]}</p>` : nothing}
      <p class="unseen" role="status">${[this.notice ? text[this.notice] : '', this.shown.is === 'done' ? sentences(this.shown.comparison) : ''].filter(Boolean).join(' ')}</p>`;
  }

  #body(shown: State): TemplateResult {
    switch (shown.is) {
      case 'empty':
        return html`<p class="muted">${text.intro}</p>
          <div class="well">${this.#chooser(text.choose, 'button')}<span class="small muted">${text.dropHere}</span></div>`;
      case 'running':
        return this.#running(shown.third, shown.progress);
      case 'failed':
        return html`${this.#top(shown.third)}<np-lora-problem .problem=${shown.problem}></np-lora-problem>`;
      case 'done':
        return html`${this.#top(shown.third)}${this.#found(shown.comparison)}
          ${counting(this.settings) === shown.settings ? nothing : html`<div class="row"><p class="small muted">${text.stale}</p>
            <button type="button" ?disabled=${this.disabled} @click=${() => void this.#start(shown.third)}>${text.again}</button></div>`}`;
    }
  }

  #top({ file }: Third): TemplateResult {
    return html`<div class="top"><p class="name stranger">${named(file.name)}</p>${this.#chooser(text.another, 'button')}</div>`;
  }

  #running({ file }: Third, progress: Progress | null): TemplateResult {
    return html`<div class="top"><p class="name stranger">${named(file.name)}</p>
        <button type="button" @click=${() => this.#drop()}>${text.cancel}</button></div>
      <div><p class="small muted" id="doing">${progress ? text.doing(progress.modulesDone, progress.modulesTotal) : text.waiting}</p>
      <progress aria-labelledby="doing" max="1" .value=${progress ? shareDone(progress) : 0}></progress></div>`;
  }

  #found(comparison: Comparison): TemplateResult {
    const { blocks, modules, targets } = comparison;
    return html`<div><p class="lead">${sentences(comparison)}</p>
        <ul class="notes">${remarks(comparison).map((note) => html`<li>${note}</li>`)}</ul></div>
      <div><h3>${text.targets}</h3>${this.#targets(comparison)}
        <p class="small muted">${text.hint}</p>
        <np-lora-data .label=${text.targetData} about=${text.distances} .of=${() => targetsTable(targets)}></np-lora-data></div>
      ${blocks.length > 1 ? html`<details><summary>${text.blocks}</summary>${this.#blocks(blocks)}</details>` : nothing}
      <np-lora-data .label=${text.allModules} about=${text.modules} .of=${() => modulesTable(modules)}></np-lora-data>`;
  }

  #targets({ targets }: Comparison): TemplateResult {
    return html`<div class="scroll" role="group" tabindex="0" aria-label=${text.distances}><table>
      <thead><tr>${[text.target, text.subject, text.style, text.mu, text.distance, text.left].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${targets.map(({ name, content, style, mu, distance, left }) => html`<tr class=${name === 'fusion' ? 'best' : ''}>
        <th scope="row">${targetName[name]}</th><td>${strength(content)}</td><td>${strength(style)}</td>
        <td>${name === 'fusion' ? orDash(mu, muText) : ''}</td><td>${orDash(distance, apart)}</td><td>${orDash(left, apart)}</td></tr>`)}</tbody>
    </table></div>`;
  }

  #blocks(blocks: readonly BlockLikeness[]): TemplateResult {
    const heads = [text.block, text.modules, text.subject, text.style, text.mu, text.left, text.share];
    return html`<div class="scroll blocks" role="group" tabindex="0" aria-label=${text.blocks}><table>
      <thead><tr>${heads.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${blocks.map(({ label, modules, content, style, mu, residual, share }) => html`<tr>
        <th scope="row" class="stranger">${label ? inert(label, 60) : text.noBlock}</th><td>${count(modules)}</td><td>${strength(content)}</td>
        <td>${strength(style)}</td><td>${orDash(mu, muText)}</td><td>${apart(residual)}</td><td>${percent(share)}</td></tr>`)}</tbody>
    </table></div>`;
  }

  #chooser(label: string, look: string): TemplateResult {
    return chooser({ id: 'file', label, name: `${label}: ${text.file}`, look, accept: LORA_FILES, multiple: true, disabled: this.disabled, chosen: (_, files) => void this.take(files) });
  }

  #drop(): void {
    this.#aborter.abort();
    this.shown = EMPTY;
  }

  async #start(third: Third): Promise<void> {
    this.#aborter.abort();
    const { signal } = (this.#aborter = new AbortController());
    const settings = counting(this.settings);
    this.shown = { is: 'running', third, progress: null };
    for (;;) {
      try {
        const comparison = await this.compare(third, signal, (progress) => {
          if (!signal.aborted) this.shown = { is: 'running', third, progress };
        });
        if (!signal.aborted) this.shown = { is: 'done', third, comparison, settings };
        return;
      } catch (thrown) {
        if (signal.aborted) return;
        // A run needed the machine; asked again, the comparison is made when the run is over.
        const problem = toProblem(thrown);
        if (problem.code === 'E_ABORTED') continue;
        this.shown = { is: 'failed', third, problem };
        return;
      }
    }
  }
}

/** A distance with no more digits than are meaningful: below one part in ten million there is only rounding. */
const apart = (value: number): string => (value < 1e-7 ? '0' : small(Number(value.toPrecision(5))));

const orDash = (value: number | null, show: (value: number) => string): string => (value === null ? '–' : show(value));

const targetsTable = (targets: readonly Target[]): Table => ({
  file: 'np-lora-distances',
  columns: [
    { key: 'target', name: text.target }, { key: 'content', name: text.subject }, { key: 'style', name: text.style }, { key: 'mu', name: text.mu },
    { key: 'distance', name: text.distance }, { key: 'left', name: text.left },
  ],
  rows: targets.map(({ name, content, style, mu, distance, left }) => [targetName[name], content, style, mu, distance, left]),
});

const modulesTable = (modules: readonly ModuleLikeness[]): Table => ({
  file: 'np-lora-comparison',
  columns: [
    { key: 'name', name: text.layer }, { key: 'block', name: text.block }, { key: 'found', name: text.found }, { key: 'kind', name: text.kind },
    { key: 'content', name: text.subject }, { key: 'style', name: text.style }, { key: 'mu', name: text.mu }, { key: 'residual', name: text.left },
    { key: 'neither', name: text.neither }, { key: 'toContent', name: text.toSubject }, { key: 'toStyle', name: text.toStyle },
    { key: 'toSum', name: text.toSum }, { key: 'share', name: text.share },
  ],
  rows: modules.map((of) => [
    of.name, of.block, of.found ? text.yes : text.no, kindName[of.kind], of.content, of.style, of.mu, of.residual, of.neither, of.toContent, of.toStyle,
    of.toSum, of.share,
  ]),
});
