/** A worker and the conversation with it: typed calls, progress, cancelling, and a watchdog so that no call waits for ever. */

import { whyNotStarted } from './loading.ts';
import { ProblemError, problem } from './problem.ts';
import { goesWith, type Calls, type CallName, type ToWorker } from './protocol.ts';
import { fromWorker, type Answers } from './replies.ts';
import { behind, workerAddress } from './trusted.ts';
import type { Problem, Progress } from './types.ts';

const STALLED_AFTER_S = 30;
const FAILED_AFTER_S = 120;

interface Waiting<K extends CallName> {
  call: K;
  resolve(out: never): void;
  reject(error: ProblemError): void;
  onProgress: ((progress: Progress) => void) | undefined;
}

export interface Call<N extends CallName> {
  id: number;
  reply: Promise<Calls[N]['out']>;
}

/** `K`: the calls that this worker answers. */
export class Line<K extends CallName> {
  #worker: Worker;
  #waiting = new Map<number, Waiting<K>>();
  #ended: Problem | null = null;
  #lastId = 0;
  #heard = false;
  #quiet = 0;
  #clock: ReturnType<typeof setInterval> | undefined;

  /**
   * `onStalled` is told when the worker has been silent for long and when it speaks again. `onEnd` is called once, when the worker is gone for
   * whatever reason; `onAlive` whenever the worker says that its background work goes on.
   */
  constructor(
    url: string, private readonly answers: Answers<K>, private onStalled: (stalled: boolean) => void, private onEnd: () => void,
    private readonly onAlive: () => void = () => {},
  ) {
    // In a frame without an origin, Chromium does not start module workers from blob: addresses, and the frame has no other addresses.
    this.#worker = new Worker(workerAddress(url), { type: self.origin === 'null' ? 'classic' : 'module', name: 'np-lora' });
    this.#worker.onmessage = ({ data }: MessageEvent<unknown>) => this.#hear(data);
    this.#worker.onmessageerror = () => this.end(problem('E_WORKER_LOST', 'a message could not be read'));
    this.#worker.onerror = (event) => {
      event.preventDefault();
      if (this.#heard) return this.end(problem('E_WORKER_LOST', event.message));
      // The worker has not said anything yet: its script threw, or did not load.
      if (event.message) return this.end(problem('E_WASM_LOAD', event.message));
      void whyNotStarted(behind(url)).then((why) => this.end(why));
    };
  }

  call<N extends K>(call: N, input: Calls[N]['in'], onProgress?: (progress: Progress) => void): Call<N> {
    const id = ++this.#lastId;
    if (this.#ended) return { id, reply: Promise.reject(new ProblemError(this.#ended)) };
    const reply = new Promise<Calls[N]['out']>((resolve, reject) => {
      // Throws, and so rejects, if the input cannot be posted: such a call would never be answered.
      try {
        this.#send({ id, call, in: input } as ToWorker);
      } catch (thrown) {
        throw new ProblemError(problem('E_SETTINGS', String(thrown)));
      }
      this.#waiting.set(id, { call, resolve, reject, onProgress });
      this.#clock ??= setInterval(() => this.#tick(), 1000);
    });
    return { id, reply };
  }

  cancel(id: number): void {
    this.#send({ cancel: id });
  }

  isWaiting(id: number): boolean {
    return this.#waiting.has(id);
  }

  /** Ends the worker; every call that still waits is rejected with `reason`. */
  end(reason: Problem): void {
    this.#ended ??= reason;
    this.#worker.terminate();
    this.#worker.onerror = this.#worker.onmessage = null;
    clearInterval(this.#clock);
    for (const { reject } of this.#waiting.values()) reject(new ProblemError(reason));
    this.#waiting.clear();
    this.onStalled(false);
    this.onEnd();
    this.onEnd = () => {};
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message, 'call' in message ? goesWith(message) : []);
  }

  #hear(said: unknown): void {
    this.#heard = true;
    const message = fromWorker(said, (id) => this.#waiting.get(id)?.call, this.answers);
    if (!message) return this.end(problem('E_VERSION', 'what it said made no sense'));
    if (this.#quiet >= STALLED_AFTER_S) this.onStalled(false);
    this.#quiet = 0;
    if ('fatal' in message && !('id' in message)) return this.end(message.fatal);
    if ('alive' in message) return this.onAlive();
    const waiting = this.#waiting.get(message.id);
    if ('progress' in message) return waiting?.onProgress?.(message.progress);
    this.#waiting.delete(message.id);
    if (this.#waiting.size === 0) {
      clearInterval(this.#clock);
      this.#clock = undefined;
    }
    if ('out' in message) return waiting?.resolve(message.out as never);
    waiting?.reject(new ProblemError(message.problem));
    if (message.fatal) this.end(problem('E_WORKER_LOST', message.problem.detail));
  }

  // Ticks are counted, not clock time: a laptop that slept for an hour was not silent for an hour.
  #tick(): void {
    this.#quiet += 1;
    if (this.#quiet === STALLED_AFTER_S) this.onStalled(true);
    if (this.#quiet >= FAILED_AFTER_S) this.end(problem('E_TIMEOUT'));
  }
}
