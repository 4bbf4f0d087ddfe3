/** The settings that most people never need: what is projected, how strongly, and how the result is written. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import { DEFAULT_SETTINGS } from '../../core/defaults.ts';
import type { BackendChoice, BlockStrength, CutChoice, LoadedBy, Recompress, Role, ScaleChoice, SchemeChoice, Settings } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import { choice, fieldStyles, tick, typed } from '../parts/fields.ts';
import { inert, toJson } from '../words/format.ts';
import { SCALE } from '../desk/intake.ts';
import { called } from '../words/language.ts';
import { type Choices, type Setting } from '../model.ts';
import { FIELD_STRENGTH, LIMITS } from '../words/limits.ts';
import { ofThese } from '../settings/block-strengths.ts';
import { DEFAULTS } from '../settings/settings.ts';
import { scaleLabel, text, textStrengthLabel } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';
import { numbers, orNothing, Typing } from '../parts/typed.ts';

const TEXT_STRENGTH = { content: 'contentTextStrength', style: 'styleTextStrength' } as const;
/** The value that each kind of choice starts with. */
const CUTS: Record<CutChoice['kind'], CutChoice> = {
  all: { kind: 'all' }, count: { kind: 'count', count: 8 }, energy: { kind: 'energy', share: 0.95 },
};
const RANKS: Record<Recompress['kind'], Recompress> = {
  exact: { kind: 'exact' }, rank: { kind: 'rank', rank: 32 }, energy: { kind: 'energy', share: 0.99 },
};
const SCALES: Record<ScaleChoice['kind'], ScaleChoice> = {
  auto: { kind: 'auto' }, alpha: { kind: 'alpha', alpha: 16 }, rankStabilised: { kind: 'rankStabilised' },
};
const COUNT = numbers(LIMITS.count);
const PERCENT = numbers(LIMITS.percent);
const ALPHA = numbers(LIMITS.alpha);
const DENSE_RANK = numbers(LIMITS.denseRank);
const TEXT_ENCODER_STRENGTH = orNothing(numbers(FIELD_STRENGTH), () => text.sameStrength);
const inPercent = (share: number): number => Number((share * 100).toPrecision(6));

type Send = (patch: Setting['patch']) => void;

/** Explains why F32 is written although the files use smaller formats. */
function widened({ fit, summaries }: Choices): string | undefined {
  const formats = new Set(ROLES.flatMap((role) => summaries[role]?.dtypes.map(({ value }) => inert(value)) ?? []));
  return fit?.widened ? text.widened([...formats].join(text.comma)) : undefined;
}

/** The naming in force. The chosen one may have another name here, and the fit may not be known yet. */
const chosen = ({ fit, settings }: Choices): SchemeChoice | null => fit?.schemes.find(({ id }) => id === settings.scheme) ?? fit?.scheme ?? null;

/** Says which programs load the result under its naming. */
function programs(choices: Choices): string | undefined {
  const { loadedBy = [] } = chosen(choices) ?? {};
  const by = (loaded: LoadedBy['loaded']): string => loadedBy.filter((one) => one.loaded === loaded).map(({ program }) => program).join(text.comma);
  const sentences = (['all', 'part', 'none'] as const).flatMap((loaded) => (by(loaded) ? text.loadedBy[loaded](by(loaded)) : []));
  return sentences.join(text.gap) || undefined;
}

const anyCut = ({ summaries }: Choices): boolean => ROLES.some((role) => (summaries[role]?.cut ?? 0) > 0);

