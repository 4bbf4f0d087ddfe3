/** The other workers of the page, which share its runs. */

import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { arm, bendWorker, held, letGo, started, tellWorkers } from './faults/bend.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { fuseAndSave, givePair, named, open, programComplete, setMu } from './page.ts';
import { writeSafetensors } from './safetensors.ts';

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 61, sharedDirections: 2 };

/** One other worker, on any machine, which hears nothing until it is released; counts its answers, so that the test knows when it has started. */
function holdOther(): void {
  Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 });
  const other = Object.assign(self, { there: 0, ready: 0, warming: 0, letOther: () => {} });
  const released = new Promise<void>((resolve) => { other.letOther = resolve; });
  self.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      other.there++;
      this.addEventListener('message', () => { other.ready++; }, { once: true });
    }
    override postMessage(message: { call?: string }): void {
      if (message.call === 'prepare') other.warming++;
      void released.then(() => super.postMessage(message));
    }
  };
}

const sumOf = async (page: Page, field: 'there' | 'ready' | 'warming'): Promise<number> => {
  const each = await Promise.all(page.workers().map((worker) => worker.evaluate<number>(`self.${field}`)));
  return each.reduce((sum, one) => sum + one, 0);
};

test('a worker that is ready only when a run has begun takes no part in it', async ({ page }) => {
  const pair = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 62 })] as const;
  await bendWorker(page, holdOther);
  const uncaught = await open(page);
  await givePair(page, named('subject.safetensors', pair[0]), named('style.safetensors', pair[1]));
  await expect.poll(() => sumOf(page, 'there')).toBe(1);
  await programComplete(page);
  await arm(page, 'input', 0);
  const fused = fuseAndSave(page);
  await held(page);
  expect(await sumOf(page, 'ready')).toBe(0);
  await tellWorkers(page, 'self.letOther()');
  await expect.poll(() => sumOf(page, 'ready')).toBe(1);
  await letGo(page);
  check((await fused).file, [...pair], DEFAULTS, 'F16');
  // The run has already warmed the program up.
  expect(await sumOf(page, 'warming')).toBe(0);
  expect(uncaught).toEqual([]);
});

interface Warming {
  /** The steps of the warm-up so far. */
  steps: string[];
  /** The number of tasks that the others were given. */
  tasks: number;
  /** The number of Blobs that this worker has made; a result is one. */
  blobs: number;
}

/** Two other workers, and how one of them warms the program up; if `late`, it begins only when that is no longer wanted. */
function watchWarming(late: boolean): void {
  Object.defineProperty(navigator, 'hardwareConcurrency', { value: 3 });
  const warming: Warming = { steps: [], tasks: 0, blobs: 0 };
  Object.assign(self, { warming });
  self.Blob = class extends Blob {
    constructor(...of: ConstructorParameters<typeof Blob>) {
      super(...of);
      warming.blobs++;
    }
  };
  self.Worker = class extends Worker {
    private asked: { id: number } | null = null;
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      this.addEventListener('message', ({ data }) => { if (data.id === this.asked?.id) warming.steps.push(data.problem?.code ?? 'done'); });
    }
    override postMessage(message: { call?: string; id: number; cancel?: number }, options?: any): void {
      if (message.call === 'assist') warming.tasks++;
      if (message.call === 'prepare') {
        this.asked = message;
        warming.steps.push('begun');
        if (late) return;
      }
      if (message.cancel !== undefined && message.cancel === this.asked?.id) {
        warming.steps.push('left');
        if (late) super.postMessage(this.asked);
      }
      super.postMessage(message, options);
    }
  };
}

for (const late of [false, true]) test(`one of them warms the program up, ${late ? 'until somebody waits for a run' : 'once'}`, async ({ page }) => {
  const pair = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 62 })] as const;
  await bendWorker(page, () => {}, (script) => `(${String(watchWarming)})(${String(late)});\n${script}`);
  const uncaught = await open(page);
  const each = (): Promise<Warming[]> => Promise.all(page.workers().map((worker) => worker.evaluate<Warming>('self.warming')));
  const steps = async (): Promise<string[]> => (await each()).flatMap(({ steps }) => steps);
  await givePair(page, named('subject.safetensors', pair[0]), named('style.safetensors', pair[1]));
  await expect.poll(steps).toEqual(late ? ['begun'] : ['begun', 'done']);
  // The worker that warmed up has fused; the one that the page talks to, which recorded all steps, has not.
  const made = (await each()).map(({ steps, blobs }) => [steps.length > 0, blobs > 0]);
  expect(made.filter(([leads]) => leads)).toEqual([[true, false]]);
  expect(made.filter(([, fused]) => fused)).toHaveLength(late ? 0 : 1);
  for (const mu of [DEFAULTS.mu, 1]) {
    await setMu(page, mu);
    check((await fuseAndSave(page)).file, [...pair], { ...DEFAULTS, mu }, 'F16');
  }
  await expect.poll(steps).toEqual(late ? ['begun', 'left', 'E_ABORTED'] : ['begun', 'done']);
  expect((await each()).reduce((sum, { tasks }) => sum + tasks, 0)).toBeGreaterThan(0);
  expect(uncaught).toEqual([]);
});

/** A machine with this many cores, whose workers count what they hash for others. */
const onCores = (page: Page, cores: number): Promise<void> => bendWorker(page, () => {
  const counted = Object.assign(self, { hashing: 0 });
  self.addEventListener('message', ({ data }: MessageEvent<{ call?: string }>) => { counted.hashing += data.call === 'hashing' ? 1 : 0; });
}, (script) => `Object.defineProperty(navigator, 'hardwareConcurrency', { value: ${cores} });\n${script}`);

test('with cores to spare a worker does nothing but hash, and no byte changes', async ({ page }) => {
  // Large enough for more than one buffer of bytes to hash.
  const recipe = { ...RECIPE, rank: 32 };
  const pair = [makeLora(recipe), makeLora({ ...recipe, seed: 62 })] as const;
  const made: Uint8Array[] = [];
  for (const cores of [3, 4]) {
    await page.unroute('**/worker.js');
    await onCores(page, cores);
    const uncaught = await open(page);
    await givePair(page, named('subject.safetensors', pair[0]), named('style.safetensors', pair[1]));
    await programComplete(page);
    const hashes = cores > 3;
    await started(page, hashes ? 5 : 3);
    const { file } = await fuseAndSave(page);
    check(file, [...pair], DEFAULTS, 'F16');
    const hashing = await Promise.all(page.workers().map((worker) => worker.evaluate<number>('self.hashing')));
    expect(hashing.filter((count) => count > 1)).toHaveLength(hashes ? 1 : 0);
    made.push(writeSafetensors(file));
    expect(uncaught).toEqual([]);
  }
  expect(made[0]).toEqual(made[1]);
});
