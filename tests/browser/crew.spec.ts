/** The other workers of the page, which share its runs. */

import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { arm, bendWorker, held, letGo, started, tellWorkers } from './faults/bend.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { fuseAndSave, givePair, named, open, programComplete } from './page.ts';
import { writeSafetensors } from './safetensors.ts';

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 61, sharedDirections: 2 };

/** One other worker, whatever the machine has, which is told nothing until it is let; whether it has answered, and so started. */
function holdOther(): void {
  Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 });
  const other = Object.assign(self, { there: 0, ready: 0, letOther: () => {} });
  const released = new Promise<void>((resolve) => { other.letOther = resolve; });
  self.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      other.there++;
      this.addEventListener('message', () => { other.ready++; }, { once: true });
    }
    override postMessage(message: unknown): void {
      void released.then(() => super.postMessage(message));
    }
  };
}

const sumOf = async (page: Page, field: 'there' | 'ready'): Promise<number> => {
  const each = await Promise.all(page.workers().map((worker) => worker.evaluate<number>(`self.${field}`)));
  return each.reduce((sum, one) => sum + one, 0);
};

test('a worker that is ready only when a run has begun takes no part in it', async ({ page }, { project }) => {
  const pair = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 62 })] as const;
  await bendWorker(page, holdOther);
  const uncaught = await open(page);
  await givePair(page, project.name, named('subject.safetensors', pair[0]), named('style.safetensors', pair[1]));
  await expect.poll(() => sumOf(page, 'there')).toBe(1);
  await programComplete(page);
  await arm(page, 'input', 0);
  const fused = fuseAndSave(page, project.name);
  await held(page);
  expect(await sumOf(page, 'ready')).toBe(0);
  await tellWorkers(page, 'self.letOther()');
  await expect.poll(() => sumOf(page, 'ready')).toBe(1);
  await letGo(page);
  check((await fused).file, [...pair], DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});

/** A machine of so many cores, whose workers count what they hash for others. */
const onCores = (page: Page, cores: number): Promise<void> => bendWorker(page, () => {
  const counted = Object.assign(self, { hashing: 0 });
  self.addEventListener('message', ({ data }: MessageEvent<{ call?: string }>) => { counted.hashing += data.call === 'hashing' ? 1 : 0; });
}, (script) => `Object.defineProperty(navigator, 'hardwareConcurrency', { value: ${cores} });\n${script}`);

test('with cores to spare a worker does nothing but hash, and no byte changes', async ({ page }, { project }) => {
  // More than one buffer of bytes to be hashed.
  const recipe = { ...RECIPE, rank: 32 };
  const pair = [makeLora(recipe), makeLora({ ...recipe, seed: 62 })] as const;
  const made: Uint8Array[] = [];
  for (const cores of [3, 4]) {
    await page.unroute('**/worker.js');
    await onCores(page, cores);
    const uncaught = await open(page);
    await givePair(page, project.name, named('subject.safetensors', pair[0]), named('style.safetensors', pair[1]));
    await programComplete(page);
    const hashes = cores > 3;
    await started(page, hashes ? 5 : 3);
    const { file } = await fuseAndSave(page, project.name);
    check(file, [...pair], DEFAULTS, 'F16');
    const hashing = await Promise.all(page.workers().map((worker) => worker.evaluate<number>('self.hashing')));
    expect(hashing.filter((count) => count > 1)).toHaveLength(hashes ? 1 : 0);
    made.push(writeSafetensors(file));
    expect(uncaught).toEqual([]);
  }
  expect(made[0]).toEqual(made[1]);
});
