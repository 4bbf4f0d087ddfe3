/** The figures that the map can show, each with its colour steps and its format; and the layout of the map's fields. */

import type { MapCell, Outlook, Role, Tally } from '../../core/types.ts';
import { count, percent, unbroken } from '../words/format.ts';
import { text } from './strings.ts';

/** A factor, such as "6.1", "0.33" or "140". */
export function factor(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return value >= 100 ? count(Math.round(value)) : String(Number(value.toPrecision(2)));
}

/** A ratio; null if there is nothing to divide by. */
const ratio = (of: number, to: number): number | null => (to > 0 ? of / to : null);

export interface Figure {
  of: (tally: Tally) => number | null;
  show: (value: number) => string;
  /** The values at which the next colour step begins, in rising order; null: chosen to fit the pair. */
  bounds: readonly number[] | null;
  /** The CSS classes of the steps, one more than there are bounds. */
  steps: readonly string[];
}

const RISING = ['o0', 'o1', 'o2', 'o3', 'o4', 'o5', 'o6', 'o7'];

export const FIGURES = {
  overlap: {
    of: ({ overlap, chance }) => ratio(overlap, chance), show: factor,
    bounds: null, steps: RISING,
  },
  kept: {
    of: ({ contentKept }) => contentKept, show: percent,
    bounds: [0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99], steps: RISING.toReversed(),
  },
  change: {
    of: ({ change }) => change, show: percent,
    bounds: [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5], steps: RISING,
  },
  balance: {
    of: ({ styleNorm, contentNorm }) => ratio(styleNorm, contentNorm), show: factor,
    bounds: [1 / 4, 1 / 2, 2 / 3, 3 / 2, 2, 4], steps: ['c3', 'c2', 'c1', 'o0', 'y1', 'y2', 'y3'],
  },
} satisfies Record<string, Figure>;

export type FigureName = keyof typeof FIGURES;

/** Round numbers, spaced about evenly in proportion. */
const ROUND = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
/** The scale for the overlap goes at least up to this multiple of chance: a smaller one is no reason for a dark field. */
const LEAST = 10;

function nearest(value: number, to: readonly number[]): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const away = (round: number): number => Math.abs(Math.log((round * power) / value));
  return Number((to.reduce((best, round) => (away(round) < away(best) ? round : best)) * power).toPrecision(2));
}

/** Steps in equal proportion from 1 to the largest value, rounded up so that they seldom change during an analysis. */
function upTo(most: number, steps: number): number[] {
  const power = 10 ** Math.floor(Math.log10(Math.max(LEAST, most)));
  const end = ([1, 2, 5].find((round) => round * power >= most) ?? 10) * power;
  return Array.from({ length: steps - 1 }, (_, at) => nearest(end ** ((at + 1) / steps), ROUND));
}

/** The values at which the colour steps of this map begin. */
export function boundsOf({ of, bounds, steps }: Figure, rows: readonly Row[]): readonly number[] {
  const values = (): number[] => rows.flatMap(({ fields }) => fields.map((field) => (field && of(field)) || 0));
  return bounds ?? upTo(values().reduce((most, value) => Math.max(most, value), 0), steps.length);
}

export function step({ of, steps }: Figure, bounds: readonly number[], tally: Tally): string {
  const value = of(tally);
  const at = value === null ? 0 : bounds.filter((bound) => value >= bound).length;
  return value === null ? 'o0' : steps[at] ?? '';
}

/** The figures of a field or a layer, in words. */
export function inWords(tally: Tally): string {
  const { overlap, chance, contentKept, change } = tally;
  const larger = largerOf(tally);
  const times = ratio(overlap, chance);
  return unbroken([
    [text.overlapBy(percent(overlap)), ...(times === null ? [] : [text.timesChance(factor(times), percent(chance))])].join(' '),
    text.keptBy(percent(contentKept)), text.changeBy(percent(change)), ...(larger ? [text.ratio[larger.role](factor(larger.times))] : []),
  ].join(' · '));
}

/** Which update is the larger one, and how many times; null if either is zero. */
export function largerOf({ contentNorm: content, styleNorm: style }: Pick<Tally, 'contentNorm' | 'styleNorm'>): { role: Role; times: number } | null {
  if (content === 0 || style === 0) return null;
  return style >= content ? { role: 'style', times: style / content } : { role: 'content', times: content / style };
}

/** A field of the map as drawn. `members`: indices in the outlook's modules. */
export type Field = Tally & { members: number[] };

/** A field identified by its names, because the lists grow during an analysis; `kind` null: the whole block. */
export interface Place {
  block: string;
  kind: string | null;
}

export interface Row {
  label: string;
  /** All kinds together, then each kind; null if the block has no such layers, undefined if nothing is known about them yet. */
  fields: (Field | null | undefined)[];
}

/** The rows and fields of the map. */
export function layOut({ blocks, kinds, cells }: Outlook): Row[] {
  const at = new Map<string, MapCell>(cells.map((cell) => [`${cell.block} ${cell.kind}`, cell]));
  return blocks.map(({ label, ...tally }, block) => {
    const ofKinds = kinds.map((_, kind) => at.get(`${block} ${kind}`) ?? null).map((cell) => (cell?.modules === 0 ? undefined : cell));
    const members = ofKinds.flatMap((cell) => cell?.members ?? []).sort((a, b) => a - b);
    return { label, fields: [tally.modules > 0 ? { ...tally, members } : undefined, ...ofKinds] };
  });
}

export function fieldAt(outlook: Outlook, { block, kind }: Place): Field | null {
  const column = kind === null ? 0 : outlook.kinds.indexOf(kind) + 1;
  return layOut(outlook).find(({ label }) => label === block)?.fields[column] ?? null;
}

export const blockName = (label: string): string => label || text.noBlock;
