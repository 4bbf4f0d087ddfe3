/** The fields of the settings, each with its label: a choice, typed text, a tick box, a file. */

import { css, html, nothing, type TemplateResult } from 'lit';
import type { TypedField, Typing } from './typed.ts';

export const fieldStyles = css`
  .fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(256px, 100%), 1fr)); gap: 16px 24px; }
  .field { display: grid; gap: 4px; align-content: start; font-size: var(--small); min-width: 0; }
  .field select, .field input { width: 100%; font-size: var(--body); }
  .tick { display: flex; gap: 8px; align-items: start; font-size: var(--small); }
  .tick input { width: 18px; height: 18px; margin: 1px 0 0; flex: none; accent-color: var(--ink); }
  .tick label { display: grid; }
`;

/** Styles for a real file input behind a label that looks like a button. */
export const chooserStyles = css`
  .unseen:focus-visible + label { outline: 2px solid var(--ink); outline-offset: 2px; }
  .unseen:disabled + label { opacity: 0.5; pointer-events: none; }
`;

/** A button that opens the file dialog. `name`: the accessible name, if it says more than the label. */
export function chooser({ id, label, name, look, accept, multiple = false, disabled, chosen }: {
  id: string; label: string; name?: string; look: string; accept: string; multiple?: boolean; disabled: boolean; chosen: (file: File, all: File[]) => void;
}): TemplateResult {
  const changed = ({ target }: Event): void => {
    const input = target as HTMLInputElement;
    const files = [...(input.files ?? [])];
    const [file] = files;
    // Cleared, so that choosing the same file again counts as a choice.
    input.value = '';
    if (file) chosen(file, files);
  };
  return html`<span><input class="unseen" id=${id} type="file" accept=${accept} ?multiple=${multiple} aria-label=${name ?? label}
    ?disabled=${disabled} @change=${changed} /><label class=${look} for=${id}>${label}</label></span>`;
}

/** The types for LoRA files. With only the ending, iOS greys out every file. */
export const LORA_FILES = '.safetensors,.json,application/octet-stream';
export const JSON_FILES = '.json,application/json';
/** The types for recipes; a fused file contains its recipe. */
export const RECIPES = `${JSON_FILES},.safetensors,application/octet-stream`;

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

export function typed<T>(field: Field & TypedField<T>, typing: Typing): TemplateResult {
  const { id, label, hint } = field;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${typing.field({ ...field, hint: hint && `${id}-hint` })}
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