/** The fields for naming, number format and rank of the result; shown up front when a single file is converted. */
export function formFields(choices: Choices, send: Send, typing: Typing): TemplateResult {
  const { settings, fit, disabled } = choices;
  const { recompress } = settings;
  const dtype = settings.dtype === 'auto' && fit ? `${text.auto} – ${inert(fit.dtype)}` : text.auto;
  const auto = fit?.scheme ? `${text.auto} – ${called(fit.scheme.name)}` : text.asInputs;
  // With another naming in force, finding out what "auto" would give would need another fit.
  const schemes: [string, string][] = [['', settings.scheme === null ? auto : text.auto], ...(fit?.schemes ?? []).map(({ id, name }): [string, string] => [id, called(name)])];
  return html`
    ${choice({ id: 'scheme', label: text.naming, value: settings.scheme === null ? '' : chosen(choices)?.id ?? '', options: schemes, disabled, hint: programs(choices), chosen: (id) => send({ scheme: id || null }) })}
    ${choice({ id: 'dtype', label: text.dtype, value: settings.dtype, disabled, hint: widened(choices), chosen: (dtype) => send({ dtype }), options: [
      ['auto', dtype], ['F16', 'F16'], ['BF16', 'BF16'], ['F32', 'F32'],
    ] })}
    ${choice({ id: 'recompress', label: text.rank, value: recompress.kind, disabled, chosen: (kind) => send({ recompress: RANKS[kind] }), options: [
      ['exact', text.rankExact], ['rank', text.rankNumber], ['energy', text.rankEnergy],
    ] })}
    ${recompress.kind === 'rank' ? typed({ id: 'rank', label: text.rankMost, value: recompress.rank, spelling: COUNT, disabled,
      changed: (rank) => send({ recompress: { kind: 'rank', rank } }) }, typing) : nothing}
    ${recompress.kind === 'energy' ? typed({ id: 'rank-energy', label: text.rankShare, value: inPercent(recompress.share), spelling: PERCENT, disabled,
      changed: (share) => send({ recompress: { kind: 'energy', share: share / 100 } }) }, typing) : nothing}
    ${anyCut(choices) ? typed({ id: 'dense', label: text.denseRank, value: settings.denseRank, spelling: DENSE_RANK, disabled,
      hint: text.denseRankHint, changed: (denseRank) => send({ denseRank }) }, typing) : nothing}`;
}

export class Advanced extends LitElement {
  static override styles = [base, fieldStyles, css`
    :host { display: block; min-width: 0; }
    .groups { display: grid; gap: 24px; padding: 16px 0 8px; }
    .group { display: grid; gap: 12px; min-width: 0; border: 0; padding: 0; margin: 0; }
    h3 { font-size: var(--small); color: var(--muted); font-weight: 650; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
    details > summary { font-weight: 550; padding: 4px 0; width: max-content; }
    .columns { display: grid; grid-template-columns: 1fr 1fr; gap: 16px 24px; }
    .column { display: grid; gap: 12px; min-width: 0; align-content: start; }
    @container (max-width: 568px) { .columns { grid-template-columns: minmax(0, 1fr); } }
  `];

