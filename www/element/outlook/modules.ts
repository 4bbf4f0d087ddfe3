/** The layers of one field of the map; a person chooses one to see its singular values. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { ModuleOutlook, Outlook } from '../../core/types.ts';
import { count, inert } from '../words/format.ts';
import { base } from '../parts/tokens.css.ts';
import { isShare, type Table } from './data.ts';
import { factor, inWords } from './figures.ts';
import { column, text } from './strings.ts';

/** The most layers to list; nobody reads more, and the data has them all. */
const SHOWN = 200;

export class Modules extends LitElement {
  static override styles = [base, css`
    :host { display: block; min-width: 0; }
    .list { max-height: min(400px, 60vh); overflow: auto; display: grid; gap: 4px; padding: 4px; border: 1px solid var(--line); border-radius: 8px; }
    button { display: grid; gap: 4px; width: 100%; min-height: 0; padding: 8px; text-align: left; justify-content: start; border-color: var(--line); font-weight: 400; white-space: normal; background: none; }
    button[aria-pressed='true'] { background: var(--sunken); border-color: var(--edge); }
    .name { font-family: var(--mono); font-size: var(--tiny); line-height: 1.35; font-weight: 550; }
    .figures { font-size: var(--tiny); line-height: 1.35; color: var(--muted); }
    button[aria-pressed='true'] .name { text-decoration: underline; text-underline-offset: 3px; }
    .more { padding: 8px; font-size: var(--small); }
    :focus-visible { outline-offset: -2px; }
  `];

  @property({ attribute: false }) outlook: Outlook | null = null;
  /** Indices in the outlook's modules. */
  @property({ attribute: false }) members: readonly number[] = [];
  @property({ attribute: false }) chosen: string | null = null;

  override render(): TemplateResult | typeof nothing {
    const { outlook, members } = this;
    if (!outlook) return nothing;
    return html`<ul class="list">
      ${members.slice(0, SHOWN).map((index) => this.#item(index, outlook.modules[index]))}
      ${members.length > SHOWN ? html`<li class="more muted">${text.moreInData(members.length - SHOWN)}</li>` : nothing}
    </ul>`;
  }

  #item(index: number, module: ModuleOutlook | undefined): TemplateResult | typeof nothing {
    if (!module) return nothing;
    const { name, outFeatures, inFeatures, contentRank, styleRank, effectiveRank } = module;
    return html`<li><button type="button" aria-pressed=${name === this.chosen ? 'true' : 'false'} @click=${() => this.#choose(index)}>
      <span class="name stranger">${inert(name)}</span>
      <span class="figures">${inWords(module)}</span>
      <span class="figures">${count(outFeatures)} × ${count(inFeatures)} · ${text.ranks(contentRank, styleRank)}
        · k ${count(module.protected)} · ${text.effective(factor(effectiveRank))}</span>
    </button></li>`;
  }

  #choose(module: number): void {
    this.dispatchEvent(new CustomEvent('np-module', { detail: { module } }));
  }
}

const columns = () => [
  ['name', column.layer], ['block', text.block], ['kind', column.kind], ['outFeatures', column.outputs], ['inFeatures', column.inputs],
  ['contentRank', column.contentRank], ['styleRank', column.styleRank], ['protected', 'k'], ['effectiveRank', column.effectiveRank],
  ['overlap', column.overlap], ['chance', column.chance], ['contentKept', text.kept], ['change', text.change],
  ['contentNorm', column.contentSize], ['styleNorm', column.styleSize],
] as const;

export const layersTable = ({ modules }: Outlook): Table => ({
  file: 'np-lora-layers',
  columns: columns().map(([key, name]) => ({ key, name, share: isShare(key) })),
  rows: modules.map((module) => columns().map(([key]) => module[key])),
});
