/** How the time of a native fusion grows with the rank and with the number of modules. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './processes.ts';
import { LIMIT_SECONDS, makePair, type Made, type Recipe, type Setup } from './setup.ts';

export interface Series {
  /** What grows, and what stays. */
  name: string;
  fixed: string;
  points: { value: number; operations: number; bytes: number; seconds: number[] }[];
}

/** Square layers. */
const SIZE = 2048;
const COUNT = 50;
const RANK = 16;

const recipe = (count: number, rank: number): Recipe =>
  ({ layers: { count, size: SIZE }, rank, alpha: rank, dtype: 'F16', decay: 0.95 });

export async function growth(setup: Setup, runs: number, quick: boolean): Promise<Series[]> {
  const series = [
    {
      name: 'rank', fixed: `${COUNT} modules of ${SIZE} × ${SIZE}`,
      values: quick ? [8, 16, 32] : [8, 16, 32, 64, 128], of: (rank: number) => recipe(COUNT, rank),
    },
    {
      name: 'modules', fixed: `rank ${RANK}, ${SIZE} × ${SIZE}`,
      values: quick ? [50, 100, 200] : [50, 100, 200, 500, 1000], of: (count: number) => recipe(count, RANK),
    },
  ];
  const folder = join(setup.work, 'growth');
  const found: Series[] = [];
  for (const { name, fixed, values, of } of series) {
    const points: (Series['points'][number] & { made: Made })[] = [];
    for (const value of values) {
      const made = await makePair(setup, join(folder, String(value)), of(value));
      points.push({ value, operations: made.operations, bytes: 2 * made.bytes, seconds: [], made });
    }
    for (let at = 0; at < runs; at++) {
      for (const { made: { content, style }, seconds } of points) {
        seconds.push((await run(setup.fuse, [content, style, join(folder, 'result')], LIMIT_SECONDS)).seconds);
      }
    }
    await rm(folder, { recursive: true });
    console.log(`growth with ${name}: measured`);
    found.push({ name, fixed, points });
  }
  return found;
}
