/** What a fault is, how it is caused, and what must hold after each. */

import { readFile } from 'node:fs/promises';
import { expect, type Locator, type Page } from '@playwright/test';
import { DEFAULTS } from '../check.ts';
import { check } from '../hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from '../make.ts';
import { FIRST_RUN, element, fuseAndSave, fuseButton, givePair, named, open, programComplete } from '../page.ts';
import { readSafetensors, type Safetensors } from '../safetensors.ts';
import { arm, held, type Point } from './bend.ts';

export type Pair = [Safetensors, Safetensors];

export interface Scene {
  page: Page;
  pair: Pair;
  /** Errors and rejections that reached `window`. */
  uncaught: string[];
}

export interface Fault {
  name: string;
  /** The fault is in the graphics device. */
  onDevice?: true;
  /** Changes the environment before the page opens. */
  before?(page: Page): Promise<unknown>;
  /** Causes the fault in the open page. */
  happens(scene: Scene): Promise<unknown>;
  /**
   * refused: an alert reports the fault, and nothing is offered; cancelled: the page is ready again, and nothing is offered; fused: a verified result
   * is offered all the same.
   */
  ends: 'refused' | 'cancelled' | 'fused';
  /** The text that the person sees: what happened, and what to do. */
  says: RegExp;
  /** Ends the fault, so that the next pair can be fused. */
  over?(scene: Scene): Promise<unknown>;
}

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 51, sharedDirections: 2 };
/** A good pair; `own` overrides the recipe that the tests share. */
export function pairOf(own: Partial<Recipe> = {}): Pair {
  const recipe = { ...RECIPE, ...own };
  return [makeLora(recipe), makeLora({ ...recipe, seed: recipe.seed + 1 })];
}

export async function setScene(page: Page, fault: Pick<Fault, 'before'>): Promise<Scene> {
  await fault.before?.(page);
  const uncaught = await open(page);
  await page.evaluate(() => {
    const told: string[] = [];
    Object.assign(window, { told });
    for (const name of ['complete', 'error', 'abort']) {
      document.querySelector('np-lora')?.addEventListener(name, () => told.push(name));
    }
  });
  return { page, pair: pairOf(), uncaught };
}

/** The events that ended runs since the page was opened; they would be gone after a reload. */
export const told = (page: Page): Promise<string[]> => page.evaluate(() => (window as unknown as { told: string[] }).told);

/** Gives a good pair and waits until Fuse can be pressed. */
export async function giveGoodPair({ page, pair: [content, style] }: Scene): Promise<void> {
  await givePair(page, named('subject.safetensors', content), named('style.safetensors', style));
  await expect(fuseButton(page)).toBeEnabled();
}

export const pressFuse = ({ page }: Scene): Promise<void> => fuseButton(page).click();

export const press = (page: Page, name: string): Promise<void> => button(page, name).click();
const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true });

/** Gives a good pair and fuses it. */
export async function fuse(scene: Scene): Promise<void> {
  await giveGoodPair(scene);
  await pressFuse(scene);
}

/** Gives a good pair and fuses it; resolves when the run has stopped at a gate. */
export async function fuseUpTo(scene: Scene, point: Point, after = 0): Promise<void> {
  await giveGoodPair(scene);
  await programComplete(scene.page);
  await arm(scene.page, point, after);
  await pressFuse(scene);
  await held(scene.page);
}

/** Saves the offered result, reads it and checks it against the method. */
export async function saveAndCheck({ page, pair }: Scene): Promise<void> {
  const [download] = await Promise.all([page.waitForEvent('download'), press(page, 'Save')]);
  check(readSafetensors(await readFile(await download.path())), pair, DEFAULTS, 'F16');
}

/** Sets the storage quota of this origin to what it uses plus this many bytes; null: no limit. */
export async function allow(page: Page, bytes: number | null): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const origin = new URL(page.url()).origin;
  const used = await page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
  await session.send('Storage.overrideQuotaForOrigin', bytes === null ? { origin } : { origin, quotaSize: used + bytes });
}

/** The files in this origin's private file system. */
export const files = (page: Page): Promise<string[]> => page.evaluate(async () => {
  const names: string[] = [];
  for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
  return names;
});

/** Whether the browser would leave the page without asking. */
const mayLeave = (page: Page): Promise<boolean> => page.evaluate(() => window.dispatchEvent(new Event('beforeunload', { cancelable: true })));

/** Checks I1, I3, I5 and I8 of the contract, which must hold after every fault. */
export async function standsUp(scene: Scene, fault: Fault): Promise<void> {
  const { page } = scene;
  // I8: one plain sentence, a code, and details to pass on. I1: nothing is offered that was not verified.
  const alert = page.getByRole('alert').first();
  if (fault.ends === 'fused') {
    await expect(page.getByText(fault.says).first()).toBeVisible({ timeout: FIRST_RUN });
    await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
    await expect(alert).toHaveCount(0);
  } else {
    if (fault.ends === 'refused') {
      await expect(alert).toBeVisible({ timeout: FIRST_RUN });
      await expect(alert).toContainText(fault.says);
      // The same alert may have been shown before the run was over.
      await expect.poll(() => element(page, 'phase')).toBe('failed');
      await expect(page.getByRole('button', { name: 'Copy details' }).first()).toBeVisible();
      const { code, message, remedy } = await element<Record<'code' | 'message' | 'remedy', string>>(page, 'error');
      expect([code, message, remedy]).toEqual([
        expect.stringMatching(/^E_[A-Z_]+$/), expect.stringMatching(/^[^.]+.*\.$/), expect.stringMatching(/\.$/),
      ]);
    } else {
      // The text is visible, not only announced to screen readers.
      await expect(page.getByText(fault.says).and(page.locator(':not([role=status])'))).toBeVisible();
      await expect(fuseButton(page)).toBeEnabled();
      await expect(page.getByRole('alert')).toHaveCount(0);
    }
    await expect(button(page, 'Save')).toHaveCount(0);
    expect([await element(page, 'result'), (await told(page)).includes('complete')]).toEqual([null, false]);
  }
  // No run goes on that the tab's title shows or that leaving would lose.
  expect([await page.title(), await mayLeave(page)]).toEqual([expect.not.stringContaining('%'), true]);
  if (fault.ends === 'fused') await saveAndCheck(scene);

  // I3: the next good pair can be fused in the same document.
  await fault.over?.(scene);
  const before = await told(page);
  const next = pairOf({ seed: 61 });
  await givePair(page, named('next-subject.safetensors', next[0]), named('next-style.safetensors', next[1]));
  await expect(page.getByRole('alert')).toHaveCount(0);
  check((await fuseAndSave(page)).file, next, DEFAULTS, 'F16');
  expect(await told(page)).toEqual([...before, 'complete']);

  // I5: no error reached the window.
  expect(scene.uncaught).toEqual([]);
}
