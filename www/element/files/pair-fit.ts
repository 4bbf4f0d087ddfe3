/** How the two files fit: a bar of module counts, the lists behind it, and what the result will be; for a single file only the last. */

import { LitElement, css, html, nothing, svg, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { PairFit, ResultChoice } from '../../core/types.ts';
import { bytes, count, inert } from '../words/format.ts';
import { called } from '../words/language.ts';
import { hasLeftOut } from './left-out.ts';
import { text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

type Part = 'contentOnly' | 'shared' | 'styleOnly';
const PARTS: { part: Part; hint: Record<ResultChoice, string> }[] = [
  { part: 'contentOnly', hint: text.onlyHint }, { part: 'shared', hint: text.sharedHint }, { part: 'styleOnly', hint: text.onlyHint },
];

export class PairFitView extends LitElement {
  static override styles = [base, css`
    :host { display: block; }
    .top { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 0 16px; margin-bottom: 8px; }
    svg { display: block; width: 100%; height: 16px; border-radius: 8px; forced-color-adjust: none; }
    .contentOnly { fill: var(--subject); } .styleOnly { fill: var(--style); } .shared { fill: url(#stripes); }
    .parts { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px 24px; margin-top: 4px; }
    .dot { display: inline-block; width: 12px; height: 12px; border-radius: 3px; vertical-align: -1px; margin-right: 4px; forced-color-adjust: none; }
    .dot.contentOnly { background: var(--subject); } .dot.styleOnly { background: var(--style); } .dot.shared { background: var(--stripes); }
    details { min-width: 0; font-size: var(--small); }
    summary { padding: 4px 0; }
    .list { max-height: 192px; overflow: auto; margin-top: 4px; padding: 8px; border-radius: 8px; background: var(--sunken); font-family: var(--mono); font-size: var(--tiny); }
    .same { margin-top: 12px; padding-left: 12px; border-left: 3px solid var(--caution); color: var(--caution); font-weight: 650; }
    .warnings { margin-top: 16px; }
    np-lora-left-out { margin-top: 4px; }
    @container (max-width: 568px) { .parts { grid-template-columns: 1fr; gap: 0; } }
  `];

  @property({ attribute: false }) fit: PairFit | null = null;
  /** Whether there is a single file, to be converted; this is then drawn inside another panel. */
  @property({ type: Boolean }) single = false;
  @property({ attribute: false }) result: ResultChoice = 'fusion';
  /** Whether both files have the same bytes. */
  @property({ type: Boolean }) same = false;
  /** Whether rank and size are upper bounds, because the result depends on the files' values. */
  @property({ type: Boolean }) bound = false;
  @state() private opened: Partial<Record<Part, boolean>> = {};

  override render(): TemplateResult | typeof nothing {
    const { fit } = this;
    if (!fit) return nothing;
    const comments = html`${hasLeftOut(fit) ? html`<np-lora-left-out .of=${fit}></np-lora-left-out>` : nothing}
      ${fit.warnings.length > 0 ? html`<div class="warnings">${fit.warnings.map((warning) =>
        html`<np-lora-problem warning .problem=${warning}></np-lora-problem>`)}</div>` : nothing}`;
    if (this.single) {
      return html`<section aria-label=${text.willBeWritten} part="pair-fit">
        <p class="small">${text.willBeWritten}${text.colon}<span class="muted">${this.#written(fit)}</span></p>${comments}</section>`;
    }
    return html`<section class="panel" aria-labelledby="title" part="pair-fit">
      <div class="top">
        <h2 id="title">${text.fit}</h2>
        <p class="small">${text.willBeWritten}${text.colon}<span class="muted">${this.#written(fit)}</span></p>
      </div>
      ${this.#parts(fit)}
      ${this.same ? html`<p class="same small" role="status">${text.sameFile}</p>` : nothing}
      ${comments}
    </section>`;
  }

  #written(fit: PairFit): string {
    const known = [fit.family, fit.scheme?.name].filter((one) => one !== null && one !== undefined).map((one) => inert(called(one)));
    const most = this.bound ? text.atMost : (what: string) => what;
    return [
      ...known, ...(this.single ? [text.modulesOf(fit.outputModules)] : []),
      ...(fit.vectors > 0 ? [text.vectorsOf(fit.vectors)] : []),
      most(text.rankIs(count(fit.rank))), ...(fit.cut > 0 ? [text.cutOf(fit.cut)] : []), inert(fit.dtype), most(bytes(fit.outputBytes)),
    ].join(' · ');
  }

  #parts(fit: PairFit): TemplateResult {
    return html`${this.#bar(fit)}
      <div class="parts">${PARTS.map(({ part, hint }) => html`
        <details @toggle=${(event: Event) => this.#toggle(part, event)}>
          <summary><span class="dot ${part}"></span>${text[part]} <strong>${count(fit[part].length)}</strong> <span class="muted">${hint[this.result]}</span></summary>
          ${this.opened[part] ? this.#list(text[part], fit[part]) : nothing}
        </details>`)}
      </div>`;
  }

  // The summaries below give the same numbers, so the picture is hidden from screen readers.
  #bar(fit: PairFit): TemplateResult {
    const total = PARTS.reduce((sum, { part }) => sum + fit[part].length, 0) || 1;
    let at = 0;
    return html`<svg aria-hidden="true">
      <defs><pattern id="stripes" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect class="styleOnly" width="8" height="8" /><rect class="contentOnly" width="4" height="8" />
      </pattern></defs>
      ${PARTS.map(({ part }) => {
        const width = (fit[part].length / total) * 100;
        const x = at;
        at += width;
        return svg`<rect class=${part} x="${x}%" width="${width}%" height="100%" />`;
      })}
    </svg>`;
  }

  #list(name: string, modules: string[]): TemplateResult {
    return html`<ul class="list" tabindex="0" aria-label=${name}>
      ${modules.length === 0 ? html`<li>${text.noModules}</li>` : modules.map((module) => html`<li class="stranger">${inert(module)}</li>`)}
    </ul>`;
  }

  // Lists of a thousand names are drawn only when opened.
  #toggle(part: Part, event: Event): void {
    this.opened = { ...this.opened, [part]: (event.target as HTMLDetailsElement).open };
  }
}
