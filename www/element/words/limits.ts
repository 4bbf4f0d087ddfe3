/** How far numbers of settings go. */

import { MAX_ALPHA, MAX_DENSE_RANK, MAX_STRENGTH } from '../../core/defaults.ts';

/** What a number may be. */
export interface Limits {
  least: number;
  most: number;
  /** Of an arrow key; 1 unless said. */
  step?: number;
  whole?: boolean;
}

export const within = (number: number, { least, most }: Limits): number => Math.min(most, Math.max(least, number));

/** Whoever sets them: as the program takes them, and no more directions or ranks than any file has. */
export const LIMITS = {
  strength: { least: -MAX_STRENGTH, most: MAX_STRENGTH },
  alpha: { least: -MAX_ALPHA, most: MAX_ALPHA },
  count: { least: 1, most: 4096, whole: true },
  denseRank: { least: 1, most: MAX_DENSE_RANK, whole: true },
  percent: { least: 0.1, most: 100 },
} satisfies Record<string, Limits>;
/** What a person sets goes as far as loaders take it, on a slider from 0 to what people use. */
export const FIELD_STRENGTH = { least: -10, most: 10, step: 0.05 } satisfies Limits;
export const SLIDER_STRENGTH = 2;
