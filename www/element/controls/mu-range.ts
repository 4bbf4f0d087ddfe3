/** A range input that runs over β = μ/(1+μ), used in several places: it handles keys, stops and dragging, and reports μ with `np-mu`. */

import { html, nothing, type TemplateResult } from 'lit';
import { percent } from '../words/format.ts';
import { fromShare, muText, removed, STOPS } from '../words/mu.ts';
import { text } from '../words/strings.ts';

/** How close to a stop the pointer must be to snap to it, as a share of the track. */
const SNAP = 0.02;
const STEP = 0.01;

/** A new μ. `committed`: the person has let go. */
export interface MuChange {
  mu: number;
  committed: boolean;
}

interface Range {
  id: string;
  label?: string;
  /** What a screen reader reads out after the value. */
  more?: string;
}

export class MuRange {
  readonly #host: HTMLElement & { mu: number; disabled: boolean };
  #pointing = false;

  constructor(host: HTMLElement & { mu: number; disabled: boolean }) {
    this.#host = host;
  }

  render({ id, label, more }: Range): TemplateResult {
    const { mu, disabled } = this.#host;
    const share = removed(mu);
    const point = (is: boolean) => () => { this.#pointing = is; };
    return html`<input id=${id} type="range" min="0" max="1" step="any" .value=${String(share)} ?disabled=${disabled} aria-label=${label ?? nothing}
      aria-valuetext=${[`μ ${muText(mu)}`, text.removes(percent(share)), ...(more ? [more] : [])].join(text.comma)}
      @pointerdown=${point(true)} @pointerup=${point(false)} @pointercancel=${point(false)}
      @input=${this.#slide} @change=${() => this.send(this.#host.mu, true)} @keydown=${this.#key}>`;
  }

  send(mu: number, committed: boolean): void {
    this.#host.mu = mu;
    this.#host.dispatchEvent(new CustomEvent<MuChange>('np-mu', { detail: { mu, committed } }));
  }

  #slide = (event: Event): void => {
    const share = Number((event.target as HTMLInputElement).value);
    const near = this.#pointing ? STOPS.find((stop) => Math.abs(removed(stop) - share) < SNAP) : undefined;
    this.send(near ?? fromShare(share), false);
  };

  /** Arrow keys move by one percent, Page keys from stop to stop. Keys never snap, because an arrow key could then never leave a stop. */
  #key = (event: KeyboardEvent): void => {
    const { mu } = this.#host;
    const share = removed(mu);
    const up = (): number => fromShare((Math.floor(share / STEP + 1e-6) + 1) * STEP);
    const down = (): number => fromShare((Math.ceil(share / STEP - 1e-6) - 1) * STEP);
    const next: Record<string, () => number> = {
      ArrowRight: up, ArrowUp: up, ArrowLeft: down, ArrowDown: down,
      PageUp: () => STOPS.find((stop) => stop > mu) ?? Infinity,
      PageDown: () => STOPS.findLast((stop) => stop < mu) ?? 0,
      Home: () => 0,
      End: () => Infinity,
    };
    const to = next[event.key];
    if (!to) return;
    event.preventDefault();
    this.send(to(), true);
  };
}
