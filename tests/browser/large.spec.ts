/**
 * Files of gigabytes, in which nearly all numbers are zero, so that the disk holds only holes: they are opened, fused, checked and saved in memory
 * that does not grow with them. The smallest size is always run; NP_LORA_LARGE=1,2,4 names further sizes of an input in GB. A result has the size of
 * both inputs, and is on disk twice when it is saved.
 */

import { open as openFile, readFile, rm, statfs } from 'node:fs/promises';
import { chromium, expect, test, type BrowserContext } from '@playwright/test';
import { DEFAULTS, compare, modulesOf } from './check.ts';
import { moduleTensors, type ModuleShape, type Recipe } from './make.ts';
import { countHeld } from './memory.ts';
import { fuseButton, give, open } from './page.ts';
import { WIDTH, headerOf, product, type Safetensors, type Tensor } from './safetensors.ts';

/** More than a browser may keep of a result in memory, in GB for each input. */
const SMALLEST = 0.3;
const SIZES = [SMALLEST, ...(process.env.NP_LORA_LARGE ?? '').split(',').filter((size) => size !== '').map(Number)];
const RECIPE: Recipe = { modules: [], rank: 32, alpha: 16, dtype: 'F16', scheme: 'kohya', seed: 101, sharedDirections: 8 };
const SIDE = 4096;
const MODULE_BYTES = 2 * RECIPE.rank * SIDE * WIDTH.F16;
/** The modules with values: at both ends, where offsets are smallest and largest, and in the middle. */
const filledOf = (count: number): [number, number, number] => [0, Math.floor(count / 2), count - 1];

type Outline = [string, Omit<Tensor, 'bytes'>];

const shape = (index: number): ModuleShape => ({ name: `lora_unet_layer_${String(index).padStart(5, '0')}`, out: SIDE, in: SIDE });

/** Writes a file with values only in the modules `filled`; the rest is a hole, which reads as zeros. */
async function writeSparse(path: string, count: number, recipe: Recipe): Promise<Safetensors> {
  const outlines = Array.from({ length: count }, (_, index) => index).flatMap((index): Outline[] => [
    [`${shape(index).name}.alpha`, { dtype: 'F32', shape: [] }],
    [`${shape(index).name}.lora_down.weight`, { dtype: 'F16', shape: [recipe.rank, SIDE] }],
    [`${shape(index).name}.lora_up.weight`, { dtype: 'F16', shape: [SIDE, recipe.rank] }],
  ]);
  const file = await openFile(path, 'w');
  const header = headerOf(outlines, { format: 'pt' });
  await file.write(header, 0, header.length, 0);
  const tensors = new Map(filledOf(count).flatMap((index) => moduleTensors(shape(index), recipe)));
  const alpha = new Uint8Array(Float32Array.of(recipe.alpha ?? 0).buffer);
  let at = header.length;
  for (const [name, { dtype, shape }] of outlines) {
    const bytes = tensors.get(name)?.bytes ?? (name.endsWith('.alpha') ? alpha : null);
    if (bytes) await file.write(bytes, 0, bytes.length, at);
    at += product(shape) * WIDTH[dtype];
  }
  await file.truncate(at);
  await file.close();
  return { metadata: {}, tensors };
}

/** Reads the header of a file that is too large to be read whole, and the wanted modules; all other bytes must be accounted for. */
async function readSome(path: string, wanted: (name: string) => boolean): Promise<{ tensors: Map<string, Tensor>; size: number; count: number }> {
  const file = await openFile(path);
  const read = async (length: number, at: number): Promise<Uint8Array> => (await file.read(new Uint8Array(length), 0, length, at)).buffer;
  const headerLength = Number(new DataView((await read(8, 0)).buffer).getBigUint64(0, true));
  const header: Record<string, { dtype: Tensor['dtype']; shape: number[]; data_offsets: [number, number] }> =
    JSON.parse(new TextDecoder().decode(await read(headerLength, 8)));
  const tensors = new Map<string, Tensor>();
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__').sort((a, b) => a[1].data_offsets[0] - b[1].data_offsets[0]);
  let end = 0;
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of entries) {
    expect([from, to - from], name).toEqual([end, product(shape) * WIDTH[dtype]]);
    end = to;
    if (wanted(name)) tensors.set(name, { dtype, shape, bytes: await read(to - from, 8 + headerLength + from) });
  }
  const { size } = await file.stat();
  await file.close();
  expect(size).toBe(8 + headerLength + end);
  return { tensors, size, count: entries.length };
}

/** The peak memory of the browser's processes, in MB; empty if the system does not report it. */
async function peaks(context: BrowserContext): Promise<Record<string, number>> {
  const session = await context.browser()!.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const found: Record<string, number> = {};
  for (const { type, id } of processInfo) {
    const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '');
    const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000;
    if (type === 'renderer' || type === 'browser') found[type] = Math.max(found[type] ?? 0, Math.round(peak));
  }
  return found;
}

