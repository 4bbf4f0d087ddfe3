/** The result is there and the person presses Save. The result stays on offer, whatever happens. */

import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, type Download, type Page } from '@playwright/test';
import { DEFAULTS } from '../check.ts';
import { check } from '../hold.ts';
import { fuseButton, givePair, named, type Named } from '../page.ts';
import { readSafetensors } from '../safetensors.ts';
import { alwaysOnDisk, bendWorker } from './bend.ts';
import { allow, fuse, pairOf, press, pressFuse, told, type Fault, type Scene } from './scene.ts';

const NAME = 'destination.safetensors';
const OLD = 'what was there before';

/**
 * Replaces the system's own dialog, which a test cannot press: it gives a real file handle, in the private file system, with content that must
 * survive a failure.
 */
async function dialog(page: Page, gives: 'a place' | 'AbortError' | 'a place without permission' | 'a place that refuses at the end'): Promise<void> {
  await page.evaluate(async ([name, old, what]) => {
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle(name, { create: true });
    const writable = await handle.createWritable();
    await writable.write(old);
    await writable.close();
    const refuse = (why: string): Promise<never> => Promise.reject(new DOMException('Refused.', why));
    const answers: Record<typeof what, () => Promise<unknown>> = {
      'a place': () => Promise.resolve(handle),
      AbortError: () => refuse('AbortError'),
      'a place without permission': () => Promise.resolve({ createWritable: () => refuse('NotAllowedError') }),
      // This is what Safe Browsing does.
      'a place that refuses at the end': () => Promise.resolve({ createWritable: () => Promise.resolve(new WritableStream({ close: () => refuse('AbortError') })) }),
    };
    Object.assign(window, { showSaveFilePicker: answers[what] });
  }, [NAME, OLD, gives] as const);
}

const destination = (page: Page): Promise<string> => page.evaluate(async (name) => {
  const root = await navigator.storage.getDirectory();
  return (await (await root.getFileHandle(name)).getFile()).text();
}, NAME);

/** Removes the dialog, so that the result can be saved as a download and read. */
const noDialog = (page: Page): Promise<unknown> => page.evaluate(() => Reflect.deleteProperty(window, 'showSaveFilePicker'));

