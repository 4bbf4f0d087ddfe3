/** A Chromium of its own for every run: a fresh profile on disk, as in a private window Blobs could not leave memory. */

import { rm } from 'node:fs/promises';
import { chromium, type Page } from '@playwright/test';
import { ARGS, EXECUTABLE } from '../browser/chromium.ts';
import { give } from '../browser/page.ts';
import { peakOf, treeOf, within } from './processes.ts';

const START_SECONDS = 60;
/** The page has one a core that computes, and no more than this (www/worker/crew.ts); with so many cores another hashes. */
const MOST_WORKERS = 4;

/** So long somebody looks at a pair before pressing Fuse. */
export const READING_SECONDS = 2;

export interface Browsing {
  /** Where the page is served. */
  url: string;
  /** A folder that may be made and removed. */
  profile: string;
  limitSeconds: number;
}

export interface Fused {
  /** From pressing Fuse to the checked result. */
  seconds: number;
  fusing: number;
  verifying: number;
  workers: number;
  /** Of all workers together. */
  wasmBytes: number;
  /** The most that the page's process, and the browser's, had; null where the system does not say. */
  pageBytes: number | null;
  browserBytes: number | null;
}

export interface Opened {
  /** Of the page, since it was asked for. */
  interactive: number;
  usable: number;
  /** From choosing a file to its summary, the first time, when the program is still to be loaded, and the second. */
  first: number;
  second: number;
}

/** What the page keeps for us. */
interface Kept {
  memories: Map<string, number>;
  channel: BroadcastChannel;
  usable: number;
  /** What is being timed, in seconds. */
  timed: Promise<number[]>;
}

declare global {
  interface Window {
    kept: Kept;
    /** As floor/page.ts has it. */
    floor: { prepare(workers: number): Promise<void>; run(content: File, style: File): Promise<number> };
  }
}

interface Element extends HTMLElement {
  phase: string;
  /** Null until the leader has the whole program. */
  backendInUse: string | null;
  updateComplete: Promise<unknown>;
}

