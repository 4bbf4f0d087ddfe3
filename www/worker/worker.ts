/**
 * Answers messages, one after the other; only the cancel flags are read in between, when the running call yields. A call that
 * needs more of the program than is there waits for that beside the others. Of another worker's run it does several tasks at a
 * time, so that one reads while one computes. A host is asked for a file beside all others. A pair is analysed beside the calls
 * that only ask, and stopped by those that change the files or fuse them. Hashes are worked out one after the other, and stand
 * still while any other call is under way.
 */

import { toWorker } from '../core/messages.ts';
import { problem, toProblem } from '../core/problem.ts';
import type { Assisted, Calls, CallName, FromWorker, Fused, Request } from '../core/protocol.ts';
import { type Comparison, type FileLink, type OutputSink, type Problem, type Progress, type Role, ROLES, type Summary, type Variant } from '../core/types.ts';
import { Crew, type Files } from './crew.ts';
import { paced } from './pace.ts';
import { needsWhole, Program, type Others } from './program.ts';
import { ask, given, isSame, keptOf, whenHeard } from './remote.ts';
import { sinkFor, sweep } from './sinks.ts';

let program: Program | null = null;
let crew: Crew | null = null;
let owner = '';
/** Whether the page speaks with this worker; else another one does. */
let leads = false;
const files: Files = { content: null, style: null };
const cancelled = new Set<number>();

