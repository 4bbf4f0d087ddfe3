/**
 * The program as built makes the same file in Chromium and in Node: nothing of a browser is in the bytes. A native build is
 * not held to it: its matrix products use fused multiply-add where the processor has it, so a last bit may differ.
 */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@playwright/test';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { FIRST_RUN, advanced, fuseAndSave, give, named, open, setMu, type Named } from './page.ts';
import { writeSafetensors } from './safetensors.ts';

interface Program {
  initSync(input: { module: BufferSource }): unknown;
  Session: new () => {
    open(role: 'content' | 'style', file: File): Promise<unknown>;
    fuse(variants: object[], backend: 'cpu', sinks: object[], others: object, onProgress: () => void, isCancelled: () => boolean): Promise<[{ file: Blob }]>;
  };
}

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 8, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 51, sharedDirections: 3 };
const subject = named('subject.safetensors', makeLora(RECIPE));
const style = named('style.safetensors', makeLora({ ...RECIPE, rank: 12, alpha: 6, seed: 52 }));

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const asFile = ({ name, bytes }: Named): File => new File([bytes.slice()], name);

/** The page has other workers beside it: what they do must not show. */
const ALONE = { members: 0, places: 0, begin: () => Promise.resolve(), run: () => Promise.reject(new Error('there is nobody')), listen: () => Promise.resolve() };

async function fuseInNode(settings: object): Promise<Uint8Array> {
  const dist = resolve(process.env.NP_LORA_DIST ?? 'dist');
  const program = await import(pathToFileURL(join(dist, 'np_lora.js')).href) as Program;
  program.initSync({ module: await readFile(join(dist, 'np_lora_bg.wasm')) });
  const session = new program.Session();
  await session.open('content', asFile(subject));
  await session.open('style', asFile(style));
  const parts: { at: number; bytes: Uint8Array<ArrayBuffer> }[] = [];
  const sink = {
    write: (at: number, bytes: Uint8Array) => { parts.push({ at, bytes: bytes.slice() }); },
    finish: () => Promise.resolve(new Blob(parts.sort((a, b) => a.at - b.at).map(({ bytes }) => bytes))),
    discard: () => Promise.resolve(),
  };
  const [{ file }] = await session.fuse([{ settings, swapped: false }], 'cpu', [sink], ALONE, () => {}, () => false);
  return new Uint8Array(await file.arrayBuffer());
}

test('Chromium and Node make the same file', async ({ page }, { project }) => {
  test.skip(project.name !== 'cpu', 'a graphics device promises bounds, not bits');
  test.setTimeout(2 * FIRST_RUN);
  await open(page);
  await give(page, 'Subject', subject);
  await give(page, 'Style', style);
  await setMu(page, 10);
  await advanced(page, 'Number format', 'BF16');
  const { file, name } = await fuseAndSave(page, project.name);
  const inNode = await fuseInNode({ mu: 10, dtype: 'BF16', outputName: name.replace('.safetensors', '') });
  expect(digest(inNode)).toBe(digest(writeSafetensors(file)));
});
