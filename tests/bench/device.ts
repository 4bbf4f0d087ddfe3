/** What a graphics card does of a pair, kernel by kernel, beside what it could do at most. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { shown, spread, table } from './figures.ts';
import type { Pair } from './pairs.ts';
import { firstLine, run } from './processes.ts';
import { LIMIT_SECONDS, makePair, type Setup } from './setup.ts';

/** As examples/device says it. Times are of every run but the first; all else is of one. */
interface Measured {
  device: string;
  /** A second, at most. */
  limits: { operations: number; memory: number; upload: number; readback: number };
  modules: number;
  seconds: number[];
  busy: number[];
  uploaded: number;
  read: number;
  kernels: { name: string; dispatches: number; seconds: number[]; operations: number; bytes: number }[];
}

export interface OnDevice {
  pair: string;
  measured: Measured;
  /** The projections by PyTorch, and what it calls its card; null where it has none. */
  torch: { seconds: number[]; device: string } | null;
}

export async function onDevice(setup: Setup, { name, recipe }: Pair): Promise<OnDevice | null> {
  if (!setup.gpu) return null;
  const folder = join(setup.work, 'device');
  try {
    const { content, style } = await makePair(setup, folder, recipe);
    const measured = JSON.parse((await run(setup.device, [content, style], LIMIT_SECONDS)).stdout) as Measured;
    const torch = await byTorch(setup, content, style);
    console.log(`${name}: on ${measured.device} ${milliseconds(measured.seconds)}`);
    return { pair: name, measured, torch };
  } catch (error) {
    setup.notRun.push(`The kernels on a graphics card: ${firstLine(error)}`);
    return null;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** None where it cannot. */
async function byTorch({ torch, notRun }: Setup, content: string, style: string): Promise<OnDevice['torch']> {
  if (!torch) return null;
  try {
    if (!torch.device) throw new Error('it can use none');
    const { stdout } = await run(torch.python, ['tests/bench/torch_baseline.py', content, style, '--device', torch.device], LIMIT_SECONDS);
    return JSON.parse(stdout) as OnDevice['torch'];
  } catch (error) {
    notRun.push(`PyTorch on the graphics card: ${firstLine(error)}`);
    return null;
  }
}

/** Of what may take less than one. */
const milliseconds = (seconds: number[]): string => `${shown(seconds.map((one) => 1000 * one))} ms`;

export function kernels({ pair, measured, torch }: OnDevice): string[] {
  const { device, limits, modules, seconds, busy, uploaded, read } = measured;
  const crossing = uploaded / limits.upload + read / limits.readback;
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  const rows = measured.kernels
    .map(({ name, dispatches, operations, bytes, seconds }) => {
      const took = spread(seconds).median;
      const shares = [operations / limits.operations, bytes / limits.memory].map((least) => (took > 0 ? percent(least / took) : '–'));
      return { took, cells: [name, String(dispatches), milliseconds(seconds), shown([operations / 1e9]), shown([bytes / 1e9]), ...shares] };
    })
    .toSorted((a, b) => b.took - a.took);
  return [
    `${pair}, ${modules} modules, on ${device}: the projections alone, from words in memory to words in memory, reading, composing and writing left out. `
      + 'Everything was done once before it was measured. The kernels’ time leaves out what is copied before, between and after them. Limits are the best of five runs of a kernel or transfer that does nothing else.',
    table(['', ''], [
      ['Limit of arithmetic', `${shown([limits.operations / 1e12])} · 10¹² operations a second`],
      ['Limit of its memory', `${shown([limits.memory / 1e9])} GB/s`],
      ['Limit of the way there and back', `${shown([limits.upload / 1e9])} and ${shown([limits.readback / 1e9])} GB/s`],
      ['All projections', milliseconds(seconds)],
      ['… of which kernels', milliseconds(busy)],
      [`Taking ${shown([uploaded / 1e6])} MB there and ${shown([read / 1e6])} MB back at the limit`, milliseconds([crossing])],
      ...(torch ? [
        [`The same by PyTorch, on ${torch.device}`, milliseconds(torch.seconds)],
        ['PyTorch : ours', shown([spread(torch.seconds).median / spread(seconds).median])],
        ['PyTorch : our kernels', shown([spread(torch.seconds).median / spread(busy).median])],
      ] : []),
    ]),
    table(['kernel', 'dispatches', 'time', '10⁹ operations', 'GB', 'of the arithmetic’s limit', 'of the memory’s limit'], rows.map(({ cells }) => cells)),
  ];
}