export async function browse<T>({ url, profile, limitSeconds }: Browsing, use: (page: Page) => Promise<T>): Promise<T> {
  await rm(profile, { recursive: true, force: true });
  try {
    const context = await chromium.launchPersistentContext(profile, { args: ARGS, ...EXECUTABLE, serviceWorkers: 'block', timeout: 1000 * START_SECONDS });
    try {
      const page = context.pages()[0] ?? await context.newPage();
      page.setDefaultTimeout(1000 * limitSeconds);
      await page.addInitScript(keep);
      await page.goto(url);
      return await within(limitSeconds, 'the browser', use(page));
    } finally {
      await within(START_SECONDS, 'closing the browser', context.close()).catch(() => {});
    }
  } finally {
    for (const { pid } of treeOf(profile)) process.kill(pid, 'SIGKILL');
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Stands in front of the worker of a copy of the page: says how large the memory of its program is, the last one it has loaded. */
function tellMemory(): void {
  const channel = new BroadcastChannel('bench');
  const name = crypto.randomUUID();
  const watch = <T>(made: T): T => {
    const { instance } = made as WebAssembly.WebAssemblyInstantiatedSource;
    const tell = (): void => channel.postMessage([name, (instance.exports.memory as WebAssembly.Memory).buffer.byteLength]);
    channel.onmessage = ({ data }) => { if (data === 'tell') tell(); };
    tell();
    return made;
  };
  const { instantiate, instantiateStreaming } = WebAssembly;
  Object.assign(WebAssembly, {
    instantiate: (...given: Parameters<typeof instantiate>) => instantiate(...given).then(watch),
    instantiateStreaming: (...given: Parameters<typeof instantiateStreaming>) => instantiateStreaming(...given).then(watch),
  });
}

export const MEMORY_PROBE = `(${String(tellMemory)})();\n`;

function keep(): void {
  const channel = new BroadcastChannel('bench');
  const kept: Kept = { memories: new Map(), channel, usable: 0, timed: Promise.resolve([]) };
  channel.onmessage = ({ data }) => { if (Array.isArray(data)) kept.memories.set(data[0], data[1]); };
  window.kept = kept;
  void customElements.whenDefined('np-lora').then(async () => {
    await document.querySelector<Element>('np-lora')?.updateComplete;
    requestAnimationFrame(() => { kept.usable = performance.now(); });
  });
}

/** Fuses a pair on the CPU in the page whose worker has `MEMORY_PROBE` in front. */
export function fuse(browsing: Browsing, content: string, style: string): Promise<Fused> {
  return browse(browsing, async (page) => {
    await page.locator('np-lora').evaluate((element) => element.setAttribute('backend', 'cpu'));
    await give(page, 'Subject', content);
    await give(page, 'Style', style);
    // A person presses Fuse when all workers have long been started.
    await page.waitForFunction((most) => {
      const { phase, backendInUse } = document.querySelector<Element>('np-lora')!;
      const cores = navigator.hardwareConcurrency;
      return phase === 'ready' && backendInUse && window.kept.memories.size >= Math.min(cores, most) + (cores >= most ? 1 : 0);
    }, MOST_WORKERS, { timeout: 1000 * START_SECONDS });
    await page.waitForTimeout(1000 * READING_SECONDS);
    await page.evaluate(() => {
      const element = document.querySelector('np-lora');
      window.kept.timed = new Promise((resolve, reject) => {
        let began = 0;
        document.addEventListener('click', () => { began = performance.now(); }, { capture: true, once: true });
        element?.addEventListener('complete', (event) => {
          const { report } = (event as CustomEvent<{ report: { secondsFusing: number; secondsVerifying: number } }>).detail;
          resolve([(performance.now() - began) / 1000, report.secondsFusing, report.secondsVerifying]);
        });
        element?.addEventListener('error', (event: Event) => reject(new Error(JSON.stringify((event as CustomEvent<unknown>).detail))));
      });
    });
    await page.getByRole('button', { name: 'Fuse', exact: true }).click();
    const [seconds, fusing, verifying] = await page.evaluate(() => window.kept.timed);
    const memories = await page.evaluate(async () => {
      const { memories, channel } = window.kept;
      channel.postMessage('tell');
      await new Promise((over) => { setTimeout(over, 1000); });
      return [...memories.values()];
    });
    const wasmBytes = memories.reduce((sum, bytes) => sum + bytes, 0);
    const peaks = (of: (command: string) => boolean): number[] =>
      treeOf(browsing.profile).filter(({ command }) => of(command)).map(({ pid }) => peakOf(pid) ?? 0);
    const pages = peaks((command) => command.includes('--type=renderer'));
    const [browserBytes] = peaks(() => true);
    return {
      seconds: seconds!, fusing: fusing!, verifying: verifying!, workers: memories.length, wasmBytes,
      pageBytes: pages.length > 0 ? Math.max(...pages) : null, browserBytes: browserBytes ?? null,
    };
  });
}

/** See floor/page.ts; gives seconds. */
export function floor(browsing: Browsing, content: string, style: string): Promise<number> {
  return browse({ ...browsing, url: new URL('floor.html', browsing.url).href }, async (page) => {
    await page.locator('#content').setInputFiles(content);
    await page.locator('#style').setInputFiles(style);
    return page.evaluate(async (most) => {
      const [content, style] = ['content', 'style'].map((id) => (document.getElementById(id) as HTMLInputElement).files?.[0]);
      await window.floor.prepare(Math.min(navigator.hardwareConcurrency, most));
      return window.floor.run(content!, style!);
    }, MOST_WORKERS);
  });
}

/** Nobody finds a file in the system's window sooner. */
const LOOKING_MS = 1000;

/** The page itself, and how soon it says what a file is. */
export function open(browsing: Browsing, file: string): Promise<Opened> {
  return browse(browsing, async (page) => {
    await page.waitForFunction(() => window.kept.usable > 0);
    const timing = await page.evaluate(() => {
      const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
      return { interactive: (navigation?.domInteractive ?? 0) / 1000, usable: window.kept.usable / 1000 };
    });
    const summary = async (role: 'Subject' | 'Style'): Promise<number> => {
      await page.getByLabel(`${role} LoRA file`).evaluate((input) => {
        const element = document.querySelector<Element>('np-lora');
        window.kept.timed = new Promise((resolve, reject) => {
          let began = 0;
          input.addEventListener('change', () => { began = performance.now(); }, { capture: true, once: true });
          element?.addEventListener('inspect', async () => {
            await element.updateComplete;
            requestAnimationFrame(() => resolve([(performance.now() - began) / 1000]));
          }, { once: true });
          element?.addEventListener('error', (event: Event) => reject(new Error(JSON.stringify((event as CustomEvent<unknown>).detail))), { once: true });
        });
      });
      // As a person chooses it: the page can see that a file is looked for.
      const chooser = page.waitForEvent('filechooser');
      await page.getByRole('region', { name: role, exact: true }).getByText('Choose file', { exact: true }).click();
      const opened = await chooser;
      await page.waitForTimeout(LOOKING_MS);
      await opened.setFiles(file);
      const [seconds] = await page.evaluate(() => window.kept.timed);
      return seconds!;
    };
    return { ...timing, first: await summary('Subject'), second: await summary('Style') };
  });
}
