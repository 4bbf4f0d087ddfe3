/** `node www/size.mjs <dir>`: what a visitor downloads before anything can be done with the page, and whether that is too much. */

import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { argv, exit } from 'node:process';
import { brotliCompressSync } from 'node:zlib';

/** The program and all scripts, in bytes of brotli. What is reached so far and a little; 250,000 is wanted. */
const LIMIT = 345_000;
/** Fetched only when there is a pair to draw. */
const LATER = /^charts-/;

/** Prints the sizes of the page's files; the sum of those that count. */
export async function sizes(dir) {
  let [all, sum] = [0, 0];
  for (const name of (await readdir(dir)).sort()) {
    if (!/\.(js|css|html|wasm)$/.test(name)) continue;
    const bytes = await readFile(join(dir, name));
    const packed = brotliCompressSync(bytes).length;
    if (/\.(js|wasm)$/.test(name) && !LATER.test(name)) {
      all += bytes.length;
      sum += packed;
    }
    row(name, bytes.length, packed);
  }
  row('scripts and wasm', all, sum);
  return sum;
}

function row(name, bytes, packed) {
  console.log(`${name.padEnd(18)} ${String(bytes).padStart(8)} B, brotli ${String(packed).padStart(7)} B`);
}

if (basename(argv[1]) === 'size.mjs') {
  const sum = await sizes(argv[2]);
  if (sum > LIMIT) {
    console.error(`That is ${sum - LIMIT} B more than the ${LIMIT} B that a visitor should have to wait for.`);
    exit(1);
  }
}