function post(message: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

/** For the watchdog of the page. */
const alive = (): void => post({ id: 0, alive: true });

function ready(): { program: Program; crew: Crew } {
  if (!program || !crew) throw problem('E_WASM_LOAD', 'the program was not started');
  return { program, crew };
}

async function start(request: Calls['start']['in']): Promise<{ version: string }> {
  if (program) throw problem('E_INTERNAL', 'the program was started already');
  owner = request.owner;
  leads = request.leads;
  // Sweeping is housekeeping: a browser that refuses it can still fuse. This page's own file may be the result it shows.
  if (leads) await sweep(null).catch(() => {});
  const begun = new Program(files, request);
  const out = await begun.begin();
  [program, crew] = [begun, new Crew(request, alive)];
  return out;
}

const othersFor = (crew: Crew, variants: Variant[]): Others => ({
  get members() { return crew.members; },
  get places() { return crew.places; },
  begin: (ranks, checksum) => crew.begin(files, variants, ranks, checksum),
  run: (task, result) => crew.run(task, result ?? null),
  listen: () => crew.listen(),
});

const reporting = (id: number): ((progress: Progress) => void) => paced((progress) => post({ id, progress }));

async function fuse(id: number, { variants, backend }: Calls['fuse']['in']): Promise<Fused[]> {
  const { program, crew } = ready();
  const session = await program.whole();
  await sweep(owner).catch(() => {});
  const [first] = variants;
  // About as large as each other, as far as they are.
  const bytes = first ? variants.length * session.fit(first.settings).outputBytes : 0;
  const sinks: OutputSink[] = [];
  for (const _ of variants) sinks.push(await sinkFor(bytes, owner));
  try {
    return await session.fuse(variants, backend, sinks, othersFor(crew, variants), reporting(id), () => cancelled.has(id));
  } finally {
    crew.rest();
  }
}

async function analyse(id: number, { settings }: Calls['analyse']['in']): Promise<null> {
  const { program, crew } = ready();
  const session = await program.whole();
  try {
    const others = othersFor(crew, [{ settings, swapped: false }]);
    await session.analyse(settings, others, reporting(id), () => cancelled.has(id), stopped(id));
    return null;
  } finally {
    crew.rest();
  }
}

async function compare(id: number, { settings, file, config }: Calls['compare']['in']): Promise<Comparison> {
  const session = await ready().program.whole();
  return session.compare(settings, file, config ?? undefined, reporting(id), () => cancelled.has(id), stopped(id));
}

/** Tasks of another's run that are under way: one is computed, one read for. The next stands in line, without what it needs of the files. */
const AT_ONCE = 2;
let assisting: Promise<unknown>[] = [];

function assist(id: number, { task, result }: Calls['assist']['in']): Promise<Assisted> {
  const { computing } = ready().program;
  const [before] = assisting.length < AT_ONCE ? [] : assisting;
  const done = Promise.resolve(before).then(() => computing.assist(task, result ?? undefined, () => cancelled.has(id), stopped(id)));
  assisting = [...assisting, done.catch(() => {})].slice(-AT_ONCE);
  return done;
}

async function link({ text, hosts }: Calls['link']['in']): Promise<FileLink> {
  const { program } = ready();
  await program.whole();
  return program.asking.link(text, hosts);
}

async function open({ role, file, config, kept }: Calls['open']['in']): Promise<Summary> {
  const before = files[role];
  files[role] = null;
  const { program } = ready();
  clearTimeout(completing);
  // With another configuration, nothing is asked for again.
  const opened = given(file, before && isSame(before.file, file) ? before.kept : kept);
  try {
    const session = file instanceof File ? program.there.session : await program.whole();
    const summary = await session.open(role, opened, config ?? undefined);
    files[role] = { file, config, kept: keptOf(opened) };
    return summary;
  } finally {
    completeSoon();
  }
}

/** Compiling the program takes the machine from whatever else is under way, as from the next file. */
const QUIET_MS = 300;
let completing: ReturnType<typeof setTimeout> | undefined;

/** Whoever opens a file is about to fuse it: the rest of the program is fetched when both are open, or no other comes for a while. */
function completeSoon(): void {
  clearTimeout(completing);
  const { program, crew } = ready();
  const open = ROLES.filter((role) => files[role]);
  if (!leads || open.length === 0) return;
  // Behind it: the others then find the program in the cache.
  completing = setTimeout(() => void complete(program).finally(() => crew.prepare()), open.length === ROLES.length ? 0 : QUIET_MS);
}

/** In the background. That it did not come is said to whoever needs it. */
async function complete(program: Program): Promise<void> {
  await program.load().then(() => inTurn(() => program.whole())).catch((thrown: unknown) => {
    if (isFatal(thrown)) throw thrown;
  });
}

function close(role: Role): null {
  files[role] = null;
  ready().program.there.session.close(role);
  completeSoon();
  return null;
}

function swap(): null {
  ready().program.there.session.swap();
  [files.content, files.style] = [files.style, files.content];
  return null;
}

async function answer(request: Request): Promise<Calls[CallName]['out']> {
  switch (request.call) {
    case 'start': return start(request.in);
    case 'example': return ready().program.there.glue.example(request.in.role);
    case 'link': return link(request.in);
    case 'find': return ready().program.asking.find(request.in.link, { ask });
    case 'open': return open(request.in);
    case 'config': return (await (await ready().program.whole()).config(request.in.role)) ?? null;
    case 'prepare': return ready().program.prepare();
    case 'close': return close(request.in.role);
    case 'swap': return swap();
    case 'fit': return ready().program.there.session.fit(request.in.settings);
    case 'recipe': return (await ready().program.whole()).recipe(request.in.text, request.in.name);
    case 'backend': return (await ready().program.whole()).backend(request.in.choice);
    case 'hash': return hash(request.id, request.in.file);
    case 'fuse': return fuse(request.id, request.in);
    case 'analyse': return analyse(request.id, request.in);
    case 'outlook': return (await ready().program.whole()).outlook(request.in.settings);
    case 'spectra': return (await ready().program.whole()).spectra(request.in.settings, request.in.module);
    case 'compare': return compare(request.id, request.in);
    case 'share': (await ready().program.whole()).share(request.in.variants, request.in.ranks, request.in.checksum); return null;
    case 'assist': return assist(request.id, request.in);
  }
}

function hash(id: number, file: Blob): Promise<string> {
  return ready().program.there.glue.sha256(file, async () => {
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

let queue: Promise<unknown> = Promise.resolve();
let hashes: Promise<void> = Promise.resolve();
/** Analyses and comparisons go on beside the queue. */
let analyses: Promise<unknown> = Promise.resolve();
const analysing = new Set<number>();
/** What stops the calls that may be waiting for a slow host: analyses, comparisons, and tasks of another worker's run. */
const stoppers = new Map<number, AbortController>();
/** Calls that change what is analysed or compared, or need the machine for themselves. */
const ENDS_ANALYSIS: ReadonlySet<CallName> = new Set<CallName>(['open', 'close', 'swap', 'fuse']);
/** Calls that wait for the whole program; not in the queue, where the others would wait for them. */
const waiting = new Set<number>();

function inTurn<T>(what: () => Promise<T>): Promise<T> {
  const done = queue.then(what);
  queue = done.catch(() => {});
  return done;
}

function serveInTurn(request: Request): Promise<void> {
  if (!ENDS_ANALYSIS.has(request.call)) return inTurn(() => serve(request));
  for (const id of analysing) cancel(id);
  const before = analyses;
  return inTurn(async () => {
    await before;
    await serve(request);
  });
}

/** After a trap the instance is in an unknown state; a RangeError is a stack or memory that ran out. */
const isFatal = (thrown: unknown): boolean => thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError;

function fail(id: number, thrown: unknown): void {
  const fatal = isFatal(thrown);
  post({ id, problem: fatal ? asLastWords(thrown) : toProblem(thrown), fatal });
  cancelled.delete(id);
}

async function serve(request: Request): Promise<void> {
  try {
    const out = await answer(request);
    const bytes = request.call === 'assist' ? (out as Assisted).bytes : null;
    post({ id: request.id, out }, bytes ? [bytes.buffer] : []);
    cancelled.delete(request.id);
  } catch (thrown) {
    fail(request.id, thrown);
  }
}

/** `then` is done once the whole program is there. */
async function serveWhole(request: Request, then: (request: Request) => Promise<unknown>): Promise<void> {
  waiting.add(request.id);
  try {
    await program?.load();
    // Else it was cancelled, and has its answer.
    if (waiting.delete(request.id)) await then(request);
  } catch (thrown) {
    if (waiting.delete(request.id)) fail(request.id, thrown);
  }
}

function serveBeside(request: Request): Promise<unknown> {
  // The whole program may still have to open the files, which is done in turn. Two analyses would do the same work, but somebody
  // waits for a comparison.
  const ready: Promise<unknown> = inTurn(async () => program?.whole());
  const free = request.call === 'compare' ? ready : Promise.all([ready, analyses]);
  const served = free.then(() => serve(request), (thrown: unknown) => fail(request.id, thrown));
  return (analyses = Promise.all([analyses, served]));
}

/** For a call that waits for others than this worker. */
function serveApart(request: Request): Promise<unknown> {
  const ready = inTurn(async () => program?.whole());
  return ready.then(() => serve(request), (thrown: unknown) => fail(request.id, thrown));
}

async function serveAnalysis(request: Request): Promise<void> {
  analysing.add(request.id);
  await serveWhole(request, serveBeside);
  analysing.delete(request.id);
}

async function serveStoppable(request: Request, how: (request: Request) => Promise<unknown>): Promise<void> {
  const stopper = new AbortController();
  stoppers.set(request.id, stopper);
  await how(request);
  stoppers.delete(request.id);
  // Whoever waits for it to be stopped is not left waiting.
  stopper.abort();
}

/** Settles when a call is cancelled that can be stopped wherever it is. */
const stopped = (id: number): Promise<void> => new Promise((over) => {
  const signal = stoppers.get(id)?.signal;
  if (!signal || signal.aborted) over();
  else signal.addEventListener('abort', () => over());
});

function cancel(id: number): void {
  if (waiting.delete(id)) fail(id, problem('E_ABORTED'));
  else cancelled.add(id);
  stoppers.get(id)?.abort();
}

self.addEventListener('message', ({ data: said }: MessageEvent<unknown>) => {
  const data = toWorker(said);
  if (!data) refuse(said);
  else if ('cancel' in data) cancel(data.cancel);
  else if (data.call === 'hash') hashes = hashes.then(() => serve(data));
  else if (data.call === 'assist') void serveStoppable(data, serve);
  else if (data.call === 'find' || data.call === 'config') void serveWhole(data, serveApart);
  else if (data.call === 'analyse' || data.call === 'compare') void serveStoppable(data, serveAnalysis);
  else if (needsWhole(data.call)) void serveWhole(data, serveInTurn);
  else void serveInTurn(data);
});

whenHeard(alive);

// A panic inside a spawned Rust future reaches no promise: without these two the page would wait for ever.
self.addEventListener('error', (event) => {
  event.preventDefault();
  post({ fatal: asLastWords(event.error ?? event.message) });
});
self.addEventListener('unhandledrejection', (event) => {
  event.preventDefault();
  post({ fatal: asLastWords(event.reason) });
});
