/** After the first visit the site works without a network, and never mixes two builds. */

import { createServer, type Server } from 'node:http';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { expect, test, type BrowserContext, type Page } from '@playwright/test';
import { offline } from '../../www/offline/build.mjs';
import { DEFAULTS } from './check.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { FIRST_RUN, accessible, fuseAndSave, fuseButton, give, named } from './page.ts';
import type { Safetensors } from './safetensors.ts';

test.use({ serviceWorkers: 'allow' });
const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 91, sharedDirections: 2 };
const pair: [Safetensors, Safetensors] = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 92 })];

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.wasm': 'application/wasm' };

/** A host with one site in a folder, whose files can be replaced while it serves. */
class Host {
  /** The paths that were requested. */
  asked: string[] = [];
  /** Paths that the host no longer has. */
  missing = new Set<string>();
  #server: Server;
  /** In the place of sw.js. */
  worker: string | null = null;
  #folder = '';

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request.url ?? '/').then(([status, type, body]) => {
      response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'max-age=600' }).end(body);
    }));
  }

  async #answer(url: string): Promise<[number, string, Buffer | string]> {
    const path = new URL(url, 'http://host').pathname.replace(/^\/some\/folder\//, '').replace(/^$/, 'index.html');
    this.asked.push(path);
    if (path === 'sw.js' && this.worker !== null) return [200, TYPES['.js']!, this.worker];
    const body = this.missing.has(path) ? null : await readFile(join(this.#folder, path)).catch(() => null);
    return body ? [200, TYPES[extname(path)] ?? 'text/plain', body] : [404, 'text/plain', 'not here'];
  }

  async start(): Promise<string> {
    await new Promise<void>((listening) => this.#server.listen(0, '127.0.0.1', listening));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/some/folder/`;
  }

  deploy(folder: string): void {
    this.#folder = folder;
    this.asked = [];
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

let work: string;
let host: Host;
let address: string;
/** The third has the files of the first, and another worker. */
const BUILDS = ['first', 'second', 'third'] as const;
const folder = (name: typeof BUILDS[number]): string => join(work, name);

/**
 * Marks a build, so that each part of a page shows which one it comes from: the icon's text, which nothing depends on, and a line in every script.
 */
async function makeBuild(name: typeof BUILDS[number]): Promise<void> {
  await cp(process.env.NP_LORA_DIST ?? 'dist', folder(name), { recursive: true });
  const index = join(folder(name), 'index.html');
  await writeFile(index, (await readFile(index, 'utf8')).replace(/<meta name="build" content="\w+">/, '<meta name="build" content="">'));
  for (const script of ['worker.js', 'page.js', 'np_lora.js']) {
    const path = join(folder(name), script);
    await writeFile(path, `${await readFile(path, 'utf8')}\n;(globalThis.builds??=[]).push(${JSON.stringify(`${name === 'third' ? 'first' : name} ${script}`)});`);
  }
  const worker = resolve('www/offline/sw.ts');
  if (name !== 'third') return offline(folder(name), 'tsconfig.json', { worker });
  const another = join(work, 'another-sw.ts');
  await writeFile(another, `import ${JSON.stringify(worker)};\nself.addEventListener('sync', () => {});`);
  await offline(folder(name), 'tsconfig.json', { worker: another });
}

test.beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'np-lora-offline-'));
  for (const name of BUILDS) await makeBuild(name);
});
test.afterAll(() => rm(work, { recursive: true, force: true }));
test.beforeEach(async () => {
  host = new Host();
  host.deploy(folder('first'));
  address = await host.start();
});
test.afterEach(() => host.stop());

async function visit(page: Page, path = ''): Promise<string[]> {
  const uncaught: string[] = [];
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => uncaught.push(String(error)));
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto(address + path);
  return uncaught;
}

