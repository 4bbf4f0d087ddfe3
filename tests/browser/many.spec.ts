/** Several files of a pair in one run: each matches the method, and is byte for byte the result of a run of its own. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test, type Download, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { alwaysOnDisk, arm, bendWorker, held, letGo } from './faults/bend.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import {
  DEVICE, FIRST_RUN, accessible, element, fuseAndSave, fuseButton, givePair, named, open, programComplete, setMu, setStrength, worked,
} from './page.ts';
import { readSafetensors, type Safetensors } from './safetensors.ts';

test.setTimeout(2 * FIRST_RUN);

const KOHYA: Recipe = { modules: SD15_MODULES, rank: 8, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 101, sharedDirections: 3 };
const CAT = makeLora({ ...KOHYA, modules: SD15_MODULES.slice(1) });
const INK = makeLora({ ...KOHYA, rank: 6, alpha: 6, seed: 102 });

async function giveBoth(page: Page): Promise<void> {
  await givePair(page, named('cat.safetensors', CAT), named('ink.safetensors', INK));
}

const severalWanted = (page: Page): Promise<unknown> => page.getByLabel('What to make').selectOption('several');

async function muList(page: Page, typed: string): Promise<void> {
  const field = page.getByLabel('μ of the files');
  await field.fill(typed);
  await field.blur();
}

/** Waits for all files, and for the Fuse button, which is shown beside an older result, to be gone. */
async function made(page: Page, count: number): Promise<void> {
  const alert = page.getByRole('alert');
  await expect(page.getByRole('heading', { name: `${count} files fused and checked` }).or(alert).first()).toBeVisible({ timeout: FIRST_RUN });
  if (await alert.count() > 0) throw new Error(await alert.first().innerText());
}

const bytesOf = async (download: Download): Promise<Uint8Array> => new Uint8Array(await readFile(await download.path()));

/** Saves all files at once; returns them by name. */
async function saveAll(page: Page, count: number): Promise<Map<string, Uint8Array>> {
  const downloads: Download[] = [];
  const take = (download: Download): void => { downloads.push(download); };
  page.on('download', take);
  await page.getByRole('button', { name: 'Save all' }).click();
  await expect.poll(() => downloads.length).toBe(count);
  page.off('download', take);
  return new Map(await Promise.all(downloads.map(async (one): Promise<[string, Uint8Array]> => [one.suggestedFilename(), await bytesOf(one)])));
}

async function saveOne(page: Page, name: string): Promise<Uint8Array> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: `Save ${name}`, exact: true }).click()]);
  expect(download.suggestedFilename()).toBe(name);
  return bytesOf(download);
}

const EXPECTED: [name: string, mu: number, pair: [Safetensors, Safetensors]][] = [
  ['cat_in_ink_plain.safetensors', 0, [CAT, INK]],
  ['cat_in_ink_mu0.5.safetensors', 0.5, [CAT, INK]],
  ['cat_in_ink_muinf.safetensors', Infinity, [CAT, INK]],
  ['ink_in_cat_mu0.5.safetensors', 0.5, [INK, CAT]],
  ['ink_in_cat_muinf.safetensors', Infinity, [INK, CAT]],
];

test('both directions at several μ, and plain addition beside them', DEVICE, async ({ page }) => {
  const uncaught = await open(page);
  await giveBoth(page);
  await setStrength(page, 'Subject', 0.8);
  await severalWanted(page);
  await muList(page, '∞, 0.5 0.5');
  await expect(page.getByLabel('μ of the files')).toHaveValue('0.5, ∞');
  // A comma separates, unless it can only be a decimal comma.
  for (const [typed, read] of [
    ['1,10', '1, 10'], ['0.1,0.5,1', '0.1, 0.5, 1'], ['0,1 0,5', '0.1, 0.5'], ['0,5 1,5 ∞', '0.5, 1.5, ∞'], ['0,5 1,5,', '0.5, 1.5'], ['1, 5,10', '1, 5, 10'], ['0,5;1,5', '0.5, 1.5'], ['0.1,1,10,∞', '0.1, 1, 10, ∞'], ['0,1,1,10', '0.1, 1, 10'], ['0.5，∞', '0.5, ∞'],
  ] as const) {
    await muList(page, typed);
    await expect(page.getByLabel('μ of the files')).toHaveValue(read);
  }
  await muList(page, 'much');
  await expect(page.getByLabel('μ of the files')).toHaveValue('0.5, ∞');
  await expect(page.getByText('“much” cannot be read, so the list is as before')).toBeVisible();
  await expect(page.getByLabel('as μ', { exact: true })).toBeDisabled();
  await page.getByLabel('Both directions').check();
  await expect(page.getByText('cannot be read')).toHaveCount(0);
  await page.getByRole('button', { name: 'Fuse 5 files' }).click();
  await made(page, 5);
  await worked(page);
  const all = await saveAll(page, 5);
  expect([...all.keys()]).toEqual(EXPECTED.map(([name]) => name));
  for (const [name, mu, pair] of EXPECTED) {
    check(readSafetensors(all.get(name)!), pair, { ...DEFAULTS, contentStrength: 0.8, mu }, 'F16');
    expect(await saveOne(page, name)).toEqual(all.get(name));
  }

  // A host page is told the same.
  const told = await page.locator('np-lora').evaluate((found) => {
    const { result, results } = found as unknown as { result: File; results: { file: File; report: { settings: { mu: number }; content: { name: string }; change: number } }[] };
    return { first: result.name, all: results.map(({ file, report }) => [file.name, report.settings.mu, report.content.name]) };
  });
  expect(told.first).toBe(EXPECTED[0]![0]);
  expect(told.all).toEqual(EXPECTED.map(([name, mu, [content]]) => [name, mu, content === CAT ? 'cat.safetensors' : 'ink.safetensors']));
  expect(uncaught).toEqual([]);
});

