/**
 * `node www/manifest.mjs [--out <file>]`: what `<np-lora>` offers to a host, read from its source, in the format of
 * https://github.com/webcomponents/custom-elements-manifest.
 */

import { create, ts } from '@custom-elements-manifest/analyzer/index.js';
import { litPlugin } from '@custom-elements-manifest/analyzer/src/features/framework-plugins/lit/lit.js';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const TAG = 'np-lora';
/** The element, and the class below it with what is set. */
const SOURCES = ['www/element/np-lora.ts', 'www/element/properties.ts'];
const TOKENS = 'www/element/parts/tokens.css.ts';
const source = (path) => readFile(new URL(`../${path}`, import.meta.url), 'utf8');

/** What Lit asks of a class is none of a host's business. */
const OF_LIT = new Set(['styles', 'render', 'updated', 'willUpdate', 'firstUpdated', 'connectedCallback', 'disconnectedCallback', 'formAssociated']);

/** The custom properties that a host may set, with what holds where it does not. */
function customProperties(tokens) {
  return [...tokens.matchAll(/: var\((--np-lora-[\w-]+), (.+)\);$/gm)].map(([, name, value]) => ({ name, default: value }));
}

/** What is inherited are the settings: that they have a class of their own is none of a host's business either. */
function settingsFirst(all) {
  const order = [...all.filter(({ inheritedFrom }) => inheritedFrom), ...all.filter(({ inheritedFrom }) => !inheritedFrom)];
  return order.map(({ inheritedFrom: _, ...one }) => one);
}

export async function manifest() {
  const modules = await Promise.all(SOURCES.map(async (path) => ts.createSourceFile(path, await source(path), ts.ScriptTarget.ES2022, true)));
  const made = create({ modules, plugins: litPlugin(), context: { dev: false } });
  for (const module of made.modules) {
    const element = module.declarations.find(({ name }) => name === 'NpLora');
    if (!element) continue;
    const isOffered = ({ name, privacy }) => privacy !== 'private' && privacy !== 'protected' && !name.startsWith('#') && !OF_LIT.has(name);
    const cssProperties = customProperties(await source(TOKENS));
    const { superclass } = made.modules.flatMap(({ declarations }) => declarations).find(({ name }) => name === element.superclass.name);
    Object.assign(element, {
      tagName: TAG,
      customElement: true,
      superclass,
      members: settingsFirst(element.members.filter(isOffered)),
      attributes: settingsFirst(element.attributes),
      // The others are found where one function sends them all, by whatever name.
      events: element.events.filter(({ description }) => description),
      cssProperties,
    });
    return { ...made, modules: [module] };
  }
  throw new Error(`${SOURCES[0]} has no class NpLora`);
}

/** The element itself within its manifest. */
export const elementOf = ({ modules }) => modules.flatMap(({ declarations }) => declarations).find(({ tagName }) => tagName === TAG);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { out: { type: 'string', default: 'custom-elements.json' } } });
  await writeFile(values.out, `${JSON.stringify(await manifest(), null, 2)}\n`);
}
