/** The settings: two strengths, μ, and the advanced ones folded away. */

import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { BackendChoice, CutChoice, Role, Settings } from '../core/types.ts';
import { ROLES, type Setting } from './model.ts';
import { strengthLabel, text } from './strings.ts';
import { base, slider } from './tokens.css.ts';

const STRENGTH = { content: 'contentStrength', style: 'styleStrength' } as const;
/** The slider's reach is what people use; the number field's is what loaders take. */
const SLIDER_MAX = 2;
const FIELD_MAX = 10;
const DEFAULT_COUNT = 8;
const DEFAULT_ENERGY = 0.95;

export class Controls extends LitElement {
  static override styles = [base, slider, css`
    :host { display: block; }
    .panel { display: grid; gap: 16px; }
    .strengths { display: grid; grid-template-columns: 1fr 1fr; gap: 16px 48px; }
    .strength { display: grid; grid-template-columns: 1fr 88px; gap: 0 16px; align-items: center; --role: var(--subject); }
    .strength.style { --role: var(--style); }
    .strength label { grid-column: 1 / -1; font-weight: 650; }
    .strength input[type='range'] {
      --track: linear-gradient(90deg, var(--role) 0 var(--at, 50%), var(--line) var(--at, 50%));
    }
    .strength input[type='number'] { width: 100%; min-height: 32px; padding: 0 8px; }
    details > summary { font-weight: 550; padding: 4px 0; width: max-content; }
    .fields { display: grid; grid-template-columns: repeat(auto-fit, minmax(256px, 1fr)); gap: 16px 24px; padding: 16px 0 8px; }
    @media (min-width: 900px) { .field.long { grid-column: span 2; } }
    .field { display: grid; gap: 4px; align-content: start; font-size: var(--small); min-width: 0; }
    .field select, .field input { width: 100%; font-size: var(--body); }
    @media (max-width: 600px) { .strengths { grid-template-columns: 1fr; } }
  `];

  @property({ attribute: false }) settings!: Settings;
  @property({ attribute: false }) backend: BackendChoice = 'auto';
  /** Why the backend is what it is, in a sentence. */
  @property({ attribute: false }) backendReason = '';
  /** What the file is called when the person names nothing. */
  @property({ attribute: false }) defaultName = '';
  @property({ type: Boolean }) disabled = false;

  override render() {
    return html`<section class="panel" aria-label="Settings" part="controls">
      <np-lora-mu .mu=${this.settings.mu} ?disabled=${this.disabled}
        @np-mu=${(event: CustomEvent<{ mu: number; committed: boolean }>) =>
          this.#send({ mu: event.detail.mu }, event.detail.committed)}></np-lora-mu>
      <div class="strengths">${ROLES.map((role) => this.#strength(role))}</div>
      <details>
        <summary>${text.advanced}</summary>
        <div class="fields">
          ${this.#directions(this.settings.cut)}
          ${this.#choice('dtype', text.dtype, this.settings.dtype, [
            ['auto', text.dtypeAuto], ['F16', 'F16'], ['BF16', 'BF16'], ['F32', 'F32'],
          ], (dtype) => this.#send({ dtype }))}
          ${this.#choice('layout', text.layout, this.settings.layout, [
            ['compatible', text.layoutCompatible], ['compact', text.layoutCompact],
          ], (layout) => this.#send({ layout }))}
          ${this.#choice('backend', text.backend, this.backend, [
            ['auto', text.backendName.auto], ['webgpu', text.backendName.webgpu], ['cpu', text.backendName.cpu],
          ], (backend) => this.#send({ backend }), this.backendReason)}
          <div class="field long"><label for="name">${text.outputName}</label>
            <input id="name" type="text" autocomplete="off" spellcheck="false" maxlength="120" .value=${this.settings.outputName}
              placeholder=${this.defaultName} ?disabled=${this.disabled}
              @change=${(event: Event) => this.#send({ outputName: (event.target as HTMLInputElement).value })}>
          </div>
        </div>
      </details>
    </section>`;
  }

