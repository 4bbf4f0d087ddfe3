/** The card of one file: an empty drop target, or what the file is. */

import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import { isFile } from '../../core/shape.ts';
import type { GivenFile, Role, Scale, Share, Summary } from '../../core/types.ts';
import { chooser, chooserStyles, JSON_FILES, LORA_FILES } from '../parts/fields.ts';
import { Focus } from '../parts/focus.ts';
import { named } from '../parts/name.ts';
import { bytes, count, inert } from '../words/format.ts';
import { called } from '../words/language.ts';
import { EMPTY, type Card, type Config } from '../model.ts';
import { configLabel, fileLabel, removeConfigLabel, removeLabel, roleHint, roleName, scaleSource, text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

const SHOWN_SHARES = 3;
const SHOWN_WORDS = 12;

/** "16", or "16 (240×), 8 (24×)" if the modules differ. */
function shares<T>(list: Share<T>[], show: (value: T) => string): string {
  if (list.length === 1 && list[0]) return show(list[0].value);
  const first = list.slice(0, SHOWN_SHARES).map(({ value, modules }) => `${show(value)} (${count(modules)}×)`);
  const more = list.length - SHOWN_SHARES;
  return [...first, ...(more > 0 ? [text.more(more)] : [])].join(text.comma);
}

export class FileCard extends LitElement {
  static override styles = [base, chooserStyles, css`
    :host { display: block; min-width: 0; --role: var(--subject); --soft: var(--subject-soft); }
    :host([side='style']) { --role: var(--style); --soft: var(--style-soft); }
    /* Files may have long names. */
    np-lora-problem button { max-width: 100%; white-space: normal; overflow-wrap: anywhere; }
    section {
      display: flex; flex-direction: column; gap: 16px; height: 100%; min-height: 232px; padding: 16px 24px 24px;
      background: var(--surface); border: 1px solid var(--line); border-radius: var(--radius); overflow: hidden; position: relative;
    }
    section::before { content: ''; position: absolute; inset: 0 0 auto; height: 4px; background: var(--role); forced-color-adjust: none; }
    header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 8px; min-height: 32px; }
    h2 { color: var(--role); }
    .well {
      flex: 1; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 8px; padding: 16px;
      text-align: center; border: 2px dashed var(--edge); border-radius: 8px;
    }
    :host([over]) .well, :host([over]) section { border-color: var(--role); background: var(--soft); }
    .name { font-weight: 650; font-size: var(--large); line-height: 1.35; }
    .facts { display: grid; grid-template-columns: max-content minmax(0, 1fr) max-content minmax(0, 1fr); gap: 4px 16px; font-size: var(--small); }
    dd.wide { grid-column: span 3; }
    dt { color: var(--muted); }
    dd { min-width: 0; overflow-wrap: anywhere; }
    /* No higher than what takes its place. */
    .hashing { display: block; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
    .words { display: flex; flex-wrap: wrap; gap: 4px; }
    .words li { padding: 0 8px; border-radius: 4px; background: var(--soft); }
    .config { display: inline-flex; flex-wrap: wrap; align-items: center; padding-left: 8px; border-radius: 4px; background: var(--soft); }
    .config button { min-height: 24px; }
    label.quiet.inline { min-height: 24px; padding: 0; border: 0; font-weight: 400; text-decoration: underline; text-underline-offset: 3px; }
    label.quiet.inline:hover { background: none; }
    .tools { display: flex; gap: 4px; }
    label.quiet { min-height: 32px; padding: 0 8px; border-color: transparent; background: none; color: var(--muted); font-size: var(--small); }
    label.quiet:hover { color: var(--ink); background: var(--sunken); }
    @container (max-width: 568px) { section { padding: 12px 16px 16px; min-height: 0; gap: 8px; } .well { border: 0; padding: 0 0 8px; } }
    @container (max-width: 752px) { .facts { grid-template-columns: max-content minmax(0, 1fr); } dd.wide { grid-column: auto; } }
  `];

  @property({ reflect: true }) side: Role = 'content';
  @property({ attribute: false }) card: Card = EMPTY;
  /** SHA-256 of the file, once it is known. */
  @property({ attribute: false }) sha256: string | null = null;
  /** SHA-256 of the file's tensors, if somebody has asked for it. */
  @property({ attribute: false }) tensors: string | null = null;
  /** Whether the person has set a scale instead of the file's. */
  @property({ type: Boolean }) ownScale = false;
  @property({ type: Boolean }) disabled = false;
  /** Whether nothing has arrived for a while. */
  @property({ type: Boolean }) stalled = false;

  constructor() {
    super();
    new Focus(this, (options) => this.focus(options));
  }

  override render(): TemplateResult {
    const { card, side } = this;
    return html`<section aria-labelledby="title" part="card">
      <header>
        <h2 id="title">${roleName[side]}</h2>
        ${card.state === 'empty' ? nothing : html`<div class="tools">
          ${'file' in card && !isFile(card.file) && card.state !== 'opening'
            ? html`<button class="plain" type="button" ?disabled=${this.disabled} @click=${() => this.#load()}>${text.loadAgain}</button>` : nothing}
          ${this.#chooser(text.replace, 'button quiet')}
          <button class="plain" type="button" title=${removeLabel[side]}
            ?disabled=${this.disabled} @click=${() => this.#send(null)}><span aria-hidden="true">✕</span></button>
        </div>`}
      </header>
      ${this.#body()}
    </section>`;
  }

  #body(): TemplateResult {
    const { card, side } = this;
    switch (card.state) {
      case 'empty':
        return html`<div class="well">
          <p>${roleHint[side]}</p>
          ${this.#chooser(text.choose, 'button')}
          <p class="small muted">${text.dropHere}</p>
          <np-lora-link side=${side} .problem=${card.problem} ?reading=${card.reading} ?disabled=${this.disabled}
            @np-link=${(event: CustomEvent<string>) => this.#link(event.detail)}></np-lora-link>
        </div>`;
      case 'offered':
        return html`<np-lora-offer .link=${card.link} ?disabled=${this.disabled} @np-load=${() => this.#load()}></np-lora-offer>`;
      case 'opening':
        return html`<p class="name stranger">${named(card.file.name)}</p><p class="muted">${this.stalled ? text.stillReading : text.reading}</p>`;
      case 'refused':
        return html`<p class="name stranger">${named(card.file.name)}</p>
          ${card.config ? this.#config(card.config) : nothing}
          <np-lora-problem exportparts="error" .problem=${card.problem}>${card.before
            ? html`<button type="button" ?disabled=${this.disabled} @click=${() => this.dispatchEvent(new CustomEvent('np-back'))}>${text.backTo(inert(card.before.file.name, 40))}</button>` : nothing}</np-lora-problem>`;
      case 'open':
        return this.#facts(card.summary, card.file, card.config);
    }
  }

  #facts(of: Summary, file: GivenFile, config: Config | null): TemplateResult {
    const denoiser = of.modules - of.textEncoderModules;
    const parts = [
      text.ofDenoiser(denoiser), text.ofTextEncoder(of.textEncoderModules),
      ...(of.vectors > 0 ? [text.vectorsOf(of.vectors)] : []),
      ...(of.refused > 0 ? [text.cannotBeFused(of.refused)] : []),
    ];
    const words = of.triggerWords.slice(0, SHOWN_WORDS);
    const madeFor = [of.baseModel, of.trainedOn].filter((one) => one !== null);
    const moreWords = of.triggerWords.length - words.length;
    const fact = (name: string, value: unknown, wide = true): TemplateResult => html`<dt>${name}</dt><dd class=${wide ? 'wide' : ''}>${value}</dd>`;
    return html`
      <div>
        <p class="name stranger">${named(of.name)}</p>
        <p class="muted"><span class="stranger">${inert(of.family === null ? text.unknownFamily : called(of.family))}</span>
          · <span class="stranger">${shares(of.kinds, (kind) => inert(called(kind)))}</span> · ${bytes(of.size)}</p>
      </div>
      <dl class="facts">
        ${of.title !== null ? fact(text.title, html`<span class="stranger">${inert(of.title)}</span>`) : nothing}
        ${madeFor.length > 0 ? fact(text.madeFor, html`<span class="stranger">${madeFor.map((one) => inert(one)).join(' · ')}</span>`) : nothing}
        ${of.mergedFrom !== null ? fact(text.mergedFrom, html`<span class="stranger">${inert(of.mergedFrom)}</span>`) : nothing}
        ${fact(text.rankOf, shares(of.ranks, count), false)}
        ${fact(text.alpha, shares(of.alphas, (alpha) => (alpha === null ? text.notStored : String(Number(alpha.toPrecision(6))))), false)}
        ${of.scales.length > 0 ? fact(text.scale, this.#scale(of, config)) : nothing}
        ${fact(text.numbers, shares(of.dtypes, inert), false)}
        ${fact(text.naming, html`<span class="stranger">${inert(called(of.scheme))}</span>`, false)}
        ${fact(text.modules, parts.join(text.comma))}
        ${!isFile(file) ? fact(text.from, html`<span class="stranger">${inert(file.host)}</span>${text.comma}${text.readAsNeeded}`)
          : fact(text.autoV2, this.sha256 === null ? html`<span class="muted hashing">${text.hashing}</span>`
          : html`<np-lora-checksum .sha256=${this.sha256} .tensors=${this.tensors}
            @np-tensors=${() => this.dispatchEvent(new CustomEvent('np-tensors'))}></np-lora-checksum>`)}
        ${words.length > 0 ? fact(text.triggerWords, html`<ul class="words">
          ${words.map((word) => html`<li class="stranger">${inert(word)}</li>`)}
          ${moreWords > 0 ? html`<li>${text.more(moreWords)}</li>` : nothing}
        </ul>`) : nothing}
      </dl>
      ${of.warnings.length > 0 ? html`<div class="warnings">${of.warnings.map((warning) =>
        html`<np-lora-problem warning .problem=${warning}></np-lora-problem>`)}</div>` : nothing}`;
  }

  #scale(of: Summary, config: Config | null): TemplateResult {
    const shown = ({ value, source }: Scale): string => `${Number(value.toPrecision(4))} ${scaleSource[source]}`;
    const unsaid = of.scales.some(({ value }) => value.source === 'unknown');
    return html`${this.ownScale ? text.scaleByUser : shares(of.scales, shown)}
      ${config ? this.#config(config) : unsaid ? this.#configChooser() : nothing}`;
  }

  #config(config: Config): TemplateResult {
    return html`<span class="config"><span class="stranger">${inert(config.name, 60)}</span>
      <button class="plain" type="button" title=${removeConfigLabel[this.side]}
        ?disabled=${this.disabled} @click=${() => this.#sendConfig(null)}><span aria-hidden="true">✕</span></button></span>`;
  }

  #configChooser(): TemplateResult {
    return chooser({ id: 'config', label: text.readConfig, name: `${text.readConfig}: ${configLabel[this.side]}`, look: 'button quiet inline', accept: JSON_FILES,
      disabled: this.disabled, chosen: (config) => this.#sendConfig(config) });
  }

  #chooser(label: string, look: string): TemplateResult {
    return chooser({ id: 'file', label, name: `${label}: ${fileLabel[this.side]}`, look, accept: LORA_FILES, disabled: this.disabled,
      chosen: (file) => this.#send(file) });
  }

  override focus(options?: FocusOptions): void {
    this.renderRoot.querySelector<HTMLElement>('#file')?.focus(options);
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has('card') && this.#linking && this.card.state !== 'empty') {
      this.#linking = false;
      const offer = this.renderRoot.querySelector<HTMLElement>('np-lora-offer');
      // The offer draws itself a moment later.
      if (offer) return queueMicrotask(() => offer.focus());
    }
  }
  #linking = false;

  #link(link: string): void {
    this.#linking = true;
    this.dispatchEvent(new CustomEvent('np-link', { detail: link }));
  }

  #load(): void {
    this.dispatchEvent(new CustomEvent('np-load'));
  }

  #sendConfig(file: File | null): void {
    this.dispatchEvent(new CustomEvent('np-config', { detail: file }));
  }

  #send(file: File | null): void {
    this.dispatchEvent(new CustomEvent('np-file', { detail: file }));
  }
}
