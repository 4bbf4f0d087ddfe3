/** The fields of the settings: a choice, a number, a tick; each with its label. */

import { css, html, nothing, type TemplateResult } from 'lit';

export const fieldStyles = css`
  .fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(256px, 100%), 1fr)); gap: 16px 24px; }
  .field { display: grid; gap: 4px; align-content: start; font-size: var(--small); min-width: 0; }
  .field select, .field input { width: 100%; font-size: var(--body); }
  .tick { display: flex; gap: 8px; align-items: start; font-size: var(--small); }
  .tick input { width: 18px; height: 18px; margin: 1px 0 0; flex: none; accent-color: var(--ink); }
  .tick label { display: grid; }
`;

interface Field {
  id: string;
  label: string;
  hint?: string;
  disabled: boolean;
}

const hinted = ({ id, hint }: Field): TemplateResult | typeof nothing =>
  (hint ? html`<span class="muted stranger" id="${id}-hint">${hint}</span>` : nothing);

export function choice<T extends string>(
  field: Field & { value: T; options: readonly (readonly [T, string])[]; chosen: (value: T) => void },
): TemplateResult {
  const { id, label, value, options, chosen, disabled, hint } = field;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} ?disabled=${disabled} aria-describedby=${hint ? `${id}-hint` : nothing}
      @change=${(event: Event) => chosen((event.target as HTMLSelectElement).value as T)}>
      ${options.map(([key, name]) => html`<option value=${key} .selected=${key === value}>${name}</option>`)}
    </select>
    ${hinted(field)}
  </div>`;
}

/** What a number may be. */
export interface Limits {
  least: number;
  most: number;
  step?: number;
  whole?: boolean;
}

export const within = (number: number, { least, most }: Limits): number => Math.min(most, Math.max(least, number));

/**
 * The number that was typed, brought into its range; null for an empty field. What cannot be read is put back, and the
 * field shows at once what is in force.
 */
export function typedNumber(event: Event, limits: Limits, inForce: number | null, canBeEmpty = false): number | null {
  const input = event.target as HTMLInputElement;
  const typed = input.value.trim() === '' ? NaN : Number(input.value);
  const bound = within(limits.whole ? Math.round(typed) : typed, limits);
  const emptied = input.value.trim() === '' && !input.validity.badInput && canBeEmpty;
  const value = Number.isFinite(typed) ? bound : emptied ? null : inForce;
  input.value = value === null ? '' : String(value);
  return value;
}

export function numeric(
  field: Field & Limits & { value: number | null; placeholder?: string; changed: (value: number | null) => void },
): TemplateResult {
  const { id, label, value, least, most, step, placeholder, changed, disabled, hint } = field;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input id=${id} type="number" min=${least} max=${most} step=${step ?? 'any'} .value=${value === null ? '' : String(value)}
      placeholder=${placeholder ?? nothing} ?disabled=${disabled} aria-describedby=${hint ? `${id}-hint` : nothing}
      @change=${(event: Event) => changed(typedNumber(event, field, value, placeholder !== undefined))}>
    ${hinted(field)}
  </div>`;
}

export function tick(field: Field & { value: boolean; changed: (value: boolean) => void }): TemplateResult {
  const { id, label, value, changed, disabled, hint } = field;
  return html`<div class="tick">
    <input id=${id} type="checkbox" .checked=${value} ?disabled=${disabled} aria-describedby=${hint ? `${id}-hint` : nothing}
      @change=${(event: Event) => changed((event.target as HTMLInputElement).checked)}>
    <div><label for=${id}>${label}</label>${hinted(field)}</div>
  </div>`;
}
