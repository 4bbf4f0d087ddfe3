/** `node www/build.mjs --out <dir> --wasm <dir>`: the page as plain files that any static host can serve from any folder. */

import { build } from 'esbuild';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { demandPrograms, putPrograms } from './programs.mjs';
import { bundled, notices } from './notices.mjs';
import { offline } from './offline/build.mjs';
import { site } from './site/build.mjs';
import { sizes } from './size.mjs';
import { templates } from './templates.mjs';

const { values } = parseArgs({ options: { out: { type: 'string' }, wasm: { type: 'string' } } });
if (!values.out || !values.wasm) {
  console.error('usage: node www/build.mjs --out <dir> --wasm <dir with both programs and their bindings>');
  process.exit(2);
}
const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..');
const [out, wasm] = [resolve(values.out), resolve(values.wasm)];

await demandPrograms(wasm);
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const { folders, plugin } = bundled();
const options = {
  // The names of parts have a hash in them that depends on paths as they are seen from here, not from wherever somebody builds.
  absWorkingDir: root,
  outdir: out, bundle: true, minify: true, format: 'esm', target: 'es2022', charset: 'utf8', legalComments: 'none', tsconfig: join(root, 'tsconfig.json'), plugins: [templates, plugin],
};
// The page and its element are split: into what they need at once, the charts and languages that come later, and what several use.
const { metafile } = await build({
  ...options, entryPoints: { element: join(here, 'element/define.ts'), page: join(here, 'page/page.ts') }, splitting: true, metafile: true,
});
await build({
  ...options,
  entryPoints: { worker: join(here, 'worker/worker.ts'), 'np-lora-frame': join(here, 'frame/host.ts') },
});
await build({ ...options, entryPoints: { embed: join(here, 'frame/embed.ts') }, format: 'iife' });
await putPrograms(wasm, out);
await cp(join(here, 'page/page.css'), join(out, 'page.css'));
await cp(join(here, 'page/icon.svg'), join(out, 'icon.svg'));
await cp(join(here, 'frame/embed.css'), join(out, 'embed.css'));

// A browser would find the shared parts only after what uses them; it is told beforehand.
const importsOf = (script) => Object.entries(metafile.outputs).find(([name]) => basename(name) === script)[1]
  .imports.filter(({ kind }) => kind === 'import-statement').map(({ path }) => basename(path));
for (const [name, before, scripts] of [
  ['index.html', '<script type="module" src="element.js">', ['element.js', 'page.js']], ['embed.html', '<link rel="modulepreload" href="element.js">', ['element.js']],
]) {
  const page = await readFile(join(here, name), 'utf8');
  const preloads = [...new Set(scripts.flatMap(importsOf))].map((path) => `<link rel="modulepreload" href="${path}">\n  `);
  await writeFile(join(out, name), page.replace(before, preloads.join('') + before));
}

await site(out, wasm, options);
await offline(out, options.tsconfig, { plugins: [plugin] });
await notices(out, wasm, folders);
await sizes(out);