/** Whether a service worker serves the page. */
const controlled = (page: Page): Promise<boolean> => page.evaluate(() => navigator.serviceWorker.controller !== null);
const becomesKept = (page: Page): Promise<void> => expect.poll(() => controlled(page)).toBe(true);
const caches = (page: Page): Promise<string[]> => page.evaluate(() => window.caches.keys());
const buildOf = (page: Page): Promise<string> => page.locator('meta[name="build"]').getAttribute('content').then((id) => id ?? '');
const waiting = (page: Page): Promise<string | undefined> => page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.waiting?.state);
const updates = (page: Page): Promise<void> => page.evaluate(async () => { await (await navigator.serviceWorker.getRegistration())?.update().catch(() => {}); });
const offer = (page: Page) => page.getByRole('button', { name: 'Load it' });

/** The builds of all parts of the page that have reported theirs. */
async function builds(page: Page): Promise<Set<string>> {
  const said = () => (globalThis as { builds?: string[] }).builds ?? [];
  const all = await Promise.all([page.evaluate(said), ...page.workers().map((worker) => worker.evaluate(said))]);
  return new Set(all.flat().map((one) => one.split(' ')[0]!));
}

async function fuses(page: Page): Promise<void> {
  await give(page, 'Subject', named('subject.safetensors', pair[0]));
  await give(page, 'Style', named('style.safetensors', pair[1]));
  check((await fuseAndSave(page)).file, pair, DEFAULTS, 'F16');
}

/** Opens a page in a browser that has cached the first build. */
async function kept(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await visit(page);
  await becomesKept(page);
  return page;
}

