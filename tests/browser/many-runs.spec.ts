/** Run after run in one tab: nothing grows. */

import { expect, test, type Page } from '@playwright/test';
import { SD15_MODULES, SD15_PEFT_MODULES, makeLora, type Recipe } from './make.ts';
import { countHeld } from './memory.ts';
import { element, give, named, open } from './page.ts';

const RUNS = 150;
/** The number of runs after which every code path has been taken and every pool has its size. */
const WARM = 10;
const KOHYA: Recipe = { modules: SD15_MODULES.slice(0, 5), rank: 8, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 91 };
const PEFT: Recipe = { ...KOHYA, modules: SD15_PEFT_MODULES.slice(0, 5), rank: 12, alpha: null, scheme: 'PEFT', seed: 93 };

/** Fuses as a host page does, and saves every fifth result. Returns the hashes of the results. */
const fuseOften = (page: Page, from: number, to: number): Promise<string[]> => page.locator('np-lora').evaluate(async (found, [from, to]) => {
  const host = found as unknown as HTMLElement & {
    mu: number; contentFile: File; styleFile: File; report: { modelHash: string };
    fuse(): Promise<unknown>; save(): Promise<boolean>;
  };
  const { pairs } = window as unknown as { pairs: File[][] };
  const hashes: string[] = [];
  for (let run = from; run < to; run++) {
    const [content, style] = pairs[run % pairs.length]!;
    const opened = new Promise<void>((both) => {
      let count = 0;
      const one = (): void => { if (++count === 2) both(host.removeEventListener('inspect', one)); };
      host.addEventListener('inspect', one);
    });
    [host.contentFile, host.styleFile] = [content!, style!];
    host.mu = [0.5, 1, Infinity][run % 3]!;
    await opened;
    await host.fuse();
    hashes.push(host.report.modelHash);
    if (run % 5 === 0) await host.save();
  }
  return hashes;
}, [from, to] as const);

/** Waits until the outlook, which follows a run, is complete and drawn, so that both measurements are made in the same state. */
const drawn = (page: Page): Promise<void> => expect.poll(async () => {
  const outlook = await element<{ analysed: number; total: number } | null>(page, 'outlook');
  return outlook !== null && outlook.analysed === outlook.total && await page.locator('np-lora-overlap-map').count() === 1;
}).toBe(true);

test('many runs with changing pairs leave no more behind than ten', async ({ page }) => {
  test.setTimeout(RUNS * 6000);
  const held = await countHeld(page);
  const uncaught = await open(page);
  for (const recipe of [KOHYA, PEFT]) {
    await give(page, 'Subject', named(`${recipe.scheme}-subject.safetensors`, makeLora(recipe)));
    await give(page, 'Style', named(`${recipe.scheme}-style.safetensors`, makeLora({ ...recipe, seed: recipe.seed + 1 })));
    await expect.poll(() => element(page, 'phase')).toBe('ready');
    await page.locator('np-lora').evaluate((found) => {
      const { contentFile, styleFile } = found as unknown as Record<string, File>;
      const all = (window as unknown as { pairs?: (File | undefined)[][] });
      (all.pairs ??= []).push([contentFile, styleFile]);
    });
  }
  const first = await fuseOften(page, 0, WARM);
  await drawn(page);
  const before = await held();
  const later = await fuseOften(page, WARM, RUNS);
  await drawn(page);
  // The object URLs of saved files are released after a while.
  await expect.poll(async () => (await held()).addresses).toBe(before.addresses);
  const after = await held();
  console.log(`after ${WARM} runs ${JSON.stringify(before)}, after ${RUNS} ${JSON.stringify(after)}`);
  expect({ workers: after.workers, files: after.files }).toEqual({ workers: before.workers, files: before.files });
  expect(before.wasm).toBeGreaterThan(0);
  // A report of such a run has some 20 kB, so keeping one from each would show. The program's memory grows in steps of up to 0.9 MB,
  // 1.6 MB in all, sooner or later, depending on when the workers answer; it was never seen above 24.1 MB.
  expect(after.heap - before.heap).toBeLessThan((RUNS - WARM) * 10_000);
  expect(after.wasm - before.wasm).toBeLessThan((RUNS - WARM) * 15_000);
  expect(after.nodes).toBeLessThan(before.nodes + 200);
  // There are two pairs and three μ, so every sixth run is the same again.
  [...first, ...later].forEach((hash, run, all) => expect(hash).toBe(all[run % 6]));
  expect(uncaught).toEqual([]);
});
