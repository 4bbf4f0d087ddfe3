/**
 * Collects the result while it is being made, outside wasm memory (which never shrinks and is limited to about 4 GB). Every byte is written exactly
 * once, in any order.
 */

import { problem } from './problem.ts';
import type { OutputSink } from './types.ts';

/** The size of a Blob part: many small parts make a Blob slow, and large parts double the peak memory. */
const PART_BYTES = 16 * 1024 * 1024;

/** Positioned writes collected into Blob parts. */
export class BlobSink implements OutputSink {
  #parts: { at: number; blob: Blob }[] = [];
  #stage: Uint8Array<ArrayBuffer> | null = null;
  #stageAt = 0;
  #staged = 0;

  write(at: number, bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      if (at + from !== this.#stageAt + this.#staged) {
        this.#flush();
        this.#stageAt = at + from;
      }
      this.#stage ??= new Uint8Array(PART_BYTES);
      // Copied at once: the bytes are a view of wasm memory that the caller will reuse.
      const piece = bytes.subarray(from, from + PART_BYTES - this.#staged);
      this.#stage.set(piece, this.#staged);
      this.#staged += piece.length;
      from += piece.length;
      if (this.#staged === PART_BYTES) this.#flush();
    }
  }

  finish(): Promise<Blob> {
    this.#flush();
    this.#stage = null;
    this.#parts.sort((a, b) => a.at - b.at);
    let end = 0;
    for (const { at, blob } of this.#parts) {
      if (at !== end) {
        const what = at > end ? `bytes ${end} to ${at} were never written` : `bytes from ${at} were written twice`;
        return Promise.reject(problem('E_WRITE', what));
      }
      end += blob.size;
    }
    return Promise.resolve(new Blob(this.#parts.map((part) => part.blob), { type: 'application/octet-stream' }));
  }

  discard(): Promise<void> {
    this.#parts = [];
    this.#stage = null;
    this.#staged = 0;
    return Promise.resolve();
  }

  #flush(): void {
    if (this.#stage && this.#staged > 0) {
      this.#parts.push({ at: this.#stageAt, blob: new Blob([this.#stage.subarray(0, this.#staged)]) });
    }
    this.#stageAt += this.#staged;
    this.#staged = 0;
  }
}
