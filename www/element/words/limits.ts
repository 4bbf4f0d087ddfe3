/** The limits of numbers in settings. */

import { MAX_ALPHA, MAX_DENSE_RANK, MAX_STRENGTH } from '../../core/defaults.ts';

/** The range of a number. */
export interface Limits {
  least: number;
  most: number;
  /** The step of an arrow key; 1 by default. */
  step?: number;
  whole?: boolean;
}

export const within = (number: number, { least, most }: Limits): number => Math.min(most, Math.max(least, number));

/** Limits for everyone: those of the program, and no more directions or ranks than any file has. */
export const LIMITS = {
  strength: { least: -MAX_STRENGTH, most: MAX_STRENGTH },
  alpha: { least: -MAX_ALPHA, most: MAX_ALPHA },
  count: { least: 1, most: 4096, whole: true },
  denseRank: { least: 1, most: MAX_DENSE_RANK, whole: true },
  percent: { least: 0.1, most: 100 },
} satisfies Record<string, Limits>;
/** The limits of a person's input: in a field, what loaders accept; on the slider, from 0 to what people use. */
export const FIELD_STRENGTH = { least: -10, most: 10, step: 0.05 } satisfies Limits;
export const SLIDER_STRENGTH = 2;
