/**
 * Changes the environment of the page: code inserted before the worker's script, and gates in the worker at which a run stops until the test lets it
 * go on. Nothing here depends on time.
 */

import { expect, type APIResponse, type Page, type Route } from '@playwright/test';

/** Where a run can be stopped: when a tensor of a chosen file is read, when the result is read back, when a graphics device is looked for. */
export type Point = 'input' | 'result' | 'adapter';

/** Globals of a page after `keepWorkers`. */
declare const allWorkers: Worker[], endedWorkers: Set<Worker>;

/** The two programs: the reader, and the whole program. */
export const READER = '**/np_lora_reader_bg.wasm';
export const WHOLE = '**/np_lora_bg.wasm';

/** The part of WebGPU that tests change; the page's types do not include it. */
export interface Bendable {
  prototype: Record<string, (this: object, ...of: any[]) => any>;
}
declare const GPU: Bendable, GPUAdapter: Bendable;

/** Runs in the worker before its own script. */
function putGates(): void {
  const passes = new Map<Point, number>();
  let arrived: () => void;
  let open: () => void;
  const opened = new Promise<void>((resolve) => { open = resolve; });
  const held = new Promise<void>((resolve) => { arrived = resolve; });
  Object.assign(self, { gates: { arm: (point: Point, after: number) => passes.set(point, after), held, open: () => open() } });
  // The fusion that a worker warms up with is not a run.
  let warming: number | null = null;
  self.addEventListener('message', ({ data }) => { if (data?.call === 'prepare') warming = data.id; });
  const pass = (point: Point | undefined): Promise<void> => {
    const left = point && passes.get(point);
    if (point === undefined || left === undefined || warming !== null) return Promise.resolve();
    passes.set(point, left - 1);
    if (left > 0) return Promise.resolve();
    arrived();
    return opened;
  };

  // Once a file is open, everything read from it beyond offset 0 is a tensor; hashing begins at 0.
  const points = new WeakMap<Blob, Point>();
  const { slice, arrayBuffer } = Blob.prototype;
  Blob.prototype.slice = function (this: Blob, from = 0, to = this.size, type) {
    const part = slice.call(this, from, to, type);
    const chosen = this instanceof File && this.name.endsWith('.safetensors');
    if (!chosen) points.set(part, 'result');
    else if (from > 0) points.set(part, 'input');
    return part;
  };
  Blob.prototype.arrayBuffer = async function () {
    await pass(points.get(this));
    return arrayBuffer.call(this);
  };
  const { postMessage } = self;
  const answers = Object.assign(self, {
    answered: 0,
    postMessage: (said: unknown, options?: object) => {
      answers.answered++;
      const { id, progress } = said as { id?: number; progress?: unknown };
      if (id === warming && !progress) warming = null;
      postMessage.call(self, said, options);
    },
  });
  const devices: object[] = [];
  Object.assign(self, { devices });
  if ('gpu' in navigator) {
    const { requestAdapter } = GPU.prototype;
    GPU.prototype.requestAdapter = async function (...of) {
      await pass('adapter');
      return requestAdapter!.apply(this, of);
    };
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...of) {
      const device = await requestDevice!.apply(this, of);
      devices.push(device);
      Object.assign(self, { device });
      return device;
    };
  }
}

/**
 * Answers with the server's response, changed by `bend`. If the worker was ended in the meantime, the browser reports an error for its request, which
 * is not the fault being tested.
 */
export async function serveBent(route: Route, bend: (response: APIResponse) => Promise<Parameters<Route['fulfill']>[0]>): Promise<void> {
  const response = await route.fetch();
  await route.fulfill({ response, ...await bend(response) }).catch(() => {});
}

/**
 * Inserts `lines` before the worker's script, and changes the rest of it with `change`. In `lines`, `broken` is true until the test repairs it,
 * `device` is the graphics device in use, and `devices` are all there have been.
 */
export async function bendWorker(page: Page, lines: () => void = () => {}, change = (script: string): string => script): Promise<void> {
  const before = `self.broken = true;\n(${String(putGates)})();\n(${String(lines)})();`;
  await page.route('**/worker.js', (route) => serveBent(route, async (response) => ({ body: `${before}\n${change(await response.text())}` })));
}

/** Makes the worker write even the smallest result to disk, as it does with results above its limit. */
export function alwaysOnDisk(script: string): string {
  const limit = script.split(/\b2e8\b/);
  if (limit.length !== 2) throw new Error(`the limit of www/worker/sinks.ts stands ${limit.length - 1} times in the worker`);
  return limit.join('0');
}

/**
 * Makes the next run stop at `point` after passing it `after` times, in every worker whose script could be changed; in some browsers, workers of
 * workers are not among them.
 */
export async function arm(page: Page, point: Point, after = 0): Promise<void> {
  await tellWorkers(page, `self.gates?.arm('${point}', ${after})`);
}

/** Resolves when a run has stopped at a gate; a worker that ended does not count. */
export const held = (page: Page): Promise<unknown> =>
  Promise.race(page.workers().map((worker) => worker.evaluate('gates.held').catch(() => new Promise(() => {}))));

export async function letGo(page: Page): Promise<void> {
  await tellWorkers(page, 'self.gates?.open()');
}

/** Resolves when the page has this many workers and each has answered that it started. */
export const started = (page: Page, count: number): Promise<void> => expect.poll(async () => {
  const answered = await Promise.all(page.workers().map((worker) => worker.evaluate<number>('self.answered')));
  return answered.filter((count) => count > 0).length;
}).toBe(count);

export const mend = (page: Page): Promise<void> => tellWorkers(page, 'self.broken = false');

/** Evaluates an expression in every worker, except those that end in the meantime. */
export async function tellWorkers(page: Page, expression: string): Promise<void> {
  for (const worker of page.workers()) await worker.evaluate(expression).catch((thrown: Error) => {
    if (!/closed/.test(thrown.message)) throw thrown;
  });
}

const programs = new WeakMap<Page, () => void>();

/** Holds requests for the whole program until the test releases them. */
export async function holdProgram(page: Page): Promise<void> {
  const released = new Promise<void>((resolve) => programs.set(page, resolve));
  await page.route(WHOLE, async (route) => {
    await released;
    // The worker may have been ended in the meantime, and then waits for nothing.
    await route.continue().catch(() => {});
  });
}

export const letProgram = (page: Page): void => programs.get(page)?.();

/** Records every worker that the page starts in `allWorkers`, and those that it has ended in `endedWorkers`. */
export const keepWorkers = (page: Page): Promise<unknown> => page.addInitScript(() => {
  const allWorkers: Worker[] = [];
  const endedWorkers = new Set<Worker>();
  Object.assign(window, { allWorkers, endedWorkers });
  window.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      allWorkers.push(this);
    }
    override terminate(): void {
      endedWorkers.add(this);
      super.terminate();
    }
  };
});

/**
 * How many of the recorded workers are still running. Workers of workers end with the worker that started them. Playwright may keep one of these in
 * its list for ever: the message that it has ended is lost if the one about its starter comes first.
 */
export const atWork = (page: Page): Promise<number> => page.evaluate(() => allWorkers.filter((worker) => !endedWorkers.has(worker)).length);
