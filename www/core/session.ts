/**
 * The tool without a page: owns the worker, remembers the two files, and replaces a worker that died or does not
 * obey a cancel. The files are opened again in the new one, so the next good run needs no reload.
 */

import { assetsFor, type AssetOptions } from './assets.ts';
import { ANSWERS } from './answers.ts';
import { Line } from './line.ts';
import { abortError, unless } from './abort.ts';
import { ProblemError, problem } from './problem.ts';
import { lockName, type BackendFound, type Calls, type PageCall, type OpenedFile, type Third } from './protocol.ts';
import { fileNameFor } from './save.ts';
import { isFile } from './shape.ts';
import { renamed } from './stored.ts';
import {
  type BackendChoice, type Comparison, type FamilyChoice, type FileLink, type FusedFile, type GivenFile, type Hashed, type Outlook, type PairFit, type Progress, type RemoteFile,
  type Role, ROLES, type SavedRecipe, type Settings, type Several, type Spectra, type Summary, type Variant,
} from './types.ts';

/** Of a worker that did not obey a cancel. What else it was asked, the next one answers. */
const REPLACED = problem('E_WORKER_LOST', 'cancelled');
const CLOSED = problem('E_WORKER_LOST', 'the page closed it');

/** A running module may not look at the flag for longer than a person waits for a button. */
const CANCEL_GRACE_MS = 150;

interface SessionOptions extends AssetOptions {
  /** Nothing was heard for 30 s (true), or it goes on (false). */
  onStalled?: (stalled: boolean) => void;
}

/** The worker may be computing, or waiting for a slow host, and others wait behind these: it is replaced unless it obeys soon. */
const URGENT: ReadonlySet<PageCall> = new Set(['fuse', 'open']);
/** What a worker may have died of: not asked again. */
const ONCE: ReadonlySet<PageCall> = new Set(['fuse', 'hash', 'analyse', 'compare', 'prepare']);

export interface CallOptions {
  /** Aborted, the call rejects at once with AbortError. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

interface Ask extends CallOptions {
  /** The role whose file is no longer the session's from this call on. */
  forgets?: Role;
}

/** Releases a disposed session's lock when its last result has been garbage-collected: then any session may delete the temporary files. */
const results = new FinalizationRegistry<() => void>((gone) => gone());

/** Takes a lock; gives how to give it up. A function of its own: a lock keeps what its callback knows, and must not keep who took it. */
function held(name: string): () => void {
  let release = (): void => {};
  const over = new Promise<void>((released) => { release = released; });
  // Refused in insecure contexts and some embeds; then there is no private file system to sweep either.
  void navigator.locks?.request(name, () => over).catch(() => {});
  return release;
}

