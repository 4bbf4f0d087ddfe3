/** The settings: what the files leave open, μ and two strengths, or the form for converting; the rest is folded away. */

import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { BackendChoice, CurvePoint, Outlook, Problem, Role, Several } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import { formFields } from './advanced.ts';
import { choice, fieldStyles, tick, typed } from '../parts/fields.ts';
import { bytes } from '../words/format.ts';
import { type Choices, type Setting } from '../model.ts';
import { SEVERAL, musText, readMus } from '../settings/several.ts';
import { FIELD_STRENGTH, SLIDER_STRENGTH } from '../words/limits.ts';
import type { MuChange } from './mu-range.ts';
import { strengthLabel, strengthNumber, text } from '../words/strings.ts';
import { base, slider } from '../parts/tokens.css.ts';
import { numbers, Typing, type Spelling } from '../parts/typed.ts';

const UNKNOWN: readonly CurvePoint[] = [];
const STRENGTH = { content: 'contentStrength', style: 'styleStrength' } as const;
const STRENGTH_TEXT = numbers(FIELD_STRENGTH);
const MUS: Spelling<number[]> = { write: musText, read: (typed) => readMus(typed) ?? undefined, refusal: (typed) => text.notMus(typed) };

/** The settings that each kind of result stands for. */
const KINDS: Record<'fusion' | 'several' | 'overlap', Setting['patch']> = {
  fusion: { result: 'fusion', several: null }, several: { result: 'fusion', several: SEVERAL }, overlap: { result: 'overlap', several: null },
};

export class Controls extends LitElement {
  static override styles = [base, slider, fieldStyles, css`
    :host { display: block; }
    .panel { display: grid; gap: 16px; }
    .asks { display: grid; gap: 12px; }
    .asks .field { max-width: 320px; }
    .strengths { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(calc(16 * var(--rem)), 100%), 1fr)); gap: 16px 48px; }
    .strength { display: grid; grid-template-columns: 1fr calc(5.5 * var(--rem)); gap: 0 16px; align-items: center; align-content: start; --role: var(--subject); }
    .strength.style { --role: var(--style); }
    .strength label { grid-column: 1 / -1; font-weight: 650; }
    .strength input[type='range'] {
      --track: linear-gradient(90deg, var(--role) 0 var(--at, 50%), var(--line) var(--at, 50%));
    }
    .strength input[type='text'] { width: 100%; min-height: 32px; padding: 0 8px; }
    .strength .refusal { grid-column: 1 / -1; }
    .kind { display: flex; flex-wrap: wrap; gap: 4px 24px; align-items: start; }
    .kind > :first-child { flex: 1 1 calc(14 * var(--rem)); max-width: calc(20 * var(--rem)); }
    .kind > :not(:first-child) { flex: 2 1 calc(20 * var(--rem)); min-width: 0; }
    .several { display: grid; gap: 12px; }
  `];

  @property({ attribute: false }) choices!: Choices;
  @property({ attribute: false }) backend: BackendChoice = 'auto';
  @property({ attribute: false }) backendReason = '';
  @property({ attribute: false }) defaultName = '';
  /** The outlook of the pair, once something is known. */
  @property({ attribute: false }) outlook: Outlook | null = null;
  /** The problem that only a setting here can solve. */
  @property({ attribute: false }) problem: Problem | null = null;
  #typing = new Typing(this);

