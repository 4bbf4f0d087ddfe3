/**
 * Loads the wasm module and answers messages, one after the other; only the cancel flags are read in between, when the
 * running call yields. Of another worker's run it does several tasks at a time, so that one reads while one computes.
 * A pair is analysed beside the calls that only ask, and stopped by those that change the files or fuse them. Hashes are
 * worked out one after the other, and stand still while any other call is under way.
 */

import { toWorker } from '../core/messages.ts';
import { problem, toProblem } from '../core/problem.ts';
import type { Assisted, BackendFound, Calls, CallName, FromWorker, Fused, Request } from '../core/protocol.ts';
import type {
  BackendChoice, OutputSink, Outlook, PairFit, Problem, Progress, Role, Settings, Spectra, Summary,
} from '../core/types.ts';
import { whyNotLoaded } from './loading.ts';
import { Crew, type Files } from './crew.ts';
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
    settings: Settings, backend: BackendChoice, sink: OutputSink, others: Others,
    onProgress: (progress: Progress) => void, isCancelled: () => boolean,
  ): Promise<Fused>;
  analyse(
    settings: Settings, others: Others, onProgress: (progress: Progress) => void, isCancelled: () => boolean,
  ): Promise<void>;
  outlook(settings: Settings): Outlook;
  spectra(settings: Settings, module: string): Promise<Spectra>;
  share(settings: Settings, ranks: number[] | null, checksum: number): void;
  assist(task: string, result: Blob | undefined, isCancelled: () => boolean): Promise<Assisted>;
}

/** The other workers as src/web/crew.rs calls them. */
interface Others {
  members: number;
  places: number;
  begin(ranks: number[] | null, checksum: number): Promise<void>;
  run(task: string, result: Blob | undefined): Promise<Assisted>;
}

/** No host needs more than ten reports a second, and posting costs time. */
const PROGRESS_EVERY_MS = 100;

let glue: Glue | null = null;
let session: WasmSession | null = null;
let crew: Crew | null = null;
let owner = '';
/** Whether the page speaks with this worker; else another one does. */
let leads = false;
const files: Files = { content: null, style: null };
const cancelled = new Set<number>();

function post(message: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

function ready(): { glue: Glue; session: WasmSession; crew: Crew } {
  if (!glue || !session || !crew) throw problem('E_WASM_LOAD', 'the program was not started');
  return { glue, session, crew };
}

async function start(request: Calls['start']['in']): Promise<{ version: string }> {
  if (session) throw problem('E_INTERNAL', 'the program was started already');
  owner = request.owner;
  leads = request.leads;
  crew = new Crew(request);
  // Sweeping is housekeeping: a browser that refuses it can still fuse. This page's own file may be the result it shows.
  if (leads) await sweep(null).catch(() => {});
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

const othersFor = (crew: Crew, settings: Settings): Others => ({
  get members() { return crew.members; },
  get places() { return crew.places; },
  begin: (ranks, checksum) => crew.begin(files, settings, ranks, checksum),
  run: (task, result) => crew.run(task, result ?? null),
});

/** Posts what a call reports, as often as somebody can look at it. */
function reporting(id: number): (progress: Progress) => void {
  let last = 0;
  return (progress) => {
    const now = performance.now();
    const edge = progress.modulesDone === 0 || progress.modulesDone === progress.modulesTotal;
    if (!edge && now - last < PROGRESS_EVERY_MS) return;
    last = now;
    post({ id, progress });
  };
}

async function fuse(id: number, { settings, backend }: Calls['fuse']['in']): Promise<Fused> {
  const { session, crew } = ready();
  await sweep(owner).catch(() => {});
  const sink = await sinkFor(session.fit(settings).outputBytes, owner);
  try {
    return await session.fuse(settings, backend, sink, othersFor(crew, settings), reporting(id), () => cancelled.has(id));
  } finally {
    crew.rest();
  }
}

async function analyse(id: number, { settings }: Calls['analyse']['in']): Promise<null> {
  const { session, crew } = ready();
  try {
    await session.analyse(settings, othersFor(crew, settings), reporting(id), () => cancelled.has(id));
    return null;
  } finally {
    crew.rest();
  }
}

async function open({ role, file, config }: Calls['open']['in']): Promise<Summary> {
  files[role] = null;
  const summary = await ready().session.open(role, file, config ?? undefined);
  files[role] = { file, config };
  // Whoever opens a file is about to fuse it.
  if (leads) ready().crew.prepare();
  return summary;
}

function close(role: Role): null {
  files[role] = null;
  ready().session.close(role);
  return null;
}

function swap(): null {
  ready().session.swap();
  [files.content, files.style] = [files.style, files.content];
  return null;
}

async function answer(request: Request): Promise<Calls[CallName]['out']> {
  switch (request.call) {
    case 'start': return start(request.in);
    case 'example': return ready().glue.example(request.in.role);
    case 'open': return open(request.in);
    case 'close': return close(request.in.role);
    case 'swap': return swap();
    case 'fit': return ready().session.fit(request.in.settings);
    case 'backend': return ready().session.backend(request.in.choice);
    case 'hash': return hash(request.id, request.in.file);
    case 'fuse': return fuse(request.id, request.in);
    case 'analyse': return analyse(request.id, request.in);
    case 'outlook': return ready().session.outlook(request.in.settings);
    case 'spectra': return ready().session.spectra(request.in.settings, request.in.module);
    case 'share': ready().session.share(request.in.settings, request.in.ranks, request.in.checksum); return null;
    case 'assist': return ready().session.assist(request.in.task, request.in.result ?? undefined, () => cancelled.has(request.id));
  }
}

function hash(id: number, file: Blob): Promise<string> {
  return ready().glue.sha256(file, async () => {
    post({ id, alive: true });
    // A call that was put behind the one awaited here is awaited as well.
    for (let last = null; last !== queue;) {
      last = queue;
      await Promise.all([queue, analyses]);
    }
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
let analyses: Promise<unknown> = Promise.resolve();
/** Analyses that are under way or wait. */
const analysing = new Set<number>();

/** Calls that change what is analysed, or need the machine for themselves. */
const ENDS_ANALYSIS: ReadonlySet<CallName> = new Set<CallName>(['open', 'close', 'swap', 'fuse']);

async function serveAnalysis(request: Request): Promise<void> {
  await serve(request);
  analysing.delete(request.id);
}

async function serve(request: Request): Promise<void> {
  try {
    const out = await answer(request);
    const bytes = request.call === 'assist' ? (out as Assisted).bytes : null;
    post({ id: request.id, out }, bytes ? [bytes.buffer] : []);
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
  else if (data.call === 'assist') void serve(data);
  else if (data.call === 'analyse') {
    analysing.add(data.id);
    analyses = Promise.all([queue, analyses]).then(() => serveAnalysis(data));
  } else if (ENDS_ANALYSIS.has(data.call)) {
    for (const id of analysing) cancelled.add(id);
    queue = Promise.all([queue, analyses]).then(() => serve(data));
  } else queue = queue.then(() => serve(data));
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
