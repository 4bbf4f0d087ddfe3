/**
 * SHA-256 of the files on the page, worked out in the background: of every file, and of its tensors if somebody asks, which takes another pass over
 * the file. If hashing fails, the hash is simply missing.
 */

import type { Hashed } from '../../core/types.ts';

export class Hashes {
  readonly #of: Record<Hashed, Kind>;
  readonly #asked = new WeakSet<Blob>();
  #wanted: readonly Blob[] = [];

  constructor(hash: (file: Blob, of: Hashed, signal: AbortSignal) => Promise<string>, changed: () => void) {
    const kind = (of: Hashed): Kind => new Kind((file, signal) => hash(file, of, signal), changed);
    this.#of = { file: kind('file'), tensors: kind('tensors') };
  }

  of(file: Blob | null, of: Hashed = 'file'): string | null {
    return (file && this.#of[of].known.get(file)) ?? null;
  }

  /** Sets the files that are on the page. For each kind of hash, the first file is hashed first. */
  want(files: readonly Blob[]): void {
    this.#wanted = files;
    this.#of.file.want(files);
    this.#of.tensors.want(files.filter((file) => this.#asked.has(file)));
  }

  askTensors(file: Blob | null): void {
    if (file) this.#asked.add(file);
    this.want(this.#wanted);
  }
}

/** The hashes of one kind. */
class Kind {
  readonly known = new WeakMap<Blob, string>();
  readonly #running = new Map<Blob, AbortController>();

  constructor(private hash: (file: Blob, signal: AbortSignal) => Promise<string>, private changed: () => void) {}

  want(files: readonly Blob[]): void {
    for (const [file, aborter] of this.#running) {
      if (!files.includes(file)) aborter.abort();
    }
    for (const file of files) {
      if (!this.known.has(file) && this.#running.get(file)?.signal.aborted !== false) void this.#start(file);
    }
  }

  async #start(file: Blob): Promise<void> {
    const aborter = new AbortController();
    this.#running.set(file, aborter);
    try {
      this.known.set(file, await this.hash(file, aborter.signal));
      this.changed();
    } catch {
      // It was cancelled, or the worker or the file is gone: it is asked for again when the files on the page change.
    } finally {
      if (this.#running.get(file) === aborter) this.#running.delete(file);
    }
  }
}
