/** What the drawings share: axes, lines, their size in real pixels, and their style. */

import { css, html, svg, type ReactiveController, type ReactiveControllerHost, type SVGTemplateResult, type TemplateResult } from 'lit';

export type Scale = (value: number) => number;

export function linear([from, to]: readonly [number, number], [low, high]: readonly [number, number]): Scale {
  const way = to - from || 1;
  return (value) => low + ((value - from) / way) * (high - low);
}

/** The scale of a logarithmic axis; values below its low end are placed on that end. */
export function logarithmic([from, to]: readonly [number, number], range: readonly [number, number]): Scale {
  const scale = linear([Math.log(from), Math.log(to)], range);
  return (value) => scale(Math.log(Math.max(from, value)));
}

/** Below this share of the largest, a singular value is numerical noise and does not extend the axis. */
const FLOOR = 1e-6;

/** A logarithmic axis for these values: its ends, and a few round numbers on it. */
export function decades(values: readonly number[]): { domain: [number, number]; ticks: number[] } {
  const most = Math.max(...values, 0) || 1;
  const least = Math.min(most, ...values.filter((value) => value > most * FLOOR));
  const domain: [number, number] = [least === most ? most / 10 : least, most];
  const powers = Math.log10(domain[1] / domain[0]);
  // The ticks are 1, 2 and 5 of each power if there are few powers, and only some of the powers if there are many.
  const factors = powers < 1.5 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(powers / 5));
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(domain[0])); power <= Math.ceil(Math.log10(domain[1])); power++) {
    if (factors.length === 1 && power % every !== 0) continue;
    ticks.push(...factors.map((one) => Number(`${one}e${power}`)));
  }
  return { domain, ticks: ticks.filter((tick) => tick >= domain[0] * 0.999 && tick <= domain[1] * 1.001) };
}

/** The label of a number of any size on an axis. */
export function round(value: number): string {
  if (value === 0 || (value >= 0.001 && value < 10_000)) return String(Number(value.toPrecision(3)));
  const [digits = '', power = ''] = value.toExponential(0).split('e');
  const raised = [...power.replace('+', '')].map((one) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(one)] ?? '⁻').join('');
  return `${digits === '1' ? '' : `${digits}·`}10${raised}`;
}

export const path = (points: readonly (readonly [number, number])[]): string =>
  points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');

export interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Horizontal lines across the drawing, with their numbers at the left. */
export const across = (ticks: readonly number[], y: Scale, { left, right }: Frame, show: (value: number) => string): SVGTemplateResult[] =>
  ticks.map((tick) => svg`<line class="rule" x1=${left} x2=${right} y1=${y(tick)} y2=${y(tick)} />
    <text x=${left - 8} y=${y(tick) + 4} text-anchor="end">${show(tick)}</text>`);

/** Watches the width of the host. Drawings are made for the width they have, because text in them must not be scaled. */
export class Width implements ReactiveController {
  value = 0;
  readonly #host: ReactiveControllerHost & HTMLElement;
  #observer: ResizeObserver | null = null;

  constructor(host: ReactiveControllerHost & HTMLElement) {
    this.#host = host;
    host.addController(this);
  }

  hostConnected(): void {
    this.#observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width === this.value || width === 0) return;
      this.value = width;
      // Not done at once: drawing changes the height of the observed element, which browsers would report to the window as an error.
      requestAnimationFrame(() => this.#host.requestUpdate());
    });
    this.#observer.observe(this.#host);
  }

  hostDisconnected(): void {
    this.#observer?.disconnect();
  }
}

export const drawing = css`
  svg { display: block; width: 100%; overflow: visible; }
  svg text { font: min(calc(0.6875 * var(--rem)), 14px) var(--font); fill: var(--muted); font-variant-numeric: tabular-nums; }
  .rule { stroke: var(--line); shape-rendering: crispEdges; }
  .axis { stroke: var(--edge); shape-rendering: crispEdges; }
  .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
  .curve.kept { stroke: var(--subject); }
  .curve.subject { stroke: var(--subject); stroke-dasharray: 7 3; }
  .curve.style { stroke: var(--style); }
  .curve.overlap { stroke: var(--overlap); stroke-dasharray: 2 3; }
  .bar.subject { fill: var(--subject); }
  .bar.overlap { fill: var(--overlap); }
  .legend { display: flex; flex-wrap: wrap; gap: 0 16px; font-size: var(--small); min-height: 24px; }
  .legend li { display: flex; align-items: center; gap: 8px; white-space: nowrap; }
  .legend svg { width: 24px; height: 8px; flex: none; }
  .legend strong { font-variant-numeric: tabular-nums; font-weight: 650; min-width: 3.25em; }
  h3 { line-height: 32px; }
  /* The system's colours; dashes, words and numbers tell the lines apart. */
  @media (forced-colors: active) {
    svg text { fill: CanvasText; }
    .rule { stroke: GrayText; }
    .axis, .curve.kept, .curve.subject, .curve.style, .curve.overlap { stroke: CanvasText; }
    .bar.subject, .bar.overlap { fill: CanvasText; }
  }
`;

/** A sample of a line, for the legend. */
export const sample = (of: string): TemplateResult => html`<svg viewBox="0 0 24 8" aria-hidden="true"><path class="curve ${of}" d="M0 4H24" /></svg>`;
