/** The built program in Node: it makes the same file of a pair as in a browser. */

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Named } from './page.ts';

interface Program {
  initSync(input: { module: BufferSource }): unknown;
  Session: new () => {
    open(role: 'content' | 'style', file: File): Promise<unknown>;
    fuse(variants: object[], backend: 'cpu', sinks: object[], others: object, onProgress: () => void, isCancelled: () => boolean): Promise<[{ file: Blob }]>;
  };
}

const asFile = ({ name, bytes }: Named): File => new File([bytes.slice()], name);

/** Stands in for the other workers, which the page has: their work must not show in the result. */
const ALONE = { members: 0, places: 0, begin: () => Promise.resolve(), run: () => Promise.reject(new Error('there is nobody')), listen: () => Promise.resolve() };

export async function fuseInNode(subject: Named, style: Named, settings: object): Promise<Uint8Array> {
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
