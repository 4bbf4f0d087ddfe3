/** The slider for μ, shown as the fraction of the overlap that it removes, so that its position has a meaning. */

import { LitElement, css, html, type PropertyValues, type TemplateResult } from 'lit';
import { property, query } from 'lit/decorators.js';
import type { CurvePoint } from '../../core/types.ts';
import { percent } from '../words/format.ts';
import { between, muText, removed, STOPS } from '../words/mu.ts';
import { MuRange } from './mu-range.ts';
import { text } from '../words/strings.ts';
import { base, slider } from '../parts/tokens.css.ts';
import { MU, Typing } from '../parts/typed.ts';

export class MuSlider extends LitElement {
  static override styles = [base, slider, css`
    :host { display: block; }
    .top { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0 16px; }
    label { font-weight: 650; }
    output { font-size: var(--large); font-weight: 650; color: var(--overlap); font-variant-numeric: tabular-nums; }
    output.idle { color: var(--muted); font-weight: 400; }
    .way { position: relative; padding: 0 0 32px; }
    input[type='range'] {
      --track: linear-gradient(90deg, var(--style) 0 var(--at, 33%), transparent var(--at, 33%)), var(--stripes);
    }
    .stops { position: absolute; inset: 32px 10px auto; height: 32px; }
    .stops button {
      position: absolute; left: var(--at); transform: translateX(-50%); min-width: 24px; min-height: 28px; padding: 0 4px;
      font-size: var(--small); font-variant-numeric: tabular-nums;
    }
    .stops button[aria-pressed='true'] { color: var(--ink); font-weight: 700; text-decoration: underline; text-underline-offset: 4px; }
    .ends { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 16px; }
    .exact { display: inline-flex; align-items: center; gap: 8px; }
    .exact label { font-weight: 400; color: var(--muted); }
    .exact input { width: 72px; min-height: 32px; padding: 0 8px; }
    .value { display: flex; flex-wrap: wrap; align-items: center; gap: 0 16px; }
    @container (max-width: 752px) { .hint { order: 3; width: 100%; text-align: center; } }
    @container (max-width: 448px) { .hint { min-height: 3em; } }
    /* There is no room for 0.1 beside 0 and for 10 beside ∞: they stand in a row of their own, evenly. */
    @container (max-width: 388px) {
      .way { padding: 0 0 4px; }
      .stops { position: static; display: flex; flex-wrap: wrap; justify-content: space-between; height: auto; gap: 4px; }
      .stops button { position: static; transform: none; flex: 1 0 auto; min-width: 36px; min-height: 32px; border-color: var(--line); }
      .stops button[aria-pressed='true'] { border-color: var(--ink); }
    }
  `];

  @property({ type: Number }) mu = 0.5;
  @property({ type: Boolean }) disabled = false;
  /** What every μ does to the pair; empty if that is not known, or if this μ has no effect. */
  @property({ attribute: false }) curve: readonly CurvePoint[] = [];
  @query('.way') private way!: HTMLElement;
  #range = new MuRange(this);
  #typing = new Typing(this);

  override render(): TemplateResult {
    const share = removed(this.mu);
    const now = between(this.curve, share);
    const outcome = now ? text.outcome(percent(now.contentKept), percent(now.change)) : '';
    return html`
      <div class="top">
        <label for="mu">${text.mu}</label>
        <span class="value"><output for="mu" aria-live="off" class=${this.disabled ? 'idle' : ''}>${text.removes(percent(share))}</output>
          <span class="exact small"><label for="exact">${text.muExact}</label>
            ${this.#typing.input({ id: 'exact', value: this.mu, spelling: MU, disabled: this.disabled, changed: (mu) => this.#range.send(mu, true) })}</span></span>
      </div>
      ${this.#typing.refusal('exact-refused')}
      <div class="way">
        ${this.#range.render({ id: 'mu', ...(outcome ? { more: outcome } : {}) })}
        <div class="stops" role="group" aria-label=${text.stops}>${STOPS.map((stop) => html`
          <button class="plain" type="button" aria-label="μ ${muText(stop)}" aria-pressed=${stop === this.mu}
            ?disabled=${this.disabled} @click=${() => this.#range.send(stop, true)}>${muText(stop)}</button>`)}
        </div>
      </div>
      <div class="ends small muted"><span>${text.muLeft}</span><span class="hint">${outcome || text.muHint}</span><span>${text.muRight}</span></div>`;
  }

  // Set through the object model: a style attribute would need 'unsafe-inline' in the page's policy.
  protected override updated(changed: PropertyValues): void {
    if (!changed.has('mu')) return;
    const share = removed(this.mu);
    // The thumb's centre stops half a thumb before each end of the track.
    this.way.style.setProperty('--at', `calc(10px + ${share} * (100% - 20px))`);
    this.way.querySelectorAll<HTMLElement>('.stops button').forEach((button, index) => {
      button.style.setProperty('--at', `${removed(STOPS[index] ?? 0) * 100}%`);
    });
  }
}
