/** The brush for single blocks, and the common choices of blocks: folded away at the map, whose rows are the blocks. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { keyed } from 'lit/directives/keyed.js';
import type { PairFit, Role } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import { changed, fromNumbers, WHOLE, type Blocks } from '../settings/block-strengths.ts';
import { fieldStyles } from '../parts/fields.ts';
import { inert } from '../words/format.ts';
import { called } from '../words/language.ts';
import { FIELD_STRENGTH } from '../words/limits.ts';
import { base } from '../parts/tokens.css.ts';
import { MU, numbers, orNothing, Typing } from '../parts/typed.ts';
import { brushText as text, presetLabel, pasteLabel } from './strings.ts';

/** What a stroke sets; for μ, null means the general one. */
export type Brush = { of: Role; value: number } | { of: 'mu'; value: number | null };

type BlockList = Pick<PairFit, 'blocks' | 'presets' | 'orders'>;

export interface BlocksChange {
  blocks: Blocks;
  committed: boolean;
}

/** The value that each kind of brush starts with. */
const FIRST: Record<Brush['of'], Brush> = { content: { of: 'content', value: 0 }, style: { of: 'style', value: 0 }, mu: { of: 'mu', value: Infinity } };
const STRENGTH = numbers(FIELD_STRENGTH);
const OWN = 'own';
const ALL = 'all';

/** Sends `np-brush` {Brush | null} and `np-blocks` {BlocksChange}. */
export class BrushBar extends LitElement {
  static override styles = [base, fieldStyles, css`
    :host { display: block; min-width: 0; }
    summary { padding: 4px 0; width: max-content; max-width: 100%; }
    summary h3 { display: inline; }
    .all { display: flex; justify-content: end; }
    .fields { grid-template-columns: 1fr 1fr; gap: 8px 16px; margin-top: 4px; }
    .field select, .field input { min-height: 32px; padding: 0 8px; font-size: var(--small); }
    details details { font-size: var(--small); margin-top: 4px; }
    details details summary { color: var(--muted); }
    .hint { margin-top: 4px; }
    @container (max-width: 328px) { .fields { grid-template-columns: minmax(0, 1fr); } }
  `];

  @property({ attribute: false }) list: BlockList = { blocks: [], presets: [], orders: [] };
  @property({ attribute: false }) blocks: Blocks = {};
  @property({ attribute: false }) brush: Brush | null = null;
  /** Whether there is a map to paint. */
  @property({ type: Boolean }) paints = false;
  @property({ type: Boolean }) disabled = false;
  /** The field whose numbers make no sense; a new object for each attempt, so that the error is announced again. */
  @state() private wrong: { role: Role } | null = null;
  #typing = new Typing(this);

