/** Saves files: with the browser's own picker where the page may use it, with a download link everywhere else. */

import { isAbort } from './abort.ts';
import { problem, ProblemError, toProblem } from './problem.ts';
import { isFile } from './shape.ts';
import { isReadable, keepFor, keepUntil } from './stored.ts';

const ENDING = '.safetensors';
/** The longest stem, in bytes of UTF-8: file systems allow 255, which includes the ending and whatever a download adds. */
const LONGEST = 200;
// Control, invisible and bidi characters, and those that are special to Windows or in A1111's <lora:name:1> syntax.
const UNSAFE = /(?:(?![\uFE0E\uFE0F])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}<>:"/\\|?*,])+/gu;
/** The names that Windows reserves, whatever ending follows. */
const RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³])\s*(\.|$)/i;

/** A name that every file system accepts, without its ending. */
export function cleanStem(name: string, otherwise: string, longest = LONGEST): string {
  const stem = name
    .replace(/\.safetensors$/i, '')
    // A name from a file's metadata may have megabytes, and the steps below are made for short names.
    .slice(0, 4 * longest)
    .normalize('NFC')
    .replace(UNSAFE, '_')
    .replace(/^[.\s]+|[.\s]+$/g, '');
  // Keeps as many whole characters as fit.
  const { read } = new TextEncoder().encodeInto(stem, new Uint8Array(longest));
  const short = stem.slice(0, read).replace(/[.\s]+$/, '');
  return short === '' || RESERVED.test(short) ? otherwise : short;
}

export const fileNameFor = (stem: string): string => cleanStem(stem, 'fused') + ENDING;

interface PickerWindow {
  showSaveFilePicker?(options: {
    suggestedName: string;
    types: { description: string; accept: Record<string, string[]> }[];
  }): Promise<FileSystemFileHandle>;
  showDirectoryPicker?(options: { id: string; mode: 'readwrite' }): Promise<FileSystemDirectoryHandle>;
}

/**
 * How saving ended: written where the person chose; handed to the browser's downloads, which report nothing more; handed to the host; or the dialog
 * was closed.
 */
export type Saved = 'written' | 'downloading' | 'handed' | 'closed';

/** The host's function that takes the files instead of the browser, if there is one. */
export const delivery: { to: ((file: File) => void) | null } = { to: null };

/** Throws if a result is gone: clearing a site's data deletes the temporary files of its results as well. */
async function stillThere(files: readonly File[]): Promise<void> {
  for (const file of files) {
    if (!await isReadable(file)) throw new ProblemError(problem('E_RESULT_GONE', '', file.name));
  }
}

const failedAt = (name: string) => (thrown: unknown): never => {
  throw thrown instanceof ProblemError ? thrown : new ProblemError(problem('E_SAVE', toProblem(thrown).detail, name));
};

/** Offers `file` to the person. Rejects with a ProblemError. */
export function saveFile(file: File): Promise<Saved> {
  const saving = offer(file);
  keepUntil(saving, file);
  return saving;
}

async function offer(file: File): Promise<Saved> {
  const failed = failedAt(file.name);
  const types = [{ description: 'LoRA', accept: { 'application/octet-stream': [ENDING] } }];
  const { showSaveFilePicker } = window as PickerWindow;
  const handle = await chosen([file], showSaveFilePicker?.bind(window, { suggestedName: file.name, types })).catch(failed);
  if (handle === 'closed') return handle;
  if (handle) {
    await copyInto(handle, file).catch(failed);
    return 'written';
  }
  return download(file, file.name);
}

/** The pause between two downloads: browsers take only so many at a time. */
const BETWEEN_DOWNLOADS_MS = 400;

/** Offers all files, in one folder if the page may ask for one. Existing files are never replaced. Rejects with a ProblemError. */
export function saveFiles(files: readonly File[]): Promise<Saved> {
  const saving = offerAll(files);
  for (const file of files) keepUntil(saving, file);
  return saving;
}

