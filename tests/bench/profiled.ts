/**
 * `node --cpu-prof profiled.mjs <folder with the program> <content> <style>`: a fusion in one thread of Node, to see where the
 * time goes. The program is the page's, with the names of its functions left in.
 */

import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { OutputSink } from '../../www/core/types.ts';

interface Session {
  open(role: string, file: File): Promise<unknown>;
  fuse(variants: unknown[], backend: string, sinks: OutputSink[], others: unknown, onProgress: () => void, isCancelled: () => boolean): Promise<unknown>;
}

/** Blob parts, as in the page. */
const parts: { at: number; blob: Blob }[] = [];
const sink: OutputSink = {
  write: (at, bytes) => { parts.push({ at, blob: new Blob([bytes as Uint8Array<ArrayBuffer>]) }); },
  finish: () => Promise.resolve(new Blob(parts.sort((a, b) => a.at - b.at).map(({ blob }) => blob))),
  discard: () => Promise.resolve(),
};

const [folder, ...files] = process.argv.slice(2);
const glue = await import(pathToFileURL(join(folder!, 'np_lora.js')).href) as {
  default(input: { module_or_path: Uint8Array }): Promise<unknown>;
  Session: new () => Session;
};
await glue.default({ module_or_path: await readFile(join(folder!, 'np_lora_bg.wasm')) });
const session = new glue.Session();
for (const [at, role] of ['content', 'style'].entries()) {
  await session.open(role, new File([await openAsBlob(files[at]!)], basename(files[at]!)));
}
const nobody = { places: 0, begin: () => Promise.resolve(), listen: () => Promise.resolve() };
await session.fuse([{ settings: {}, swapped: false }], 'cpu', [sink], nobody, () => {}, () => false);
