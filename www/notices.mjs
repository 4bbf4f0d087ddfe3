/** THIRD-PARTY.txt: whose code is in the programs and the scripts, and the licences that ask to go with it. */

import { cp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cratesOf } from './programs.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const OURS = ['LICENSE-MIT', 'LICENSE-APACHE'];
const THEIRS = 'THIRD-PARTY.txt';
/** All that `notices` writes. */
export const NOTICES = [...OURS, THEIRS];

/** Published without a text, and to be had under Apache-2.0, whose terms are the same whoever offers them. */
const WITHOUT_TEXT = new Set(['profiling']);
const TERMS = /^[^]*END OF TERMS AND CONDITIONS/;

/** Hosts seldom say how a text is encoded; the mark at its beginning does. */
const INTRODUCTION = `\u{FEFF}Code of others in NP-LoRA

NP-LoRA is under the MIT licence or the Apache licence 2.0, as you prefer (LICENSE-MIT, LICENSE-APACHE). What is listed
here is under the licences that follow: where it is offered under several to choose from, under the one that is given.`;

/** A plugin of esbuild, and the folders of the npm packages that builds with it took something from. */
export function bundled() {
  const folders = new Set();
  const setup = ({ initialOptions, onEnd }) => {
    initialOptions.metafile = true;
    onEnd(({ metafile }) => {
      const inputs = Object.values(metafile?.outputs ?? {}).flatMap((output) => Object.entries(output.inputs));
      for (const [path, { bytesInOutput }] of inputs) {
        const [folder] = /^.*\bnode_modules\/(@[^/]+\/)?[^/]+/.exec(path) ?? [];
        if (folder && bytesInOutput > 0) folders.add(join(root, folder));
      }
    });
  };
  return { folders, plugin: { name: 'bundled', setup } };
}

/** What manifests say. Cargo writes those that it publishes anew: a key a line, the package's own first. */
const READ = {
  'Cargo.toml': (text) => Object.fromEntries(['name', 'version', 'license'].map((key) => [key, new RegExp(`^${key} = "(.+)"$`, 'm').exec(text)?.[1]])),
  'package.json': JSON.parse,
};

/** Which of its files belong to a licence: MIT where that is one of several to choose from, else every one. */
function chosen(files, license = '') {
  const all = files.filter((name) => /^(un)?licen[cs]e|^copying|^notice/i.test(name)).sort();
  const isChoice = !/[()]| AND /.test(license) && license.split(/ OR |\//).includes('MIT');
  const mit = isChoice ? all.filter((name) => /\bmit\b|^notice/i.test(name)) : [];
  return mit.length > 0 ? mit : all;
}

/** The package in a folder: its name and version, its licence, and the texts of that. */
export async function packageIn(folder, manifest) {
  const { name, version, license } = READ[manifest](await readFile(join(folder, manifest), 'utf8'));
  const files = chosen(await readdir(folder), license);
  const read = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  if (files.length === 0 && WITHOUT_TEXT.has(name)) read.push(TERMS.exec(await readFile(join(root, 'LICENSE-APACHE'), 'utf8'))[0]);
  const texts = read.map((text) => text.replaceAll('\r\n', '\n').replace(/^\s*\n|\s+$/g, '')).filter(Boolean);
  if (!license || texts.length === 0) throw new Error(`${name} ${version} comes without ${license ? `the text of its licence, ${license}` : 'a licence'}: it cannot be shipped unless www/notices.mjs knows under what (WITHOUT_TEXT)`);
  return { label: `${name} ${version}`, license, texts };
}

/** Of every folder, in the order of their names, each version once. */
async function packagesIn(folders, manifest) {
  const found = await Promise.all([...folders].map((folder) => packageIn(folder, manifest)));
  return [...new Map(found.map((one) => [one.label, one])).values()].sort((a, b) => (a.label < b.label ? -1 : 1));
}

/** Into `out`: our own licences, and those of what is in the programs and in `folders`. */
export async function notices(out, wasm, folders) {
  const parts = {
    'In the programs, besides the standard library of Rust (MIT OR Apache-2.0)': await packagesIn(await cratesOf(wasm), 'Cargo.toml'),
    'In the scripts': await packagesIn(folders, 'package.json'),
  };
  const lists = Object.entries(parts).filter(([, packages]) => packages.length > 0)
    .map(([title, packages]) => [`${title}:`, ...packages.map(({ label, license }) => `  ${label} (${license})`)].join('\n'));
  const owners = new Map();
  for (const { label, texts } of Object.values(parts).flat()) {
    for (const text of texts) owners.set(text, [...(owners.get(text) ?? []), label]);
  }
  const licences = [...owners].map(([text, labels]) => `${'='.repeat(80)}\n${labels.join(', ')}:\n\n${text}`);
  await writeFile(join(out, THEIRS), `${[INTRODUCTION, ...lists, ...licences].join('\n\n')}\n`);
  for (const name of OURS) await cp(join(root, name), join(out, name));
}
