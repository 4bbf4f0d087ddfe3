/** The two programs: the reader answers first, and the whole program then takes its place. */

import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { bendWorker, holdProgram, letProgram } from './faults/bend.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { FIRST_RUN, fuseAndSave, fuseButton, give, named, offerConversion, open, programComplete } from './page.ts';
import type { Safetensors } from './safetensors.ts';

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 81, sharedDirections: 2 };
const pair: [Safetensors, Safetensors] = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 82 })];

/** A global of a bent worker. */
declare const said: { out?: unknown; problem?: unknown }[];

/** Records the parts of the programs that are requested from now on, in order. */
function programs(page: Page): string[] {
  const asked: string[] = [];
  page.on('request', (request) => {
    const name = new URL(request.url()).pathname.split('/').at(-1)!;
    if (name.startsWith('np_lora')) asked.push(name);
  });
  return asked;
}

const once = (names: string[]): string[] => [...new Set(names)];

async function givePair(page: Page): Promise<void> {
  await give(page, 'Subject', named('subject.safetensors', pair[0]));
  await give(page, 'Style', named('style.safetensors', pair[1]));
}

async function fuses(page: Page): Promise<void> {
  check((await fuseAndSave(page)).file, pair, DEFAULTS, 'F16');
}

test('nothing is asked for before the first file, the reader for it, the whole program after it', async ({ page }) => {
  test.setTimeout(2 * FIRST_RUN);
  const asked = programs(page);
  await holdProgram(page);
  const uncaught = await open(page);
  await expect(page.getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  expect(asked).toEqual([]);
  await give(page, 'Subject', named('subject.safetensors', pair[0]));
  await expect.poll(() => once(asked)).toEqual(['np_lora_reader.js', 'np_lora_reader_bg.wasm', 'np_lora.js', 'np_lora_bg.wasm']);
  // Nothing that the reader can answer waits for the whole program.
  await offerConversion(page);
  await give(page, 'Style', named('style.safetensors', pair[1]));
  await expect(page.getByRole('region', { name: 'How the two fit' })).toContainText(/Shared\s*\d+/);
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  await expect(page.getByRole('region', { name: 'Subject', exact: true })).toContainText('style.safetensors');
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  await fuseButton(page).click();
  await expect(page.getByRole('heading', { name: 'Starting' })).toBeVisible();
  letProgram(page);
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible({ timeout: FIRST_RUN });
  await page.getByRole('button', { name: 'μ ∞' }).click();
  const { file } = await fuseAndSave(page);
  check(file, pair, { ...DEFAULTS, mu: Infinity }, 'F16');
  // The other workers have started with the whole program, without the reader.
  expect(asked.filter((name) => name.includes('reader'))).toEqual(['np_lora_reader.js', 'np_lora_reader_bg.wasm']);
  expect(uncaught).toEqual([]);
});

/** Records what a worker says, and counts the Blobs that it makes; a result is one. */
function keepSaid(): void {
  const said: { out?: unknown; problem?: unknown }[] = [];
  const kept = Object.assign(self, { said, blobs: 0 });
  const post = self.postMessage.bind(self) as (...of: unknown[]) => void;
  Object.assign(self, { postMessage: (message: object, ...more: unknown[]) => { said.push(message); post(message, ...more); } });
  self.Blob = class extends Blob {
    constructor(...of: ConstructorParameters<typeof Blob>) {
      super(...of);
      kept.blobs++;
    }
  };
}

const saidBy = (page: Page): Promise<unknown[]> => page.workers()[0]!.evaluate(() => said.map(({ out, problem }) => problem ?? out));

test('the reader comes while a file is still looked for, or dragged; not when the page is only looked at', async ({ page }) => {
  const asked = programs(page);
  await bendWorker(page, keepSaid);
  const uncaught = await open(page);
  const reader = ['np_lora_reader.js', 'np_lora_reader_bg.wasm'];
  await page.getByText('Drop a .safetensors file here').first().hover();
  await page.keyboard.press('Tab');
  await page.waitForLoadState('networkidle');
  expect(asked).toEqual([]);
  const chooser = page.waitForEvent('filechooser');
  await page.getByText('Choose file', { exact: true }).first().click();
  await chooser;
  await expect.poll(() => once(asked)).toEqual(reader);
  // The worker has opened an example, so that nothing remains to be done for the first time.
  await expect.poll(() => saidBy(page)).toEqual([{ version: expect.any(String) }, null]);
  await give(page, 'Subject', named('subject.safetensors', pair[0]));
  await expect(page.getByRole('region', { name: 'Subject', exact: true })).toContainText('subject.safetensors');

  await page.reload();
  asked.length = 0;
  const drag = (what: string): Promise<void> => page.locator('np-lora').evaluate((element, what) => {
    const dataTransfer = new DataTransfer();
    if (what === 'file') dataTransfer.items.add(new File(['{}'], 'a.safetensors'));
    else dataTransfer.setData('text/plain', 'a');
    element.dispatchEvent(new DragEvent('dragenter', { dataTransfer, bubbles: true }));
  }, what);
  await drag('text');
  await page.waitForLoadState('networkidle');
  expect(asked).toEqual([]);
  await drag('file');
  await expect.poll(() => once(asked)).toEqual(reader);
  expect(uncaught).toEqual([]);
});

test('the reader gives its memory up', async ({ page }) => {
  await bendWorker(page, () => {
    const readers: WeakRef<WebAssembly.Memory>[] = [];
    Object.assign(self, { readers });
    const original = WebAssembly.instantiateStreaming;
    WebAssembly.instantiateStreaming = async (source, imports) => {
      const response = await source;
      const made = await original(response, imports);
      if (response.url.includes('reader')) readers.push(new WeakRef(made.instance.exports.memory as WebAssembly.Memory));
      return made;
    };
  });
  const uncaught = await open(page);
  await givePair(page);
  await programComplete(page);
  const readers = async (): Promise<{ made: number; kept: number }> => {
    const each = await Promise.all(page.workers().map((worker) => worker.evaluate(() => {
      // Allocates enough to make the engine collect garbage.
      for (let times = 0; times < 20; times++) new Uint8Array(32 * 2 ** 20).fill(1);
      const { readers } = self as unknown as { readers: WeakRef<object>[] };
      return { made: readers.length, kept: readers.filter((reader) => reader.deref()).length };
    })));
    return each.reduce((sum, { made, kept }) => ({ made: sum.made + made, kept: sum.kept + kept }), { made: 0, kept: 0 });
  };
  await expect.poll(readers).toEqual({ made: 1, kept: 0 });
  await fuses(page);
  expect(uncaught).toEqual([]);
});

test('a host that names a program has that one alone', async ({ page }) => {
  const asked = programs(page);
  await bendWorker(page, keepSaid);
  const uncaught = await open(page);
  await page.evaluate(() => {
    (customElements.get('np-lora') as unknown as { wasmURL: URL }).wasmURL = new URL('./np_lora_bg.wasm?own', location.href);
  });
  const own: string[] = [];
  page.on('request', (request) => { if (request.url().endsWith('?own')) own.push(request.url()); });
  const chooser = page.waitForEvent('filechooser');
  await page.getByText('Choose file', { exact: true }).first().click();
  await chooser;
  // The worker has opened an example but fused nothing, because a file may come at any moment.
  await expect.poll(() => saidBy(page)).toEqual([{ version: expect.any(String) }, null]);
  expect(await page.workers()[0]!.evaluate('self.blobs')).toBe(0);
  await givePair(page);
  await fuses(page);
  expect(once(asked)).toEqual(['np_lora.js', 'np_lora_bg.wasm']);
  expect(own.length).toBe(asked.filter((name) => name === 'np_lora_bg.wasm').length);
  expect(uncaught).toEqual([]);
});

test('a program that does not come in the background disturbs nobody, and comes when it is needed', async ({ page }) => {
  let gone = true;
  const statuses: number[] = [];
  await page.route('**/np_lora.js', (route) => {
    statuses.push(gone ? 404 : 200);
    return gone ? route.fulfill({ status: 404, body: 'gone' }) : route.continue();
  });
  const uncaught = await open(page);
  await give(page, 'Subject', named('subject.safetensors', pair[0]));
  // Each worker that computes requests the program, and then why it failed; the others end. There may be one that only hashes.
  const cores = await page.evaluate(() => navigator.hardwareConcurrency);
  const [all, hashing] = [Math.min(cores, 4), cores < 4 ? 0 : 1];
  await expect.poll(() => [statuses.length, page.workers().length]).toEqual([2 * all, 1 + hashing]);
  await offerConversion(page);
  await expect(page.getByRole('alert')).toHaveCount(0);
  gone = false;
  await give(page, 'Style', named('style.safetensors', pair[1]));
  await fuses(page);
  expect(statuses).toContain(200);
  // The other workers have started as well.
  await expect.poll(() => page.workers().length).toBe(all + hashing);
  expect(uncaught).toEqual([]);
});
