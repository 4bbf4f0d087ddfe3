/** The contents of the package: complete, nothing else, and as tools understand it. */

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from '@playwright/test';
import { publint } from 'publint';
import { FOLDER, contents, test } from './install.ts';

const json = async <T>(name: string): Promise<T> => JSON.parse(await readFile(join(FOLDER, name), 'utf8')) as T;

test('what is packed is the programs, the scripts, their types, the manifest and the licences', () => {
  const { files } = contents();
  const names = files.map(({ path }) => path);
  const kinds: Record<string, RegExp> = {
    script: /^dist\/(index|define|core|core\.node|command|np-lora-frame|worker|np_lora|np_lora_reader|(chunk|charts|comparison|results|ja|zh-hans|node)-[A-Z0-9]+)\.js$/,
    program: /^dist\/np_lora(_reader)?_bg\.wasm$/,
    types: /^types\/[\w/.-]+\.d\.ts$/,
    other: /^(package\.json|custom-elements\.json|(README|CHANGELOG|EMBEDDING|ERRORS)\.md|LICENSE-(MIT|APACHE)|THIRD-PARTY\.txt)$/,
  };
  expect(names.filter((name) => !Object.values(kinds).some((kind) => kind.test(name)))).toEqual([]);
  const count = (kind: RegExp): number => names.filter((name) => kind.test(name)).length;
  expect([count(kinds.program!), count(kinds.other!)]).toEqual([2, 9]);
  expect(names).toEqual(expect.arrayContaining(['index', 'define', 'core', 'core.node', 'command', 'worker', 'np-lora-frame'].map((name) => `dist/${name}.js`)));
  // The command must be executable, or npx could not start it.
  expect(files.find(({ path }) => path === 'dist/command.js')!.mode & 0o111).toBe(0o111);
});