test('a second visit needs no network, for a whole fusion', async ({ page, context }) => {
  test.setTimeout(2 * FIRST_RUN);
  const uncaught = await visit(page);
  await becomesKept(page);
  await context.setOffline(true);
  host.stop();
  await page.reload();
  await fuses(page);
  await expect(page.getByRole('region', { name: 'What the projection will do' })).toContainText('%');
  // A part whose first import failed is requested in this way.
  expect(await page.evaluate(async () => {
    const [name] = await window.caches.keys();
    const part = (await (await window.caches.open(name!)).keys()).map(({ url }) => url).find((url) => /\/comparison-\w+\.js$/.test(url));
    return import(`${part}?1`).then(() => 'it came', String);
  })).toBe('it came');
  // The full name, with a query and a fragment, works as well.
  await page.goto(`${address}index.html?from=elsewhere#here`);
  await expect(fuseButton(page).or(page.getByRole('button', { name: 'Try it with an example' }))).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('what is kept are the files of the build, and nothing that a person chose or made', async ({ page }) => {
  await visit(page);
  await becomesKept(page);
  await page.reload();
  await fuses(page);
  const [held, listed] = await page.evaluate(async () => {
    const names = await window.caches.keys();
    const requests = await Promise.all(names.map(async (name) => (await window.caches.open(name)).keys()));
    const worker = await (await fetch('sw.js')).text();
    return [requests.flat().map(({ url }) => url).sort(), [...worker.matchAll(/\["([^"]+)","sha256-/g)].map(([, path]) => path)] as const;
  });
  expect(held).toEqual(listed.map((path) => address + path!.replace(/^index\.html$/, '')).sort());
  expect(held).toContain(`${address}np_lora_bg.wasm`);
  expect(await caches(page)).toEqual([`np-lora ${address} ${await buildOf(page)}`]);
});

test('a page stays of its build while a new one is deployed, and until no page of the old one is open', async ({ context }) => {
  test.setTimeout(2 * FIRST_RUN);
  const page = await kept(context);
  await page.reload();
  const before = await buildOf(page);
  host.deploy(folder('second'));
  await updates(page);
  await expect.poll(() => waiting(page)).toBe('installed');
  // Everything is loaded after the new build has arrived: worker, programs, charts.
  await fuses(page);
  expect([...await builds(page)]).toEqual(['first']);
  // Neither a reload nor a second tab brings in the new build beside the old one.
  const second = await context.newPage();
  await visit(second);
  await page.reload();
  expect([await buildOf(page), await buildOf(second)]).toEqual([before, before]);
  await offer(page).click();
  await expect(page.getByRole('status').getByText(/no other tab/)).toBeVisible();
  expect(await buildOf(page)).toBe(before);

  await page.close();
  await second.close();
  // A page opened before the browser has changed workers still gets the old build, and keeps it until it closes.
  const third = await context.newPage();
  await expect(async () => {
    await third.goto('about:blank');
    await visit(third);
    expect(await buildOf(third)).not.toBe(before);
  }).toPass();
  await fuses(third);
  expect([...await builds(third)]).toEqual(['second']);
  await expect.poll(() => caches(third)).toEqual([`np-lora ${address} ${await buildOf(third)}`]);
});

test('the only page can load the new build by itself', async ({ context }) => {
  const page = await kept(context);
  await page.reload();
  const before = await buildOf(page);
  await expect(offer(page)).toHaveCount(0);
  // The cache of a site in another folder of the same origin.
  await page.evaluate(() => window.caches.open('np-lora http://127.0.0.1/another/ build'));
  host.deploy(folder('second'));
  await updates(page);
  await expect(offer(page)).toBeVisible();
  await accessible(page, 'a new version is there');
  await offer(page).click();
  await expect.poll(() => buildOf(page).catch(() => before)).not.toBe(before);
  await fuses(page);
  expect([...await builds(page)]).toEqual(['second']);
  await expect(offer(page)).toHaveCount(0);
  await expect.poll(() => caches(page)).toEqual(['np-lora http://127.0.0.1/another/ build', `np-lora ${address} ${await buildOf(page)}`]);
});

test('a run is not cut off by a new version', async ({ context }) => {
  const page = await kept(context);
  await page.reload();
  host.deploy(folder('second'));
  await updates(page);
  await expect(offer(page)).toBeVisible();
  // Makes the page look as it does during a run.
  await page.locator('np-lora').evaluate((app) => Object.defineProperty(app, 'phase', { value: 'fusing' }));
  await offer(page).click();
  await expect(page.getByRole('status').getByText(/when the run is over/)).toBeVisible();
  await expect(page.locator('np-lora')).toHaveCount(1);
  expect(await waiting(page)).toBe('installed');
});

test('a new version takes no unsaved result away without a word', async ({ context }) => {
  const page = await kept(context);
  await page.reload();
  const before = await buildOf(page);
  await page.getByRole('button', { name: 'Try it with an example' }).click();
  await fuseButton(page).click();
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  host.deploy(folder('second'));
  await updates(page);
  await offer(page).click();
  await expect(page.getByRole('status').getByText(/What is not saved goes/)).toBeVisible();
  expect(await waiting(page)).toBe('installed');
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  await offer(page).click();
  await expect.poll(() => buildOf(page).catch(() => before)).not.toBe(before);
});

test('what the browser has dropped is fetched again, but only as it was', async ({ context }) => {
  const page = await kept(context);
  await page.reload();
  const drop = (): Promise<boolean> => page.evaluate(async () => (await window.caches.open((await window.caches.keys())[0]!)).delete('worker.js'));
  const asks = (): Promise<string> => page.evaluate(() => fetch('worker.js').then((answer) => answer.text(), () => 'refused'));
  expect(await drop()).toBe(true);
  expect(await asks()).toContain('first worker.js');
  host.deploy(folder('second'));
  expect(await asks()).toBe('refused');
});

const SPOILT: Record<string, { file: string; spoil(): void | Promise<void> }> = {
  'lacks a file': { file: 'np_lora_bg.wasm', spoil: () => { host.missing.add('np_lora_bg.wasm'); } },
  'has a file of another build': {
    file: 'worker.js',
    spoil: async () => {
      await cp(folder('second'), join(work, 'mixed'), { recursive: true });
      await cp(join(folder('first'), 'worker.js'), join(work, 'mixed', 'worker.js'));
      host.deploy(join(work, 'mixed'));
    },
  },
};
for (const [what, { file, spoil }] of Object.entries(SPOILT)) {
  test(`a new build that ${what} changes nothing`, async ({ context }) => {
    const page = await kept(context);
    const before = await caches(page);
    host.deploy(folder('second'));
    await spoil();
    await updates(page);
    await expect.poll(() => host.asked.includes(file)).toBe(true);
    await expect.poll(() => page.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration();
      return [registration?.installing, registration?.waiting].map((worker) => worker?.state ?? null);
    })).toEqual([null, null]);
    expect(await caches(page)).toEqual(before);
    await context.setOffline(true);
    await page.reload();
    await fuses(page);
    expect([...await builds(page)]).toEqual(['first']);
  });
}

