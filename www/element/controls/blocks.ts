/** The strengths of the model's blocks, one by one: a table that is drawn only when opened. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { BlockStrength, PairFit, Role } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import { WHOLE, changed } from '../settings/block-strengths.ts';
import { count, inert } from '../words/format.ts';
import { muText } from '../words/mu.ts';
import { FIELD_STRENGTH } from '../words/limits.ts';
import { roleName, strengthLabel, text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';
import { MU, numbers, orNothing, Typing } from '../parts/typed.ts';

const STRENGTH = numbers(FIELD_STRENGTH);
/** The id of the one place where errors of all fields are shown, because the fields themselves are small. */
const SAID = 'refused';

export class Blocks extends LitElement {
  static override styles = [base, css`
    :host { display: block; min-width: 0; }
    details > summary { padding: 4px 0; width: max-content; max-width: 100%; }
    .bar { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; justify-content: space-between; font-size: var(--small); max-width: 560px; }
    .scroll { max-height: 320px; overflow: auto; border: 1px solid var(--line); border-radius: 8px; margin-top: 4px; max-width: 560px; }
    table { border-collapse: collapse; width: 100%; font-size: var(--small); font-variant-numeric: tabular-nums; }
    th, td { padding: 2px 8px; text-align: left; font-weight: 400; border-bottom: 1px solid var(--line); }
    tr:last-child > * { border-bottom: 0; }
    thead th { position: sticky; top: 0; z-index: 1; background: var(--surface); color: var(--muted); padding-block: 8px; }
    tbody th { white-space: nowrap; }
    tr.off th { color: var(--muted); text-decoration: line-through; }
    input[type='text'] { width: 72px; min-height: 28px; padding: 0 8px; }
    input[type='checkbox'] { width: 18px; height: 18px; margin: 4px 0; display: block; accent-color: var(--ink); }
    @container (max-width: 568px) { .modules { display: none; } th, td { padding: 2px 4px; } input[type='text'] { width: 54px; } }
  `];

  @property({ attribute: false }) blocks: PairFit['blocks'] = [];
  @property({ attribute: false }) strengths: Record<string, BlockStrength> = {};
  /** The general μ, which applies to blocks without one of their own. */
  @property({ type: Number }) mu = 0.5;
  /** The role of the only file; null if there are two. */
  @property({ attribute: false }) only: Role | null = null;
  @property({ type: Boolean }) disabled = false;
  @state() private opened = false;
  #typing = new Typing(this);

  override render(): TemplateResult | typeof nothing {
    if (this.blocks.length === 0) return nothing;
    const own = this.blocks.filter(({ label }) => Object.hasOwn(this.strengths, label)).length;
    return html`<details @toggle=${(event: Event) => { this.opened = (event.target as HTMLDetailsElement).open; }}>
      <summary>${text.blocks} <span class="muted small">${own > 0 ? text.blocksChanged(own) : text.allOn}</span></summary>
      ${this.opened ? this.#table(own) : nothing}
    </details>`;
  }

  #table(own: number): TemplateResult {
    const roles = this.only ? [this.only] : ROLES;
    return html`<div class="bar"><span class="muted">${text.blocksHint}</span>
        <button class="plain" type="button" ?disabled=${this.disabled} aria-disabled=${own > 0 ? nothing : 'true'}
          @click=${() => { if (own > 0) this.#send({}); }}>${text.resetBlocks}</button></div>
      <div class="scroll" role="group" aria-label=${text.blocks} tabindex=${this.disabled ? 0 : nothing}><table>
        <thead><tr><th scope="col">${text.block}</th><th scope="col" class="modules">${text.modules}</th><th scope="col">${text.on}</th>
          ${roles.map((role) => html`<th scope="col">${roleName[role]}</th>`)}${this.only ? nothing : html`<th scope="col">${text.ownMu}</th>`}</tr></thead>
        <tbody>${this.blocks.map(({ label, modules }, at) => this.#row(label, modules, roles, at))}</tbody>
      </table></div>${this.#typing.refusal(SAID)}`;
  }

  #row(label: string, modules: number, roles: readonly Role[], at: number): TemplateResult {
    const strength = this.strengths[label] ?? WHOLE;
    const on = roles.some((role) => strength[role] !== 0);
    const name = inert(label);
    return html`<tr class=${on ? '' : 'off'}>
      <th scope="row">${name}</th><td class="modules muted">${count(modules)}</td>
      <td><input type="checkbox" aria-label=${text.blockOn(name)} .checked=${on} ?disabled=${this.disabled}
        @change=${() => this.#set(label, { ...strength, ...(on ? { content: 0, style: 0 } : { content: 1, style: 1 }) })}></td>
      ${roles.map((role) => html`<td>${this.#typing.input({ id: `${role}-${at}`, value: strength[role], spelling: STRENGTH, said: SAID, disabled: this.disabled,
        name: text.blockStrength(strengthLabel[role], name), changed: (value) => this.#set(label, { ...strength, [role]: value }) })}</td>`)}
      ${this.only ? nothing : html`<td>${this.#typing.input({ id: `mu-${at}`, value: strength.mu, spelling: orNothing(MU, () => muText(this.mu)), said: SAID, disabled: this.disabled,
        name: text.blockMu(name), placeholder: muText(this.mu), changed: (mu) => this.#set(label, { ...strength, mu }) })}</td>`}
    </tr>`;
  }

  #set(label: string, strength: BlockStrength): void {
    this.#send(changed(this.strengths, [label], () => strength));
  }

  #send(blocks: Record<string, BlockStrength>): void {
    this.#typing.forget();
    this.dispatchEvent(new CustomEvent('np-blocks', { detail: blocks }));
  }
}