test('each file is byte for byte that of a run of its own', async ({ page }) => {
  const uncaught = await open(page);
  await giveBoth(page);
  await severalWanted(page);
  await muList(page, '0.5; ∞');
  await page.getByLabel('Both directions').check();
  // The scale setting moves with its file, both here and with the swap button.
  await page.getByText('Advanced', { exact: true }).click();
  await page.getByLabel('Scale of the subject', { exact: true }).selectOption('rankStabilised');
  await page.getByRole('button', { name: 'Fuse 5 files' }).click();
  await made(page, 5);
  const all = await saveAll(page, 5);
  await page.getByLabel('What to make').selectOption('fusion');
  let direction = CAT;
  for (const [name, mu, [content]] of EXPECTED) {
    if (content !== direction) await page.getByRole('button', { name: 'Swap subject and style' }).click();
    direction = content;
    await page.getByLabel('File name', { exact: true }).fill(name.replace('.safetensors', ''));
    await setMu(page, mu);
    const alone = await fuseAndSave(page);
    expect(alone.name).toBe(name);
    const several = readSafetensors(all.get(name)!);
    expect(several.metadata).toEqual(alone.file.metadata);
    expect(several.tensors).toEqual(alone.file.tensors);
  }
  expect(uncaught).toEqual([]);
});

test('what tells the files apart is seen, and each can be looked at', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const uncaught = await open(page);
  await giveBoth(page);
  await severalWanted(page);
  await expect(page.getByLabel('μ of the files')).toHaveValue('0.1, 0.5, 1, 10, ∞');
  await expect(page.getByText(/^One file for each μ of this list.* 6 files, about .+ together\.$/)).toBeVisible();
  await accessible(page, 'several wanted');
  await page.getByRole('button', { name: 'Fuse 6 files' }).click();
  await made(page, 6);
  const changes = await page.locator('np-lora').evaluate((found) =>
    (found as unknown as { results: { report: { change: number; contentKept: number } }[] }).results.map(({ report }) => [report.change, report.contentKept] as const));
  changes.forEach(([change, kept], at) => {
    const before = changes[at - 1];
    if (before) expect([change > before[0], kept < before[1]], `file ${at}`).toEqual([true, true]);
  });
  const list = page.locator('np-lora-results').getByRole('listitem');
  await expect(list).toHaveCount(6);
  await expect(list.first()).toContainText('cat_in_ink_plain');
  await expect(list.last()).toContainText('∞');
  await list.nth(2).getByRole('button', { name: 'Details' }).click();
  const sum = createHash('sha256').update(await saveOne(page, 'cat_in_ink_mu0.5.safetensors')).digest('hex');
  await expect(page.locator('np-lora-result').getByText(`SHA-256 ${sum}`)).toBeVisible();
  const [report] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save report' }).click()]);
  expect([report.suggestedFilename(), JSON.parse(Buffer.from(await bytesOf(report)).toString()).settings.mu]).toEqual(['cat_in_ink_mu0.5.report.json', 0.5]);
  await expect(page.getByText('The projection changes this pair by')).toBeVisible();
  await expect(page.locator('np-lora-result').getByText('cat_in_ink_mu0.5').first()).toBeVisible();
  await accessible(page, 'several results');
  for (const [width, height] of [[1280, 900], [390, 844], [320, 800]] as const) {
    await page.setViewportSize({ width, height });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  }
  // A change makes all results stale, and the next run makes one file again.
  await page.getByLabel('What to make').selectOption('fusion');
  await expect(page.locator('.stale')).toBeVisible();
  await fuseAndSave(page);
  await expect(page.locator('np-lora-results')).toHaveCount(0);
  expect(uncaught).toEqual([]);
});

