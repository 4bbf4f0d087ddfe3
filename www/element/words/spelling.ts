/** Settings as people write them in addresses, in markup and in fields. Text that makes no sense gives undefined. */

import type { CutChoice, Recompress, ScaleChoice } from '../../core/types.ts';
import { LIMITS, type Limits } from './limits.ts';

export const number = (text: string, { least, most }: Limits): number | undefined => {
  const value = text.trim() === '' ? NaN : Number(text);
  return value >= least && value <= most ? value : undefined;
};

export const whole = (text: string, limits: Limits): number | undefined => (/^[1-9]\d*$/.test(text) ? number(text, limits) : undefined);

/** Normalises a typed number: a decimal comma to a point, a typographic minus sign to a hyphen, and full-width digits to ordinary ones. */
export const decimal = (typed: string): string => typed.trim().normalize('NFKC').replace(',', '.').replace(/^[−–]/, '-');

/** A number as people write it; 0x10 and 1e2 are not accepted. */
export const written = (typed: string, limits: Limits): number | undefined => {
  const plain = decimal(typed);
  return /^-?(\d+\.?\d*|\.\d+)$/.test(plain) ? number(plain, limits) : undefined;
};

/** One of these words, in upper or lower case. */
export const oneOf = <T extends string>(words: readonly T[], text: string): T | undefined => words.find((word) => word.toLowerCase() === text.toLowerCase());

/** Reads a percentage such as "90%" as a share. */
export const share = (text: string): number | undefined => {
  const percent = text.endsWith('%') ? number(text.slice(0, -1), { ...LIMITS.percent, least: 0 }) : undefined;
  return percent ? percent / 100 : undefined;
};

/** Reads the directions of the style to protect: `all`, `12` or `90%`. */
export function readCut(text: string): CutChoice | undefined {
  if (text === 'all') return { kind: 'all' };
  const [count, energy] = [whole(text, LIMITS.count), share(text)];
  return count ? { kind: 'count', count } : energy ? { kind: 'energy', share: energy } : undefined;
}

export const cutText = (cut: CutChoice): string => (cut.kind === 'count' ? String(cut.count) : cut.kind === 'energy' ? percentText(cut.share) : cut.kind);

/** Reads a scale: `auto`, `rslora` or an alpha. */
export function readScale(text: string): ScaleChoice | undefined {
  if (text === 'auto') return { kind: 'auto' };
  if (text === 'rslora') return { kind: 'rankStabilised' };
  const alpha = number(text, LIMITS.alpha);
  return alpha === undefined ? undefined : { kind: 'alpha', alpha };
}

export const scaleText = (scale: ScaleChoice): string => (scale.kind === 'alpha' ? String(scale.alpha) : scale.kind === 'auto' ? 'auto' : 'rslora');

const percentText = (of: number): string => `${Number((of * 100).toPrecision(12))}%`;

/** Writes a rank: `exact`, `32` or `90%`. */
export const rankText = (to: Recompress): string => (to.kind === 'rank' ? String(to.rank) : to.kind === 'energy' ? percentText(to.share) : to.kind);

export function readRank(text: string): Recompress | undefined {
  if (text === 'exact') return { kind: 'exact' };
  const [rank, energy] = [whole(text, LIMITS.count), share(text)];
  return rank ? { kind: 'rank', rank } : energy ? { kind: 'energy', share: energy } : undefined;
}
