/** Saving in tiers: the browser's own picker where the page may use it, a download link everywhere else. */

import { isAbort } from './abort.ts';
import { problem, ProblemError, toProblem } from './problem.ts';
import { isFile } from './shape.ts';
import { isReadable, keepFor, keepUntil } from './stored.ts';

const ENDING = '.safetensors';
/** In bytes of UTF-8: file systems take 255, endings and a download's own additions included. */
const LONGEST = 200;
// Controls, invisible and bidi characters, and what Windows or A1111's <lora:name:1> syntax would trip over.
const UNSAFE = /(?:(?![\uFE0E\uFE0F])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}<>:"/\\|?*,])+/gu;
/** Of Windows, whatever ending follows. */
const RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³])\s*(\.|$)/i;

/** A name that every file system takes, without its ending. */
export function cleanStem(name: string, otherwise: string, longest = LONGEST): string {
  const stem = name
    .replace(/\.safetensors$/i, '')
    // A name from a file may have megabytes, and what follows is made for short ones.
    .slice(0, 4 * longest)
    .normalize('NFC')
    .replace(UNSAFE, '_')
    .replace(/^[.\s]+|[.\s]+$/g, '');
  // Whole characters as far as they fit.
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

/** Written where the person said, handed to the browser's downloads, which tell no more, or to the host, or the dialog was closed. */
export type Saved = 'written' | 'downloading' | 'handed' | 'closed';

/** Who takes the files instead of the browser, where a host says so. */
export const delivery: { to: ((file: File) => void) | null } = { to: null };

/** Whoever clears a site's data takes the temporary files of its results as well. */
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

/** Browsers take only so many downloads at a time. */
const BETWEEN_DOWNLOADS_MS = 400;

/** Offers all of them, in one folder where the page may ask for one. Nothing that is there already is replaced. Rejects with a ProblemError. */
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

/** Nothing is left where not all of it could be written. */
async function saveInto(folder: FileSystemDirectoryHandle, file: File): Promise<void> {
  const handle = await freePlace(folder, file.name);
  try {
    await copyInto(handle, file);
  } catch (thrown) {
    await folder.removeEntry(handle.name).catch(() => {});
    throw thrown;
  }
}

/** A new file of this name, or with a number behind it. */
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

/** The place that the person chose for files that are there; null where the page may not ask. */
async function chosen<T>(files: readonly File[], picker: (() => Promise<T>) | undefined): Promise<T | 'closed' | null> {
  // Cross-origin frames have the function, but calling it is refused.
  const ask = window.top === window.self && !delivery.to ? picker : undefined;
  // Refused as well while a dialog is open: whoever presses twice is asked once.
  if (ask && asking) return 'closed';
  asking ||= ask !== undefined;
  try {
    await stillThere(files);
    return ask ? await ask() : null;
  } catch (thrown) {
    if (isAbort(thrown)) return 'closed';
    // No user gesture or not allowed here: a link still works.
    if (thrown instanceof DOMException && ['SecurityError', 'NotAllowedError'].includes(thrown.name)) return null;
    throw thrown;
  } finally {
    if (ask) asking = false;
  }
}

/** The destination keeps its old content unless everything was written: it is replaced on close(). */
async function copyInto(handle: FileSystemFileHandle, file: Blob): Promise<void> {
  // With the page, all of it would be lost.
  const holdBack = (event: Event): void => event.preventDefault();
  window.addEventListener('beforeunload', holdBack);
  try {
    const writable = await handle.createWritable();
    await file.stream().pipeTo(writable); // closes at the end, aborts on failure
  } finally {
    window.removeEventListener('beforeunload', holdBack);
  }
}

/** A download may begin late, when the person has allowed it; a minute is enough for any browser to have opened a link. */
const LATE_MS = 60_000;
/** In bytes a millisecond: the slowest disk that a download is likely to be written to. */
const SLOWEST = 10_000;

/** A plain download link, or the host's hands. Neither says when the file has been read. */
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
