/** Lists what is left out of the result, module by module with the reasons, and what becomes of every tensor. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { Refusal, Role, Tensors } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import { count, inert } from '../words/format.ts';
import { called } from '../words/language.ts';
import { roleName, text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

/** The fields shown here, which `PairFit` and `Report` have in common. */
interface Accounting {
  contentTensors: Tensors;
  styleTensors: Tensors;
  refused: Refusal[];
}

/** Whether anything is left out. */
export const hasLeftOut = ({ refused, contentTensors, styleTensors }: Accounting): boolean =>
  refused.length > 0 || countLeftOut(contentTensors) + countLeftOut(styleTensors) > 0;

const countLeftOut = ({ outside, refused, leftOut }: Tensors): number => outside + refused + leftOut;

const OF = { content: 'contentTensors', style: 'styleTensors' } as const;
const COLUMNS = [
  ['total', 'tensorsTotal'], ['fused', 'tensorsFused'], ['passed', 'tensorsPassed'], ['outside', 'tensorsOutside'],
  ['refused', 'tensorsRefused'], ['leftOut', 'tensorsLeftOut'],
] as const satisfies [keyof Tensors, keyof typeof text][];
/** The most refused modules to list; more would tell nothing new. */
const SHOWN = 500;

export class LeftOut extends LitElement {
  static override styles = [base, css`
    :host { display: block; min-width: 0; font-size: var(--small); }
    summary { padding: 4px 0; width: max-content; max-width: 100%; }
    summary strong { color: var(--caution); }
    .inner { display: grid; gap: 12px; padding-top: 4px; min-width: 0; }
    .list { display: grid; gap: 8px; max-height: 224px; overflow: auto; padding: 8px 12px; border-radius: 8px; background: var(--sunken); }
    .module { font-family: var(--mono); font-size: var(--tiny); }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    th, td { padding: 4px 16px 4px 0; text-align: left; font-weight: 400; }
    td { text-align: right; }
    thead th { color: var(--muted); }
    @container (max-width: 568px) { th, td { padding-right: 8px; } }
  `];

  @property({ attribute: false }) of: Accounting | null = null;
  @state() private opened = false;

  override render(): TemplateResult | typeof nothing {
    if (!this.of || !hasLeftOut(this.of)) return nothing;
    const { refused, contentTensors, styleTensors } = this.of;
    const tensors = countLeftOut(contentTensors) + countLeftOut(styleTensors);
    const modules = refused.length > 0 ? `${text.comma}${text.modulesRefused(refused.length)}` : '';
    return html`<details @toggle=${(event: Event) => { this.opened = (event.target as HTMLDetailsElement).open; }}>
      <summary>${text.leftOutTitle} <strong>${text.tensorsOf(tensors)}${modules}</strong></summary>
      ${this.opened ? html`<div class="inner">${refused.length > 0 ? this.#list(refused) : nothing}${this.#table(this.of)}</div>` : nothing}
    </details>`;
  }

  #list(refused: Refusal[]): TemplateResult {
    return html`<ul class="list" tabindex="0" aria-label=${text.leftOutTitle}>
      ${refused.slice(0, SHOWN).map(({ file, module, why, tensors }) => html`<li>
        <span class="module stranger">${inert(module)}</span> <span class="muted">${text.tensorsIn(tensors)} <span class="stranger">${inert(file, 60)}</span></span><br>
        ${inert(called(why), 300)}</li>`)}
      ${refused.length > SHOWN ? html`<li class="muted">${text.more(refused.length - SHOWN)}</li>` : nothing}
    </ul>`;
  }

  #table(of: Accounting): TemplateResult {
    const files: Role[] = ROLES.filter((role) => of[OF[role]].total > 0);
    return html`<div class="scroll"><table>
      <thead><tr><th scope="col">${text.everyTensor}</th>${files.map((role) => html`<th scope="col">${roleName[role]}</th>`)}</tr></thead>
      <tbody>${COLUMNS.filter(([key]) => key !== 'outside' || files.some((role) => of[OF[role]].outside > 0)).map(([key, name]) => html`<tr><th scope="row">${text[name]}</th>
        ${files.map((role) => html`<td>${count(of[OF[role]][key])}</td>`)}</tr>`)}</tbody>
    </table></div>`;
  }
}
