/** The built package in hosts made by three bundlers, and from another origin: the element, and the library in a page and in a worker. */

import { cp, mkdir, readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { expect, type Page } from '@playwright/test';
import { build as esbuild } from 'esbuild';
import { build as vite, createServer } from 'vite';
import webpack from 'webpack';
import { DEFAULTS } from '../browser/check.ts';
import { check } from '../browser/hold.ts';
import { FIRST_RUN, fuseAndSave, give, named } from '../browser/page.ts';
import { readSafetensors, writeSafetensors } from '../browser/safetensors.ts';
import { examples } from './examples.ts';
import { PAIR, test, type Host } from './install.ts';
import { serve, type Served } from './serve.ts';

const FILES = PAIR.map((file, at) => named(`${['subject', 'style'][at]}.safetensors`, file));

/** Writes the document's examples into files, under names by which the test calls them. */
async function sources(place: Host): Promise<void> {
  const [library] = await examples('js page');
  const [element] = await examples('js element');
  await place.put('index.html', '<!doctype html><title>host</title><body><script type="module" src="./main.js"></script>');
  await place.put('library.js', library!);
  await place.put('element.js', element!);
  await place.put('helper.js', `
    import { fuseChosen } from './library.js';
    self.onmessage = async ({ data: [content, style] }) => self.postMessage(await fuseChosen(content, style));
  `);
  await place.put('main.js', `
    import './element.js';
    import { open } from 'np-lora/core';
    import { NpLoraFrame } from 'np-lora/frame';
    import { fuseChosen } from './library.js';
    const inWorker = (content, style) => new Promise((done, failed) => {
      const worker = new Worker(new URL('./helper.js', import.meta.url), { type: 'module' });
      worker.onmessage = ({ data }) => done(data);
      worker.onerror = ({ message }) => failed(new Error(message));
      worker.postMessage([content, style]);
    });
    // A run has the machine for itself; what else is asked for is answered all the same.
    const atOnce = async (content, style) => {
      const pair = await open({ content, style });
      const aborter = new AbortController();
      const hash = pair.hash(content, { signal: aborter.signal }).then(() => 'hashed', ({ name }) => name);
      aborter.abort();
      // What no message can carry is refused, and is nobody's end.
      const odd = await pair.outlook({ mu: () => 1 }).catch(({ code }) => code);
      // As frameworks keep what they watch.
      const watched = new Proxy({ recompress: new Proxy({ kind: 'exact' }, {}) }, {});
      const [outlook, { file }] = await Promise.all([pair.outlook(watched), pair.fuse(watched)]);
      pair.close();
      if (outlook.analysed !== outlook.total || await hash !== 'AbortError' || odd !== 'E_SETTINGS') throw new Error(JSON.stringify([outlook, await hash, odd]));
      return file;
    };
    Object.assign(window, { inPage: fuseChosen, inWorker, atOnce, NpLoraFrame });
  `);
}

async function developed(place: Host, exclude: string[] = []): Promise<Served> {
  const server = await createServer({
    root: place.folder, logLevel: 'error', configFile: false, cacheDir: place.at('.vite'), optimizeDeps: { exclude },
    // The package is in the folder above, which belongs to the host.
    server: { host: '127.0.0.1', fs: { allow: ['..'] } },
  });
  await server.listen();
  return { url: server.resolvedUrls!.local[0]!, close: () => server.close() };
}

/** Bundlers, each of which builds a page from `place` with its defaults and serves it. */
const BUNDLERS: Record<string, (place: Host, out: string) => Promise<Served>> = {
  vite: async (place, out) => {
    await vite({ root: place.folder, base: './', logLevel: 'error', configFile: false, build: { outDir: out, emptyOutDir: true } });
    return serve(out);
  },
  'vite’s development server': (place) => developed(place),
  'vite’s development server, told to leave the package,': (place) => developed(place, ['np-lora']),
  webpack: async (place, out) => {
    await new Promise<void>((done, failed) => {
      webpack({ context: place.folder, entry: './main.js', mode: 'production', output: { path: out, filename: 'main.js' } }, (error, stats) => {
        const { errors = [], warnings = [] } = stats?.toJson({ all: false, errors: true, warnings: true }) ?? {};
        const real = [...errors, ...warnings].map(({ message }) => message).filter((message) => !/size limit|performance/.test(message));
        if (error || real.length > 0) failed(error ?? new Error(real.join('\n')));
        else done();
      });
    });
    await cp(place.at('index.html'), `${out}/index.html`);
    return serve(out);
  },
  esbuild: async (place, out) => {
    await esbuild({
      absWorkingDir: place.folder, entryPoints: ['main.js', 'helper.js'], bundle: true, splitting: true, format: 'esm', minify: true, outdir: out, logLevel: 'error',
    });
    await cp(place.at('index.html'), `${out}/index.html`);
    // esbuild leaves addresses as they are, so the files are copied beside the bundle, as the document says.
    const dist = place.at('../node_modules/np-lora/dist');
    for (const name of await readdir(dist)) if (/^(worker|np_lora.*)\.(js|wasm)$/.test(name)) await cp(`${dist}/${name}`, `${out}/${name}`);
    return serve(out);
  },
};

/** Records uncaught errors and failed requests. */
function trouble(page: Page): string[] {
  const all: string[] = [];
  page.on('pageerror', (error) => all.push(String(error)));
  page.on('response', (response) => { if (response.status() >= 400 && !response.url().endsWith('favicon.ico')) all.push(response.url()); });
  return all;
}

async function elementFuses(page: Page): Promise<void> {
  await give(page, 'Subject', FILES[0]!);
  await give(page, 'Style', FILES[1]!);
  // The charts, which are loaded separately, are there too.
  await expect(page.locator('np-lora-outlook-view')).toBeVisible();
  check((await fuseAndSave(page)).file, PAIR, { ...DEFAULTS, mu: 1 }, 'F16');
}

/** Calls the library by its name in the host page. */
async function libraryFuses(page: Page, name: string): Promise<void> {
  const bytes = await page.evaluate(async ([call, ...files]) => {
    const [content, style] = files.map((file) => new File([Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0))], 'x.safetensors'));
    const fuse = (window as unknown as Record<string, (content: File, style: File) => Promise<File>>)[call!]!;
    const url = URL.createObjectURL(await fuse(content!, style!));
    return [...new Uint8Array(await (await fetch(url)).arrayBuffer())];
  }, [name, ...PAIR.map((file) => Buffer.from(writeSafetensors(file)).toString('base64'))]);
  check(readSafetensors(Uint8Array.from(bytes)), PAIR, DEFAULTS, 'F16');
}

