/** Measures what a page holds on to: memory of its wasm instances and its scripts, workers, object URLs, temporary files. */

import type { CDPSession, Page } from '@playwright/test';
import { serveBent } from './faults/bend.ts';

interface Held {
  /** The memory of all instances of the program, in bytes. */
  wasm: number;
  /** The memory used by the page's scripts after garbage collection, in bytes. */
  heap: number;
  nodes: number;
  workers: number;
  addresses: number;
  files: number;
}

const CHANNEL = 'memory-of-a-test';

/** Starts counting; must be called before the page is opened. */
export async function countHeld(page: Page): Promise<() => Promise<Held>> {
  await page.addInitScript(() => {
    const live = { workers: 0, addresses: new Set<string>() };
    Object.assign(window, { live });
    const ended = new WeakSet<Worker>();
    window.Worker = class extends Worker {
      constructor(...from: ConstructorParameters<typeof Worker>) {
        super(...from);
        live.workers += 1;
      }
      override terminate(): void {
        if (!ended.has(this)) live.workers -= 1;
        ended.add(this);
        super.terminate();
      }
    };
    const [create, revoke, later] = [URL.createObjectURL, URL.revokeObjectURL, window.setTimeout] as const;
    URL.createObjectURL = (of) => { const url = create.call(URL, of); live.addresses.add(url); return url; };
    URL.revokeObjectURL = (url) => { live.addresses.delete(url); revoke.call(URL, url); };
    // Delays of a minute or more, which are for cleaning up, are shortened.
    window.setTimeout = ((then: () => void, ms = 0) => later.call(window, then, ms >= 60_000 ? 100 : ms)) as typeof setTimeout;
  });
  // Each instance reports its size when asked; workers of workers hear the question as well.
  const prefix = `{
    const sizes = new Set();
    const keep = (made) => { sizes.add((made.instance ?? made).exports.memory); return made; };
    for (const name of ['instantiate', 'instantiateStreaming']) {
      const original = WebAssembly[name];
      WebAssembly[name] = (...from) => original(...from).then(keep);
    }
    const line = new BroadcastChannel('${CHANNEL}');
    line.onmessage = ({ data }) => { if (data === 'how much?') for (const memory of sizes) line.postMessage(memory.buffer.byteLength); };
  }`;
  await page.route('**/worker.js', (route) => serveBent(route, async (response) => ({ body: `${prefix};${await response.text()}` })));
  let debug: CDPSession | null = null;
  return async () => {
    debug ??= await page.context().newCDPSession(page);
    await debug.send('Performance.enable');
    await debug.send('HeapProfiler.collectGarbage');
    const { metrics } = await debug.send('Performance.getMetrics');
    const metric = (name: string): number => metrics.find((one) => one.name === name)?.value ?? NaN;
    const rest = await page.evaluate(async (channel) => {
      const line = new BroadcastChannel(channel);
      let wasm = 0;
      line.onmessage = ({ data }) => { wasm += Number(data); };
      line.postMessage('how much?');
      await new Promise((over) => setTimeout(over, 300));
      line.close();
      let files = 0;
      for await (const _ of (await navigator.storage.getDirectory()).keys()) files += 1;
      const { live } = window as unknown as { live: { workers: number; addresses: Set<string> } };
      return { wasm, files, workers: live.workers, addresses: live.addresses.size };
    }, CHANNEL);
    return { ...rest, heap: metric('JSHeapUsedSize'), nodes: metric('Nodes') };
  };
}
