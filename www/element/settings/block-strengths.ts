/** The strengths and μ of single blocks, as they are set: many at a time, by a brush, by a preset, or by numbers that were pasted. */

import type { BlockStrength, PairFit } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import { FIELD_STRENGTH, within } from '../words/limits.ts';

export type Blocks = Record<string, BlockStrength>;

/** A block that has nothing of its own. */
export const WHOLE: BlockStrength = { content: 1, style: 1, mu: null };

const isWhole = (strength: BlockStrength): boolean => strength.mu === null && ROLES.every((role) => strength[role] === 1);

/** With some blocks as `change` makes them; those that are as if they were not there are left out. */
export function changed(blocks: Blocks, labels: readonly string[], change: (before: BlockStrength, index: number) => BlockStrength): Blocks {
  const after = new Map(Object.entries(blocks));
  labels.forEach((label, index) => {
    const strength = change(after.get(label) ?? WHOLE, index);
    if (isWhole(strength)) after.delete(label);
    else after.set(label, strength);
  });
  // A label may be called like anything, `__proto__` too.
  return Object.fromEntries(after);
}

/** What is set for blocks that these files have. */
export const ofThese = (blocks: Blocks, { blocks: found }: Pick<PairFit, 'blocks'>): Blocks =>
  Object.fromEntries(Object.entries(blocks).filter(([label]) => found.some((block) => block.label === label)));

/**
 * A strength for every block from what other tools write: numbers ("1,0,0.5,1"), also with a name before them ("MINE:1,0,0.5,1") or in
 * a prompt ("<lora:cat:1:lbw=1,0,0.5,1>"), or the name of a usual choice ("MIDD"). Null if it is none, or they are not as many as any
 * of those has.
 */
export function fromNumbers(typed: string, { blocks, presets, orders }: Pick<PairFit, 'blocks' | 'presets' | 'orders'>): number[] | null {
  const [before = ''] = typed.split('>');
  const own = (/(?:^|[\s:])lbw=([^:]*)/i.exec(before)?.[1] ?? before.slice(before.lastIndexOf(':') + 1)).replace(/[,，、;；\s]+$/, '').trim();
  const preset = presets.find(({ name }) => name.replace(/:.*/, '').toLowerCase() === own.toLowerCase());
  if (preset) return preset.weights;
  const numbers = own.split(/\s*[,;，、；\s]\s*/).map((word) => (word === '' ? NaN : Number(word)));
  const order = orders.find(({ length }) => length === numbers.length);
  if (!order || !numbers.every((number) => number === within(number, FIELD_STRENGTH))) return null;
  const weights = blocks.map(() => 1);
  order.forEach((places, index) => places.forEach((place) => { weights[place] = numbers[index] ?? 1; }));
  return weights;
}