async function fuseAndWait(scene: Scene): Promise<void> {
  await fuse(scene);
  await expect(scene.page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
}

/** Makes downloads begin when the test says so, as in browsers that ask the person first. */
const downloadLate = (page: Page): Promise<unknown> => page.addInitScript(() => {
  let begin = (): void => {};
  const { click } = HTMLElement.prototype;
  HTMLAnchorElement.prototype.click = function () { begin = () => click.call(this); };
  Object.assign(window, {
    beginDownload: () => {
      Reflect.deleteProperty(HTMLAnchorElement.prototype, 'click');
      begin();
    },
  });
});

/** The person chooses, once the dialog is there. */
async function choose(page: Page): Promise<void> {
  await expect.poll(() => page.evaluate("'choose' in window")).toBe(true);
  await page.evaluate('choose()');
}

const temporaryFiles = (page: Page): Promise<number> => page.evaluate(async () => {
  let files = 0;
  for await (const _ of (await navigator.storage.getDirectory()).keys()) files += 1;
  return files;
});

const FAILED = /The file could not be saved\..*Press Save again and choose another place\./s;

const save = (name: string, gives: Parameters<typeof dialog>[1], says: RegExp, spoil = async (_: Page): Promise<void> => {}): Fault => ({
  name,
  happens: async (scene) => {
    const { page } = scene;
    await fuseAndWait(scene);
    await dialog(page, gives);
    await spoil(page);
    await press(page, 'Save');
    await expect(page.getByText(says).and(page.locator(':not([role=status])')).or(page.getByRole('alert').filter({ hasText: says }))).toBeVisible();
    expect(await destination(page)).toBe(OLD);
    // The result is not saved anywhere yet, so one press must not lose it.
    await press(page, 'Start over');
    await press(page, 'Keep');
    await noDialog(page);
    await allow(page, null);
    // The error disappears when Save is pressed again.
    await Promise.all([page.waitForEvent('download'), press(page, 'Save')]);
  },
  ends: 'fused',
  says: /Fused and checked/,
});

export const SAVING: Fault[] = [
  save('the save dialog is closed', 'AbortError', /^Not saved\. The result is still here: press Save again\.$/),
  save('the chosen place may not be written', 'a place without permission', FAILED),
  save('the chosen place has no room', 'a place', FAILED, (page) => allow(page, 1000)),
  save('the chosen place is refused when everything is written', 'a place that refuses at the end', FAILED),
  {
    name: 'Save is pressed again while its dialog is open, and the page is left while the file is written',
    happens: async (scene) => {
      const { page } = scene;
      await fuseAndWait(scene);
      await page.evaluate(() => {
        let open = false;
        const place = { createWritable: () => Promise.resolve(new WritableStream({ close: () => new Promise<void>((written) => { Object.assign(window, { written }); }) })) };
        Object.assign(window, {
          // Chromium refuses a second picker in the same way.
          showSaveFilePicker: () => {
            if (open) return Promise.reject(new DOMException('File picker already active.', 'NotAllowedError'));
            open = true;
            return new Promise((choose) => { Object.assign(window, { choose: () => choose(place) }); });
          },
        });
      });
      let downloads = 0;
      page.on('download', () => { downloads += 1; });
      const mayLeave = (): Promise<boolean> => page.evaluate(() => window.dispatchEvent(new Event('beforeunload', { cancelable: true })));
      await press(page, 'Save');
      await press(page, 'Save');
      expect(await mayLeave()).toBe(true);
      await choose(page);
      await expect.poll(() => page.evaluate("'written' in window")).toBe(true);
      expect(await mayLeave()).toBe(false);
      await page.evaluate('written()');
      await expect(page.getByText(/^Saved/).first()).toBeVisible();
      expect([await mayLeave(), downloads]).toEqual([true, 0]);
      await noDialog(page);
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'downloads are blocked',
    happens: async (scene) => {
      const { page } = scene;
      await fuseAndWait(scene);
      const save = async (): Promise<Download> => (await Promise.all([page.waitForEvent('download'), press(page, 'Save')]))[0];
      const downloadPath = dirname(await (await save()).path());
      const browser = await page.context().browser()!.newBrowserCDPSession();
      const { targetInfo: { browserContextId } } = await (await page.context().newCDPSession(page)).send('Target.getTargetInfo');
      await browser.send('Browser.setDownloadBehavior', { behavior: 'deny', browserContextId, eventsEnabled: true });
      expect(await (await save()).failure()).toBe('canceled');
      await browser.send('Browser.setDownloadBehavior', { behavior: 'allowAndName', browserContextId, downloadPath, eventsEnabled: true });
    },
    ends: 'fused',
    // A page cannot know what becomes of its downloads.
    says: /^Handed to your browser’s downloads\. If no file arrives, allow downloads for this page and press Save again\.$/,
  },
  {
    name: 'the browser has cleared what the page keeps, and with it the result (disk)',
    before: (page) => bendWorker(page, () => {}, alwaysOnDisk),
    happens: async (scene) => {
      const { page } = scene;
      await fuseAndWait(scene);
      await page.evaluate(async () => {
        const root = await navigator.storage.getDirectory();
        for await (const name of root.keys()) await root.removeEntry(name);
      });
      await press(page, 'Save');
      await expect(page.getByRole('alert').filter({ hasText: /no longer there: the browser has cleared it\..*Fuse again\./s })).toBeVisible();
      await pressFuse(scene);
      await expect.poll(() => told(page)).toEqual(['complete', 'error', 'complete']);
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'the next run is over while the save dialog is open (disk)',
    before: (page) => bendWorker(page, () => {}, alwaysOnDisk),
    happens: async (scene) => {
      const { page } = scene;
      await fuseAndWait(scene);
      await page.evaluate(() => {
        const place = { createWritable: () => Promise.resolve(new WritableStream()) };
        Object.assign(window, { showSaveFilePicker: () => new Promise((choose) => { Object.assign(window, { choose: () => choose(place) }); }) });
      });
      await press(page, 'Save');
      await givePair(page, ...scene.pair.map((file, at) => named(`${at}.safetensors`, file)) as [Named, Named]);
      // A person cannot fuse now, but a script can.
      await expect(fuseButton(page)).toBeDisabled();
      await page.locator('np-lora').evaluate((tool) => (tool as unknown as { fuse(): Promise<unknown> }).fuse().then(() => {}));
      expect(await temporaryFiles(page), 'what is being saved, and the last').toBe(2);
      await choose(page);
      await expect(page.getByText(/^Saved/).first()).toBeVisible();
      await noDialog(page);
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'the next runs are over before a download begins (disk)',
    before: async (page) => {
      await bendWorker(page, () => {}, alwaysOnDisk);
      await downloadLate(page);
    },
    happens: async (scene) => {
      const { page } = scene;
      const [first, unsaved] = [pairOf({ seed: 71 }), pairOf({ seed: 73 })];
      for (const [at, pair] of [first, unsaved, scene.pair].entries()) {
        await fuse({ ...scene, pair });
        await expect.poll(() => told(page)).toHaveLength(at + 1);
        if (at === 0) await press(page, 'Save');
      }
      expect(await temporaryFiles(page), 'what was handed to downloads, and the last').toBe(2);
      const [download] = await Promise.all([page.waitForEvent('download'), page.evaluate('beginDownload()')]);
      expect(await download.failure()).toBeNull();
      check(readSafetensors(await readFile(await download.path())), first, DEFAULTS, 'F16');
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
];
