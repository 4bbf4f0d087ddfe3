/** `node www/size.mjs <dir>`: what a visitor downloads before anything can be done with the page, and whether that is too much. */

import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { argv, exit } from 'node:process';
import { brotliCompressSync } from 'node:zlib';

/** In bytes of brotli, all scripts and the program that opens files. */
const LIMIT = 250_000;
/** The whole program comes later, while the first one is in use; charts when there is a pair to draw; results when there could be one; comparing when somebody wants it; other languages for those who read them. */
const LATER = /^(np_lora(_bg)?\.|charts-|comparison-|results-|ja-|zh-hans-|sw\.|how\.)/;
/** In frames, and in the pages around them. */
const ELSEWHERE = /^(embed|np-lora-frame)\./;

/** The chunks that a script does not come without. */
async function chunksWith(dir, name, found = new Set()) {
  const script = await readFile(join(dir, name), 'utf8');
  for (const [, chunk] of script.matchAll(/(?:from|import)\s*"\.\/(chunk-\w+\.js)"/g)) {
    if (!found.has(chunk)) await chunksWith(dir, chunk, found.add(chunk));
  }
  return found;
}

/** Prints the sizes of the page's files; the sum of those that a visitor waits for. */
export async function sizes(dir) {
  const chunks = await chunksWith(dir, 'page.js', await chunksWith(dir, 'element.js'));
  const isLater = (name) => LATER.test(name) || (name.startsWith('chunk-') && !chunks.has(name));
  const [first, later, elsewhere] = Array.from({ length: 3 }, () => ({ bytes: 0, packed: 0 }));
  for (const name of (await readdir(dir)).sort()) {
    if (!/\.(js|css|html|wasm)$/.test(name)) continue;
    const content = await readFile(join(dir, name));
    const [bytes, packed] = [content.length, brotliCompressSync(content).length];
    if (/\.(js|wasm)$/.test(name)) {
      const sum = isLater(name) ? later : ELSEWHERE.test(name) ? elsewhere : first;
      sum.bytes += bytes;
      sum.packed += packed;
    }
    row(name, { bytes, packed });
  }
  row('before the first file', first);
  row('after it', later);
  row('for frames', elsewhere);
  return first.packed;
}

function row(name, { bytes, packed }) {
  console.log(`${name.padEnd(22)} ${String(bytes).padStart(8)} B, brotli ${String(packed).padStart(7)} B`);
}

if (basename(argv[1]) === 'size.mjs') {
  const sum = await sizes(argv[2]);
  if (sum > LIMIT) {
    console.error(`That is ${sum - LIMIT} B more than the ${LIMIT} B that a visitor should have to wait for.`);
    exit(1);
  }
}
