/** The places where a result is written: a file in the origin's private file system, or a Blob. */

import { expect } from '@playwright/test';
import { alwaysOnDisk, bendWorker, letGo, mend } from './bend.ts';
import { allow, files, fuse, fuseUpTo, type Fault } from './scene.ts';

/** A class that exists in workers, which the page's types do not include. */
declare const FileSystemSyncAccessHandle: {
  prototype: { write(bytes: Uint8Array<ArrayBuffer>, options?: { at?: number }): number; read(into: Uint8Array, options?: { at?: number }): number; close(): void };
};
/** A global of a bent worker. */
declare const broken: boolean;

const WRITE_FAILED = /The result could not be written\..*Free some disk space or close other tabs, then fuse again/s;

/** `lines` break the private file system as long as `broken` is true. */
const brokenDisk = (name: string, lines: () => void, says = WRITE_FAILED): Fault => ({
  name,
  before: (page) => bendWorker(page, lines, alwaysOnDisk),
  happens: fuse,
  ends: 'refused',
  says,
  over: async ({ page }) => {
    expect(await files(page)).toEqual([]);
    await mend(page);
  },
});

export const WRITING: Fault[] = [
  {
    name: 'no quota before the run (disk)',
    before: (page) => bendWorker(page, () => {}, alwaysOnDisk),
    happens: async (scene) => {
      await allow(scene.page, 0);
      await fuse(scene);
    },
    // If not even a file can be created, the result is kept in memory.
    ends: 'fused',
    says: /Fused and checked/,
    over: ({ page }) => allow(page, null),
  },
  {
    name: 'no quota in the middle of the run (disk)',
    before: (page) => bendWorker(page, () => {}, alwaysOnDisk),
    happens: async (scene) => {
      await fuseUpTo(scene, 'input');
      await allow(scene.page, 0);
      await letGo(scene.page);
    },
    ends: 'refused',
    says: WRITE_FAILED,
    over: ({ page }) => allow(page, null),
  },
  brokenDisk('a write comes out short, then nothing is taken any more (disk)', () => {
    const { write } = FileSystemSyncAccessHandle.prototype;
    FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {
      if (!broken) return write.call(this, bytes, options);
      return (options?.at ?? 0) > 100_000 ? 0 : write.call(this, bytes.subarray(0, 1000), options);
    };
  }),
  brokenDisk('the disk fails when it is asked for what it has (disk)', () => {
    const { read } = FileSystemSyncAccessHandle.prototype;
    FileSystemSyncAccessHandle.prototype.read = function (into, options) {
      if (broken) throw new DOMException('The disk does not answer.', 'InvalidStateError');
      return read.call(this, into, options);
    };
  }),
  brokenDisk('the file ends before its end (disk)', () => {
    const { read } = FileSystemSyncAccessHandle.prototype;
    FileSystemSyncAccessHandle.prototype.read = function (into, options) {
      return broken && (options?.at ?? 0) > 0 ? 0 : read.call(this, into, options);
    };
  }),
  brokenDisk('the file cannot be closed (disk)', () => {
    const { close } = FileSystemSyncAccessHandle.prototype;
    FileSystemSyncAccessHandle.prototype.close = function () {
      close.call(this);
      if (broken) throw new DOMException('The disk does not answer.', 'InvalidStateError');
    };
  }),
  brokenDisk('one bit is written wrongly (disk)', () => {
    const { write } = FileSystemSyncAccessHandle.prototype;
    FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {
      const wrong = bytes.slice();
      if (broken && (options?.at ?? 0) > 100_000) wrong[0]! ^= 1;
      return write.call(this, wrong, options);
    };
  }, /did not pass its check, so it is not offered\..*Fuse again/s),
  {
    name: 'there is no private file system',
    before: (page) => bendWorker(page, () => {
      StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('Not here.', 'SecurityError'));
    }, alwaysOnDisk),
    happens: fuse,
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'no memory for a part of the result (Blob)',
    before: (page) => bendWorker(page, () => {
      self.Blob = new Proxy(Blob, {
        construct(of, given) {
          if (broken) throw new RangeError('Array buffer allocation failed');
          return Reflect.construct(of, given) as Blob;
        },
      });
    }),
    happens: fuse,
    ends: 'refused',
    says: WRITE_FAILED,
    over: ({ page }) => mend(page),
  },
  {
    // Chromium accepts a Blob that it has no room for, and fails when the Blob is read.
    name: 'no room for the result (Blob)',
    before: (page) => bendWorker(page, () => {
      const chosen = (blob: Blob): boolean => blob instanceof File && blob.name.endsWith('.safetensors');
      const { arrayBuffer, slice } = Blob.prototype;
      const pieces = new WeakSet<Blob>();
      Blob.prototype.slice = function (...range) {
        const piece = slice.apply(this, range);
        if (chosen(this)) pieces.add(piece);
        return piece;
      };
      Blob.prototype.arrayBuffer = function () {
        const lost = broken && !pieces.has(this) && !chosen(this);
        return lost ? Promise.reject(new DOMException('The requested file could not be read.', 'NotReadableError')) : arrayBuffer.call(this);
      };
    }),
    happens: fuse,
    ends: 'refused',
    says: WRITE_FAILED,
    over: ({ page }) => mend(page),
  },
];
