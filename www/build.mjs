/** `node www/build.mjs --out <dir> --wasm <dir>`: the page as plain files that any static host can serve from any folder. */

import { build } from 'esbuild';
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { offline } from './offline/build.mjs';
import { site } from './site/build.mjs';
import { sizes } from './size.mjs';

const { values } = parseArgs({ options: { out: { type: 'string' }, wasm: { type: 'string' } } });
if (!values.out || !values.wasm) {
  console.error('usage: node www/build.mjs --out <dir> --wasm <dir with both programs and their bindings>');
  process.exit(2);
}
const here = fileURLToPath(new URL('.', import.meta.url));
const { out, wasm } = values;

const [whole, reader] = ['np_lora', 'np_lora_reader'];
for (const name of [whole, reader].flatMap((program) => [`${program}.js`, `${program}_bg.wasm`])) {
  // Checked first: a page without its program would be found out only by its visitors.
  if (!(await stat(join(wasm, name)).catch(() => null))) {
    console.error(`${join(wasm, name)} is missing: build the wasm module first`);
    process.exit(1);
  }
}

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const options = {
  outdir: out, bundle: true, minify: true, format: 'esm', target: 'es2022', legalComments: 'linked', tsconfig: join(here, '../tsconfig.json'),
};
// The element alone is split: into what it needs at once, the charts that come later, and what both of them use.
const { metafile } = await build({ ...options, entryPoints: { element: join(here, 'element/define.ts') }, splitting: true, metafile: true });
await build({ ...options, entryPoints: { page: join(here, 'page/page.ts'), worker: join(here, 'worker/worker.ts') } });
// Kept apart from the worker: the whole program, as hosts may keep it elsewhere; the reader, to be put in a function that makes
// it anew, since what a module holds, a wasm memory too, is never given up (www/worker/program.ts).
const bindings = { outdir: out, minify: true, target: 'es2022' };
await build({ ...bindings, entryPoints: [join(wasm, `${whole}.js`)], format: 'esm' });
await build({
  ...bindings, entryPoints: [join(wasm, `${reader}.js`)], format: 'cjs',
  banner: { js: 'export default () => { const module = {};' }, footer: { js: 'return module.exports; };' },
});
for (const program of [whole, reader]) await cp(join(wasm, `${program}_bg.wasm`), join(out, `${program}_bg.wasm`));
if (await stat(join(wasm, 'snippets')).catch(() => null)) await cp(join(wasm, 'snippets'), join(out, 'snippets'), { recursive: true });
await cp(join(here, 'page/page.css'), join(out, 'page.css'));
await cp(join(here, 'page/icon.svg'), join(out, 'icon.svg'));

// A browser would find the shared part only after the element; it is told beforehand.
const element = Object.entries(metafile.outputs).find(([name]) => basename(name) === 'element.js')?.[1];
const preloads = element.imports.filter(({ kind }) => kind === 'import-statement')
  .map(({ path }) => `<link rel="modulepreload" href="${basename(path)}">\n  `).join('');
const script = '<script type="module" src="element.js">';
const page = await readFile(join(here, 'index.html'), 'utf8');
await writeFile(join(out, 'index.html'), page.replace(script, preloads + script));

await site(out, wasm, options);
await offline(out, options.tsconfig);
await sizes(out);
