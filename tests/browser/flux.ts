/** A pair of realistic size: FLUX.1, rank 16, all 304 modules, some 150 MB a file; and a part of it for slow tests. */

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open as openFile, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect } from '@playwright/test';
import { DEFAULTS, compare, modulesOf, outline } from './check.ts';
import { FLUX_KOHYA_MODULES, moduleTensors, type ModuleShape, type Recipe } from './make.ts';
import { allFinite, headerOf, readSafetensors, type Safetensors } from './safetensors.ts';

const RECIPE: Omit<Recipe, 'modules'> = { rank: 16, alpha: 16, dtype: 'F16', scheme: 'kohya', seed: 31, sharedDirections: 4 };
const { NP_LORA_FLUX_CONTENT: content, NP_LORA_FLUX_STYLE: style } = process.env;

/** Where the files are kept. Only `cargo xtask test` says so; a run by hand would otherwise fill a disk unasked. */
export const PLACES = content && style ? { content, style } : null;

interface FluxPair {
  content: string;
  style: string;
  modules: ModuleShape[];
}

/** Both files, made if they are not there yet: with all blocks, or with this many of each kind. */
export async function fluxPair(places: NonNullable<typeof PLACES>, blocks = Infinity): Promise<FluxPair> {
  const modules = FLUX_KOHYA_MODULES.filter(({ name }) => Number(/_blocks_(\d+)_/.exec(name)![1]) < blocks);
  const place = (path: string): string => (modules.length === FLUX_KOHYA_MODULES.length ? path : path.replace(/(\.safetensors)?$/, `-${blocks}.safetensors`));
  const pair = { content: place(places.content), style: place(places.style), modules };
  await write(pair.content, { ...RECIPE, modules });
  await write(pair.style, { ...RECIPE, modules, seed: 32 });
  return pair;
}

/** Writes a file once, module by module, and keeps it for the next run. */
async function write(path: string, recipe: Recipe): Promise<void> {
  if (existsSync(path)) return;
  await mkdir(dirname(path), { recursive: true });
  const outlines = recipe.modules.flatMap((shape): [string, { dtype: 'F16' | 'F32'; shape: number[] }][] => [
    [`${shape.name}.alpha`, { dtype: 'F32', shape: [] }],
    [`${shape.name}.lora_down.weight`, { dtype: 'F16', shape: [recipe.rank, shape.in] }],
    [`${shape.name}.lora_up.weight`, { dtype: 'F16', shape: [shape.out, recipe.rank] }],
  ]);
  // The process id is in the name, because another process may be writing the same file.
  const part = `${path}.${process.pid}.part`;
  const file = await openFile(part, 'w');
  const stream = file.createWriteStream();
  // Without this, a few blocks of FLUX.1 could also be HunyuanVideo's.
  stream.write(headerOf(outlines, { format: 'pt', ss_base_model_version: 'flux1' }));
  for (const shape of recipe.modules) {
    for (const [, { bytes }] of moduleTensors(shape, recipe)) if (!stream.write(bytes)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'close');
  await rename(part, path);
}

/** Checks what can be checked in little time: every module is there, and one of each shape matches the method. */
export async function checkFlux(file: Safetensors, { content, style, modules }: FluxPair): Promise<void> {
  const [c, s] = (await Promise.all([content, style].map(async (path) => readSafetensors(await readFile(path))))).map(modulesOf);
  const found = modulesOf(file);
  expect(found.size).toBe(modules.length);
  expect(outline(found, c!, s!)).toEqual([]);
  expect(allFinite(file)).toBe(true);
  // One module of each shape, and the first and the last of all.
  const sample = new Map(modules.map((shape) => [`${shape.out}×${shape.in}`, shape.name]));
  const names = new Set([...sample.values(), modules[0]!.name, modules.at(-1)!.name]);
  for (const { name, deviation, floor, change } of compare(found, c!, s!, DEFAULTS, 'F16', names)) {
    expect(deviation, name).toBeLessThan(1.01 * floor + 1e-5);
    expect(change, name).toBeGreaterThan(20 * floor);
  }
}
