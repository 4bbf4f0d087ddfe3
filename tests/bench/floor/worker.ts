/** One of the workers of the floor. */

import type { Answer, Asked, Asks } from './messages.ts';

const PAGE = 65_536;
/** Read back at a time. */
const BACK = 8 * 1024 * 1024;
/** Much as the program has. */
const memory = new Uint8Array(new WebAssembly.Memory({ initial: 48 * 1024 * 1024 / PAGE }).buffer);

let file: FileSystemSyncAccessHandle | null = null;
let entry: FileSystemFileHandle | null = null;
let parts: Blob[] = [];

async function read(slices: Blob[]): Promise<ArrayBuffer> {
  const buffers = await Promise.all(slices.map((slice) => slice.arrayBuffer()));
  let end = 0;
  for (const buffer of buffers) {
    memory.set(new Uint8Array(buffer), end);
    end += buffer.byteLength;
  }
  return memory.slice(0, end).buffer;
}

async function begin(toFile: boolean): Promise<null> {
  parts = [];
  if (!toFile) return null;
  entry = await (await navigator.storage.getDirectory()).getFileHandle('floor', { create: true });
  file = await entry.createSyncAccessHandle();
  file.truncate(0);
  return null;
}

function write(bytes: ArrayBuffer): null {
  if (!file) parts.push(new Blob([bytes]));
  else if (file.write(bytes) !== bytes.byteLength) throw new Error('the disk is full');
  return null;
}

/** A file is read back before it is closed. */
async function finish(): Promise<Blob> {
  if (!file || !entry) return new Blob(parts);
  const size = file.getSize();
  for (let at = 0; at < size;) at += file.read(memory.subarray(0, BACK), { at });
  file.close();
  return entry.getFile();
}

function answer(asked: Asked): Promise<Asks[keyof Asks]['out']> | Asks[keyof Asks]['out'] {
  switch (asked.ask) {
    case 'read': return read(asked.in);
    case 'begin': return begin(asked.in.file);
    case 'write': return write(asked.in);
    case 'finish': return finish();
  }
}

const reply = (message: Answer, transfer: Transferable[] = []): void => self.postMessage(message, { transfer });

let queue: Promise<void> = Promise.resolve();

self.addEventListener('message', ({ data }: MessageEvent<Asked>) => {
  // At once, so that reads overlap; told in the order in which they were asked for.
  const answered = Promise.resolve(data).then(answer);
  answered.catch(() => {});
  queue = queue.then(() => answered).then(
    (out) => reply({ out }, out instanceof ArrayBuffer ? [out] : []),
    (error: unknown) => reply({ failed: String(error) }),
  );
});
