/** Cancelling, at every point that a run can be at. */

import { expect, type Page } from '@playwright/test';
import { fuseButton, programComplete } from '../page.ts';
import { READER, bendWorker, held, holdProgram, letGo, letProgram, type Point } from './bend.ts';
import { fuseUpTo, giveGoodPair, press, pressFuse, type Fault, type Scene } from './scene.ts';

const says = /^Cancelled\. Nothing was saved\.$/;

/** The worker stops at `point` and does not look at the cancel flag, unless it is released in time. */
const cancelAt = (name: string, point: Point, after: number, obeys: boolean): Fault => ({
  name: `cancelled ${name}, and the worker ${obeys ? 'obeys' : 'does not answer'}`,
  before: (page) => bendWorker(page),
  happens: async (scene: Scene) => {
    await fuseUpTo(scene, point, after);
    await press(scene.page, 'Cancel');
    if (obeys) await letGo(scene.page);
  },
  ends: 'cancelled',
  says,
});

/** Pages that no longer look for a graphics device. */
const found = new WeakSet<Page>();

export const CANCELLING: Fault[] = [
  ...[false, true].flatMap((obeys) => [
    cancelAt('before the first module', 'input', 0, obeys),
    cancelAt('in the middle', 'input', 8, obeys),
    cancelAt('while the result is checked', 'result', 0, obeys),
  ]),
  {
    name: 'cancelled while a graphics device is sought',
    before: async (page) => {
      await bendWorker(page);
      // Armed before the pair is there, because the page then looks for a device at once.
      page.on('worker', (worker) => {
        if (!found.has(page)) void worker.evaluate('gates.arm("adapter", 0)').catch(() => {});
      });
    },
    happens: async (scene) => {
      await giveGoodPair(scene);
      await held(scene.page);
      await pressFuse(scene);
      await press(scene.page, 'Cancel');
    },
    ends: 'cancelled',
    says,
    over: async ({ page }) => {
      // The new worker looks for a device as well, and may be started only now.
      found.add(page);
      await letGo(page);
    },
  },
  {
    name: 'cancelled while a new worker is being loaded',
    before: (page) => bendWorker(page),
    happens: async (scene) => {
      const { page } = scene;
      await fuseUpTo(scene, 'input');
      let load = (): void => {};
      const loaded = new Promise<void>((resolve) => { load = resolve; });
      await page.route(READER, async (route) => {
        await loaded;
        await route.continue();
      });
      await press(page, 'Cancel');
      await pressFuse(scene);
      await expect(page.getByRole('heading', { name: 'Starting' })).toBeVisible();
      await press(page, 'Cancel');
      await expect(fuseButton(page)).toBeEnabled();
      load();
    },
    ends: 'cancelled',
    says,
  },
  {
    name: 'cancelled while the whole program is being loaded',
    before: (page) => holdProgram(page),
    happens: async (scene) => {
      const { page } = scene;
      let readers = 0;
      page.on('request', (request) => { if (request.url().endsWith('np_lora_reader_bg.wasm')) readers++; });
      await giveGoodPair(scene);
      await pressFuse(scene);
      await expect(page.getByRole('heading', { name: 'Starting' })).toBeVisible();
      await press(page, 'Cancel');
      await expect(fuseButton(page)).toBeEnabled();
      letProgram(page);
      await programComplete(page);
      // Loading was not interrupted: no new worker started over.
      expect(readers).toBe(1);
    },
    ends: 'cancelled',
    says,
  },
  {
    name: 'cancelled twice in a row, the second time at once',
    before: (page) => bendWorker(page),
    happens: async (scene) => {
      await fuseUpTo(scene, 'input');
      await press(scene.page, 'Cancel');
      await pressFuse(scene);
      await press(scene.page, 'Cancel');
    },
    ends: 'cancelled',
    says,
  },
];
