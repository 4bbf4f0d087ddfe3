/** The worker, and its memory. */

import { expect, type Page } from '@playwright/test';
import { give, named } from '../page.ts';
import { READER, WHOLE, bendWorker, keepWorkers, serveBent, started, tellWorkers } from './bend.ts';
import { fuse, fuseUpTo, giveGoodPair, pairOf, pressFuse, type Fault } from './scene.ts';

/** A global of a page after `keepWorkers`. */
declare const allWorkers: Worker[];
/** A global of a bent worker. */
declare let broken: boolean;

const throwInWorker = (name: string, expression: string, detail: RegExp): Fault => ({
  name,
  before: (page) => bendWorker(page),
  happens: async (scene) => {
    await fuseUpTo(scene, 'input');
    await tellWorkers(scene.page, expression);
  },
  ends: 'refused',
  says: new RegExp(`The fusing program stopped\\. Nothing was saved\\..*Try again.*${detail.source}`, 's'),
});

/** `wasm` with a memory that cannot grow by more than `pages` of 64 KiB: the engine itself refuses more. */
function limitMemory(wasm: Buffer, pages: number): Buffer {
  const number = (at: number): [value: number, next: number] => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return [value, at];
    }
  };
  const written = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...written(value >>> 7)]);
  for (let at = 8; at < wasm.length;) {
    const [size, start] = number(at + 1);
    if (wasm[at] === 5) {
      // One memory, with a minimum size and no maximum.
      if (wasm[start] !== 1 || wasm[start + 1] !== 0) throw new Error('the memory is not declared as expected');
      const [least] = number(start + 2);
      const section = [1, 1, ...written(least), ...written(least + pages)];
      return Buffer.concat([wasm.subarray(0, at), Buffer.from([5, ...written(section.length), ...section]), wasm.subarray(start + size)]);
    }
    at = start + size;
  }
  throw new Error('there is no memory section');
}

const withMemory = (page: Page, wasm: string, pages: number): Promise<unknown> => page.route(wasm, (route) =>
  serveBent(route, async (response) => ({ body: limitMemory(await response.body(), pages) })));

export const WORKER: Fault[] = [
  throwInWorker('the worker throws where nothing waits for it', 'setTimeout(() => { throw new Error("by itself"); })', /by itself/),
  throwInWorker('a promise is rejected that nothing waits for', 'void Promise.reject(new Error("all alone"))', /all alone/),
  {
    name: 'the worker that hashes throws',
    before: (page) => bendWorker(page, () => {
      Object.defineProperty(navigator, 'hardwareConcurrency', { value: 4 });
      self.addEventListener('message', ({ data }: MessageEvent<{ call?: string }>) => {
        if (data.call === 'hashing' && broken) throw new Error('by itself');
      });
    }),
    happens: async (scene) => {
      await giveGoodPair(scene);
      await started(scene.page, 5);
      await pressFuse(scene);
    },
    ends: 'refused',
    says: /The fusing program stopped\. Nothing was saved\..*Try again.*by itself/s,
    over: ({ page }) => page.unroute('**/worker.js'),
  },
  {
    name: 'the worker is killed without a word',
    before: async (page) => {
      // The watchdog counts seconds, so the test advances the clock.
      await page.clock.install();
      await keepWorkers(page);
      await bendWorker(page);
    },
    happens: async (scene) => {
      const { page } = scene;
      await fuseUpTo(scene, 'input', 8);
      await page.evaluate(() => allWorkers.forEach((worker) => worker.terminate()));
      await page.clock.runFor(31_000);
      await expect(page.getByText(/^Still working/)).toBeVisible({ timeout: 10_000 });
      await page.clock.runFor(90_000);
    },
    ends: 'refused',
    says: /Nothing has happened for two minutes.*Nothing was saved\..*Try again/s,
  },
  {
    name: 'memory.grow is refused while a file is opened',
    before: (page) => withMemory(page, READER, 16),
    happens: ({ page, pair: [, style] }) => give(page, 'Style', named('style.safetensors', style)),
    ends: 'refused',
    says: /The fusing program stopped\..*Close other tabs if memory is short/s,
    over: ({ page }) => page.unroute(READER),
  },
  {
    name: 'memory.grow is refused while the whole program opens the files',
    before: (page) => withMemory(page, WHOLE, 16),
    happens: fuse,
    ends: 'refused',
    says: /The fusing program stopped\..*Close other tabs if memory is short/s,
    over: ({ page }) => page.unroute(WHOLE),
  },
  {
    name: 'memory.grow is refused in the middle of a run',
    // Between what the next pair needs (below 120), since the next worker may get the same program, and what this one needs (over 320).
    before: (page) => withMemory(page, WHOLE, 200),
    happens: (scene) => {
      scene.pair = pairOf({ rank: 128, dtype: 'F32' });
      return fuse(scene);
    },
    ends: 'refused',
    says: /The fusing program stopped\. Nothing was saved\..*Close other tabs if memory is short/s,
    over: ({ page }) => page.unroute(WHOLE),
  },
];