test('a run of several that is cancelled leaves none of them, and the next one makes all', async ({ page }) => {
  await bendWorker(page, () => {}, alwaysOnDisk);
  const uncaught = await open(page);
  await giveBoth(page);
  await programComplete(page);
  await severalWanted(page);
  await muList(page, '0.5 ∞');
  // Stops the leader at its own first module; the others may do all the rest.
  await arm(page, 'input', 2);
  const press = page.getByRole('button', { name: 'Fuse 3 files' });
  await press.click();
  await held(page);
  await expect(page.getByRole('heading', { name: 'Fusing 3 files' })).toBeVisible();
  // Another link in the address is not taken during a run, and does not stay there.
  await page.evaluate(() => new Promise((heard) => {
    addEventListener('hashchange', heard, { once: true });
    location.hash = '#mu=3';
  }));
  expect(await element(page, 'mu')).toBe(0.5);
  expect(page.url()).not.toContain('mu=3');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await letGo(page);
  await expect(page.getByText('Cancelled. Nothing was saved.').first()).toBeVisible();
  expect(await element(page, 'results')).toEqual([]);
  await expect(page.getByRole('button', { name: /^Save(?! recipe)/ })).toHaveCount(0);
  await press.click();
  await made(page, 3);
  const all = await saveAll(page, 3);
  const onDisk = await page.evaluate(async () => {
    const names: string[] = [];
    for await (const name of (await navigator.storage.getDirectory() as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
    return names.filter((name) => name.startsWith('np-lora-'));
  });
  expect(onDisk, 'those of the cancelled run are gone').toHaveLength(3);
  for (const [name, mu, pair] of EXPECTED.slice(0, 3)) check(readSafetensors(all.get(name)!), pair, { ...DEFAULTS, mu }, 'F16');
  expect(uncaught).toEqual([]);
});

/** A folder in memory, as the browser's own picker would give it. */
function offerFolder(): void {
  const saved = new Map<string, Blob>([['mine_plain.safetensors', new Blob(['mine'])]]);
  const handle = (name: string) => ({
    name,
    createWritable: () => {
      const parts: Uint8Array<ArrayBuffer>[] = [];
      return Promise.resolve(new WritableStream<Uint8Array<ArrayBuffer>>({
        write: (part) => { parts.push(part); },
        close: () => {
          if (Reflect.get(window, 'full')) throw new DOMException('', 'QuotaExceededError');
          saved.set(name, new Blob(parts));
        },
      }));
    },
  });
  const made = (name: string): object => {
    if (!saved.has(name)) saved.set(name, new Blob());
    return handle(name);
  };
  const folder = {
    getFileHandle: (name: string, { create = false } = {}) => (create || saved.has(name)
      ? Promise.resolve(made(name)) : Promise.reject(new DOMException('', 'NotFoundError'))),
    removeEntry: (name: string) => Promise.resolve(void saved.delete(name)),
  };
  const refusals = ['NotAllowedError', 'AbortError'];
  Object.assign(window, {
    saved, full: true,
    // First refused because the page may not ask, then closed by the person.
    showDirectoryPicker: () => {
      const refusal = refusals.shift();
      return refusal ? Promise.reject(new DOMException('', refusal)) : Promise.resolve(folder);
    },
  });
}

test('all are saved into one folder, where nothing is replaced', async ({ page }) => {
  const uncaught = await open(page);
  await page.evaluate(offerFolder);
  await giveBoth(page);
  await severalWanted(page);
  await muList(page, '1');
  await page.getByRole('button', { name: 'Fuse 2 files' }).click();
  await made(page, 2);
  const press = page.getByRole('button', { name: 'Save all' });
  const names = (): Promise<string[]> => page.evaluate(() => [...(window as unknown as { saved: Map<string, Blob> }).saved.keys()]);
  expect((await saveAll(page, 2)).size, 'as downloads').toBe(2);
  // A name given by a person is used for all files, with direction and μ appended.
  await page.getByLabel('Both directions').check();
  await page.getByText('Advanced', { exact: true }).click();
  await page.getByLabel('File name', { exact: true }).fill('mine');
  await page.getByRole('button', { name: 'Fuse 3 files' }).click();
  await made(page, 3);
  await press.click();
  await expect(page.getByText('Not saved. The files are still here').first()).toBeVisible();
  await page.getByRole('button', { name: 'Start over' }).click();
  await expect(page.getByText('Discard 3 unsaved files?')).toBeVisible();
  await page.getByRole('button', { name: 'Keep' }).click();
  // Nothing is left of a file for which there was no room.
  await press.click();
  await expect(page.getByRole('alert')).toContainText('could not be saved');
  expect(await names()).toEqual(['mine_plain.safetensors']);
  await page.evaluate(() => Object.assign(window, { full: false }));
  await press.click();
  await expect(page.getByText('All saved.').first()).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  const saved = await page.evaluate(async () => {
    const { saved } = window as unknown as { saved: Map<string, Blob> };
    return Promise.all([...saved].map(async ([name, blob]): Promise<[string, number[]]> => [name, [...new Uint8Array(await blob.arrayBuffer())]]));
  });
  expect(saved.map(([name]) => name)).toEqual(['mine_plain.safetensors', 'mine_plain_2.safetensors', 'mine_mu1.safetensors', 'mine_swapped_mu1.safetensors']);
  expect(Buffer.from(saved[0]![1]).toString()).toBe('mine');
  for (const [at, mu, pair] of [[1, 0, [CAT, INK]], [2, 1, [CAT, INK]], [3, 1, [INK, CAT]]] as const) {
    check(readSafetensors(Uint8Array.from(saved[at]![1])), [...pair], { ...DEFAULTS, mu }, 'F16');
  }
  await expect(fuseButton(page)).toHaveCount(0);
  expect(uncaught).toEqual([]);
});
