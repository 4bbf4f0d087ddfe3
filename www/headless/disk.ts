/** Files on disk, in Node: read in pieces, and written so that a name never stands for half a file. */

import { randomBytes } from 'node:crypto';
import { constants, openAsBlob, readSync, rmSync } from 'node:fs';
import { access, link, open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProblemError, problem, toProblem } from '../core/problem.ts';
import type { OutputSink } from '../core/types.ts';
import { refused } from './refused.ts';

/** What a file on disk is, whatever its name. */
interface Identity {
  dev: bigint;
  ino: bigint;
}

/** Of files that are read, as long as anybody has them. */
const identities = new WeakMap<Blob, Identity>();

export interface DiskOptions {
  /** Where the result goes, once it is checked; until then it lies beside that under another name. Without it, in memory. */
  path: string | URL;
  /** Whether to replace a file that is there; a source never is. */
  overwrite?: boolean | undefined;
}

const isThere = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

type Reasons = Partial<Record<string, string>>;
const NO_READING: Reasons = { ENOENT: 'There is no such file.', EACCES: 'Reading it is not allowed.' };
const NO_WRITING: Reasons = {
  ENOENT: 'There is no such folder.', ENOTDIR: 'There is no such folder.', EACCES: 'Writing there is not allowed.', EROFS: 'Nothing can be written there.',
  ENOSPC: 'The disk is full.',
};
/** What to do on a disk: where no page is, nothing is chosen and no tab closed. */
export const ON_DISK = {
  E_READ: 'Check its name, and whether you may read it.',
  E_WRITE: 'Check that the folder is there, that you may write to it, and that the disk has room.',
} as const;

const failed = (code: keyof typeof ON_DISK, detail: string, path: string): ProblemError =>
  new ProblemError({ ...problem(code, detail, path), remedy: ON_DISK[code] });

const why = (thrown: unknown, reasons: Reasons): string => reasons[(thrown as NodeJS.ErrnoException).code ?? ''] ?? toProblem(thrown).detail;

/** Throws a TypeError where it is no path, nor an address that is one. */
export function pathOf(given: string | URL): string {
  if (typeof given === 'string') return given;
  if (given instanceof URL) return fileURLToPath(given);
  throw new TypeError('A path must be a text, or a URL that begins with file:.');
}

