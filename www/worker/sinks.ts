/** Where a result is written: large ones to disk, others to memory. */

import { problem } from '../core/problem.ts';
import { lockName } from '../core/protocol.ts';
import type { OutputSink } from '../core/types.ts';
import { BlobSink } from '../core/blob-sink.ts';

/**
 * Results above this size go to disk. Until Chromium has measured a machine's memory and disk, it keeps only 500 MiB of Blobs, all in memory
 * (storage/browser/blob/blob_storage_constants.h), and fails the next with ERR_OUT_OF_MEMORY; this was seen at 450 MB on a busy machine. The previous
 * result counts too, until the next one is begun.
 */
const BLOB_LIMIT = 200e6;
const TEMP = /^np-lora-(.+)-\d+\.part$/;
/** The stamp in the name of the last temporary file; a run may need several at once, and each gets a later stamp. */
let lastStamp = 0;

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

  read(at: number, into: Uint8Array): number {
    return this.open.read(into as Uint8Array<ArrayBuffer>, { at });
  }

  // Not flushed, which would take a tenth of a run: as with any download, the system writes it to disk in its own time (docs/THREATS.md).
  async finish(): Promise<Blob> {
    const size = this.open.getSize();
    this.open.close();
    if (this.#bytes !== size) {
      throw problem('E_WRITE', `${this.#bytes} bytes were written, the file has ${size}`);
    }
    return this.entry.getFile();
  }

  async discard(): Promise<void> {
    try {
      this.open.close();
    } finally {
      await this.root.removeEntry(this.name).catch(() => {});
    }
  }
}

/** A sink for one result of a run that writes `bytes` in all. */
export async function sinkFor(bytes: number, owner: string): Promise<OutputSink> {
  if (bytes > BLOB_LIMIT && typeof navigator.storage?.getDirectory === 'function') {
    try {
      return await OpfsSink.create(owner);
    } catch {
      // Private windows and some embeds have no private file system; a Blob is the only place left.
    }
  }
  return new BlobSink();
}

/**
 * Removes temporary files of closed pages, and older results of `owner`, which is about to write a new one; files that a download may still be
 * reading are kept (`www/core/stored.ts`).
 */
export async function sweep(owner: string | null): Promise<void> {
  if (typeof navigator.storage?.getDirectory !== 'function' || !navigator.locks) return;
  const root = await navigator.storage.getDirectory();
  const { held = [] } = await navigator.locks.query();
  const alive = new Set(held.map((lock) => lock.name));
  for await (const name of root.keys()) {
    const of = TEMP.exec(name)?.[1];
    if (of !== undefined && (of === owner || !alive.has(lockName(of))) && !alive.has(lockName(name))) {
      await root.removeEntry(name).catch(() => {});
    }
  }
}
