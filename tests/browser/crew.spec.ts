/** The other workers of the page, which share its runs. */

import { expect, test } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { arm, bendWorker, held, letGo } from './faults/bend.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { fuseAndSave, givePair, named, open } from './page.ts';

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 61, sharedDirections: 2 };

/** One other worker, whatever the machine has; counts those that have answered, with what is the end of their start. */
function tellOfOthers(): void {
  Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 });
  const ready = Object.assign(self, { othersReady: 0 });
  self.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      this.addEventListener('message', () => { ready.othersReady++; }, { once: true });
    }
  };
}

test('a worker that is ready only when a run has begun takes no part in it', async ({ page }, { project }) => {
  test.skip(project.name !== 'cpu', 'a graphics device does all the work itself');
  const pair = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 62 })] as const;
  // The first worker's own program comes at once, those of the others when they are let.
  let programs = 0;
  let release = (): void => {};
  const released = new Promise<void>((resolve) => { release = resolve; });
  await page.route('**/np_lora_bg.wasm', async (route) => {
    if (programs++ > 0) await released;
    await route.continue();
  });
  await bendWorker(page, tellOfOthers);
  const uncaught = await open(page);
  await givePair(page, project.name, named('subject.safetensors', pair[0]), named('style.safetensors', pair[1]));
  await expect.poll(() => programs).toBeGreaterThan(1);
  await arm(page, 'input', 0);
  const fused = fuseAndSave(page, project.name);
  await held(page);
  release();
  await expect.poll(() => Promise.all(page.workers().map((worker) => worker.evaluate('self.othersReady')))).toContain(1);
  await letGo(page);
  check((await fused).file, [...pair], DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});
