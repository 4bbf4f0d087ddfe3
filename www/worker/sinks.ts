/**
 * Where a result is written while it is made, outside wasm memory (which never shrinks and ends near 4 GB).
 * Every byte is written exactly once, in any order.
 */

import { problem } from '../core/problem.ts';
import { lockName } from '../core/protocol.ts';
import type { OutputSink } from '../core/types.ts';

/** Above this a Blob may live in memory only, and tabs die: use the disk. */
const BLOB_LIMIT = 500e6;
/** Small parts make slow Blobs, large ones double the peak. */
const PART_BYTES = 16 * 1024 * 1024;
const TEMP = /^np-lora-(.+)-\d+\.part$/;
/** In the name of the last temporary file: a run may need several at once. */
let lastStamp = 0;

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

/** A temporary file in the origin's private file system. */
class OpfsSink implements OutputSink {
  #bytes = 0;

  private constructor(
    private readonly root: FileSystemDirectoryHandle,
    private readonly name: string,
    private readonly entry: FileSystemFileHandle,
    private readonly open: FileSystemSyncAccessHandle,
  ) {}

  static async create(owner: string): Promise<OpfsSink> {
    const root = await navigator.storage.getDirectory();
    lastStamp = Math.max(lastStamp + 1, Date.now());
    const name = `np-lora-${owner}-${lastStamp}.part`;
    const entry = await root.getFileHandle(name, { create: true });
    return new OpfsSink(root, name, entry, await entry.createSyncAccessHandle());
  }

  write(at: number, bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.length) {
      const wrote = this.open.write(bytes.subarray(done) as Uint8Array<ArrayBuffer>, { at: at + done });
      // A full disk shows as a short write, not as an exception.
      if (wrote === 0) throw problem('E_WRITE', `the disk took no more after ${this.#bytes} bytes`);
      done += wrote;
      this.#bytes += wrote;
    }
  }

  async finish(): Promise<Blob> {
    this.open.flush();
    const size = this.open.getSize();
    this.open.close();
    if (this.#bytes !== size) {
      throw problem('E_WRITE', `${this.#bytes} bytes were written, the file has ${size}`);
    }
    return this.entry.getFile();
  }

  async discard(): Promise<void> {
    this.open.close();
    await this.root.removeEntry(this.name).catch(() => {});
  }
}

/** A sink for a result, of a run that writes so many bytes in all. */
export async function sinkFor(bytes: number, owner: string): Promise<OutputSink> {
  if (bytes > BLOB_LIMIT && typeof navigator.storage?.getDirectory === 'function') {
    try {
      return await OpfsSink.create(owner);
    } catch {
      // Private windows and some embeds have no OPFS: a Blob is the only place left.
    }
  }
  return new BlobSink();
}

/** Removes temporary files of pages that are gone, and older results of `owner`, which is about to write a new one. */
export async function sweep(owner: string | null): Promise<void> {
  if (typeof navigator.storage?.getDirectory !== 'function' || !navigator.locks) return;
  const root = await navigator.storage.getDirectory();
  const { held = [] } = await navigator.locks.query();
  const alive = new Set(held.map((lock) => lock.name));
  for await (const name of root.keys()) {
    const of = TEMP.exec(name)?.[1];
    if (of !== undefined && (of === owner || !alive.has(lockName(of)))) {
      await root.removeEntry(name).catch(() => {});
    }
  }
}
