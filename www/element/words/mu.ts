/** How μ is written and read, and β = μ/(1+μ), the fraction of the overlap that it removes. */

import type { CurvePoint } from '../../core/types.ts';
import { decimal } from './spelling.ts';

/** The values of μ in the paper's ablation. */
export const STOPS = [0, 0.1, 0.5, 1, 10, Infinity];

/** μ as the paper writes it. */
export function muText(value: number): string {
  return value === Infinity ? '∞' : String(Number(value.toPrecision(3)));
}

/** Reads μ as people write it: "0.5", "0,5", "∞", "inf". */
export function readMu(typed: string): number | undefined {
  const plain = decimal(typed).toLowerCase();
  if (/^(∞|inf|infinity)$/.test(plain)) return Infinity;
  const value = plain === '' ? NaN : Number(plain);
  return value >= 0 ? value : undefined;
}

/** β = μ/(1+μ): the fraction of the overlap that is removed. */
export function removed(value: number): number {
  return value === Infinity ? 1 : value / (1 + value);
}

/** What a μ that removes the fraction `beta` does, interpolated between the points of the curves. */
export function between(points: readonly CurvePoint[], beta: number): CurvePoint | null {
  const found = points.findIndex((point) => point.beta >= beta);
  const at = found < 0 ? points.length - 1 : found;
  const [before, after] = [points[Math.max(0, at - 1)], points[at]];
  if (!before || !after) return null;
  const share = after.beta > before.beta ? (beta - before.beta) / (after.beta - before.beta) : 1;
  const mix = (of: 'taken' | 'contentKept' | 'change'): number => before[of] + share * (after[of] - before[of]);
  return { beta, taken: mix('taken'), contentKept: mix('contentKept'), change: mix('change') };
}

/** The μ that removes this fraction. */
export function fromShare(share: number): number {
  return share >= 1 ? Infinity : Number((Math.max(0, share) / (1 - share)).toPrecision(3));
}
