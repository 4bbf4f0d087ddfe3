/** One layer's singular values, how much of the subject lies along the style's directions, and the angles between the two. */

import { LitElement, css, html, nothing, svg, type SVGTemplateResult, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { Spectra } from '../../core/types.ts';
import { inert } from '../words/format.ts';
import { base } from '../parts/tokens.css.ts';
import type { Table } from './data.ts';
import { across, decades, drawing, linear, logarithmic, path, round, sample, Width, type Frame, type Scale } from './plot.ts';
import { column, text } from './strings.ts';

const HEIGHT = 224;
const SMALL = 168;
const GAP = 24;
/** The width from which the two small drawings are placed side by side. */
const BESIDE = 480;
const LEFT = 56;
/** The factor by which the smallest value stays above the axis. */
const CLEAR = 1.5;
const LINES = [
  { key: 'style', name: 'style', look: 'style' },
  { key: 'content', name: 'subject', look: 'subject' },
  { key: 'fused', name: 'fused', look: 'overlap' },
] as const;

const degrees = (cosine: number): number => (Math.acos(Math.min(1, Math.max(0, cosine))) * 180) / Math.PI;

export class Spectrum extends LitElement {
  static override styles = [base, drawing, css`
    :host { display: block; min-width: 0; }
    .name { font-family: var(--mono); font-size: var(--tiny); }
    .cut { stroke: var(--ink); stroke-dasharray: 3 3; }
    .strong { fill: var(--ink); }
    .pair { display: flex; flex-wrap: wrap; gap: 16px ${GAP}px; margin-top: 16px; }
    .pair > div { flex: 1 1 ${(BESIDE - GAP) / 2}px; min-width: 0; }
    .plot { margin-top: 8px; }
  `];

  @property({ attribute: false }) spectra: Spectra | null = null;
  #width = new Width(this);

  override render(): TemplateResult | typeof nothing {
    const { spectra } = this;
    if (!spectra) return nothing;
    const width = this.#width.value;
    const small = width >= BESIDE ? Math.floor((width - GAP) / 2) : width;
    const drawn = (make: () => TemplateResult): TemplateResult | typeof nothing => (width > 0 ? make() : nothing);
    return html`<h3>${text.spectrum}</h3>
      <p class="name muted stranger">${inert(spectra.name)}</p>
      <ul class="legend">${LINES.filter(({ key }) => spectra[key].length > 0).map(({ name, look }) => html`<li>${sample(look)}${text[name]}</li>`)}</ul>
      <div class="plot">${drawn(() => values(spectra, width))}</div>
      ${spectra.protected === 0 ? html`<p class="small muted">${text.noDirections}</p>` : html`<div class="pair">
        <div><h3>${text.along}</h3>
          <ul class="legend"><li>${sample('style')}${text.style}</li><li><svg viewBox="0 0 24 8" aria-hidden="true"><rect class="bar subject" x="8" width="8" height="8" /></svg>${text.subject}</li></ul>
          <div class="plot">${drawn(() => along(spectra, small))}</div></div>
        <div><h3>${text.angles}</h3>
          <p class="legend muted">${text.anglesHint}</p>
          <div class="plot">${drawn(() => angles(spectra, small))}</div></div>
      </div>`}
      <np-lora-data about=${text.spectrum} .of=${() => table(spectra)}></np-lora-data>`;
  }
}

const frameOf = (width: number, height: number, top = 8): Frame => ({ left: LEFT, right: width - 16, top, bottom: height - 40 });

/** The axis of directions, counted from one, with labels at its ends and, if there is room, in the middle. */
function ranks(count: number, x: Scale, { left, right, bottom }: Frame): SVGTemplateResult {
  const ticks = [...new Set(count > 8 ? [1, Math.round(count / 2), count] : [1, count])];
  return svg`<line class="axis" x1=${left} x2=${right} y1=${bottom} y2=${bottom} />
    ${ticks.map((tick) => svg`<text x=${x(tick)} y=${bottom + 16} text-anchor="middle">${tick}</text>`)}
    <text x=${(left + right) / 2} y=${bottom + 34} text-anchor="middle">${text.direction}</text>`;
}

function values(spectra: Spectra, width: number): TemplateResult {
  // Leaves room above the lines for the label of the cut.
  const frame = frameOf(width, HEIGHT, 24);
  const count = Math.max(1, ...LINES.map(({ key }) => spectra[key].length));
  const { domain, ticks } = decades(LINES.flatMap(({ key }) => spectra[key]));
  const x = linear([0.5, count + 0.5], [frame.left, frame.right]);
  const y = logarithmic([domain[0] / CLEAR, domain[1]], [frame.bottom, frame.top]);
  const cut = x(spectra.protected + 0.5);
  return html`<svg height=${HEIGHT} role="img" aria-label=${text.spectrumDrawing}>
    ${across(ticks, y, frame, round)}
    ${ranks(count, x, frame)}
    ${LINES.map(({ key, look }) => svg`<path class="curve ${look}" d=${steps(spectra[key], x, y)} />`)}
    <line class="cut" x1=${cut} x2=${cut} y1=${frame.top - 8} y2=${frame.bottom} />
    <text class="strong" x=${cut} y=${frame.top - 13} text-anchor="middle">k = ${spectra.protected}</text>
  </svg>`;
}

/** A line of steps. Each value is as wide as its direction, so that a single value is visible too. */
const steps = (of: readonly number[], x: Scale, y: Scale): string =>
  path(of.flatMap((value, index) => [[x(index + 0.5), y(value)], [x(index + 1.5), y(value)]] as const));

function along(spectra: Spectra, width: number): TemplateResult {
  const frame = frameOf(width, SMALL);
  const style = spectra.style.slice(0, spectra.along.length);
  const { domain, ticks } = decades([...style, ...spectra.along]);
  const x = linear([0.5, spectra.along.length + 0.5], [frame.left, frame.right]);
  const y = logarithmic([domain[0] / CLEAR, domain[1]], [frame.bottom, frame.top]);
  return html`<svg height=${SMALL} role="img" aria-label=${text.alongDrawing}>
    ${across(ticks, y, frame, round)}
    ${bars(spectra.along, x, y, frame, 'subject')}
    <path class="curve style" d=${steps(style, x, y)} />
    ${ranks(spectra.along.length, x, frame)}
  </svg>`;
}

function angles(spectra: Spectra, width: number): TemplateResult {
  const frame = frameOf(width, SMALL);
  const all = spectra.cosines.map(degrees);
  const x = linear([0.5, Math.max(1, all.length) + 0.5], [frame.left, frame.right]);
  const y = linear([0, 90], [frame.bottom, frame.top]);
  return html`<svg height=${SMALL} role="img" aria-label=${text.anglesDrawing}>
    ${across([0, 30, 60, 90], y, frame, (value) => `${value}°`)}
    ${bars(all, x, y, frame, 'overlap')}
    ${ranks(Math.max(1, all.length), x, frame)}
  </svg>`;
}

function bars(of: readonly number[], x: Scale, y: Scale, { bottom }: Frame, look: string): SVGTemplateResult[] {
  const wide = (x(2) - x(1)) * 0.7;
  return of.map((value, index) => {
    const top = Math.min(bottom - 1, y(value));
    return svg`<rect class="bar ${look}" x=${x(index + 1) - wide / 2} width=${wide} y=${top} height=${bottom - top} />`;
  });
}

function table({ content, style, fused, along: subject, cosines }: Spectra): Table {
  const rows = Math.max(content.length, style.length, fused.length, subject.length, cosines.length);
  const of = (list: readonly number[], index: number): number | null => list[index] ?? null;
  return {
    file: 'np-lora-spectrum',
    columns: [
      { key: 'direction', name: text.direction }, { key: 'style', name: text.style }, { key: 'subject', name: text.subject },
      { key: 'fused', name: text.fused }, { key: 'along', name: text.along }, { key: 'cosine', name: column.cosine }, { key: 'degrees', name: column.degrees },
    ],
    rows: Array.from({ length: rows }, (_, index) => {
      const cosine = of(cosines, index);
      return [index + 1, of(style, index), of(content, index), of(fused, index), of(subject, index), cosine, cosine === null ? null : degrees(cosine)];
    }),
  };
}

