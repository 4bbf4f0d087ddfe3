/**
 * The tool without a page: owns the worker, remembers the two files, and replaces a worker that died or does not
 * obey a cancel. The files are opened again in the new one, so the next good run needs no reload.
 */

import { Link } from './link.ts';
import { ProblemError, abortError, problem } from './problem.ts';
import { lockName, type BackendFound, type Calls, type CallName, type Fused } from './protocol.ts';
import type { BackendChoice, PairFit, Progress, Role, Settings, Summary } from './types.ts';

/** A running module may not look at the flag for longer than a person waits for a button. */
const CANCEL_GRACE_MS = 150;

export interface SessionOptions {
  workerURL: string | URL;
  /** Where the wasm-bindgen module lies, absolute; beside the worker when left out. */
  glueURL?: string | URL | null;
  wasmURL?: string | URL | null;
  /** Nothing was heard for 30 s (true), or it goes on (false). */
  onStalled?: (stalled: boolean) => void;
}

export interface FuseOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** A file, and the text of the adapter_config.json that came with it. */
interface Opened {
  file: File;
  config: string | null;
}

export class Session {
  #options: SessionOptions;
  #owner = crypto.randomUUID?.() ?? Math.random().toString(36).slice(2);
  #link: Promise<Link> | null = null;
  #files: Record<Role, Opened | null> = { content: null, style: null };
  #cancelling: Promise<void> = Promise.resolve();
  #release: () => void = () => {};

  constructor(options: SessionOptions) {
    this.#options = options;
    // Refused in insecure contexts and some embeds; then there is no private file system to sweep either.
    void navigator.locks?.request(lockName(this.#owner), () => new Promise<void>((free) => { this.#release = free; }))
      .catch(() => {});
  }

  /** A small example LoRA for a role, made by the wasm module. */
  async example(role: Role): Promise<File> {
    const bytes = await this.#call('example', { role });
    return new File([bytes], role === 'content' ? 'example-subject.safetensors' : 'example-style.safetensors');
  }

  /** Reads the header of `file` and takes it for `role`. `config` is the text of an adapter_config.json. */
  async inspect(role: Role, file: File, config: string | null = null): Promise<Summary> {
    // Forgotten first: a file that kills the worker must not be opened again in the next one.
    this.#files[role] = null;
    const summary = await this.#call('open', { role, file, config });
    this.#files[role] = { file, config };
    return summary;
  }

  async close(role: Role): Promise<void> {
    this.#files[role] = null;
    await this.#call('close', { role });
  }

  async swap(): Promise<void> {
    await this.#call('swap', {});
    const { content, style } = this.#files;
    this.#files = { content: style, style: content };
  }

  fit(settings: Settings): Promise<PairFit> {
    return this.#call('fit', { settings });
  }

  backend(choice: BackendChoice): Promise<BackendFound> {
    return this.#call('backend', { choice });
  }

  /** The file's SHA-256 in hex, worked out while there is nothing else to do. Rejects with AbortError when cancelled. */
  async hash(file: Blob, signal: AbortSignal): Promise<string> {
    const link = await this.#worker();
    if (signal.aborted) throw abortError();
    const { id, reply } = link.call('hash', { file });
    const cancel = (): void => link.cancel(id);
    signal.addEventListener('abort', cancel, { once: true });
    return reply.finally(() => signal.removeEventListener('abort', cancel));
  }

  /** Fuses the pair, or converts the only file. Resolves only with a verified file; rejects with AbortError or a ProblemError. */
  async fuse(settings: Settings, backend: BackendChoice, { signal, onProgress }: FuseOptions = {}): Promise<Fused> {
    if (signal?.aborted) throw abortError();
    const link = await this.#worker();
    if (signal?.aborted) throw abortError();
    const { id, reply } = link.call('fuse', { settings, backend }, (progress) => {
      if (!signal?.aborted) onProgress?.(progress);
    });
    return new Promise<Fused>((resolve, reject) => {
      const abort = (): void => {
        link.cancel(id);
        this.#cancelling = Promise.race([
          reply.then(() => {}, () => {}),
          new Promise<void>((over) => { setTimeout(over, CANCEL_GRACE_MS); }),
        ]).then(() => {
          if (!link.isWaiting(id)) return;
          link.end(problem('E_WORKER_LOST', 'cancelled'));
          // Started anew at once, so that the next Fuse does not wait for it.
          this.#start().catch(() => {});
        });
        reject(abortError());
      };
      signal?.addEventListener('abort', abort, { once: true });
      reply
        .then(resolve, (error: ProblemError) => reject(error.code === 'E_ABORTED' ? abortError() : error))
        .finally(() => signal?.removeEventListener('abort', abort));
    });
  }

  /** Ends the worker and gives up the temporary files. */
  dispose(): void {
    this.#release();
    void this.#link?.then((link) => link.end(problem('E_WORKER_LOST', 'the page closed it')), () => {});
    this.#link = null;
  }

  async #call<N extends CallName>(call: N, input: Calls[N]['in']): Promise<Calls[N]['out']> {
    const link = await this.#worker();
    return link.call(call, input).reply;
  }

  /** The worker, once it is clear whether it obeyed a cancel: a call to one that is about to be ended would be lost. */
  async #worker(): Promise<Link> {
    await this.#cancelling;
    return this.#start();
  }

  #start(): Promise<Link> {
    if (this.#link) return this.#link;
    const { workerURL, glueURL, wasmURL, onStalled } = this.#options;
    let link: Link;
    try {
      link = new Link(workerURL, onStalled ?? (() => {}), () => {
        if (this.#link === started) this.#link = null;
      });
    } catch (thrown) {
      // A host's Content-Security-Policy may forbid the worker outright.
      return Promise.reject(new ProblemError(problem('E_WASM_LOAD', String(thrown))));
    }
    const { reply } = link.call('start', {
      glue: glueURL ? String(glueURL) : null, wasm: wasmURL ? String(wasmURL) : null, owner: this.#owner,
    });
    const started: Promise<Link> = reply.then(() => {
      for (const role of ['content', 'style'] as const) {
        const opened = this.#files[role];
        // Not awaited: the worker answers in order, and a file that is gone is reported by the next fit or fuse.
        if (opened) link.call('open', { role, ...opened }).reply.catch(() => {});
      }
      return link;
    }, (error: ProblemError) => {
      link.end(error.problem);
      throw error;
    });
    this.#link = started;
    return started;
  }
}