for (const [name, bundle] of Object.entries(BUNDLERS)) {
  test(`what ${name} makes of the package works`, async ({ host, page, baseURL }) => {
    test.setTimeout(2 * FIRST_RUN);
    const place = await host.place(name);
    await sources(place);
    const out = place.at('out');
    await mkdir(out);
    const { url, close } = await bundle(place, out);
    const wrong = trouble(page);
    await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
    await page.goto(url);
    await elementFuses(page);
    await libraryFuses(page, 'inPage');
    await libraryFuses(page, 'inWorker');
    await libraryFuses(page, 'atOnce');
    expect(await page.evaluate(async (src) => {
      const Frame = (window as unknown as { NpLoraFrame: new (place: Element, options: object) => { ready: Promise<void>; remove(): void; phase: string } }).NpLoraFrame;
      const frame = new Frame(document.body, { src });
      await frame.ready;
      frame.remove();
      return frame.phase;
    }, `${baseURL}embed.html`)).toBe('empty');
    await page.evaluate(() => { document.documentElement.lang = 'ja'; });
    await expect(page.getByRole('heading', { name: '被写体', exact: true })).toBeVisible();
    expect(wrong).toEqual([]);
    await close();
  });
}

test('a script from another origin brings its worker and its programs with it', async ({ host, page }) => {
  test.setTimeout(2 * FIRST_RUN);
  const place = await host.place('elsewhere');
  const there = await serve(resolve(process.env.NP_LORA_DIST ?? 'dist'), true);
  await place.put('index.html', `<!doctype html><title>host</title><body><script type="module" src="${there.url}element.js"></script><np-lora mu="1"></np-lora>`);
  const here = await serve(place.folder);
  expect(new URL(here.url).origin).not.toBe(new URL(there.url).origin);
  const wrong = trouble(page);
  const asked = new Set<string>();
  page.context().on('request', (request) => asked.add(request.url()));
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto(here.url);
  await elementFuses(page);
  expect([...asked]).toEqual(expect.arrayContaining(['worker.js', 'np_lora_bg.wasm', 'np_lora_reader_bg.wasm'].map((name) => there.url + name)));
  expect(page.workers().every((worker) => worker.url().startsWith(`blob:${here.url.slice(0, -1)}`))).toBe(true);
  expect(wrong).toEqual([]);
  await Promise.all([here.close(), there.close()]);
});

test('an asset base moves all of them', async ({ host, page }) => {
  test.setTimeout(2 * FIRST_RUN);
  const place = await host.place('moved');
  await sources(place);
  const [, moving] = await examples('js element');
  await place.put('element.js', `${moving}\nimport 'np-lora/define.js';\ndocument.body.append(Object.assign(document.createElement('np-lora'), { mu: 1 }));`);
  await esbuild({ absWorkingDir: place.folder, entryPoints: ['main.js'], bundle: true, format: 'esm', outdir: place.at('out'), logLevel: 'error' });
  await cp(place.at('index.html'), place.at('out/index.html'));
  await cp(place.at('../node_modules/np-lora/dist'), place.at('out/assets/np-lora'), { recursive: true });
  const { url, close } = await serve(place.at('out'));
  const wrong = trouble(page);
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto(url);
  await elementFuses(page);
  expect(page.workers().map((worker) => worker.url())).toContain(`${url}assets/np-lora/worker.js`);
  expect(wrong).toEqual([]);
  await close();
});
