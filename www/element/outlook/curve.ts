/** How much of the subject is kept and how much the projection changes, over the fraction removed; μ can be dragged on it. */

import { LitElement, css, html, nothing, svg, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import { guard } from 'lit/directives/guard.js';
import type { CurvePoint } from '../../core/types.ts';
import { percent } from '../words/format.ts';
import { between, muText, removed, STOPS } from '../words/mu.ts';
import { language } from '../words/language.ts';
import { MuRange } from '../controls/mu-range.ts';
import { text as shared } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';
import type { Table } from './data.ts';
import { across, drawing, linear, path, sample, Width, type Frame, type Scale } from './plot.ts';
import { column, text } from './strings.ts';

const HEIGHT = 248;
const LEFT = 64;
const RIGHT = 16;
const LINES = [
  { key: 'contentKept', name: 'kept', look: 'kept' },
  { key: 'change', name: 'change', look: 'overlap' },
] as const;

export class Curve extends LitElement {
  static override styles = [base, drawing, css`
    :host { display: block; min-width: 0; }
    .top { display: flex; justify-content: space-between; align-items: baseline; gap: 16px; }
    .waits { visibility: hidden; }
    .plot { position: relative; margin-top: 8px; min-height: ${HEIGHT}px; }
    .marker { stroke: var(--ink); }
    .dot { stroke: var(--surface); stroke-width: 2; }
    .dot.kept { fill: var(--subject); } .dot.overlap { fill: var(--overlap); }
    .stop { fill: var(--ink); }
    /* As wide as the axis and half a thumb more at either end, so that the thumb's middle is where the marker is. */
    input { appearance: none; position: absolute; left: ${LEFT - 12}px; width: calc(100% - ${LEFT + RIGHT - 24}px); top: 8px; height: 200px; margin: 0; background: none; cursor: ew-resize; touch-action: pan-y; }
    input::-webkit-slider-runnable-track { height: 200px; background: none; }
    input::-moz-range-track { height: 200px; background: none; }
    input::-webkit-slider-thumb { appearance: none; width: 24px; height: 200px; border: 0; border-radius: 12px; background: var(--knob); }
    input::-moz-range-thumb { width: 24px; height: 200px; border: 0; border-radius: 12px; background: var(--knob); }
    input { --knob: radial-gradient(circle at 50% calc(100% - 12px), var(--surface) 0 6.5px, var(--ink) 7.25px 8.75px, transparent 9.5px); }
    input:disabled { cursor: default; }
    input:focus-visible { outline: none; }
    input:focus-visible::-webkit-slider-thumb { outline: 2px solid var(--ink); outline-offset: -1px; }
    input:focus-visible::-moz-range-thumb { outline: 2px solid var(--ink); outline-offset: -1px; }
    @media (forced-colors: active) {
      .marker { stroke: Highlight; } .dot { stroke: Canvas; } .dot.kept, .dot.overlap { fill: Highlight; }
      input { forced-color-adjust: none; --surface: Canvas; --ink: Highlight; }
    }
  `];

  /** The points of the curves; empty if nothing is known about the pair. */
  @property({ attribute: false }) points: readonly CurvePoint[] = [];
  @property({ type: Number }) mu = 0.5;
  @property({ type: Boolean }) disabled = false;
  #width = new Width(this);
  #range = new MuRange(this);

  override render(): TemplateResult {
    const now = between(this.points, removed(this.mu));
    const more = now ? shared.outcome(percent(now.contentKept), percent(now.change)) : undefined;
    return html`<div class="top"><h3>${text.curve}</h3><span class="small muted">${text.at(muText(this.mu))}</span></div>
      <ul class="legend">${LINES.map(({ key, name, look }) => html`<li>${sample(look)}${text[name]} <strong>${now ? percent(now[key]) : '…'}</strong></li>`)}</ul>
      <div class="plot">
        ${this.#width.value > 0 ? this.#drawing(now) : nothing}
        ${this.#range.render({ id: 'marker', label: text.marker, more })}
      </div>
      <np-lora-data class=${now ? '' : 'waits'} about=${text.curve} .of=${() => this.#table()}></np-lora-data>`;
  }

  /** The axes and the marker for μ, with dots on the curves unless `now` is null. */
  #drawing(now: CurvePoint | null): TemplateResult {
    const width = this.#width.value;
    const beta = removed(this.mu);
    const frame: Frame = { left: LEFT, right: width - RIGHT, top: 16, bottom: HEIGHT - 52 };
    const most = Math.max(1, ...this.points.map(({ change }) => change));
    const x = linear([0, 1], [frame.left, frame.right]);
    const y = linear([0, most], [frame.bottom, frame.top]);
    // While the slider moves, only the marker is drawn again.
    return html`<svg height=${HEIGHT} role="img" aria-label=${text.curveDrawing}>
      ${guard([this.points, width, language()], () => this.#still(frame, x, y, most))}
      <line class="marker" x1=${x(beta)} x2=${x(beta)} y1=${frame.top} y2=${frame.bottom} />
      ${now ? LINES.map(({ key, look }) => svg`<circle class="dot ${look}" r="5" cx=${x(beta)} cy=${y(now[key])} />`) : nothing}
    </svg>`;
  }

  #still(frame: Frame, x: Scale, y: Scale, most: number) {
    const { left, bottom } = frame;
    return svg`${across([0, 0.25, 0.5, 0.75, 1].map((share) => share * most), y, frame, percent)}
      <text x="0" y=${bottom + 20}>${text.removes}</text>
      ${[0, 0.25, 0.5, 0.75, 1].map((beta) => svg`<text x=${x(beta)} y=${bottom + 20} text-anchor="middle">${percent(beta)}</text>`)}
      <text x="0" y=${bottom + 44} class="stop">μ</text>
      ${STOPS.map((stop) => svg`<line class="axis" x1=${x(removed(stop))} x2=${x(removed(stop))} y1=${bottom + 26} y2=${bottom + 30} />
        <text class="stop" x=${x(removed(stop))} y=${bottom + 44} text-anchor="middle">${muText(stop)}</text>`)}
      <line class="axis" x1=${left} x2=${frame.right} y1=${bottom} y2=${bottom} />
      ${LINES.map(({ key, look }) => svg`<path class="curve ${look}" d=${path(this.points.map((point) => [x(point.beta), y(point[key])] as const))} />`)}`;
  }

  #table(): Table {
    return {
      file: 'np-lora-curve',
      columns: [
        { key: 'removed', name: column.removed, share: true }, { key: 'mu', name: 'μ' },
        { key: 'contentKept', name: text.kept, share: true }, { key: 'change', name: text.change, share: true },
      ],
      rows: this.points.map(({ beta, contentKept, change }) => [beta, beta >= 1 ? Infinity : beta / (1 - beta), contentKept, change]),
    };
  }
}
