/**
 * Decides when each call is answered, and what waits for what. Most are answered one after the other; only cancel flags are read in between, when the
 * running call yields.
 */

import { unless } from '../core/abort.ts';
import { asLastWords, isFatal, problem, toProblem } from '../core/problem.ts';
import { comesWith, type CallName, type Calls, type FromWorker, type Request } from '../core/protocol.ts';

type Treatment =
  /**
   * Calls that are answered one after the other. `whole`: the call needs the whole program, and does not block others while it waits for that.
   * `alone`: it changes what is analysed or compared, or needs the machine for itself, so analyses and comparisons are stopped first.
   */
  | { how: 'in turn'; whole: boolean; alone: boolean }
  /** Calls that wait for a host, beside all others, with the whole program. */
  | { how: 'apart' }
  /** Calls that run beside those that only ask, with the whole program. `oneByOne`: two analyses would do the same work twice. */
  | { how: 'analysis'; oneByOne: boolean }
  /** Tasks of another worker's run, started at once: the run decides which of them waits. */
  | { how: 'task' }
  /** Hashes, made one after the other, which pause while any other call is in progress. */
  | { how: 'hash' };

const TREATMENT: Record<CallName, Treatment> = {
  start: { how: 'in turn', whole: false, alone: false },
  example: { how: 'in turn', whole: false, alone: false },
  link: { how: 'in turn', whole: true, alone: false },
  find: { how: 'apart' },
  // If the file is on a server, `open` itself waits for the whole program.
  open: { how: 'in turn', whole: false, alone: true },
  config: { how: 'apart' },
  prepare: { how: 'in turn', whole: false, alone: false },
  close: { how: 'in turn', whole: false, alone: true },
  swap: { how: 'in turn', whole: false, alone: true },
  families: { how: 'in turn', whole: false, alone: false },
  fit: { how: 'in turn', whole: false, alone: false },
  variants: { how: 'in turn', whole: true, alone: false },
  recipe: { how: 'in turn', whole: true, alone: false },
  backend: { how: 'in turn', whole: true, alone: false },
  hash: { how: 'hash' },
  fuse: { how: 'in turn', whole: true, alone: true },
  analyse: { how: 'analysis', oneByOne: true },
  outlook: { how: 'in turn', whole: true, alone: false },
  spectra: { how: 'in turn', whole: true, alone: false },
  compare: { how: 'analysis', oneByOne: false },
  share: { how: 'in turn', whole: true, alone: false },
  assist: { how: 'task' },
  hashing: { how: 'in turn', whole: false, alone: false },
  hashed: { how: 'in turn', whole: false, alone: false },
};

/** What is needed of the program here: `load` fetches the whole of it; `whole` puts it to use, which must be done in turn. */
interface Loading {
  load(): Promise<unknown>;
  whole(): Promise<unknown>;
}

interface Answers {
  /** Answers a request; if it needs the whole program, that is in use by then. */
  answer(request: Request): Promise<Calls[CallName]['out']>;
  /** The program; null until it is started. */
  program(): Loading | null;
  post(message: FromWorker, transfer?: Transferable[]): void;
}

export class Turns {
  #queue: Promise<unknown> = Promise.resolve();
  #hashes: Promise<void> = Promise.resolve();
  #analyses: Promise<unknown> = Promise.resolve();
  readonly #analysing = new Set<number>();
  /** The aborters of all calls without an answer, by their ids. */
  readonly #open = new Map<number, AbortController>();

  constructor(private readonly worker: Answers) {}

  hear(request: Request): void {
    this.#open.set(request.id, new AbortController());
    const treatment = TREATMENT[request.call];
    switch (treatment.how) {
      case 'in turn': {
        const { whole, alone } = treatment;
        void (whole ? this.#onceWhole(request, () => this.#inTurn(request, whole, alone)) : this.#inTurn(request, whole, alone));
        return;
      }
      case 'apart': return void this.#onceWhole(request, () => this.#apart(request));
      case 'analysis': return void this.#analysis(request, treatment.oneByOne);
      case 'task': return void this.#serve(request);
      case 'hash': this.#hashes = this.#hashes.then(() => this.#serve(request));
    }
  }

  cancel(id: number): void {
    this.#open.get(id)?.abort();
  }

  isCancelled(id: number): boolean {
    return this.#open.get(id)?.signal.aborted ?? true;
  }

  /** Settles when a call is cancelled or answered; used by work that may be waiting for a slow host. */
  stopped(id: number): Promise<void> {
    return new Promise((over) => {
      const signal = this.#open.get(id)?.signal;
      if (!signal || signal.aborted) over();
      else signal.addEventListener('abort', () => over());
    });
  }

  /** Does something when its turn among the calls has come. */
  inTurn<T>(what: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(what);
    this.#queue = done.catch(() => {});
    return done;
  }

  /** Settles when no call other than a hash is in progress. */
  async quiet(): Promise<void> {
    // A call that was queued while another was awaited is awaited as well.
    for (let last: Promise<unknown> | null = null; last !== this.#queue;) {
      last = this.#queue;
      await Promise.all([this.#queue, this.#analyses]);
    }
  }

  #inTurn(request: Request, whole: boolean, alone: boolean): Promise<void> {
    if (!alone) return this.inTurn(() => this.#serve(request, whole));
    for (const id of this.#analysing) this.cancel(id);
    const before = this.#analyses;
    return this.inTurn(async () => {
      await before;
      await this.#serve(request, whole);
    });
  }

  /** Calls `then` once the whole program is loaded. Until then the call stays out of the queue, so that others need not wait for it. */
  async #onceWhole({ id }: Request, then: () => Promise<unknown>): Promise<void> {
    try {
      await unless(this.#open.get(id)?.signal, Promise.resolve(this.worker.program()?.load()));
    } catch (thrown) {
      return this.#fail(id, this.isCancelled(id) ? problem('E_ABORTED') : thrown);
    }
    await then();
  }

  /** Puts the whole program to use in turn, as it may still have to open the files. */
  #whole(): Promise<unknown> {
    return this.inTurn(async () => this.worker.program()?.whole());
  }

  #apart(request: Request): Promise<unknown> {
    return this.#whole().then(() => this.#serve(request), (thrown: unknown) => this.#fail(request.id, thrown));
  }

  async #analysis(request: Request, oneByOne: boolean): Promise<void> {
    this.#analysing.add(request.id);
    await this.#onceWhole(request, () => {
      const whole = this.#whole();
      const free = oneByOne ? Promise.all([whole, this.#analyses]) : whole;
      const served = free.then(() => this.#serve(request), (thrown: unknown) => this.#fail(request.id, thrown));
      return (this.#analyses = Promise.all([this.#analyses, served]).then(() => {}));
    });
    this.#analysing.delete(request.id);
  }

  async #serve(request: Request, whole = false): Promise<void> {
    const { id, call } = request;
    try {
      if (whole) await this.worker.program()?.whole();
      if (this.isCancelled(id)) throw problem('E_ABORTED');
      const out = await this.worker.answer(request);
      this.worker.post({ id, out }, comesWith(call, out));
    } catch (thrown) {
      return this.#fail(id, thrown);
    }
    this.#close(id);
  }

  #fail(id: number, thrown: unknown): void {
    const fatal = isFatal(thrown);
    this.worker.post({ id, problem: fatal ? asLastWords(thrown) : toProblem(thrown), fatal });
    this.#close(id);
  }

  /** Ends an answered call, and releases whoever waits for it to be stopped. */
  #close(id: number): void {
    this.#open.get(id)?.abort();
    this.#open.delete(id);
  }
}
