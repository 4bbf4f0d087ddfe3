/** Nonsense messages to and from the worker, with fixed seeds: nothing breaks for good, and no error goes uncaught. */

import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { serveBent } from './faults/bend.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { element, fuseAndSave, give, named, open } from './page.ts';
import type { Safetensors } from './safetensors.ts';

const RECIPE: Recipe = { modules: SD15_MODULES.slice(1, 4), rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 71, sharedDirections: 2 };
const pair: [Safetensors, Safetensors] = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 72 })];

const TO_WORKER = 4000;
const WORKERS = 30;

interface Garbage {
  whole(): number;
  value(depth?: number): unknown;
  /** A copy of `message` with one of its values, however deep, replaced. */
  bent(message: unknown): unknown;
}

/** Values of every kind that can be posted. This runs in the page and in the worker, so it must be self-contained. */
function garbage(seed: number): Garbage {
  let state = (seed * 2654435761 + 88675123) >>> 0 || 1;
  const whole = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const pick = <T>(from: readonly T[]): T => from[whole() % from.length]!;
  const CALLS = ['start', 'example', 'link', 'find', 'open', 'config', 'prepare', 'close', 'swap', 'families', 'fit', 'variants', 'recipe', 'backend', 'hash', 'fuse', 'analyse', 'outlook', 'spectra', 'compare', 'share', 'assist', 'toString', '__proto__', ''];
  const KEYS = ['id', 'call', 'in', 'out', 'problem', 'fatal', 'progress', 'alive', 'cancel', 'role', 'file', 'settings', 'message', '__proto__', 'constructor', 'length'];
  const value = (depth = 3): unknown => {
    const leaves: (() => unknown)[] = [
      () => null, () => undefined, () => true, () => false, () => whole() % 20, () => -(whole() % 5), () => NaN, () => Infinity, () => -0, () => 1e300,
      () => 2 ** 53, () => 0.5, () => BigInt(whole()), () => pick(CALLS), () => pick(KEYS), () => 'content', () => '<img src onerror=alert(1)>\u202E\uD800',
      () => 'x'.repeat(10_000), () => new Date(whole()), () => /x/g, () => new Error('not mine'), () => new Uint8Array(whole() % 9), () => new ArrayBuffer(8),
      () => new Blob(['not a LoRA']), () => new File(['not a LoRA'], '\u0000.safetensors'), () => new Map([[1, 2]]), () => new Set(['a']),
    ];
    const deeper: (() => unknown)[] = [
      () => Array.from({ length: whole() % 4 }, () => value(depth - 1)),
      () => Object.fromEntries(Array.from({ length: whole() % 5 }, () => [pick(KEYS), value(depth - 1)])),
      () => { const round: Record<string, unknown> = { call: pick(CALLS) }; round.in = round; return round; },
      () => [...Array(whole() % 3), value(depth - 1)],
    ];
    return pick(depth > 0 ? [...leaves, ...deeper, ...deeper, ...deeper] : leaves)();
  };
  const isPlain = (one: unknown): one is Record<string, unknown> =>
    Array.isArray(one) || (typeof one === 'object' && one !== null && Object.getPrototypeOf(one) === Object.prototype);
  const bent = (message: unknown): unknown => {
    if (!isPlain(message) || Object.keys(message).length === 0 || whole() % 6 === 0) return value();
    const key = pick(Object.keys(message));
    if (whole() % 8 === 0 && !Array.isArray(message)) {
      const { [key]: _, ...rest } = message;
      return rest;
    }
    const copy = (Array.isArray(message) ? [...message] : { ...message }) as Record<string, unknown>;
    copy[key] = bent(message[key]);
    return copy;
  };
  return { whole, value, bent };
}

async function fusesAsEver(page: Page): Promise<void> {
  await give(page, 'Subject', named('subject.safetensors', pair[0]));
  await give(page, 'Style', named('style.safetensors', pair[1]));
  check((await fuseAndSave(page)).file, pair, DEFAULTS, 'F16');
}

