/** The strengths and μ of single blocks, set many at a time: by a brush, by a preset, or by pasted numbers. */

import type { BlockStrength, PairFit } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import { FIELD_STRENGTH, within } from '../words/limits.ts';

export type Blocks = Record<string, BlockStrength>;

/** The values of a block without settings of its own. */
export const WHOLE: BlockStrength = { content: 1, style: 1, mu: null };

const isWhole = (strength: BlockStrength): boolean => strength.mu === null && ROLES.every((role) => strength[role] === 1);

/** The blocks after `change` was applied to some; blocks with the usual values are left out. */
export function changed(blocks: Blocks, labels: readonly string[], change: (before: BlockStrength, index: number) => BlockStrength): Blocks {
  const after = new Map(Object.entries(blocks));
  labels.forEach((label, index) => {
    const strength = change(after.get(label) ?? WHOLE, index);
    if (isWhole(strength)) after.delete(label);
    else after.set(label, strength);
  });
  // A label may be any text, even `__proto__`.
  return Object.fromEntries(after);
}

/** The settings of those blocks that these files have. */
export const ofThese = (blocks: Blocks, { blocks: found }: Pick<PairFit, 'blocks'>): Blocks =>
  Object.fromEntries(Object.entries(blocks).filter(([label]) => found.some((block) => block.label === label)));

/**
 * A strength for every block, from what other tools write: numbers ("1,0,0.5,1"), also with a name before them ("MINE:1,0,0.5,1") or in a prompt
 * ("<lora:cat:1:lbw=1,0,0.5,1>"), or the name of a common choice ("MIDD"). Null if it is none of these, or if the number of numbers fits none of the
 * usual orders.
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