/** Asks for what is deployed now, and waits until its installation has failed for want of `file`. */
async function failsToUpdate(page: Page, file = 'np_lora_bg.wasm'): Promise<void> {
  host.missing.add(file);
  await updates(page);
  await expect.poll(() => host.asked.includes(file)).toBe(true);
  await expect.poll(() => page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.installing?.state ?? null)).toBeNull();
}

/** The page is there without a network, and what it is made of is of the first build. */
async function staysWithFirst(page: Page, context: BrowserContext): Promise<void> {
  await context.setOffline(true);
  await page.reload();
  await fuses(page);
  expect([...await builds(page)]).toEqual(['first']);
}

test('a roll-back that fails takes nothing from the build that is in use', async ({ context }) => {
  const page = await kept(context);
  await page.reload();
  host.deploy(folder('second'));
  await updates(page);
  await expect.poll(() => waiting(page)).toBe('installed');
  const before = await caches(page);
  host.deploy(folder('first'));
  await failsToUpdate(page);
  expect(await caches(page)).toEqual(before);
  await staysWithFirst(page, context);
});

test('a build that differs in nothing but its worker has a cache of its own, and takes nothing from the one in use', async ({ context }) => {
  const page = await kept(context);
  const before = await caches(page);
  host.deploy(folder('third'));
  await failsToUpdate(page);
  expect(await caches(page)).toEqual(before);
  host.missing.clear();
  await updates(page);
  await expect.poll(() => waiting(page)).toBe('installed');
  expect(await caches(page)).toHaveLength(2);
  await staysWithFirst(page, context);
});

test('what was rolled back is offered no more', async ({ context }) => {
  const page = await kept(context);
  await page.reload();
  const before = await buildOf(page);
  host.deploy(folder('second'));
  await updates(page);
  await expect(offer(page)).toBeVisible();
  host.deploy(folder('first'));
  await updates(page);
  await expect(offer(page)).toHaveCount(0);
  await page.reload();
  // As above: the page has its answer by now.
  await page.evaluate(() => new Promise((answered) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = answered;
    void navigator.serviceWorker.getRegistration().then((registration) => registration?.waiting?.postMessage({ ask: 'lonely' }, [port2]));
  }));
  expect(await waiting(page)).toBe('installed');
  await expect(offer(page)).toHaveCount(0);
  expect(await buildOf(page)).toBe(before);
});

test('the worker that takes the site down, as the document has it, leaves nothing behind', async ({ page }) => {
  await visit(page);
  await becomesKept(page);
  await page.evaluate(() => window.caches.open('np-lora http://127.0.0.1/another/ build'));
  const document = await readFile('docs/DEPLOY.md', 'utf8');
  host.worker = /To take the site down for good.*?```js\n(.*?)```/s.exec(document)![1]!;
  await updates(page);
  await expect.poll(() => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length)).toBe(0);
  expect(await caches(page)).toEqual(['np-lora http://127.0.0.1/another/ build']);
});

test('a page of another build, from the network, is not adopted', async ({ context }) => {
  const page = await context.newPage();
  // The page comes from the first build; before the worker arrives, the second one is deployed.
  await page.route('**/page.js', async (route) => {
    host.deploy(folder('second'));
    await route.continue();
  });
  await visit(page);
  await expect.poll(() => page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.active?.state)).toBe('activated');
  // The worker answers in order, so by this answer an adoption would have happened.
  await page.evaluate(() => new Promise((answered) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = answered;
    void navigator.serviceWorker.ready.then(({ active }) => active?.postMessage({ ask: 'lonely' }, [port2]));
  }));
  expect(await controlled(page)).toBe(false);
});

test('a host page with the element registers nothing', async ({ page }) => {
  await page.route('**/host.html', (route) => route.fulfill({
    contentType: 'text/html', body: '<!doctype html><title>Host</title><script type="module" src="element.js"></script><np-lora></np-lora>',
  }));
  await visit(page, 'host.html');
  await fuses(page);
  expect(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length)).toBe(0);
  expect(await caches(page)).toEqual([]);
});
