/** Both programs as they are served: the wasm as it is, the bindings each in the form that the worker wants. */

import { build } from 'esbuild';
import { cp, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exit } from 'node:process';

const [WHOLE, READER] = ['np_lora', 'np_lora_reader'];
/** The folders of the crates that are in it, as `cargo xtask` found them when it was built. */
const crates = (program) => `${program}.crates.json`;

/** Checked first: a page without its program would be found out only by its visitors. */
export async function demandPrograms(wasm) {
  for (const name of [WHOLE, READER].flatMap((program) => [`${program}.js`, `${program}_bg.wasm`, crates(program)])) {
    if (await stat(join(wasm, name)).catch(() => null)) continue;
    console.error(`${join(wasm, name)} is missing: build the wasm module first`);
    exit(1);
  }
}

/**
 * Kept apart from the worker: the whole program, as hosts may keep it elsewhere; the reader, to be put in a function that makes
 * it anew, since what a module holds, a wasm memory too, is never given up (www/worker/program.ts).
 */
export async function putPrograms(wasm, out) {
  const bindings = { outdir: out, minify: true, target: 'es2022' };
  await build({ ...bindings, entryPoints: [join(wasm, `${WHOLE}.js`)], format: 'esm' });
  await build({
    ...bindings, entryPoints: [join(wasm, `${READER}.js`)], format: 'cjs',
    banner: { js: 'export default () => { const module = {};' }, footer: { js: 'return module.exports; };' },
  });
  for (const program of [WHOLE, READER]) await cp(join(wasm, `${program}_bg.wasm`), join(out, `${program}_bg.wasm`));
  if (await stat(join(wasm, 'snippets')).catch(() => null)) await cp(join(wasm, 'snippets'), join(out, 'snippets'), { recursive: true });
}

/** The folders of all crates that are in one of them. */
export async function cratesOf(wasm) {
  const lists = await Promise.all([WHOLE, READER].map((program) => readFile(join(wasm, crates(program)), 'utf8')));
  return new Set(lists.flatMap((list) => JSON.parse(list)));
}
