/** The pages around the tool: one layout, a text each, and what is put into them from elsewhere. */

import { build } from 'esbuild';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { api, escape } from './api.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const text = (path) => readFile(join(here, path), 'utf8');

const PAGES = [
  { file: 'how-it-works.html', title: 'How it works', words: 'how', description: 'What happens to two LoRAs when NP-LoRA fuses them, drawn and explained.' },
  { file: 'privacy.html', title: 'Privacy', words: 'privacy', description: 'Nothing leaves your machine, and how to check that.' },
  { file: 'examples.html', title: 'On your own page', words: 'examples', description: 'Pages that show the np-lora element: plain HTML, a model’s page, a frame, React.' },
  { file: 'api.html', title: 'Interface', words: 'interface', description: 'Attributes, properties, methods, events and styles of the np-lora element.' },
];
const FUSE = { file: './', title: 'Fuse' };
/** On the tool's page beside the others; these have it at their foot (layout.html). */
const LICENCES = { file: 'THIRD-PARTY.txt', title: 'Licences', words: 'licences' };
const EXAMPLES = ['plain.html', 'plain.js', 'model-card.html', 'model-card.js', 'frame.html', 'frame.js', 'Fuse.jsx'];
/** Shown, and nothing to be opened. */
const ONLY_SHOWN = new Set(['Fuse.jsx']);

/** Links to all pages; the one they stand on is no link's goal. */
function nav(current = 'index.html') {
  const links = current === 'index.html' ? [...PAGES, LICENCES] : [FUSE, ...PAGES];
  const link = ({ file, title, words }) => `<li><a href="${file}"${file === current ? ' aria-current="page"' : ''}${current === 'index.html' ? ` data-words="${words}"` : ''}>${title}</a></li>`;
  return `<nav${current === 'index.html' ? '' : ' aria-label="This site"'}><ul>${links.map(link).join('')}</ul></nav>`;
}

/** The paper's ablation, as rows. */
function stops() {
  const share = (value) => `${Math.round(100 * value)} %`;
  return [0, 0.1, 0.5, 1, 10, Infinity].map((mu) => {
    const left = 1 / (1 + mu);
    return `    <tr><td>${mu === Infinity ? '∞' : mu}</td><td>${share(1 - left)}</td><td>${share(left)}</td></tr>`;
  }).join('\n');
}

/** A whole text with {{names}}, each of which must be known. */
function fill(template, values) {
  return template.replace(/\{\{([^}]+)\}\}/g, (_, name) => {
    if (!(name in values)) throw new Error(`nothing is known of {{${name}}}`);
    return values[name];
  });
}

/** Of the made-up style that the tool has for trying, the attention of a first block: for an example to offer, and small. */
async function exampleStyle(wasm) {
  const program = await import(pathToFileURL(resolve(wasm, 'np_lora.js')).href);
  program.initSync({ module: await readFile(join(wasm, 'np_lora_bg.wasm')) });
  const whole = Buffer.from(await program.example('style'));
  const start = 8 + Number(whole.readBigUInt64LE());
  const kept = Object.entries(JSON.parse(whole.toString('utf8', 8, start))).filter(([name]) => name.includes('down_blocks_0_attentions_0'));
  if (kept.length === 0) throw new Error('the example has no such block any more');
  const [header, data] = [{ __metadata__: { format: 'pt' } }, []];
  for (const [name, tensor] of kept) {
    const [from, to] = tensor.data_offsets;
    const begin = data.reduce((sum, { length }) => sum + length, 0);
    header[name] = { ...tensor, data_offsets: [begin, begin + to - from] };
    data.push(whole.subarray(start + from, start + to));
  }
  // Padded as the format wants it.
  const text = JSON.stringify(header).replace(/$/, (_, at) => ' '.repeat((8 - (at % 8)) % 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, Buffer.from(text), ...data]);
}

/** Into `out`, which has the tool already. `options` are those of its scripts. */
export async function site(out, wasm, options) {
  const index = await readFile(join(out, 'index.html'), 'utf8');
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(index)?.[1] ?? '';
  const shown = await Promise.all(EXAMPLES.map(async (name) => [`examples/${name}`, escape((await text(`examples/${name}`)).trimEnd())]));
  const plane = (await text('plane.svg')).trimEnd();
  const values = { plane, policy: escape(policy.replaceAll('; ', ';\n')), stops: stops(), api: await api(), ...Object.fromEntries(shown) };

  const layout = await text('layout.html');
  for (const { file, title, description } of PAGES) {
    const main = fill(await text(file), values).trimEnd();
    await writeFile(join(out, file), fill(layout, { title, description, nav: nav(file), main }));
  }
  await writeFile(join(out, 'index.html'), fill(index, { nav: nav(), plane }));
  await cp(join(here, 'site.css'), join(out, 'site.css'));
  await cp(join(here, 'examples'), join(out, 'examples'), { recursive: true, filter: (path) => ![...ONLY_SHOWN].some((name) => path.endsWith(name)) });
  await writeFile(join(out, 'examples/example-style.safetensors'), await exampleStyle(wasm));
  await build({ ...options, entryPoints: { how: join(here, 'how.ts') } });
}
