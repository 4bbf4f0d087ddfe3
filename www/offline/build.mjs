/** The service worker of a build: named by all of the build's files and its own code, with the hash of each file. */

import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NOTICES } from '../notices.mjs';

const WORKER = 'sw.js';
/** The worker is what keeps the rest; hardly a visitor ever reads licences. */
const NOT_KEPT = new Set([WORKER, ...NOTICES]);
/** Where index.html says which build it is of. */
const MARK = '<meta name="build" content="">';

const hash = (algorithm, data, encoding) => createHash(algorithm).update(data).digest(encoding);

/** Of every file in `out` that a visit may need, by its path, in an order that does not depend on the disk. */
async function files(out) {
  const entries = await readdir(out, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => relative(out, join(entry.parentPath, entry.name)).replaceAll(sep, '/'));
  const kept = paths.filter((path) => !NOT_KEPT.has(path)).sort();
  return Promise.all(kept.map(async (path) => [path, `sha256-${hash('sha256', await readFile(join(out, path)), 'base64')}`]));
}

/** The last step of a build: `out` has all of its other files. `worker` is where the worker's code is. */
export async function offline(out, tsconfig, { worker = fileURLToPath(new URL('sw.ts', import.meta.url)), plugins = [] } = {}) {
  const { outputFiles: [{ text: code }] } = await build({
    entryPoints: [worker], bundle: true, minify: true, format: 'iife', target: 'es2022', tsconfig, plugins, write: false,
  });
  // The code counts as well: two workers of one name would share a cache.
  const id = hash('sha256', JSON.stringify([code, await files(out)]), 'hex').slice(0, 16);
  const index = join(out, 'index.html');
  const page = await readFile(index, 'utf8');
  if (!page.includes(MARK)) throw new Error(`index.html has no ${MARK}`);
  await writeFile(index, page.replace(MARK, MARK.replace('""', `"${id}"`)));
  await writeFile(join(out, WORKER), `const BUILD=${JSON.stringify(id)},FILES=${JSON.stringify(await files(out))};${code}`);
}
