/** Files on disk, in Node: read in pieces, and written so that no name ever refers to an incomplete file. */

import { randomBytes } from 'node:crypto';
import { constants, openAsBlob, readSync, rmSync } from 'node:fs';
import { access, link, open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProblemError, problem, toProblem } from '../core/problem.ts';
import type { OutputSink } from '../core/types.ts';
import { refused } from './refused.ts';

/** The identity of a file on disk, whatever its name. */
interface Identity {
  dev: bigint;
  ino: bigint;
}

/** The identities of opened files, kept as long as something refers to the file. */
const identities = new WeakMap<Blob, Identity>();

export interface DiskOptions {
  /** Where the checked result is put; until then it is in a temporary file in the same folder. Without a path, the result stays in memory. */
  path: string | URL;
  /** Whether to replace an existing file; a source is never replaced. */
  overwrite?: boolean | undefined;
}

const isThere = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

type Reasons = Partial<Record<string, string>>;
const NO_READING: Reasons = { ENOENT: 'There is no such file.', EACCES: 'Reading it is not allowed.' };
const NO_WRITING: Reasons = {
  ENOENT: 'There is no such folder.', ENOTDIR: 'There is no such folder.', EACCES: 'Writing there is not allowed.', EROFS: 'Nothing can be written there.',
  ENOSPC: 'The disk is full.',
};
/** Remedies for files on disk, where the page's advice to choose again or close tabs makes no sense. */
export const ON_DISK = {
  E_READ: 'Check its name, and whether you may read it.',
  E_WRITE: 'Check that the folder is there, that you may write to it, and that the disk has room.',
} as const;

const failed = (code: keyof typeof ON_DISK, detail: string, path: string): ProblemError =>
  new ProblemError({ ...problem(code, detail, path), remedy: ON_DISK[code] });

const why = (thrown: unknown, reasons: Reasons): string => reasons[(thrown as NodeJS.ErrnoException).code ?? ''] ?? toProblem(thrown).detail;

/** The path that a text or a file: address means. Throws a TypeError for anything else. */
export function pathOf(given: string | URL): string {
  if (typeof given === 'string') return given;
  if (given instanceof URL) return fileURLToPath(given);
  throw new TypeError('A path must be a text, or a URL that begins with file:.');
}

/** Opens a file on disk, of which only the needed parts are ever read. */
export async function openFile(from: string | URL): Promise<File> {
  const path = pathOf(from);
  const unread = (detail: string): ProblemError => failed('E_READ', detail, path);
  if (/^https?:\/\//i.test(path)) throw unread('It is a link: load the file down first, and open it from the disk.');
  try {
    // The file is read later, when the program's working folder may be another.
    const place = resolve(path);
    const found = await stat(place, { bigint: true });
    if (found.isDirectory()) throw unread('It is a folder.');
    if (!found.isFile()) throw unread('It is no file on a disk, which alone can be read in pieces: save it as one first.');
    // A Blob fails only when it is read, and then does not say why.
    await access(place, constants.R_OK);
    const file = new File([await openAsBlob(place)], basename(place));
    identities.set(file, found);
    return file;
  } catch (thrown) {
    throw thrown instanceof ProblemError ? thrown : unread(why(thrown, NO_READING));
  }
}

/** Throws if a result at this path would replace something that is not a file, or one of its own sources. */
async function checkPlace(path: string, sources: readonly Blob[]): Promise<void> {
  if (/[\\/]$/.test(path)) throw refused('E_FOLDER', path);
  const there = await stat(path, { bigint: true }).catch((thrown: NodeJS.ErrnoException) => {
    // An impossible name is reported before the run; a link that leads nowhere can be replaced.
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
 * The temporary files, which are deleted when the process exits. One stays behind only if the process is ended by a signal that nobody handles; the
 * command handles those that can be handled.
 */
const unfinished = new Set<string>();
process.once('exit', () => {
  for (const path of unfinished) rmSync(path, { force: true });
});

/** How many characters, of up to four bytes each, of the 255 bytes that a name may have. */
const LEGIBLE = 50;

const unwritten = (path: string, thrown: unknown): ProblemError => failed('E_WRITE', why(thrown, NO_WRITING), path);

/** The paths of a result: as it was given, made absolute, with symbolic links resolved, and of the temporary file beside that. */
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
    // If the path is a symbolic link, its target is replaced and the link stays; a link that leads nowhere is replaced itself.
    const to = await realpath(place).catch(() => place);
    if (!overwrite && await isThere(to)) throw refused('E_EXISTS', path);
    // The result's name may be as long as the file system allows, and this one is longer, so it is shortened.
    const part = join(dirname(to), `.${basename(to).slice(0, LEGIBLE)}.${randomBytes(4).toString('hex')}.part`);
    try {
      // A new file that replaces an old one gets the permissions of the old one.
      const before = overwrite ? await stat(to).catch(() => null) : null;
      // Fails if something of this name exists.
      const file = await open(part, 'wx+', before ? 0o600 : 0o666);
      unfinished.add(part);
      // If permissions cannot be set, only the owner can open it.
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

  /** Gives the checked file its final name. */
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

  /** Gives the file its name by a hard link, which unlike renaming never replaces another file. */
  async #appear(): Promise<void> {
    try {
      await link(this.at.part, this.at.to);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') throw refused('E_EXISTS', this.at.given);
      // Some file systems have no hard links.
      if (await isThere(this.at.to)) throw refused('E_EXISTS', this.at.given);
      return rename(this.at.part, this.at.to);
    }
    // The result has its name now. If the temporary name cannot be removed here, it is removed when the process exits.
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
