/** The pairs, and the ways to fuse them, run one after the other so that what else the machine does falls on all alike. */

import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { floor, fuse } from './chromium.ts';
import { firstLine, run } from './processes.ts';
import { LIMIT_SECONDS, makePair, type Made, type Recipe, type Setup } from './setup.ts';

export interface Pair {
  name: string;
  modules: number;
  recipe: Recipe;
}

/** What people have: two common sizes, and a large one. */
export const PAIRS: Pair[] = [
  { name: 'FLUX.1, rank 16, F16', modules: 304, recipe: { layers: 'FLUX.1', rank: 16, alpha: 16, dtype: 'F16', decay: 0.9 } },
  { name: 'SDXL, rank 32, F16', modules: 986, recipe: { layers: 'SDXL', rank: 32, alpha: 16, dtype: 'F16', decay: 0.93 } },
  { name: 'FLUX.1, rank 64, BF16', modules: 304, recipe: { layers: 'FLUX.1', rank: 64, alpha: 32, dtype: 'BF16', decay: 0.97 } },
];

/** One run. */
export interface Taken {
  seconds: number;
  parts?: [what: string, seconds: number][];
  memory: [what: string, bytes: number][];
}

export type WayName = 'copy' | 'floor' | 'native' | 'gpu' | 'torch' | 'chromium';

export interface PairFound {
  pair: Pair;
  bytes: number;
  /** By way; of each run, undefined where it failed. */
  ways: Map<WayName, (Taken | undefined)[]>;
  /** Between our result and PyTorch's, relative, over a tenth of the modules. */
  difference: number | null;
}

interface Way {
  name: WayName;
  run(made: Made, result: string): Promise<Taken & { difference?: number }>;
}

/** Those that this machine has. */
function waysOf(setup: Setup): Way[] {
  const ways: Way[] = [{ name: 'copy', run: ({ content, style }, result) => copy([content, style], result) }];
  const { browser, torch } = setup;
  const browsing = browser && { url: browser.probed, profile: browser.profile, limitSeconds: LIMIT_SECONDS };
  if (browsing) ways.push({ name: 'floor', run: async ({ content, style }) => ({ seconds: await floor(browsing, content, style), memory: [] }) });
  const native = (backend: string) => async ({ content, style }: Made, result: string): Promise<Taken> => {
    const { seconds, peakBytes } = await run(setup.fuse, [content, style, result, '{}', backend], LIMIT_SECONDS);
    return { seconds, memory: peakBytes ? [['', peakBytes]] : [] };
  };
  ways.push({ name: 'native', run: native('cpu') });
  if (setup.gpu) ways.push({ name: 'gpu', run: native('webgpu') });
  if (torch) {
    ways.push({
      name: 'torch',
      run: async ({ content, style }, result) => {
        // The native result still lies there, to be compared with.
        const args = ['tests/bench/torch_baseline.py', content, style, `${result}.torch`, result];
        const { stdout } = await run(torch.python, args, LIMIT_SECONDS);
        await rm(`${result}.torch`);
        const { seconds, peakBytes, difference } = JSON.parse(stdout) as { seconds: number; peakBytes: number | null; difference: number };
        return { seconds, memory: peakBytes ? [['', peakBytes]] : [], difference };
      },
    });
  }
  if (browsing) {
    ways.push({
      name: 'chromium',
      run: async ({ content, style }) => {
        const { seconds, fusing, verifying, workers, wasmBytes, pageBytes, browserBytes } = await fuse(browsing, content, style);
        const memory: Taken['memory'] = [[`the program in ${workers} workers`, wasmBytes]];
        if (pageBytes) memory.push(['the page’s process', pageBytes]);
        if (browserBytes) memory.push(['the browser’s process', browserBytes]);
        return { seconds, parts: [['fusing', fusing], ['checking', verifying]], memory };
      },
    });
  }
  return ways;
}

export async function measure(setup: Setup, pair: Pair, runs: number): Promise<PairFound> {
  const folder = join(setup.work, 'pair');
  const made = await makePair(setup, folder, pair.recipe);
  if (made.modules !== pair.modules) throw new Error(`${pair.name} was made with ${made.modules} modules`);
  let ways = waysOf(setup);
  const found: PairFound = { pair, bytes: made.bytes, ways: new Map(ways.map(({ name }) => [name, []])), difference: null };
  for (let at = 0; at < runs; at++) {
    for (const way of ways) {
      try {
        const taken = await way.run(made, join(folder, 'result.safetensors'));
        found.ways.get(way.name)?.push(taken);
        found.difference = Math.max(found.difference ?? 0, taken.difference ?? 0) || null;
        console.log(`${pair.name}, run ${at + 1} of ${runs}: ${way.name} ${taken.seconds.toFixed(2)} s`);
      } catch (error) {
        const why = firstLine(error);
        console.log(`${pair.name}: ${way.name} failed: ${why}`);
        setup.notRun.push(`${pair.name}, ${way.name}: ${why}`);
        found.ways.get(way.name)?.push(undefined);
        ways = ways.filter((other) => other !== way);
      }
    }
  }
  await rm(folder, { recursive: true });
  return found;
}

const BUFFER = 8 * 1024 * 1024;

/** The bytes of some files, one after the other, into a new one. */
async function copy(from: string[], to: string): Promise<Taken> {
  const began = performance.now();
  const buffer = new Uint8Array(BUFFER);
  const target = await open(to, 'w');
  for (const path of from) {
    const source = await open(path);
    for (;;) {
      const { bytesRead } = await source.read(buffer);
      if (bytesRead === 0) break;
      await target.writeFile(buffer.subarray(0, bytesRead));
    }
    await source.close();
  }
  await target.close();
  return { seconds: (performance.now() - began) / 1000, memory: [] };
}