  override render(): TemplateResult {
    const { blocks, brush, disabled } = this;
    const labels = this.#labels();
    const own = labels.filter((label) => Object.hasOwn(blocks, label)).length;
    return html`<details @toggle=${this.#fold}>
      <summary><h3>${text.title} <span class="muted small">${own > 0 ? text.ownOf(own, labels.length) : text.none}</span></h3></summary>
      ${this.paints ? html`<div class="fields">
        <div class="field"><label for="brush">${text.brush}</label>
          <select id="brush" ?disabled=${disabled} @change=${this.#choose}>
            ${(['', 'content', 'style', 'mu'] as const).map((of) => html`<option value=${of} .selected=${of === (brush?.of ?? '')}>${text.brushes[of || 'none']}</option>`)}
          </select></div>
        ${brush ? this.#value(brush) : nothing}
      </div>` : nothing}
      ${brush ? html`<p class="hint small muted">${text.hint}</p>` : nothing}
      ${this.list.presets.length > 0 ? html`<div class="fields">${ROLES.map((role) => this.#presets(role))}</div>` : nothing}
      ${this.list.orders.length > 0 ? this.#paste() : nothing}
      <div class="all"><button class="plain" type="button" ?disabled=${disabled} aria-disabled=${own > 0 ? nothing : 'true'}
        @click=${() => { if (own > 0) this.#send({}); }}>${text.reset}</button></div>
    </details>`;
  }

  /** Drops the brush when its panel is folded: otherwise the map's fields would not open, and nobody would see why. */
  #fold = (event: Event): void => {
    if (event.target === event.currentTarget && !(event.target as HTMLDetailsElement).open && this.brush) this.#tell('np-brush', null);
  };

  #value(brush: Brush): TemplateResult {
    const { disabled } = this;
    return html`<div class="field"><label for="value">${text.value[brush.of]}</label>
      ${brush.of === 'mu'
        ? this.#typing.field({ id: 'value', value: brush.value, spelling: orNothing(MU, () => text.general), disabled, placeholder: text.general,
          changed: (value) => this.#tell('np-brush', { of: brush.of, value }) })
        : this.#typing.field({ id: 'value', value: brush.value, spelling: STRENGTH, disabled, changed: (value) => this.#tell('np-brush', { of: brush.of, value }) })}
    </div>`;
  }

  #presets(role: Role): TemplateResult {
    const now = this.list.blocks.map(({ label }) => (this.blocks[label] ?? WHOLE)[role]);
    const is = (weights: readonly number[]): boolean => weights.every((weight, index) => weight === now[index]);
    const found = this.list.presets.findIndex(({ weights }) => is(weights));
    const chosen = now.every((weight) => weight === 1) ? ALL : found < 0 ? OWN : String(found);
    return html`<div class="field"><label for="preset-${role}">${presetLabel[role]}</label>
      <select id="preset-${role}" ?disabled=${this.disabled} @change=${(event: Event) => this.#apply(role, (event.target as HTMLSelectElement).value)}>
        <option value=${ALL} .selected=${chosen === ALL}>${text.all}</option>
        ${this.list.presets.map(({ name }, index) => html`<option value=${index} .selected=${chosen === String(index)}>${inert(called(name))}</option>`)}
        ${chosen === OWN ? html`<option value=${OWN} .selected=${true}>${text.own}</option>` : nothing}
      </select></div>`;
  }

  #paste(): TemplateResult {
    return html`<details><summary>${text.paste}</summary>
      <p class="muted">${text.pasteHint(this.list.orders.map(({ length }) => length))}</p>
      <div class="fields">${ROLES.map((role) => html`<div class="field"><label for="paste-${role}">${pasteLabel[role]}</label>
        <input id="paste-${role}" type="text" autocomplete="off" spellcheck="false" placeholder="1,0,0.5,1 …" ?disabled=${this.disabled}
          aria-invalid=${this.wrong?.role === role ? 'true' : nothing} aria-describedby=${this.wrong?.role === role ? 'wrong' : nothing}
          @change=${(event: Event) => this.#read(role, event.target as HTMLInputElement)}></div>`)}</div>
      ${keyed(this.wrong, this.wrong ? html`<p class="refusal" id="wrong" role="alert">${text.wrong}</p>` : nothing)}
    </details>`;
  }

  #labels(): string[] {
    return this.list.blocks.map(({ label }) => label);
  }

  #choose = (event: Event): void => {
    const of = (event.target as HTMLSelectElement).value as Brush['of'] | '';
    this.#tell('np-brush', of === '' ? null : FIRST[of]);
  };

  #apply(role: Role, chosen: string): void {
    if (chosen === OWN) return;
    this.#weigh(role, chosen === ALL ? this.list.blocks.map(() => 1) : this.list.presets[Number(chosen)]?.weights ?? []);
  }

  #read(role: Role, field: HTMLInputElement): void {
    const weights = field.value.trim() === '' ? null : fromNumbers(field.value, this.list);
    this.wrong = !weights && field.value.trim() !== '' ? { role } : null;
    if (weights) this.#weigh(role, weights);
  }

  #weigh(role: Role, weights: readonly number[]): void {
    this.#send(changed(this.blocks, this.#labels(), (before, index) => ({ ...before, [role]: weights[index] ?? 1 })));
  }

  #send(blocks: Blocks): void {
    this.#tell('np-blocks', { blocks, committed: true } satisfies BlocksChange);
  }

  #tell(name: string, detail: unknown): void {
    this.#typing.forget();
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