test('every setting and every option is in the documents’ table', async () => {
  const [{ DEFAULT_SETTINGS }, { OPTIONS }, { isHash }] = await Promise.all(
    [import('../../www/core/defaults.ts'), import('../../www/command/options.ts'), import('../../www/element/settings/address.ts')]);
  const rows = (await readFile(join(FOLDER, 'README.md'), 'utf8')).split('\n').map((line) => line.split('|').slice(1, -1)).filter((cells) => cells.length === 5);
  const named = (column: number): string[] => rows.flatMap((cells) => [...(cells[column] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
  expect(named(0).sort()).toEqual(Object.keys(DEFAULT_SETTINGS).sort());
  expect(named(2).sort()).toEqual(Object.entries(OPTIONS).filter(([, option]) => 'set' in option).map(([name]) => `--${name}`).sort());
  const attributes = (await json<Manifest>('custom-elements.json')).modules.flatMap(({ declarations }) => declarations.flatMap((one) => one.attributes?.map(({ name }) => name) ?? []));
  expect(attributes).toEqual(expect.arrayContaining(named(3)));
  expect(named(4).filter((key) => !isHash(`#${key}=1`))).toEqual([]);
});

test('publint finds nothing', async () => {
  const { messages } = await publint({ pkgDir: FOLDER, strict: true });
  expect(messages).toEqual([]);
});

test('every file that the package names is in it', async () => {
  const names = new Set(contents().files.map(({ path }) => `./${path}`));
  const { exports, bin, customElements } = await json<{ exports: object; bin: object; customElements: string }>('package.json');
  const targets = (value: unknown): string[] => (typeof value === 'string' ? [value] : Object.values(value as object).flatMap(targets));
  const named = [...targets(exports), ...targets(bin), `./${customElements}`];
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !names.has(name))).toEqual([]);
});

test('programs that use the package compile against its types', async ({ host }) => {
  const place = await host.place('types');
  await place.put('page.ts', `
    import { NpLora, type Settings } from 'np-lora';
    import 'np-lora/define.js';
    import { NpLoraFrame, type FrameEvents } from 'np-lora/frame';
    const settings: Partial<Settings> = { mu: Infinity, cut: { kind: 'count', count: 4 } };
    const tool: NpLora = document.createElement('np-lora');
    tool.mu = settings.mu ?? 1;
    NpLora.assetBase = '/there/';
    // @ts-expect-error: a word that is none of the three
    const wrong: NpLora['backend'] = 'gpu';
    tool.addEventListener('complete', ({ detail: { file, report } }) => console.log(file.size, report.fused + 1));
    tool.addEventListener('click', (event) => event.preventDefault());
    const frame = new NpLoraFrame(document.body, { src: 'https://example.org/embed.html', settings: { mu: 1 } });
    frame.addEventListener('complete', ({ detail: { file, results } }) => console.log(file.size, results.length));
    frame.addEventListener('save', (event) => { event.preventDefault(); const { file }: FrameEvents['save'] = event.detail; console.log(file.name); });
    const signal: AbortSignal | undefined = undefined;
    void tool.fuse({ signal }).then(({ file, report }) => console.log(file.size, report.fused + 1, wrong));
  `);
  const library = `
    import { ProblemError, analyse, convert, fuse, inspect, open, type Outlook, type Report } from 'np-lora/core';
    export async function all(file: Blob): Promise<[Report, Outlook, number]> {
      const pair = await open({ content: file, style: { file, config: '{}' } }, { signal: AbortSignal.timeout(1) });
      const { report } = await pair.fuse({ dtype: 'F32' }, { onProgress: ({ stage }) => console.log(stage) });
      await convert(file, { scheme: 'peft' });
      await fuse({ content: file, style: file }, { mu: 1 }).catch((error: unknown) => error instanceof ProblemError && error.code);
      // @ts-expect-error: not a setting
      await fuse({ content: file, style: file }, { nu: 1 });
      return [report, await analyse({ content: file, style: file }), (await inspect(file)).modules];
    }`;
  await place.put('library.ts', library);
  await place.put('disk.ts', `${library}
    import { openFile } from 'np-lora/core';
    await fuse({ content: await openFile('a'), style: null }, {}, { path: 'x.safetensors', overwrite: true });`);
  // These names mean one of the two versions, however the package is resolved.
  await place.put('both.ts', `
    import * as browser from 'np-lora/browser';
    import * as node from 'np-lora/node';
    export const page = (file: File) => browser.inspect(file, { assetBase: '/there/' });
    export const disk = async () => node.convert(await node.openFile('a'), {}, { path: 'b' });
    // @ts-expect-error: a page has no paths
    export const neither = (file: File) => browser.convert(file, {}, { path: 'b' });
  `);
  const strict = { target: 'ES2022', lib: ['ES2023', 'DOM', 'DOM.Iterable'], strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false, types: [] };
  await place.put('tsconfig.json', JSON.stringify({ compilerOptions: { ...strict, module: 'ESNext', moduleResolution: 'bundler' }, files: ['page.ts', 'library.ts', 'both.ts'] }));
  await place.put('tsconfig.node.json', JSON.stringify({ compilerOptions: { ...strict, module: 'NodeNext' }, files: ['disk.ts', 'both.ts'] }));
  for (const config of ['tsconfig.json', 'tsconfig.node.json']) {
    expect(await place.node(resolve('node_modules/typescript/bin/tsc'), '-p', config), config).toEqual({ code: 0, out: '', error: '' });
  }
});

test('types come from packages that it depends on', async () => {
  const { dependencies } = await json<{ dependencies: Record<string, string> }>('package.json');
  const types = contents().files.map(({ path }) => path).filter((path) => path.endsWith('.d.ts'));
  const from = await Promise.all(types.map(async (path) => [...(await readFile(join(FOLDER, path), 'utf8')).matchAll(/(?:from|import\() ?["']([^."'][^"']*)["']/g)].map(([, name]) => name!)));
  const packages = new Set(from.flat().map((name) => name.split('/')[0]!));
  expect([...packages].filter((name) => !Object.hasOwn(dependencies, name))).toEqual([]);
  expect(packages.has('lit')).toBe(true);
});

interface Manifest {
  modules: {
    path: string;
    exports: { kind: string; name: string }[];
    declarations: { tagName: string; attributes: { name: string }[]; events: { name: string; type?: { text: string } }[]; cssStates: { name: string }[]; members: { name: string; kind: string }[] }[];
  }[];
}

test('the manifest says what the element has', async ({ page, baseURL }) => {
  const { modules: [module, ...others] } = await json<Manifest>('custom-elements.json');
  expect([module!.path, others]).toEqual(['dist/index.js', []]);
  expect(module!.exports).toContainEqual(expect.objectContaining({ kind: 'custom-element-definition', name: 'np-lora' }));
  const [{ tagName, attributes, events, members, cssStates }] = module!.declarations as [Manifest['modules'][0]['declarations'][0]];
  expect(tagName).toBe('np-lora');
  await page.goto(baseURL!);
  const real = await page.evaluate(async () => {
    await customElements.whenDefined('np-lora');
    const element = document.querySelector('np-lora')!;
    const own = [Object.getPrototypeOf(element), element.constructor].flatMap((of) => Object.getOwnPropertyNames(of));
    return { attributes: (element.constructor as unknown as { observedAttributes: string[] }).observedAttributes, own };
  });
  const names = (of: { name: string }[]): string[] => of.map(({ name }) => name).sort();
  // `name` is handled by the browser itself, as for every form field.
  expect(names(attributes)).toEqual([...real.attributes, 'name'].sort());
  expect(names(cssStates)).toEqual(['checking', 'done', 'empty', 'failed', 'fusing', 'opening', 'ready', 'stale']);
  expect(events.filter(({ type }) => !type?.text.startsWith('CustomEvent<'))).toEqual([]);
  expect(names(events)).toEqual(['abort', 'backendchange', 'beforesave', 'change', 'complete', 'error', 'input', 'inspect', 'phasechange', 'progress', 'warning']);
  const methods = members.filter(({ kind }) => kind === 'method');
  expect(names(methods)).toEqual(expect.arrayContaining(['cancel', 'convert', 'fuse', 'inspect', 'redo', 'reset', 'save', 'saveAll', 'take', 'undo']));
  expect(names(methods).filter((name) => !real.own.includes(name))).toEqual([]);
});