export class Session {
  /** The program's, once it is there. */
  version = '';
  #options: SessionOptions;
  #owner = crypto.randomUUID?.() ?? Math.random().toString(36).slice(2);
  /** The worker, and when it can be asked. */
  #worker: { line: Line<PageCall>; started: Promise<Line<PageCall>> } | null = null;
  #files: Record<Role, OpenedFile | null> = { content: null, style: null };
  #cancelling: Promise<void> = Promise.resolve();
  /** Until it has settled, a file may be in the place of the other: whatever is asked behind a swap waits for it. */
  #swapped: Promise<void> = Promise.resolve();
  /** Gives up the lock of its temporary files. */
  #release = held(lockName(this.#owner));
  /** Of the last run. Their temporary files are deleted by this session's next run, or by another session once these are collected. */
  #results: WeakRef<File>[] = [];
  #disposed = false;
  #prepared = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Has all ready for a file that is about to come. What goes wrong is said when it has come. */
  prepare(): void {
    if (this.#prepared || this.#worker || this.#disposed) return;
    this.#prepared = true;
    this.#call('prepare', {}).catch(() => {});
  }

  /** A small example LoRA for a role, made by the wasm module. */
  async example(role: Role): Promise<File> {
    const bytes = await this.#call('example', { role });
    return new File([bytes], role === 'content' ? 'example-subject.safetensors' : 'example-style.safetensors');
  }

  /** What a person's link means; no host is asked. `hosts`: those that files are loaded from besides the Hugging Face Hub. */
  link(text: string, hosts: string[]): Promise<FileLink> {
    return this.#call('link', { text, hosts });
  }

  /** Asks a host for a file, as `inspect` takes it. */
  find(link: FileLink, signal?: AbortSignal): Promise<RemoteFile> {
    const { url, host, name } = link;
    return this.#call('find', { link: { url, host, name } }, { signal });
  }

  /**
   * Reads the header of `file` and takes it for `role`. `config` is the text of an adapter_config.json. `signal` gives up a file on
   * a server, whose host may take its time.
   */
  async inspect(role: Role, file: GivenFile, config: string | null = null, signal?: AbortSignal): Promise<Summary> {
    // Forgotten first: a file that kills the worker is asked for once more at most, and is not among those that a new one opens.
    const { summary, kept } = await this.#call('open', { role, file, config, kept: [] }, { forgets: role, signal: isFile(file) ? undefined : signal });
    this.#files[role] = { file, config, kept };
    return summary;
  }

  /** The text of the adapter_config.json beside the role's file on a server; null where it needs none or the host has none. */
  config(role: Role, signal?: AbortSignal): Promise<string | null> {
    return this.#call('config', { role }, { signal });
  }

  async close(role: Role): Promise<void> {
    await this.#call('close', { role }, { forgets: role });
  }

  async swap(): Promise<void> {
    const swapping = this.#swapped.then(() => this.#call('swap', {})).then(() => {
      const { content, style } = this.#files;
      this.#files = { content: style, style: content };
    });
    this.#swapped = swapping.catch(() => {});
    await swapping;
  }

  /** The model families of which one may be chosen for the files that are open. */
  families(): Promise<FamilyChoice> {
    return this.#call('families', {});
  }

  fit(settings: Partial<Settings>): Promise<PairFit> {
    return this.#call('fit', { settings });
  }

  /** The files that several are, in order. They have one name. */
  variants(settings: Partial<Settings>, several: Several, signal?: AbortSignal): Promise<Variant[]> {
    return this.#call('variants', { settings, several }, { signal });
  }

  /**
   * Finds out, in the background, what `outlook` tells; with each progress it tells more. Rejects with E_ABORTED where it was stopped
   * by whatever changes the files or needs the machine: called again, it goes on where it stopped.
   */
  analyse(settings: Partial<Settings>, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<null> {
    return this.#call('analyse', { settings }, { signal, onProgress });
  }

  outlook(settings: Partial<Settings>): Promise<Outlook> {
    return this.#call('outlook', { settings });
  }

  /** `module`: its name in the outlook. */
  spectra(settings: Partial<Settings>, module: string): Promise<Spectra> {
    return this.#call('spectra', { settings, module });
  }

  /** What a recipe, a report or a fused file says of how it was made, checked. */
  recipe(file: File): Promise<SavedRecipe> {
    return this.#call('recipe', { file });
  }

  /** What a third file has of the pair; it is not kept. Rejects with E_ABORTED as `analyse` does: called again, it begins anew. */
  compare(settings: Settings, third: Third, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<Comparison> {
    return this.#call('compare', { settings, ...third }, { signal, onProgress });
  }

  backend(choice: BackendChoice): Promise<BackendFound> {
    return this.#call('backend', { choice });
  }

  /** A SHA-256 in hex, worked out while there is nothing else to do. */
  hash(file: Blob, of: Hashed, signal: AbortSignal): Promise<string> {
    return this.#call('hash', { file, of }, { signal });
  }

  /**
   * Fuses the pair, or converts the only file: one file of each variant. Resolves only with verified files, all of them. Those of
   * the run before may be gone then.
   */
  async fuse(variants: Variant[], backend: BackendChoice, options: CallOptions = {}): Promise<FusedFile[]> {
    const made = await this.#call('fuse', { variants, backend }, options);
    const named = made.map(({ file, report }) => ({ file: renamed(file, fileNameFor(report.settings.outputName)), report }));
    this.#results = named.map(({ file }) => new WeakRef(file));
    return named;
  }

  /** Ends the worker. The last results stay for as long as anybody has them. */
  dispose(): void {
    this.#disposed = true;
    this.#worker?.line.end(CLOSED);
    const kept = this.#results.flatMap((result) => result.deref() ?? []);
    let left = kept.length;
    if (left === 0) return this.#release();
    const release = this.#release;
    for (const file of kept) results.register(file, () => { if (--left === 0) release(); });
  }

  async #call<N extends PageCall>(call: N, input: Calls[N]['in'], options: Ask = {}, again = false): Promise<Calls[N]['out']> {
    const { signal, onProgress, forgets } = options;
    const before = call === 'swap' ? Promise.resolve() : this.#swapped;
    const free = before.then(() => {
      if (forgets) this.#files[forgets] = null;
      return this.#free();
    });
    // A worker that is only starting may take as long as the network does.
    const line = await unless(signal, free);
    if (signal?.aborted) throw abortError();
    const files = { ...this.#files };
    const { id, reply } = line.call(call, input, (progress) => { if (!signal?.aborted) onProgress?.(progress); });
    const cancel = (): void => (URGENT.has(call) ? this.#giveUp(line, id, reply) : line.cancel(id));
    signal?.addEventListener('abort', cancel, { once: true });
    const answered = reply.catch((error: ProblemError) => {
      if (signal?.aborted) throw error;
      // A run is one of these files: where another is to come, it has lost them.
      const lost = call === 'fuse' && ROLES.some((role) => files[role] !== this.#files[role]);
      if (error.problem === REPLACED && !lost) return this.#call(call, input, options, again);
      // Whatever the worker died of, often something in the background for want of memory, is not always this call's doing.
      if (error.code === 'E_WORKER_LOST' && !again && !ONCE.has(call)) return this.#call(call, input, options, true);
      throw error;
    });
    return unless(signal, answered).finally(() => signal?.removeEventListener('abort', cancel));
  }

  /** Cancels a call, and replaces a worker that does not obey. */
  #giveUp(line: Line<PageCall>, id: number, reply: Promise<unknown>): void {
    line.cancel(id);
    this.#cancelling = Promise.race([
      reply.then(() => {}, () => {}),
      new Promise<void>((over) => { setTimeout(over, CANCEL_GRACE_MS); }),
    ]).then(() => {
      if (!line.isWaiting(id)) return;
      line.end(REPLACED);
      // Started anew at once, so that the next call does not wait for it.
      this.#start().catch(() => {});
    });
  }

  /** The worker, once it is clear whether it obeyed a cancel: a call to one that is about to be ended would be lost. */
  async #free(): Promise<Line<PageCall>> {
    await this.#cancelling;
    return this.#start();
  }

  #start(): Promise<Line<PageCall>> {
    if (this.#disposed) return Promise.reject(new ProblemError(CLOSED));
    if (this.#worker) return this.#worker.started;
    const { onStalled } = this.#options;
    const { worker, reader, whole } = assetsFor(this.#options);
    let line: Line<PageCall>;
    try {
      line = new Line(worker, ANSWERS, onStalled ?? (() => {}), () => {
        if (this.#worker?.line === line) this.#worker = null;
      });
    } catch (thrown) {
      // A host's Content-Security-Policy may forbid the worker outright.
      return Promise.reject(new ProblemError(problem('E_WASM_LOAD', String(thrown))));
    }
    const { reply } = line.call('start', { reader, whole, owner: this.#owner, leads: true });
    const started = reply.then(({ version }) => {
      this.version = version;
      for (const role of ROLES) {
        const opened = this.#files[role];
        // Not awaited: the worker answers in order, and a file that is gone is reported by the next fit or fuse.
        if (opened) line.call('open', { role, ...opened }).reply.catch(() => {});
      }
      return line;
    }, (error: ProblemError) => {
      line.end(error.problem);
      throw error;
    });
    this.#worker = { line, started };
    return started;
  }
}