async function offerAll(files: readonly File[]): Promise<Saved> {
  const { showDirectoryPicker } = window as PickerWindow;
  const folder = await chosen(files, showDirectoryPicker?.bind(window, { id: 'np-lora', mode: 'readwrite' })).catch(failedAt(files[0]?.name ?? ''));
  if (folder === 'closed') return folder;
  let saved: Saved = 'written';
  for (const [at, file] of files.entries()) {
    if (folder) await saveInto(folder, file).catch(failedAt(file.name));
    else {
      if (at > 0 && !delivery.to) await new Promise((over) => { setTimeout(over, BETWEEN_DOWNLOADS_MS); });
      saved = download(file, file.name);
    }
  }
  return saved;
}

/** Writes a file into the folder; if it cannot be written completely, nothing of it is left. */
async function saveInto(folder: FileSystemDirectoryHandle, file: File): Promise<void> {
  const handle = await freePlace(folder, file.name);
  try {
    await copyInto(handle, file);
  } catch (thrown) {
    await folder.removeEntry(handle.name).catch(() => {});
    throw thrown;
  }
}

/** A new file of this name, with a number appended if the name is taken. */
async function freePlace(folder: FileSystemDirectoryHandle, name: string): Promise<FileSystemFileHandle> {
  for (let number = 1; ; number++) {
    const tried = number === 1 ? name : name.replace(ENDING, `_${number}${ENDING}`);
    const taken = await folder.getFileHandle(tried).then(() => true, (thrown: unknown) => {
      if (thrown instanceof DOMException && thrown.name === 'NotFoundError') return false;
      if (thrown instanceof DOMException && thrown.name === 'TypeMismatchError') return true;
      throw thrown;
    });
    if (!taken) return folder.getFileHandle(tried, { create: true });
  }
}

let asking = false;

/** The place that the person chose, after checking that the files are still there; null if the page may not ask. */
async function chosen<T>(files: readonly File[], picker: (() => Promise<T>) | undefined): Promise<T | 'closed' | null> {
  // Frames of another origin have the function, but may not call it.
  const ask = window.top === window.self && !delivery.to ? picker : undefined;
  // The browser also refuses while a dialog is open, so a second press must not ask again.
  if (ask && asking) return 'closed';
  asking ||= ask !== undefined;
  try {
    await stillThere(files);
    return ask ? await ask() : null;
  } catch (thrown) {
    if (isAbort(thrown)) return 'closed';
    // There was no user gesture, or the picker is not allowed here: a link still works.
    if (thrown instanceof DOMException && ['SecurityError', 'NotAllowedError'].includes(thrown.name)) return null;
    throw thrown;
  } finally {
    if (ask) asking = false;
  }
}

/** Copies the file. The destination keeps its old content until close(), which happens only when everything is written. */
async function copyInto(handle: FileSystemFileHandle, file: Blob): Promise<void> {
  // Leaving the page now would lose the whole copy.
  const holdBack = (event: Event): void => event.preventDefault();
  window.addEventListener('beforeunload', holdBack);
  try {
    const writable = await handle.createWritable();
    await file.stream().pipeTo(writable); // closes the file at the end, or aborts if writing fails
  } finally {
    window.removeEventListener('beforeunload', holdBack);
  }
}

/** How long a download link must last: the person may take a while to allow the download, but every browser opens it within a minute. */
const LATE_MS = 60_000;
/** The slowest disk that a download is likely to be written to, in bytes a millisecond. */
const SLOWEST = 10_000;

/** Downloads the file by a plain link, or hands it to the host. Neither says when the file has been read. */
export function download(file: Blob, name: string): Saved {
  const reading = LATE_MS + file.size / SLOWEST;
  keepFor(reading, file);
  if (delivery.to) {
    delivery.to(isFile(file) && file.name === name ? file : new File([file], name, { type: file.type }));
    return 'handed';
  }
  const link = document.createElement('a');
  const url = URL.createObjectURL(file);
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), reading);
  return 'downloading';
}
