/** `cargo xtask bench` builds, and then runs this: measures and writes docs/PERFORMANCE.md. */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { brotliCompressSync } from 'node:zlib';
import { open, type Opened } from './chromium.ts';
import { onDevice } from './device.ts';
import { document, type Found } from './document.ts';
import { foresee } from './foresee.ts';
import { growth } from './growth.ts';
import { machine } from './machine.ts';
import { PAIRS, measure, type Pair, type PairFound } from './pairs.ts';
import { firstLine } from './processes.ts';
import { LIMIT_SECONDS, makePair, setUp, type Built, type Setup } from './setup.ts';
import { where } from './where.ts';

const RUNS = 5;
const PERFORMANCE = 'docs/PERFORMANCE.md';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: { fuse: text, pair: text, device: text, page: text, named: text, work: text, quick: { type: 'boolean', default: false } },
});
const { fuse, pair, device, page, named, work, quick } = values;
if (!fuse || !pair || !device || !page || !named || !work) throw new Error('start it with `cargo xtask bench`');

const setup = await setUp({ fuse, pair, device, page, named, work });
const runs = quick ? 1 : RUNS;
const pairs: PairFound[] = [];
for (const one of quick ? PAIRS.slice(0, 1) : PAIRS) pairs.push(await measure(setup, one, runs));
const largest = quick ? PAIRS[0]! : PAIRS.at(-1)!;
const found: Found = {
  quick, runs, pairs,
  machine: await machine(setup),
  growth: await growth(setup, runs, quick),
  ...await openings(setup, runs),
  foreseen: { pair: largest.name, runs: await foresee(setup, largest, runs) },
  device: await onDevice(setup, largest),
  sizes: await sizesOf(setup),
  where: await profiles(setup, quick ? PAIRS.slice(0, 1) : [PAIRS[0]!, PAIRS.at(-1)!]),
  notRun: setup.notRun,
};
await writeFile(PERFORMANCE, document(found));
console.log(`${PERFORMANCE} has been written.`);
for (const line of setup.notRun) console.log(`NOT RUN: ${line}`);
process.exit();

/** A file of 2 GB that has nothing but a header. */
async function openings({ browser, notRun, ...built }: Setup, times: number): Promise<Pick<Found, 'opened' | 'openedBytes'>> {
  const opened: Opened[] = [];
  const folder = join(built.work, 'opening');
  const { content, bytes } = await makePair(built, folder, { layers: 'FLUX.1', rank: 224, alpha: 224, dtype: 'F16', decay: 1, hollow: true });
  try {
    for (let at = 0; browser && at < times; at++) {
      opened.push(await open({ url: browser.page, profile: browser.profile, limitSeconds: LIMIT_SECONDS }, content));
    }
  } catch (error) {
    notRun.push(`Opening a large file: ${firstLine(error)}`);
  }
  return { opened, openedBytes: bytes };
}

async function profiles(setup: Setup, of: Pair[]): Promise<Found['where']> {
  const found: Found['where'] = [];
  for (const pair of of) {
    try {
      found.push({ pair: pair.name, shares: await where(setup, pair) });
    } catch (error) {
      setup.notRun.push(`Where the time goes, ${pair.name}: ${firstLine(error)}`);
    }
  }
  return found;
}

async function sizesOf(built: Built): Promise<Found['sizes']> {
  const names = (await readdir(built.page)).filter((name) => /\.(js|css|html|wasm|svg)$/.test(name)).sort();
  return Promise.all(names.map(async (name): Promise<Found['sizes'][number]> => {
    const bytes = await readFile(join(built.page, name));
    return [name, bytes.length, brotliCompressSync(bytes).length];
  }));
}
