/** SHA-256 of the files on the page, worked out in the background. A hash that fails is only missing. */

export class Hashes {
  #known = new WeakMap<Blob, string>();
  #running = new Map<Blob, AbortController>();

  constructor(private hash: (file: Blob, signal: AbortSignal) => Promise<string>, private changed: () => void) {}

  of(file: Blob | null): string | null {
    return (file && this.#known.get(file)) ?? null;
  }

  /** Exactly these files are on the page; the first is worked out first. */
  want(files: Blob[]): void {
    for (const [file, aborter] of this.#running) {
      if (!files.includes(file)) aborter.abort();
    }
    for (const file of files) {
      if (!this.#known.has(file) && !this.#running.has(file)) void this.#start(file);
    }
  }

  async #start(file: Blob): Promise<void> {
    const aborter = new AbortController();
    this.#running.set(file, aborter);
    try {
      this.#known.set(file, await this.hash(file, aborter.signal));
      this.changed();
    } catch {
      // Cancelled, or the worker or the file is gone: asked for again when the files on the page change.
    } finally {
      this.#running.delete(file);
    }
  }
}
