/** `node www/package.mjs --out <dir> --wasm <dir>`: the folder that `npm pack` makes the package of. */

import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { execPath, exit } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { manifest as ofElement } from './manifest.mjs';
import { NOTICES, bundled, notices } from './notices.mjs';
import { demandPrograms, putPrograms } from './programs.mjs';

const { values } = parseArgs({ options: { out: { type: 'string' }, wasm: { type: 'string' } } });
if (!values.out || !values.wasm) {
  console.error('usage: node www/package.mjs --out <dir> --wasm <dir with both programs and their bindings>');
  exit(2);
}
const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..');
const [out, wasm] = [resolve(values.out), resolve(values.wasm)];
const [dist, types] = [join(out, 'dist'), join(out, 'types')];

await demandPrograms(wasm);
await rm(out, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
await putPrograms(wasm, dist);

// Not minified, and lit left out: whoever bundles it does the one and shares the other.
const { folders, plugin } = bundled();
const options = {
  absWorkingDir: root, outdir: dist, bundle: true, format: 'esm', target: 'es2022', charset: 'utf8', legalComments: 'none', tsconfig: join(root, 'tsconfig.json'), plugins: [plugin],
};
const at = (name) => join(here, name);
await build({
  ...options, packages: 'external', splitting: true,
  entryPoints: { index: at('element/index.ts'), define: at('element/define.ts'), core: at('headless/core.ts') },
});
await build({ ...options, entryPoints: { 'np-lora-frame': at('headless/frame.ts') } });
await leaveAddress(join(dist, 'np-lora-frame.js'), './embed.html');
// Bundlers copy it as it is, so it has all its own.
await build({ ...options, minify: true, entryPoints: { worker: at('worker/worker.ts') } });
await build({
  ...options, platform: 'node', target: 'node20', splitting: true, chunkNames: 'node-[hash]',
  entryPoints: { 'core.node': at('headless/node.ts'), command: at('command/main.ts') },
});
const command = await readFile(join(dist, 'command.js'), 'utf8');
await writeFile(join(dist, 'command.js'), `#!/usr/bin/env node\n${command}`);
await chmod(join(dist, 'command.js'), 0o755);

run('typescript', 'tsc', '-p', at('tsconfig.types.json'), '--outDir', types);
for (const name of await readdir(types, { recursive: true })) {
  if (!name.endsWith('.d.ts')) continue;
  const text = await readFile(join(types, name), 'utf8');
  // A program that uses the package may not import what ends in .ts.
  await writeFile(join(types, name), text.replace(/(from |import\()(['"])(\.[^'"]*)\.ts\2/g, '$1$2$3.js$2'));
}

await manifest();
await notices(out, wasm, folders);
const beside = ['CHANGELOG.md', 'docs/EMBEDDING.md', 'docs/ERRORS.md'];
for (const name of beside) await cp(join(root, name), join(out, basename(name)));
await cp(join(root, 'docs/API.md'), join(out, 'README.md'));
await describe();

/** A tool of node_modules. */
function run(packageName, tool, ...rest) {
  const { bin } = JSON.parse(execFileSync(execPath, ['-p', `JSON.stringify(require('${packageName}/package.json'))`], { cwd: root, encoding: 'utf8' }));
  execFileSync(execPath, [join(root, 'node_modules', packageName, bin[tool]), ...rest], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Bundlers look for what an address means; the whole tool of which that one is a page is not in the package. */
async function leaveAddress(script, address) {
  const text = await readFile(script, 'utf8');
  const found = `new URL("${address}", import.meta.url)`;
  if (text.split(found).length !== 2) throw new Error(`${script} does not name ${address} once`);
  await writeFile(script, text.replace(found, `new URL(/* webpackIgnore: true */ /* @vite-ignore */ "${address}", import.meta.url)`));
}

/** What editors and catalogues know of the element. */
async function manifest() {
  const found = await ofElement();
  for (const module of found.modules) {
    module.path = 'dist/index.js';
    module.declarations = module.declarations.filter(({ customElement }) => customElement);
    for (const { declaration } of module.exports) declaration.module = module.path;
    module.exports.push({ kind: 'custom-element-definition', name: 'np-lora', declaration: { name: 'NpLora', module: module.path } });
  }
  await writeFile(join(out, 'custom-elements.json'), `${JSON.stringify(found, null, 2)}\n`);
}

async function describe() {
  const program = await import(pathToFileURL(join(dist, 'np_lora.js')).href);
  program.initSync({ module: await readFile(join(dist, 'np_lora_bg.wasm')) });
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const entry = (name, declarations) => ({ types: `./types/${declarations}.d.ts`, default: `./dist/${name}.js` });
  const [onDisk, inBrowser] = [entry('core.node', 'headless/node'), entry('core', 'headless/core')];
  const assets = ['worker.js', 'np_lora.js', 'np_lora_bg.wasm', 'np_lora_reader.js', 'np_lora_reader_bg.wasm'];
  const chunks = (await readdir(dist)).filter((name) => /^(charts|comparison|results)-/.test(name));
  const description = {
    name: 'np-lora',
    version: program.version(),
    description: 'Fuse a subject LoRA with a style LoRA by null-space projection (NP-LoRA): an element, a library and a command',
    keywords: ['lora', 'safetensors', 'stable-diffusion', 'flux', 'custom-element', 'web-component', 'wasm'],
    license: 'MIT OR Apache-2.0',
    type: 'module',
    engines: { node: '>=20.2' },
    bin: { 'np-lora': './dist/command.js' },
    exports: {
      '.': entry('index', 'element/index'),
      './define.js': entry('define', 'element/define'),
      './frame': entry('np-lora-frame', 'headless/frame'),
      './core': { node: onDisk, default: inBrowser },
      './node': onDisk,
      './browser': inBrowser,
      ...Object.fromEntries(assets.map((name) => [`./${name}`, `./dist/${name}`])),
      './custom-elements.json': './custom-elements.json',
      './package.json': './package.json',
    },
    customElements: 'custom-elements.json',
    sideEffects: ['define.js', 'worker.js', 'command.js', ...chunks].map((name) => `./dist/${name}`),
    files: ['dist', 'types', 'custom-elements.json', '*.md', ...NOTICES],
    dependencies: { lit: devDependencies.lit },
  };
  await writeFile(join(out, 'package.json'), `${JSON.stringify(description, null, 2)}\n`);
}