  override render(): TemplateResult {
    const { only, unfit } = this.choices;
    const main = unfit ? nothing : only ? this.#conversion(only) : html`
      <np-lora-mu .mu=${this.choices.settings.mu} .curve=${this.#curve} ?disabled=${this.choices.idle || this.choices.several !== null}
        @np-mu=${(event: CustomEvent<MuChange>) => this.#send({ mu: event.detail.mu }, event.detail.committed)}></np-lora-mu>
      <div class="strengths">${ROLES.map((role) => this.#strength(role))}</div>
      ${this.#kind()}`;
    return html`<section class="panel" aria-labelledby="title" part="controls">
      <h2 class="unseen" id="title">${text.settings}</h2>
      <slot name="bar"></slot>
      ${this.#asks()}
      ${main}
      <np-lora-advanced ?hidden=${unfit} .choices=${this.choices} .backend=${this.backend} .backendReason=${this.backendReason} .defaultName=${this.defaultName}
        @np-setting=${(event: CustomEvent<Setting>) => this.#send(event.detail.patch, event.detail.committed)}></np-lora-advanced>
      <slot></slot>
    </section>`;
  }

  /** The curve, if the slider's μ is the one that will be used. */
  get #curve(): readonly CurvePoint[] {
    const { settings: { result }, several } = this.choices;
    return this.outlook && this.outlook.analysed > 0 && !this.outlook.partial && result === 'fusion' && !several ? this.outlook.curve : UNKNOWN;
  }

  // Set through the object model, because the page's policy forbids style attributes.
  protected override updated(changed: PropertyValues): void {
    if (!changed.has('choices')) return;
    for (const role of ROLES) {
      const share = Math.min(1, Math.max(0, this.choices.settings[STRENGTH[role]] / SLIDER_STRENGTH));
      this.renderRoot.querySelector<HTMLElement>(`.strength.${role}`)
        ?.style.setProperty('--at', `calc(10px + ${share} * (100% - 20px))`);
    }
  }

  /** The fields for what the files leave open. */
  #asks(): TemplateResult | typeof nothing {
    const { settings, families, summaries, only, disabled } = this.choices;
    const dora = ROLES.some((role) => (summaries[role]?.magnitudes ?? 0) > 0);
    if (this.problem === null && families.length === 0 && !dora) return nothing;
    const first: [string, string] = ['', this.problem ? text.chooseFamily : text.auto];
    return html`<div class="asks">
      ${this.problem ? html`<np-lora-problem exportparts="error" ?warning=${only !== null} .problem=${this.problem}></np-lora-problem>` : nothing}
      ${families.length > 0 ? choice({ id: 'family', label: text.family, value: settings.family ?? '', disabled,
        options: [first, ...families.map((name): [string, string] => [name, name])], chosen: (name) => this.#send({ family: name || null }) }) : nothing}
      ${dora ? tick({ id: 'direction', label: text.directionOnly, value: settings.directionOnly, disabled, hint: text.directionOnlyHint,
        changed: (directionOnly) => this.#send({ directionOnly }) }) : nothing}
    </div>`;
  }

  /** Moves the focus to the first setting. */
  override focus(options?: FocusOptions): void {
    this.renderRoot.querySelector<HTMLElement>('select, input')?.focus(options);
  }

  #conversion(role: Role): TemplateResult {
    return html`<div><h2>${text.convert}</h2><p class="small muted">${text.convertHint}</p></div>
      <div class="fields">${formFields(this.choices, (patch) => this.#send(patch), this.#typing)}</div>
      <div class="strengths">${this.#strength(role)}</div>`;
  }

  /** The field for the kind of result that a pair is made into. */
  #kind(): TemplateResult {
    const { settings: { result }, several, disabled } = this.choices;
    return html`<div class="kind">
      ${choice({ id: 'result', label: text.kindOfResult, value: several ? 'several' : result, disabled, chosen: (kind) => this.#send(KINDS[kind]), options: [
        ['fusion', text.fusionResult], ['several', text.severalResult], ['overlap', text.overlapResult],
      ] })}
      ${several ? this.#several(several) : result === 'overlap' ? html`<p class="small muted">${text.overlapHint}${text.gap}${text.noEffect}</p>` : nothing}
    </div>`;
  }

  #several(several: Several): TemplateResult {
    const { fit, files, disabled } = this.choices;
    const send = (patch: Partial<Several>): void => this.#send({ several: { ...several, ...patch } });
    return html`<div class="several">
      <p class="small muted">${text.severalHint}${text.gap}${fit ? text.filesTogether(files, bytes(files * fit.outputBytes)) : nothing}</p>
      ${typed({ id: 'mus', label: text.mus, value: several.mus, spelling: MUS, disabled, hint: text.musHint, changed: (mus) => send({ mus }) }, this.#typing)}
      ${tick({ id: 'plain', label: text.plainToo, value: several.plain, disabled, changed: (plain) => send({ plain }) })}
      ${tick({ id: 'both', label: text.bothDirections, value: several.bothDirections, disabled, hint: text.bothDirectionsHint,
        changed: (bothDirections) => send({ bothDirections }) })}
    </div>`;
  }

  #strength(role: Role): TemplateResult {
    const { settings, idle: disabled } = this.choices;
    const key = STRENGTH[role];
    const value = settings[key];
    const slid = (event: Event, committed: boolean): void => this.#send({ [key]: Number((event.target as HTMLInputElement).value) }, committed);
    return html`<div class="strength ${role}">
      <label for=${role}>${strengthLabel[role]}</label>
      <input id=${role} type="range" min="0" max=${SLIDER_STRENGTH} step=${FIELD_STRENGTH.step} .value=${String(value)} ?disabled=${disabled}
        @input=${(event: Event) => slid(event, false)} @change=${(event: Event) => slid(event, true)}>
      ${this.#typing.field({ id: `${role}-number`, name: strengthNumber[role], value, spelling: STRENGTH_TEXT, disabled, title: text.strengthHint,
        changed: (typed) => this.#send({ [key]: typed }) })}
    </div>`;
  }

  #send(patch: Setting['patch'], committed = true): void {
    this.#typing.forget();
    this.dispatchEvent(new CustomEvent<Setting>('np-setting', { detail: { patch, committed } }));
  }
}