  @property({ attribute: false }) choices!: Choices;
  @property({ attribute: false }) backend: BackendChoice = 'auto';
  /** A sentence that says why this backend is used. */
  @property({ attribute: false }) backendReason = '';
  /** The result's name if the person does not give one. */
  @property({ attribute: false }) defaultName = '';
  #typing = new Typing(this);
  #send: Send = (patch) => {
    this.#typing.forget();
    this.dispatchEvent(new CustomEvent<Setting>('np-setting', { detail: { patch, committed: true } }));
  };

  override render(): TemplateResult {
    const { only, settings, disabled } = this.choices;
    return html`<details>
      <summary><span>${text.advanced}</span> <span class="muted small">${this.#changed}</span></summary>
      <div class="groups">
        ${only ? nothing : html`<section class="group" aria-labelledby="projection">
          <h3 id="projection">${text.projection}</h3>
          <div class="fields">${this.#directions()}</div>
        </section>`}
        <section class="group" aria-labelledby="strengths">
          <h3 id="strengths">${text.strengths}</h3>
          <div class="columns">${(only ? [only] : ROLES).map((role) => this.#strengths(role))}</div>
          ${this.#blocks()}
        </section>
        <section class="group" aria-labelledby="result">
          <h3 id="result">${text.result}</h3>
          <div class="fields">${this.#result(only)}</div>
          ${tick({ id: 'sources', label: text.leaveSources, value: !settings.keepSources, disabled, hint: text.leaveSourcesHint,
            changed: (left) => this.#send({ keepSources: !left }) })}
        </section>
      </div>
    </details>`;
  }

  /** Says how many of the folded fields differ from their defaults. */
  get #changed(): string {
    const { settings, summaries, fit, only } = this.choices;
    const roles = only ? [only] : ROLES;
    const keys: (keyof Settings)[] = [
      ...(only ? [] : ['cut', 'scheme', 'dtype', 'recompress'] as const),
      ...(!only && anyCut(this.choices) ? ['denseRank'] as const : []),
      ...roles.flatMap((role) => [SCALE[role], ...((summaries[role]?.textEncoderModules ?? 0) > 0 ? [TEXT_STRENGTH[role]] : [])]),
      ...((fit?.blocks.length ?? 0) > 0 ? ['blocks'] as const : []), 'layout', 'outputName', 'keepSources',
    ];
    const isSet = (key: keyof Settings): boolean => toJson(settings[key]) !== toJson(DEFAULT_SETTINGS[key]);
    const here = keys.filter((key) => (key === 'blocks' && fit ? Object.keys(ofThese(settings.blocks, fit)).length > 0 : isSet(key)));
    const changed = here.length + Number(this.backend !== DEFAULTS.backend);
    return changed > 0 ? text.settingsChanged(changed) : '';
  }

  #directions(): TemplateResult {
    const { settings: { cut }, disabled } = this.choices;
    return html`
      ${choice({ id: 'cut', label: text.directions, value: cut.kind, disabled, chosen: (kind) => this.#send({ cut: CUTS[kind] }), options: [
        ['all', text.allDirections], ['count', text.countDirections], ['energy', text.energyDirections],
      ] })}
      ${cut.kind === 'count' ? typed({ id: 'count', label: text.directionCount, value: cut.count, spelling: COUNT, disabled,
        changed: (count) => this.#send({ cut: { kind: 'count', count } }) }, this.#typing) : nothing}
      ${cut.kind === 'energy' ? typed({ id: 'energy', label: text.energyShare, value: inPercent(cut.share), spelling: PERCENT, disabled,
        changed: (share) => this.#send({ cut: { kind: 'energy', share: share / 100 } }) }, this.#typing) : nothing}`;
  }

  /** A column of fields for each file. */
  #strengths(role: Role): TemplateResult {
    const { settings, summaries, disabled, idle } = this.choices;
    const scale = settings[SCALE[role]];
    return html`<div class="column">
      ${choice({ id: `scale-${role}`, label: scaleLabel[role], value: scale.kind, disabled, chosen: (kind) => this.#send({ [SCALE[role]]: SCALES[kind] }), options: [
        ['auto', text.scaleAuto], ['alpha', text.scaleAlpha], ['rankStabilised', text.scaleStabilised],
      ] })}
      ${scale.kind === 'alpha' ? typed({ id: `alpha-${role}`, label: text.alpha, value: scale.alpha, spelling: ALPHA, disabled,
        changed: (alpha) => this.#send({ [SCALE[role]]: { kind: 'alpha', alpha } }) }, this.#typing) : nothing}
      ${(summaries[role]?.textEncoderModules ?? 0) > 0 ? typed({
        id: `text-${role}`, label: textStrengthLabel[role], value: settings[TEXT_STRENGTH[role]], spelling: TEXT_ENCODER_STRENGTH, disabled: idle,
        placeholder: text.sameStrength, changed: (value) => this.#send({ [TEXT_STRENGTH[role]]: value }),
      }, this.#typing) : nothing}
    </div>`;
  }

  #blocks(): TemplateResult {
    const { fit, settings, only, idle } = this.choices;
    return html`<np-lora-blocks .blocks=${fit?.blocks ?? []} .strengths=${settings.blocks} .mu=${settings.mu} .only=${only} ?disabled=${idle}
      @np-blocks=${(event: CustomEvent<Record<string, BlockStrength>>) => this.#send({ blocks: event.detail })}></np-lora-blocks>`;
  }

  #result(only: Role | null): TemplateResult {
    const { settings, disabled } = this.choices;
    return html`
      ${only ? nothing : formFields(this.choices, this.#send, this.#typing)}
      ${choice({ id: 'layout', label: text.layout, value: settings.layout, disabled, chosen: (layout) => this.#send({ layout }), options: [
        ['compatible', text.layoutCompatible], ['compact', text.layoutCompact],
      ] })}
      <div class="field"><label for="name">${text.outputName}</label>
        <input id="name" type="text" autocomplete="off" spellcheck="false" maxlength="120" .value=${settings.outputName}
          placeholder=${this.defaultName} ?disabled=${disabled}
          @change=${(event: Event) => this.#send({ outputName: (event.target as HTMLInputElement).value })}>
      </div>
      ${choice({ id: 'backend', label: text.backend, value: this.backend, disabled, hint: inert(called(this.backendReason), 300),
        chosen: (backend) => this.#send({ backend }), options: [
          ['auto', text.backendName.auto], ['webgpu', text.backendName.webgpu], ['cpu', text.backendName.cpu],
        ] })}`;
  }
}
