/**
 * SHA-256 of a result, made by a worker that does nothing else: hashing takes as long as everything else that only the leader can do. The bytes
 * travel in buffers, which come back to be filled again.
 */

import type { Line } from '../core/line.ts';
import { toProblem } from '../core/problem.ts';
import type { Calls, CrewCall } from '../core/protocol.ts';
import type { Hash } from './program.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const BUFFER = 1 << 20;
/** The most buffers that may be on their way when the next bytes are taken. */
const MOST = 8;

export class Hashing implements Hash {
  #filling: Bytes = new Uint8Array(BUFFER);
  #filled = 0;
  readonly #free: Bytes[] = [];
  /** The buffers on their way, the earliest first. */
  readonly #sent = new Set<Promise<void>>();
  #over = false;

  /** `of`: a number that no other hash of this worker has. */
  constructor(private readonly line: Line<CrewCall>, private readonly of: number) {}

  /** Takes the next bytes, which may change as soon as this returns. Settles when there is room for more. */
  update(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length;) {
      const part = bytes.subarray(from, from + BUFFER - this.#filled);
      this.#filling.set(part, this.#filled);
      this.#filled += part.length;
      from += part.length;
      if (this.#filled === BUFFER) {
        this.#send(this.#filling);
        [this.#filling, this.#filled] = [this.#free.pop() ?? new Uint8Array(BUFFER), 0];
      }
    }
    return this.#until(MOST);
  }

  async finish(): Promise<string> {
    this.#send(this.#filling.subarray(0, this.#filled));
    await this.#until(0);
    this.#over = true;
    return this.#call('hashed', { of: this.of });
  }

  /** Gives up the hash when the run is over, unless it is finished. */
  leave(): void {
    if (!this.#over) this.#call('hashed', { of: this.of }).catch(() => {});
    this.#over = true;
  }

  #send(bytes: Bytes): void {
    const sent = this.#call('hashing', { of: this.of, bytes }).then((back) => {
      this.#sent.delete(sent);
      if (this.#free.length < MOST) this.#free.push(back);
    });
    this.#sent.add(sent);
    // The error is reported to whoever waits for this buffer next.
    sent.catch(() => {});
  }

  async #until(few: number): Promise<void> {
    while (this.#sent.size > few) {
      const [earliest] = this.#sent;
      await earliest;
    }
  }

  async #call<N extends 'hashing' | 'hashed'>(call: N, input: Calls[N]['in']): Promise<Calls[N]['out']> {
    try {
      return await this.line.call(call, input).reply;
    } catch (thrown) {
      throw toProblem(thrown);
    }
  }
}
