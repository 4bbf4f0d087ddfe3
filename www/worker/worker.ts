/**
 * Loads the wasm module and answers messages, one after the other: the wasm session cannot be entered twice.
 * Only the cancel flags are read in between, when the running call yields. Hashes are worked out beside the session,
 * one after the other, and stand still while any other call is under way.
 */

import { toWorker } from '../core/messages.ts';
import { problem, toProblem } from '../core/problem.ts';
import type { BackendFound, Calls, CallName, FromWorker, Fused, Request } from '../core/protocol.ts';
import type {
  BackendChoice, OutputSink, PairFit, Problem, Progress, Role, Settings, Summary,
} from '../core/types.ts';
import { whyNotLoaded } from './loading.ts';
import { sinkFor, sweep } from './sinks.ts';

/** The wasm-bindgen module, as src/web exports it. */
interface Glue {
  default(input: { module_or_path: string }): Promise<unknown>;
  version(): string;
  example(role: Role): Uint8Array<ArrayBuffer>;
  sha256(blob: Blob, mayGoOn: () => Promise<boolean>): Promise<string>;
  Session: new () => WasmSession;
}

interface WasmSession {
  open(role: Role, file: File, config?: string): Promise<Summary>;
  close(role: Role): void;
  swap(): void;
  fit(settings: Settings): PairFit;
  backend(choice: BackendChoice): Promise<BackendFound>;
  fuse(
    settings: Settings, backend: BackendChoice, sink: OutputSink,
    onProgress: (progress: Progress) => void, isCancelled: () => boolean,
  ): Promise<Fused>;
}

/** No host needs more than ten reports a second, and posting costs time. */
const PROGRESS_EVERY_MS = 100;

let glue: Glue | null = null;
let session: WasmSession | null = null;
let owner = '';
const cancelled = new Set<number>();

function post(message: FromWorker): void {
  self.postMessage(message);
}

function ready(): { glue: Glue; session: WasmSession } {
  if (!glue || !session) throw problem('E_WASM_LOAD', 'the program was not started');
  return { glue, session };
}

async function start(request: Calls['start']['in']): Promise<{ version: string }> {
  if (session) throw problem('E_INTERNAL', 'the program was started already');
  owner = request.owner;
  // Sweeping is housekeeping: a browser that refuses it can still fuse. This page's own file may be the result it shows.
  await sweep(null).catch(() => {});
  const glueURL = request.glue ?? new URL('./np_lora.js', import.meta.url).href;
  const wasmURL = request.wasm ?? new URL('./np_lora_bg.wasm', import.meta.url).href;
  try {
    glue = await import(glueURL) as Glue;
    await glue.default({ module_or_path: wasmURL });
    session = new glue.Session();
    return { version: glue.version() };
  } catch (thrown) {
    throw await whyNotLoaded(thrown, [glueURL, wasmURL]);
  }
}

async function fuse(id: number, { settings, backend }: Calls['fuse']['in']): Promise<Fused> {
  const { session } = ready();
  await sweep(owner).catch(() => {});
  const sink = await sinkFor(session.fit(settings).outputBytes, owner);
  let last = 0;
  const onProgress = (progress: Progress): void => {
    const now = performance.now();
    const edge = progress.modulesDone === 0 || progress.modulesDone === progress.modulesTotal;
    if (!edge && now - last < PROGRESS_EVERY_MS) return;
    last = now;
    post({ id, progress });
  };
  return session.fuse(settings, backend, sink, onProgress, () => cancelled.has(id));
}

async function answer(request: Request): Promise<Calls[CallName]['out']> {
  switch (request.call) {
    case 'start': return start(request.in);
    case 'example': return ready().glue.example(request.in.role);
    case 'open': return ready().session.open(request.in.role, request.in.file, request.in.config ?? undefined);
    case 'close': ready().session.close(request.in.role); return null;
    case 'swap': ready().session.swap(); return null;
    case 'fit': return ready().session.fit(request.in.settings);
    case 'backend': return ready().session.backend(request.in.choice);
    case 'hash': return hash(request.id, request.in.file);
    case 'fuse': return fuse(request.id, request.in);
  }
}

function hash(id: number, file: Blob): Promise<string> {
  return ready().glue.sha256(file, async () => {
    post({ id, alive: true });
    // A call that was put behind the one awaited here is awaited as well.
    for (let last = null; last !== queue;) await (last = queue);
    return !cancelled.has(id);
  });
}

function asLastWords(thrown: unknown): Problem {
  return problem('E_WORKER_LOST', toProblem(thrown).detail);
}

/** Whoever waits for an answer gets one; the rest is not for this worker. */
function refuse(said: unknown): void {
  const id = (said as { id?: unknown } | null | undefined)?.id;
  if (typeof id === 'number') post({ id, problem: problem('E_INTERNAL', 'a message to the worker made no sense'), fatal: false });
}

let queue: Promise<void> = Promise.resolve();
let hashes: Promise<void> = Promise.resolve();

async function serve(request: Request): Promise<void> {
  try {
    post({ id: request.id, out: await answer(request) });
  } catch (thrown) {
    // After a trap the instance is in an unknown state; a RangeError is a stack or memory that ran out.
    const fatal = thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError;
    post({ id: request.id, problem: fatal ? asLastWords(thrown) : toProblem(thrown), fatal });
  }
  cancelled.delete(request.id);
}

self.addEventListener('message', ({ data: said }: MessageEvent<unknown>) => {
  const data = toWorker(said);
  if (!data) refuse(said);
  else if ('cancel' in data) cancelled.add(data.cancel);
  else if (data.call === 'hash') hashes = hashes.then(() => serve(data));
  else queue = queue.then(() => serve(data));
});

// A panic inside a spawned Rust future reaches no promise: without these two the page would wait for ever.
self.addEventListener('error', (event) => {
  event.preventDefault();
  post({ fatal: asLastWords(event.error ?? event.message) });
});
self.addEventListener('unhandledrejection', (event) => {
  event.preventDefault();
  post({ fatal: asLastWords(event.reason) });
});
