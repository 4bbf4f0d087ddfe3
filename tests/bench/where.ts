/** Where the time of a fusion goes, by the names of the functions that were running. */

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './processes.ts';
import { LIMIT_SECONDS, makePair, type Setup } from './setup.ts';
import type { Pair } from './pairs.ts';

/** V8's format; times in microseconds. */
interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

/** Whatever it calls: checking uses the same kernels. */
const CHECKING = ['checking the result', /fusion::run::(verify|look|check)/] as const;

/** What a function belongs to; one that is none of these belongs to what called it. */
const PARTS: [part: string, functions: RegExp][] = [
  ['hash (SHA-256)', /sha2::/],
  ['checksums', /xxh3/],
  ['looking for NaN and infinity', /container::dtype/],
  ['core and its singular values', /np_lora_cpu::(core|jacobi|cut|readouts)/],
  // One function by the time it is compiled.
  ['basis and projection', /np_lora_cpu::(basis|project)/],
  ['Gram matrices', /np_lora_cpu::gram|matrixmultiply/],
  ['decoding numbers', /np_lora_cpu::(decode|transpose)/],
  ['encoding numbers', /np_lora_cpu::encode/],
  ['composing the result', /fusion::(method::(compose|composer|factors|accounting)|run::writer)/],
  ['reading and writing', /^(arrayBuffer|slice|concat|readNext|write|finish|Blob|\(idle\))$|web::(blob|sink)|container::(ahead|source)|__wbg_/],
  ['reclaiming memory', /^\(garbage collector\)$/],
];
const OTHER = 'planning, loading the program and all else';

export async function where(setup: Setup, pair: Pair): Promise<[part: string, share: number][]> {
  const folder = join(setup.work, 'where');
  await mkdir(folder, { recursive: true });
  const { content, style } = await makePair(setup, folder, pair.recipe);
  const script = fileURLToPath(new URL('profiled.mjs', import.meta.url));
  await run(process.execPath, ['--cpu-prof', `--cpu-prof-dir=${folder}`, script, setup.named, content, style], LIMIT_SECONDS);
  const file = (await readdir(folder)).find((name) => name.endsWith('.cpuprofile'));
  const shares = sharesOf(JSON.parse(await readFile(join(folder, file!), 'utf8')) as Profile);
  await rm(folder, { recursive: true });
  return shares;
}

function sharesOf({ nodes, samples, timeDeltas }: Profile): [part: string, share: number][] {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  const part = new Map(nodes.map(({ id }) => {
    const stack: string[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) stack.push(names.get(at) ?? '');
    if (stack.some((name) => CHECKING[1].test(name))) return [id, CHECKING[0]];
    return [id, stack.map(partOf).find((found) => found !== undefined) ?? OTHER];
  }));
  const times = new Map([...PARTS.map(([name]) => name), CHECKING[0], OTHER].map((name) => [name, 0]));
  for (const [at, id] of samples.entries()) {
    const name = part.get(id) ?? OTHER;
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[at] ?? 0));
  }
  const whole = [...times.values()].reduce((sum, time) => sum + time, 0);
  return [...times].map(([name, time]): [string, number] => [name, time / whole]);
}

const partOf = (name: string): string | undefined => PARTS.find(([, functions]) => functions.test(name))?.[0];