/** A file on disk, of which only what is needed is ever read. */
export async function openFile(from: string | URL): Promise<File> {
  const path = pathOf(from);
  const unread = (detail: string): ProblemError => failed('E_READ', detail, path);
  if (/^https?:\/\//i.test(path)) throw unread('It is a link: load the file down first, and open it from the disk.');
  try {
    // What is opened is read later on, and a program's working folder may be another by then.
    const place = resolve(path);
    const found = await stat(place, { bigint: true });
    if (found.isDirectory()) throw unread('It is a folder.');
    if (!found.isFile()) throw unread('It is no file on a disk, which alone can be read in pieces: save it as one first.');
    // A Blob tells only when it is read, and then not why it cannot be.
    await access(place, constants.R_OK);
    const file = new File([await openAsBlob(place)], basename(place));
    identities.set(file, found);
    return file;
  } catch (thrown) {
    throw thrown instanceof ProblemError ? thrown : unread(why(thrown, NO_READING));
  }
}

/** Throws where a result of this path would take the place of what is no file, or of one of the files that it is made of. */
async function checkPlace(path: string, sources: readonly Blob[]): Promise<void> {
  if (/[\\/]$/.test(path)) throw refused('E_FOLDER', path);
  const there = await stat(path, { bigint: true }).catch((thrown: NodeJS.ErrnoException) => {
    // What cannot be a name is told before the run; a link that leads nowhere can be replaced.
    if (!['ENOENT', 'ELOOP'].includes(thrown.code ?? '')) throw unwritten(path, thrown);
  });
  if (!there) return;
  if (there.isDirectory()) throw refused('E_FOLDER', path);
  if (!there.isFile()) throw failed('E_WRITE', 'What is there is no file on a disk, which alone is replaced.', path);
  const isThere = (source: Blob): boolean => {
    const { dev, ino } = identities.get(source) ?? {};
    return there.dev === dev && there.ino === ino;
  };
  if (sources.some(isThere)) throw refused('E_OVER_INPUT', path);
}

/**
 * Temporary files. None of them stays when the process exits; one stays when a signal ends it that nobody handles. The command
 * handles those that can be.
 */
const unfinished = new Set<string>();
process.once('exit', () => {
  for (const path of unfinished) rmSync(path, { force: true });
});

/** Characters, of four bytes at most, of 255 that a name may have. */
const LEGIBLE = 50;

const unwritten = (path: string, thrown: unknown): ProblemError => failed('E_WRITE', why(thrown, NO_WRITING), path);

/** As it was given, where that is, the file that is behind it and its temporary one beside it. */
interface Places {
  given: string;
  place: string;
  to: string;
  part: string;
}

export class DiskSink implements OutputSink {
  #open = true;

  private constructor(private readonly at: Places, private readonly overwrite: boolean, private readonly file: FileHandle) {}

  /** `sources`: the files that the result is made from, which it must not replace. */
  static async create(where: string | URL, { overwrite = false }: Partial<DiskOptions>, sources: readonly Blob[]): Promise<DiskSink> {
    const path = pathOf(where);
    if (path === '') throw new TypeError('A path must not be empty.');
    const place = resolve(path);
    await checkPlace(path, sources);
    // Behind a symbolic link its file is replaced, and the link stays; one that leads nowhere is replaced itself.
    const to = await realpath(place).catch(() => place);
    if (!overwrite && await isThere(to)) throw refused('E_EXISTS', path);
    // A name may be as long as the file system allows: this one is longer.
    const part = join(dirname(to), `.${basename(to).slice(0, LEGIBLE)}.${randomBytes(4).toString('hex')}.part`);
    try {
      // What takes a file's place is open to those that it was.
      const before = overwrite ? await stat(to).catch(() => null) : null;
      // Fails where something of this name is.
      const file = await open(part, 'wx+', before ? 0o600 : 0o666);
      unfinished.add(part);
      // Where modes cannot be set, it is the owner's alone.
      if (before) await file.chmod(before.mode & 0o777).catch(() => {});
      return new DiskSink({ given: path, place, to, part }, overwrite, file);
    } catch (thrown) {
      throw unwritten(path, thrown);
    }
  }

  async write(at: number, view: Uint8Array): Promise<void> {
    const bytes = view.slice();
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, at + done).catch(this.#failed);
      if (bytesWritten === 0) throw failed('E_WRITE', `The disk took no more at ${at + done}.`, this.at.given);
      done += bytesWritten;
    }
  }

  read(at: number, into: Uint8Array): number {
    return readSync(this.file.fd, into, 0, into.length, at);
  }

  async finish(): Promise<Blob> {
    await this.file.sync().catch(this.#failed);
    await this.#close();
    return openAsBlob(this.at.part);
  }

  async discard(): Promise<void> {
    await this.#close().catch(() => {});
    await rm(this.at.part, { force: true }).catch(() => {});
    unfinished.delete(this.at.part);
  }

  /** Gives the checked file its name. */
  async keep(): Promise<File> {
    try {
      if (this.overwrite) await rename(this.at.part, this.at.to);
      else await this.#appear();
    } catch (thrown) {
      throw thrown instanceof ProblemError ? thrown : unwritten(this.at.given, thrown);
    }
    if (!await isThere(this.at.part)) unfinished.delete(this.at.part);
    return openFile(this.at.place);
  }

  /** Unlike a renamed file, a link never takes the place of another one. */
  async #appear(): Promise<void> {
    try {
      await link(this.at.part, this.at.to);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') throw refused('E_EXISTS', this.at.given);
      // Some file systems have no links.
      if (await isThere(this.at.to)) throw refused('E_EXISTS', this.at.given);
      return rename(this.at.part, this.at.to);
    }
    // The result has its name. Its other one, if it does not go now, goes when the process exits.
    await rm(this.at.part, { force: true }).catch(() => {});
  }

  readonly #failed = (thrown: unknown): never => {
    throw unwritten(this.at.given, thrown);
  };

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.file.close();
  }
}