  // Through the object model, as the page's policy forbids style attributes.
  protected override updated(changed: PropertyValues): void {
    if (!changed.has('settings')) return;
    for (const role of ROLES) {
      const share = Math.min(1, Math.max(0, this.settings[STRENGTH[role]] / SLIDER_MAX));
      this.renderRoot.querySelector<HTMLElement>(`.strength.${role}`)
        ?.style.setProperty('--at', `calc(10px + ${share} * (100% - 20px))`);
    }
  }

  #strength(role: Role): TemplateResult {
    const key = STRENGTH[role];
    const value = this.settings[key];
    const read = (event: Event, committed: boolean): void => {
      const input = event.target as HTMLInputElement;
      const typed = input.value === '' ? NaN : Number(input.value);
      if (Number.isFinite(typed)) this.#send({ [key]: Math.min(FIELD_MAX, Math.max(-FIELD_MAX, typed)) }, committed);
      // An empty or impossible entry goes back to what is in force, and the field says so at once.
      if (committed) input.value = String(this.settings[key]);
    };
    return html`<div class="strength ${role}">
      <label for=${role}>${strengthLabel[role]}</label>
      <input id=${role} type="range" min="0" max=${SLIDER_MAX} step="0.05" .value=${String(value)} ?disabled=${this.disabled}
        @input=${(event: Event) => read(event, false)} @change=${(event: Event) => read(event, true)}>
      <input type="number" aria-label="${strengthLabel[role]}, as a number" min=${-FIELD_MAX} max=${FIELD_MAX} step="0.05"
        .value=${String(value)} ?disabled=${this.disabled} title=${text.strengthHint}
        @change=${(event: Event) => read(event, true)}>
    </div>`;
  }

  #directions(cut: CutChoice): TemplateResult {
    const choose = (kind: CutChoice['kind']): void => {
      if (kind === 'all') this.#send({ cut: { kind } });
      else if (kind === 'count') this.#send({ cut: { kind, count: DEFAULT_COUNT } });
      else this.#send({ cut: { kind, share: DEFAULT_ENERGY } });
    };
    const number = (event: Event, least: number, most: number): number => {
      const input = event.target as HTMLInputElement;
      const value = Math.min(most, Math.max(least, Number(input.value) || least));
      input.value = String(value);
      return value;
    };
    return html`
      ${this.#choice('cut', text.directions, cut.kind, [
        ['all', text.allDirections], ['count', text.countDirections], ['energy', text.energyDirections],
      ], choose)}
      ${cut.kind === 'count' ? html`<div class="field"><label for="count">${text.directionCount}</label>
        <input id="count" type="number" min="1" max="4096" step="1" .value=${String(cut.count)} ?disabled=${this.disabled}
          @change=${(event: Event) => this.#send({ cut: { kind: 'count', count: Math.round(number(event, 1, 4096)) } })}></div>` : nothing}
      ${cut.kind === 'energy' ? html`<div class="field"><label for="energy">${text.energyShare}</label>
        <input id="energy" type="number" min="1" max="100" step="1" .value=${String(Number((cut.share * 100).toPrecision(6)))} ?disabled=${this.disabled}
          @change=${(event: Event) => this.#send({ cut: { kind: 'energy', share: number(event, 1, 100) / 100 } })}></div>` : nothing}`;
  }

  #choice<T extends string>(
    id: string, label: string, value: T, options: [T, string][], chosen: (value: T) => void, hint = '',
  ): TemplateResult {
    return html`<div class="field">
      <label for=${id}>${label}</label>
      <select id=${id} ?disabled=${this.disabled} aria-describedby=${hint ? `${id}-hint` : nothing}
        @change=${(event: Event) => chosen((event.target as HTMLSelectElement).value as T)}>
        ${options.map(([key, name]) => html`<option value=${key} ?selected=${key === value}>${name}</option>`)}
      </select>
      ${hint ? html`<span class="muted stranger" id="${id}-hint">${hint}</span>` : nothing}
    </div>`;
  }

  #send(patch: Setting['patch'], committed = true): void {
    this.dispatchEvent(new CustomEvent<Setting>('np-setting', { detail: { patch, committed } }));
  }
}
