/** The page, or a part of it, goes away during work; and two pages work at once. */

import { expect, type Page } from '@playwright/test';
import { fuseButton } from '../page.ts';
import { alwaysOnDisk, atWork, bendWorker, keepWorkers, letGo, READER, tellWorkers } from './bend.ts';
import { files, fuse, fuseUpTo, giveGoodPair, pressFuse, saveAndCheck, setScene, type Fault, type Scene } from './scene.ts';

/** A global of a page after `keepWorkers`. */
declare const endedWorkers: Set<Worker>;

const onDisk = (page: Page): Promise<void> => bendWorker(page, () => {}, alwaysOnDisk);

const secondTab = async ({ page }: Scene): Promise<Scene> => setScene(await page.context().newPage(), { before: onDisk });

/** Removes the element from the document after calling `first` on it, and puts it back when the page has ended its workers. */
async function removeAndPutBack(page: Page, first = (_: Element): void => {}): Promise<void> {
  const element = await page.locator('np-lora').elementHandle();
  const parent = await page.locator('np-lora').locator('..').elementHandle();
  await page.evaluate(async ([element, first]) => {
    first(element!);
    element!.remove();
    // Waits until everything caused by the removal has happened.
    await new Promise((later) => { setTimeout(later); });
  }, [element, await page.evaluateHandle<(element: Element) => void>(`(${String(first)})`)] as const);
  await expect.poll(() => atWork(page)).toBe(0);
  await page.evaluate(([into, back]) => into!.prepend(back!), [parent, element] as const);
}

const removed = (name: string, point: 'input' | 'result', after = 0): Fault => ({
  name,
  before: async (page) => {
    await keepWorkers(page);
    await bendWorker(page);
  },
  happens: async (scene) => {
    await fuseUpTo(scene, point, after);
    await removeAndPutBack(scene.page);
    await expect(fuseButton(scene.page)).toBeEnabled();
  },
  ends: 'cancelled',
  says: /^Cancelled\. Nothing was saved\.$/,
});

let letReaderCome = (): void => {};

export const LEAVING: Fault[] = [
  removed('the element is removed before the first module', 'input'),
  removed('the element is removed in the middle of a run', 'input', 8),
  removed('the element is removed while the result is checked', 'result'),
  {
    name: 'the element is removed as soon as it has a file',
    before: keepWorkers,
    happens: async (scene) => {
      await removeAndPutBack(scene.page, (element) => { Object.assign(element, { contentFile: new File(['no LoRA'], 'note.txt') }); });
      // The file is read only once the element is back.
      await expect(scene.page.getByRole('alert')).toContainText('note.txt');
      await fuse(scene);
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'the element is removed while its program is still coming',
    before: async (page) => {
      await keepWorkers(page);
      // Held until the element has left, so that nothing answers its requests.
      const reader = new Promise<void>((come) => { letReaderCome = come; });
      await page.route(READER, (route) => reader.then(() => route.continue()).catch(() => {}));
    },
    happens: async (scene) => {
      await scene.page.locator('np-lora').evaluate((element) => { Object.assign(element, { contentFile: new File(['no LoRA'], 'note.txt') }); });
      await expect.poll(() => scene.page.workers().length).toBe(1);
      await removeAndPutBack(scene.page);
      letReaderCome();
      await scene.page.unroute(READER);
      await expect(scene.page.getByRole('alert')).toContainText('note.txt');
      await fuse(scene);
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'the tab is closed in the middle of a run (disk)',
    before: onDisk,
    happens: async (scene) => {
      const second = await secondTab(scene);
      await fuseUpTo(second, 'input', 8);
      const [left] = await files(scene.page);
      expect(left).toMatch(/^np-lora-.*\.part$/);
      await second.page.close();
      expect(second.uncaught).toEqual([]);
      // The temporary file is deleted when the program starts.
      await giveGoodPair(scene);
      expect(await files(scene.page)).toEqual([]);
      await pressFuse(scene);
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'a second tab is at work, and its file is left alone (disk)',
    before: onDisk,
    happens: async (scene) => {
      const second = await secondTab(scene);
      await fuseUpTo(second, 'input', 8);
      const [its] = await files(scene.page);
      await fuse(scene);
      await expect(scene.page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
      expect(await files(scene.page)).toContain(its);
      await letGo(second.page);
      await expect(second.page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
      // The temporary file also stays when the run is done and its result is not saved yet.
      await fuse(scene);
      await expect(scene.page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
      await saveAndCheck(second);
      expect(second.uncaught).toEqual([]);
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'the worker is lost while a result is offered, which stays whole (disk)',
    before: async (page) => {
      await keepWorkers(page);
      await onDisk(page);
    },
    happens: async (scene) => {
      const { page } = scene;
      await fuse(scene);
      await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
      const ended = (): Promise<number> => page.evaluate(() => endedWorkers.size);
      expect([await ended(), await atWork(page)]).toEqual([0, 1]);
      await tellWorkers(page, 'void Promise.reject(new Error("all alone"))');
      await expect.poll(ended).toBe(1);
      // Any request of the page starts a new worker, unless a pending one has done so already.
      await page.getByRole('button', { name: 'Swap subject and style' }).click();
      await expect.poll(() => atWork(page)).toBe(1);
      await expect(fuseButton(page)).toBeEnabled();
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'the element goes with its result and comes back with it, whole (disk)',
    before: async (page) => {
      await keepWorkers(page);
      await onDisk(page);
    },
    happens: async (scene) => {
      const { page } = scene;
      await fuse(scene);
      await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
      const its = await files(page);
      expect(its).toHaveLength(1);
      await removeAndPutBack(page);
      // Its new worker deletes files that nobody holds any more, before it opens a file.
      await page.locator('np-lora').evaluate((element) => (element as unknown as { inspect(): Promise<unknown> }).inspect());
      expect(await files(page)).toEqual(its);
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
];
