/** Answers messages; turns.ts decides when. */

import { toWorker } from '../core/requests.ts';
import { asLastWords, isFatal, problem } from '../core/problem.ts';
import type { Assisted, BackendFound, Calls, CallName, FromWorker, Fused, Request } from '../core/protocol.ts';
import { type BackendChoice, type Comparison, type OutputSink, type Progress, type Role, ROLES, type Variant } from '../core/types.ts';
import { Crew, DEPTH, type Files } from './crew.ts';
import { BlobSink } from '../core/blob-sink.ts';
import { paced } from '../core/pace.ts';
import { Program, type Digest, type Others } from './program.ts';
import { ask, given, isSame, keptOf, whenHeard } from './remote.ts';
import { sinkFor, sweep } from './sinks.ts';
import { Turns } from './turns.ts';

let program: Program | null = null;
let crew: Crew | null = null;
let owner = '';
/** Whether the page talks to this worker; if not, another worker does. */
let leads = false;
const files: Files = { content: null, style: null };
const turns = new Turns({ answer, post, program: () => program });

function post(message: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

/** Tells the page's watchdog that this worker is alive. */
const alive = (): void => post({ id: 0, alive: true });

function ready(): { program: Program; crew: Crew } {
  if (!program || !crew) throw problem('E_WASM_LOAD', 'the program was not started');
  return { program, crew };
}

async function start(request: Calls['start']['in']): Promise<{ version: string }> {
  if (program) throw problem('E_INTERNAL', 'the program was started already');
  owner = request.owner;
  leads = request.leads;
  // A browser that refuses to sweep can still fuse. Files of this page are kept, because one may be the result that it shows.
  if (leads) await sweep(null).catch(() => {});
  const begun = new Program(files, request);
  const out = await begun.begin();
  [program, crew] = [begun, new Crew(request, alive)];
  return out;
}

const othersFor = (crew: Crew, variants: Variant[], backend: BackendChoice): Others => ({
  get members() { return crew.members; },
  get places() { return crew.places; },
  each: DEPTH,
  begin: (ranks, checksum, onDevice) => crew.begin(files, { variants, ranks, checksum, backend: onDevice ? backend : 'cpu' }),
  run: (task, size, onDevice, result) => crew.run({ task, result: result ?? null, onDevice }, size),
  hash: () => crew.hash(),
  listen: () => crew.listen(),
});

const reporting = (id: number): ((progress: Progress) => void) => paced((progress) => post({ id, progress }));

async function fuse(id: number, { variants, backend }: Calls['fuse']['in']): Promise<Fused[]> {
  const { program: { computing: session }, crew } = ready();
  const swept = sweep(owner).catch(() => {});
  crew.leaveWarming();
  const [first] = variants;
  // The files are all about as large as the first. The size is worked out while old files are being swept.
  let bytes = 0;
  try {
    bytes = first ? variants.length * session.fit(first.settings).outputBytes : 0;
  } finally {
    await swept;
  }
  const sinks: OutputSink[] = [];
  for (const _ of variants) sinks.push(await sinkFor(bytes, owner));
  try {
    return await session.fuse(variants, backend, sinks, othersFor(crew, variants, backend), reporting(id), () => turns.isCancelled(id));
  } finally {
    crew.rest();
  }
}

/** Warms up the program. The page's own worker only opens a file, as a person is about to do; another one fuses a pair, without any helpers. */
function prepare(id: number): Promise<null> {
  const { program, crew } = ready();
  if (leads) return program.prepare();
  const variants: Variant[] = [{ settings: {}, swapped: false }];
  return program.prepare((session) => session.fuse(variants, 'cpu', [new BlobSink()], othersFor(crew, variants, 'cpu'), () => {}, () => turns.isCancelled(id)));
}

async function analyse(id: number, { settings }: Calls['analyse']['in']): Promise<null> {
  const { program: { computing }, crew } = ready();
  try {
    const others = othersFor(crew, [{ settings, swapped: false }], 'cpu');
    await computing.analyse(settings, others, reporting(id), () => turns.isCancelled(id), turns.stopped(id));
    return null;
  } finally {
    crew.rest();
  }
}

function compare(id: number, { settings, file, config }: Calls['compare']['in']): Promise<Comparison> {
  return ready().program.computing.compare(settings, file, config ?? undefined, reporting(id), () => turns.isCancelled(id), turns.stopped(id));
}

/** Finds the backend, and has the other workers prepare it as well: finding a device and compiling for it takes a while. */
async function backend(choice: BackendChoice): Promise<BackendFound> {
  const { program: { computing }, crew } = ready();
  const found = await computing.backend(choice);
  crew.equip(found.backend === 'cpu' ? 'cpu' : choice);
  return found;
}

async function share({ variants, ranks, checksum, backend }: Calls['share']['in']): Promise<null> {
  await ready().program.computing.share(variants, ranks, checksum, backend);
  return null;
}

/** How many tasks of another worker's run are in progress: one is computed while data is read for another. Further ones wait without their data. */
const AT_ONCE = 2;
let assisting: Promise<unknown>[] = [];

function assist(id: number, { task, result, onDevice }: Calls['assist']['in']): Promise<Assisted> {
  const { computing } = ready().program;
  const [before] = assisting.length < AT_ONCE ? [] : assisting;
  const done = Promise.resolve(before).then(() => computing.assist(task, result ?? undefined, onDevice, () => turns.isCancelled(id), turns.stopped(id)));
  assisting = [...assisting, done.catch(() => {})].slice(-AT_ONCE);
  return done;
}

async function open({ role, file, config, kept }: Calls['open']['in']): Promise<Calls['open']['out']> {
  const before = files[role];
  files[role] = null;
  const { program } = ready();
  clearTimeout(completing);
  // If only the configuration differs, nothing is requested again.
  const opened = given(file, before && isSame(before.file, file) ? before.kept : kept);
  try {
    const session = file instanceof File ? program.there.session : await program.whole();
    const summary = await session.open(role, opened, config ?? undefined);
    const read = keptOf(opened);
    files[role] = { file, config, kept: read };
    return { summary, kept: read };
  } finally {
    completeSoon();
  }
}

/** How long to wait for another file: compiling the program takes the machine away from whatever else is being done. */
const QUIET_MS = 300;
let completing: ReturnType<typeof setTimeout> | undefined;

/** Fetches the rest of the program when both files are open, or when no other has come for a while: a fusion is likely to follow. */
function completeSoon(): void {
  clearTimeout(completing);
  const { program, crew } = ready();
  const open = ROLES.filter((role) => files[role]);
  if (!leads || open.length === 0) return;
  // The others start afterwards, and then find the program in the cache.
  completing = setTimeout(() => void complete(program).finally(() => crew.prepare()), open.length === ROLES.length ? 0 : QUIET_MS);
}

/** Loads the whole program in the background. If it does not come, the call that needs it reports that. */
async function complete(program: Program): Promise<void> {
  await program.load().then(() => turns.inTurn(() => program.whole())).catch((thrown: unknown) => {
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
    case 'link': return ready().program.asking.link(request.in.text, request.in.hosts);
    case 'find': return ready().program.asking.find(request.in.link, { ask }, turns.stopped(request.id));
    case 'open': return open(request.in);
    case 'config': return (await ready().program.computing.config(request.in.role, turns.stopped(request.id))) ?? null;
    case 'prepare': return prepare(request.id);
    case 'close': return close(request.in.role);
    case 'swap': return swap();
    case 'families': return ready().program.there.session.families();
    case 'fit': return ready().program.there.session.fit(request.in.settings);
    case 'variants': return ready().program.computing.variants(request.in.settings, request.in.several);
    case 'recipe': return ready().program.computing.recipe(request.in.file);
    case 'backend': return backend(request.in.choice);
    case 'hash': return hash(request.id, request.in);
    case 'fuse': return fuse(request.id, request.in);
    case 'analyse': return analyse(request.id, request.in);
    case 'outlook': return ready().program.computing.outlook(request.in.settings);
    case 'spectra': return ready().program.computing.spectra(request.in.settings, request.in.module);
    case 'compare': return compare(request.id, request.in);
    case 'share': return share(request.in);
    case 'assist': return assist(request.id, request.in);
    case 'hashing': return hashing(request.in);
    case 'hashed': return hashed(request.in);
  }
}

/** The hashes in progress that this worker makes for another. */
const digests = new Map<number, Digest>();

function hashing({ of, bytes }: Calls['hashing']['in']): Calls['hashing']['out'] {
  const digest = digests.get(of) ?? new (ready().program.there.glue.Digest)();
  digests.set(of, digest);
  digest.update(bytes);
  return bytes;
}

function hashed({ of }: Calls['hashed']['in']): string {
  const digest = digests.get(of) ?? new (ready().program.there.glue.Digest)();
  digests.delete(of);
  return digest.finish();
}

function hash(id: number, { file, of }: Calls['hash']['in']): Promise<string> {
  return ready().program.there.glue.sha256(file, of === 'tensors', async () => {
    post({ id, alive: true });
    await turns.quiet();
    return !turns.isCancelled(id);
  });
}

/** Answers a message that makes no sense, if it has an id to answer to. */
function refuse(said: unknown): void {
  const id = (said as { id?: unknown } | null | undefined)?.id;
  if (typeof id === 'number') post({ id, problem: problem('E_VERSION', 'a message to the worker made no sense'), fatal: false });
}

self.addEventListener('message', ({ data: said }: MessageEvent<unknown>) => {
  const data = toWorker(said);
  if (!data) refuse(said);
  else if ('cancel' in data) turns.cancel(data.cancel);
  else turns.hear(data);
});

whenHeard(alive);

// A panic inside a spawned Rust future reaches no promise; without these listeners the page would wait for ever.
self.addEventListener('error', (event) => {
  event.preventDefault();
  post({ fatal: asLastWords(event.error ?? event.message) });
});
self.addEventListener('unhandledrejection', (event) => {
  event.preventDefault();
  post({ fatal: asLastWords(event.reason) });
});