test('the worker answers nonsense with a problem, or passes it over, and goes on', async ({ page }) => {
  await page.addInitScript(`window.garbage = ${garbage}; window.workers = [];
    window.Worker = class extends Worker { constructor(...from) { super(...from); window.workers.push(this); } };`);
  const uncaught = await open(page);
  await fusesAsEver(page);
  const { answered, unanswered, lost } = await page.evaluate(async (count) => {
    const { workers, garbage: make } = window as unknown as { workers: Worker[]; garbage: typeof garbage };
    const [worker] = workers;
    const { whole, value, bent } = make(1);
    // Complete settings, so that changed messages get as far as the program itself.
    const settings = {
      mu: 0.5, contentStrength: 1, styleStrength: 1, cut: { kind: 'all' }, dtype: 'auto', layout: 'compatible', contentTextStrength: null,
      styleTextStrength: null, blocks: { x: { content: 1, style: 1 } }, contentScale: { kind: 'auto' }, styleScale: { kind: 'auto' }, family: null,
      scheme: null, recompress: { kind: 'exact' }, denseRank: 64, directionOnly: false, keepSources: true, outputName: 'x', result: 'fusion',
    };
    const sensible = [
      { id: 0, call: 'start', in: { reader: null, whole: { glue: 'nowhere.js', wasm: 'nowhere.wasm' }, owner: 'nobody', leads: true } }, { id: 0, call: 'example', in: { role: 'content' } },
      { id: 0, call: 'open', in: { role: 'style', file: new File(['{}'], 'x'), config: null, kept: [] } }, { id: 0, call: 'config', in: { role: 'style' } }, { id: 0, call: 'close', in: { role: 'style' } },
      { id: 0, call: 'swap', in: {} }, { id: 0, call: 'prepare', in: {} }, { id: 0, call: 'fit', in: { settings } },
      { id: 0, call: 'link', in: { text: 'a/b/c', hosts: ['x'] } }, { id: 0, call: 'find', in: { link: { url: 'nowhere:', host: '', name: '' } } },
      { id: 0, call: 'open', in: { role: 'style', file: { url: 'nowhere:', host: '', name: '', size: 9, tag: null }, config: null, kept: [{ at: 0, bytes: new Uint8Array(9) }] } }, { id: 0, call: 'backend', in: { choice: 'cpu' } },
      { id: 0, call: 'hash', in: { file: new Blob(['x']), of: 'file' } }, { id: 0, call: 'fuse', in: { variants: [{ settings, swapped: false }], backend: 'cpu' } }, { cancel: 0 },
      { id: 0, call: 'compare', in: { settings, file: new File(['{}'], 'x'), config: null } },
      { id: 0, call: 'share', in: { variants: [{ settings, swapped: false }], ranks: [[1]], checksum: 1 } }, { id: 0, call: 'assist', in: { task: '{"fuse":[0,[0]]}', result: null } },
    ];
    // The ids are far from the page's own, so that each answer can be recognised.
    const open = new Set<number>();
    let [answered, lost] = [0, 0];
    const hear = ({ data }: MessageEvent): void => {
      if (data.fatal) lost += 1;
      if (open.delete(data.id)) answered += 1;
    };
    worker!.addEventListener('message', hear);
    for (let at = 0; at < count; at++) {
      const message = whole() % 3 === 0 ? value() : bent(sensible[whole() % sensible.length]);
      const numbered = typeof message === 'object' && message !== null && typeof (message as { id?: unknown }).id === 'number';
      if (numbered) open.add((message as { id: number }).id = 1e6 + at);
      worker!.postMessage(message);
    }
    for (let waits = 0; open.size > 0 && waits < 600; waits++) await new Promise((over) => setTimeout(over, 50));
    worker!.removeEventListener('message', hear);
    return { answered, unanswered: [...open], lost };
  }, TO_WORKER);
  expect({ unanswered, lost }).toEqual({ unanswered: [], lost: 0 });
  expect(answered).toBeGreaterThan(TO_WORKER / 4);
  expect(await page.evaluate(() => (window as unknown as { workers: Worker[] }).workers.length)).toBe(1);
  await fusesAsEver(page);
  expect(uncaught).toEqual([]);
});

test('nonsense from the worker is at worst a lost worker', async ({ page }) => {
  test.setTimeout(WORKERS * 10_000);
  let seed = 0;
  // The route is not removed: when workers of workers have just ended, the browser may never answer that.
  let sound = false;
  await page.route('**/worker.js', async (route) => {
    if (sound) return route.continue();
    // From some message on, each is changed or preceded by nonsense. Its id stays, or its call would wait for the watchdog.
    const prefix = `{
      const { whole, value, bent } = (${garbage})(${++seed});
      const post = self.postMessage.bind(self);
      let good = whole() % 12;
      self.postMessage = (message, ...more) => {
        if (good-- > 0) return post(message, ...more);
        if (whole() % 3 === 0) post(value());
        if (whole() % 3 !== 0) message = Object.assign({}, bent(message), 'id' in message && { id: message.id });
        post(message);
      };
    }`;
    return serveBent(route, async (response) => ({ body: `${prefix};${await response.text()}` }));
  });
  const uncaught = await open(page);
  const [content, style] = pair.map((file) => [...named('', file).bytes]);
  await page.evaluate(([content, style]) => {
    Object.assign(window, { held: [new File([new Uint8Array(content!)], 'subject.safetensors'), new File([new Uint8Array(style!)], 'style.safetensors')] });
  }, [content, style]);
  const ends = new Set<string>();
  for (let turn = 0; turn < WORKERS; turn++) {
    ends.add(await page.locator('np-lora').evaluate(async (found) => {
      const host = found as unknown as HTMLElement & Record<string, unknown> & { fuse(): Promise<unknown>; readonly updateComplete: Promise<unknown> };
      const pause = (ms: number): Promise<string> => new Promise((over) => setTimeout(over, ms, 'waits'));
      // When the element leaves the page, it gives up its worker; if put back at once, it would count as moved.
      const parent = host.parentNode!;
      const after = host.nextSibling;
      host.remove();
      [host.contentFile, host.styleFile] = [null, null];
      await pause(0);
      parent.insertBefore(host, after);
      [host.contentFile, host.styleFile] = (window as unknown as { held: File[] }).held;
      for (let waits = 0; host.phase === 'opening' && waits < 40; waits++) await pause(25);
      await pause(150);
      const end = await Promise.race([host.fuse().then(() => 'fused', (error: { code?: string; name: string }) => error.code ?? error.name), pause(1500)]);
      await host.updateComplete;
      return String(end);
    }));
    await expect(page.getByRole('button', { name: 'Remove subject file' })).toBeVisible();
  }
  expect(uncaught).toEqual([]);
  expect([...ends]).toContain('E_VERSION');

  sound = true;
  await page.locator('np-lora').evaluate(async (found) => {
    const parent = found.parentNode!;
    found.remove();
    await new Promise((over) => setTimeout(over));
    parent.append(found);
  });
  await expect.poll(() => element(page, 'phase')).not.toBe('opening');
  await fusesAsEver(page);
  expect(uncaught).toEqual([]);
});