/** The number of modules that make a file of about `size` GB. */
const countOf = (size: number): number => Math.ceil((size * 1e9) / MODULE_BYTES);

test('a result that may be too large for memory is said to be, where there is nothing but memory', async ({ page }, info) => {
  const [content, style, small] = ['subject', 'style', 'small'].map((name) => info.outputPath(`${name}.safetensors`)) as [string, string, string];
  await Promise.all([writeSparse(content, countOf(SMALLEST), RECIPE), writeSparse(style, countOf(SMALLEST), { ...RECIPE, seed: 102 }),
    writeSparse(small, countOf(SMALLEST / 3), RECIPE)]);
  const caution = page.getByText('The page has no storage here, so all 601 MB stay in memory.');
  const pair = async (subject: string): Promise<void> => {
    await give(page, 'Subject', subject);
    await give(page, 'Style', style);
    await expect(fuseButton(page)).toBeEnabled();
  };
  await open(page);
  await pair(content);
  await expect(caution).toHaveCount(0);
  await page.addInitScript(() => {
    StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('Not here.', 'SecurityError'));
  });
  await open(page);
  await pair(content);
  await expect(caution).toBeVisible();
  const { width, height } = page.viewportSize()!;
  await page.setViewportSize({ width: 320, height });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
  await page.setViewportSize({ width, height });
  // With the small file, the result is less than browsers keep in memory.
  await give(page, 'Subject', small);
  await expect(caution).toHaveCount(0);
});

for (const size of SIZES) {
  test(`two files of ${size} GB each fuse in little memory`, async ({}, info) => {
    test.setTimeout(120_000 + size * 600_000);
    const count = countOf(size);
    const { bavail, bsize } = await statfs(info.project.outputDir).catch(() => statfs('.'));
    expect(bavail * bsize, 'bytes free on the disk').toBeGreaterThan(5 * size * 1e9);
    const [content, style] = [info.outputPath('subject.safetensors'), info.outputPath('style.safetensors')];
    const pair = [await writeSparse(content, count, RECIPE), await writeSparse(style, count, { ...RECIPE, seed: 102 })];

    // The other tests use a private window, which keeps its files in memory.
    const { launchOptions, baseURL } = info.project.use;
    const profile = info.outputPath('profile');
    const context = await chromium.launchPersistentContext(profile, { ...launchOptions, serviceWorkers: 'block', ...(baseURL ? { baseURL } : {}) });
    const page = await context.newPage();
    const held = await countHeld(page);
    const uncaught = await open(page);
    const seconds: number[] = [];
    const timed = async (what: () => Promise<unknown>): Promise<void> => {
      const began = performance.now();
      await what();
      seconds.push((performance.now() - began) / 1000);
    };
    await timed(async () => {
      await give(page, 'Subject', content);
      await give(page, 'Style', style);
      await expect(fuseButton(page)).toBeEnabled();
    });
    await timed(async () => {
      await fuseButton(page).click();
      await expect(page.getByRole('heading', { name: 'Fused and checked' }).or(page.getByRole('alert')).first()).toBeVisible({ timeout: 60_000 + size * 300_000 });
      await expect(page.getByRole('alert')).toHaveCount(0);
    });
    const memory = await held();
    const highest = await peaks(context);
    let path = '';
    await timed(async () => {
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save', exact: true }).click()]);
      path = await download.path();
    });
    console.log(`${size} GB each: opened in ${seconds[0]!.toFixed(1)} s, fused and checked in ${seconds[1]!.toFixed(1)} s, saved in ${seconds[2]!.toFixed(1)} s; `
      + `wasm ${(memory.wasm / 1e6).toFixed(0)} MB, scripts ${(memory.heap / 1e6).toFixed(1)} MB, peaks ${JSON.stringify(highest)} MB`);
    // Otherwise the page would go on hashing all of this.
    await page.close();
    // The memory of all workers together.
    expect(memory.wasm).toBeLessThan(256 * 2 ** 20);

    const empty = shape(filledOf(count)[1] + 1).name;
    const chosen = [...filledOf(count).map((index) => shape(index).name), empty];
    const saved = await readSome(path, (name) => chosen.includes(name.split('.')[0]!));
    expect(saved.count).toBe(3 * count);
    expect(saved.size).toBeGreaterThan(2 * size * 1e9);
    const fused = modulesOf({ metadata: {}, tensors: saved.tensors });
    const zeros = fused.get(empty)!;
    expect([zeros.down, zeros.up].every(({ bytes }) => bytes.every((byte) => byte === 0)), empty).toBe(true);
    fused.delete(empty);
    const [c, s] = pair.map(modulesOf);
    for (const { name, deviation, floor, change } of compare(fused, c!, s!, DEFAULTS, 'F16')) {
      expect(deviation, name).toBeLessThan(1.01 * floor + 1e-5);
      expect(change, name).toBeGreaterThan(10 * floor);
    }
    expect(uncaught).toEqual([]);
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
}
