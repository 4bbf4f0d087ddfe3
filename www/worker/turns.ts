/**
 * When which call is answered, and what waits for what. Most are answered one after the other; only the cancel flags are read in
 * between, when the running call yields.
 */

import { unless } from '../core/abort.ts';
import { asLastWords, isFatal, problem, toProblem } from '../core/problem.ts';
import { comesWith, type CallName, type Calls, type FromWorker, type Request } from '../core/protocol.ts';

type Treatment =
  /**
   * One after the other. `whole`: it needs more of the program than may be there, and waits for that beside the others. `alone`: it
   * changes what is analysed or compared, or needs the machine for itself, so that those are stopped first.
   */
  | { how: 'in turn'; whole: boolean; alone: boolean }
  /** Beside all others, with the whole program: a host is waited for. */
  | { how: 'apart' }
  /** Beside the calls that only ask, with the whole program. Two analyses would do the same work; somebody waits for a comparison. */
  | { how: 'analysis'; oneByOne: boolean }
  /** Of another worker's run, at once: which of them waits is the run's affair. */
  | { how: 'task' }
  /** One after the other, and standing still while any other call is under way. */
  | { how: 'hash' };

const TREATMENT: Record<CallName, Treatment> = {
  start: { how: 'in turn', whole: false, alone: false },
  example: { how: 'in turn', whole: false, alone: false },
  link: { how: 'in turn', whole: true, alone: false },
  find: { how: 'apart' },
  // Of a file on a server it waits for the whole program itself.
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

/** The program as far as it matters here: `load` fetches the whole of it, `whole` puts it in use, which must be done in turn. */
interface Loading {
  load(): Promise<unknown>;
  whole(): Promise<unknown>;
}

interface Answers {
  /** Where the whole program is needed, it is in use by then. */
  answer(request: Request): Promise<Calls[CallName]['out']>;
  /** Null until it is started. */
  program(): Loading | null;
  post(message: FromWorker, transfer?: Transferable[]): void;
}

export class Turns {
  #queue: Promise<unknown> = Promise.resolve();
  #hashes: Promise<void> = Promise.resolve();
  #analyses: Promise<unknown> = Promise.resolve();
  readonly #analysing = new Set<number>();
  /** What cancels each call that has no answer yet. */
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

  /** Settles when a call is cancelled, or has its answer: for what may be waiting for a slow host. */
  stopped(id: number): Promise<void> {
    return new Promise((over) => {
      const signal = this.#open.get(id)?.signal;
      if (!signal || signal.aborted) over();
      else signal.addEventListener('abort', () => over());
    });
  }

  /** When it is its turn among the calls. */
  inTurn<T>(what: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(what);
    this.#queue = done.catch(() => {});
    return done;
  }

  /** Settles when no call but hashes is under way. */
  async quiet(): Promise<void> {
    // A call that was put behind the one awaited here is awaited as well.
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

  /** `then` is done once the whole program is there. Until then it is not in the queue, where the others would wait for it. */
  async #onceWhole({ id }: Request, then: () => Promise<unknown>): Promise<void> {
    try {
      await unless(this.#open.get(id)?.signal, Promise.resolve(this.worker.program()?.load()));
    } catch (thrown) {
      return this.#fail(id, this.isCancelled(id) ? problem('E_ABORTED') : thrown);
    }
    await then();
  }

  /** The whole program may still have to open the files. */
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

  /** It has its answer. Whoever waits for it to be stopped is not left waiting. */
  #close(id: number): void {
    this.#open.get(id)?.abort();
    this.#open.delete(id);
  }
}
