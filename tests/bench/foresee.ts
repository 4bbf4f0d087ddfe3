/** How soon the page says something of a pair, and how smoothly it goes on meanwhile. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { browse, type Browsing } from './chromium.ts';
import { give } from '../browser/page.ts';
import type { Pair } from './pairs.ts';
import { firstLine } from './processes.ts';
import { LIMIT_SECONDS, makePair, type Setup } from './setup.ts';

const LOOKING_MS = 3000;

export interface Foreseen {
  /** From choosing the second file: until the first figures are drawn, and until all are. */
  first: number;
  all: number;
  /** Between the frames meanwhile, while μ was moved in every one of them, in seconds: the middle one, that of 19 in 20, the longest. */
  frames: [median: number, most: number, longest: number];
}

export async function foresee(setup: Setup, pair: Pair, runs: number): Promise<Foreseen[]> {
  const { browser, notRun } = setup;
  const folder = join(setup.work, 'foresee');
  const { content, style } = await makePair(setup, folder, pair.recipe);
  const found: Foreseen[] = [];
  try {
    for (let at = 0; browser && at < runs; at++) found.push(await once({ url: browser.page, profile: browser.profile, limitSeconds: LIMIT_SECONDS }, content, style));
  } catch (error) {
    notRun.push(`Analysing, ${pair.name}: ${firstLine(error)}`);
  }
  await rm(folder, { recursive: true });
  return found;
}

interface Element extends HTMLElement {
  outlook: { analysed: number; total: number } | null;
}

const once = (browsing: Browsing, content: string, style: string): Promise<Foreseen> => browse(browsing, async (page) => {
  await page.locator('np-lora').evaluate((element) => element.setAttribute('backend', 'cpu'));
  await give(page, 'Subject', content);
  // While somebody looks for the second file, the whole program comes.
  await page.waitForTimeout(LOOKING_MS);
  await page.getByLabel('Style LoRA file').evaluate((input) => {
    const element = document.querySelector<Element>('np-lora')!;
    window.kept.timed = new Promise((resolve) => {
      input.addEventListener('change', () => {
        const began = performance.now();
        let [first, before, share] = [0, 0, 0];
        const gaps: number[] = [];
        const within = (root: ParentNode, name: string): ShadowRoot | null => root.querySelector(name)?.shadowRoot ?? null;
        const frame = (now: number): void => {
          const place = within(element.shadowRoot!, 'np-lora-outlook');
          const view = place && within(place, 'np-lora-outlook-view');
          const slider = view && within(view, 'np-lora-curve')?.querySelector<HTMLInputElement>('input');
          if (slider && (element.outlook?.analysed ?? 0) > 0) {
            if (first === 0) first = performance.now();
            else gaps.push(now - before);
            before = now;
            share = (share + 0.011) % 1;
            slider.value = String(share);
            slider.dispatchEvent(new Event('input'));
          }
          if (first > 0 && element.outlook && element.outlook.analysed === element.outlook.total) {
            const sorted = gaps.sort((a, b) => a - b);
            const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
            resolve([first - began, performance.now() - began, at(0.5), at(0.95), at(1)].map((time) => time / 1000));
          } else requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
      }, { capture: true, once: true });
    });
  });
  await give(page, 'Style', style);
  const [first, all, ...frames] = await page.evaluate(() => window.kept.timed);
  return { first: first!, all: all!, frames: frames as Foreseen['frames'] };
});
