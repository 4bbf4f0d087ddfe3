/** Saving in tiers: the browser's own picker where the page may use it, a download link everywhere else. */

import { isAbort, problem, ProblemError, toProblem } from './problem.ts';

const ENDING = '.safetensors';
/** In bytes of UTF-8: file systems take 255, endings and a download's own additions included. */
const LONGEST = 200;
// Controls, invisible and bidi characters, and what Windows or A1111's <lora:name:1> syntax would trip over.
const UNSAFE = /(?:(?![\uFE0E\uFE0F])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}<>:"/\\|?*,])+/gu;
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)$/i;

/** A name that every file system takes, without its ending. */
export function cleanStem(name: string, otherwise: string, longest = LONGEST): string {
  const stem = name
    .normalize('NFC')
    .replace(/\.safetensors$/i, '')
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
}

/** Written where the person said, handed to the browser's downloads, which tell no more, or to the host, or the dialog was closed. */
export type Saved = 'written' | 'downloading' | 'handed' | 'closed';

/** Who takes the files instead of the browser, where a host says so. */
export const delivery: { to: ((file: File) => void) | null } = { to: null };

/** Offers `file` to the person. Rejects with a ProblemError. */
export async function saveFile(file: Blob, name: string): Promise<Saved> {
  const failed = (thrown: unknown): never => {
    throw new ProblemError(problem('E_SAVE', toProblem(thrown).detail, name));
  };
  const handle = await pick(name).catch(failed);
  if (handle === 'closed') return handle;
  if (handle) {
    await copyInto(handle, file).catch(failed);
    return 'written';
  }
  return download(file, name);
}

/** The place that the person chose; null where the page may not ask. */
async function pick(name: string): Promise<FileSystemFileHandle | 'closed' | null> {
  const picker = (window as PickerWindow).showSaveFilePicker;
  // Cross-origin frames have the function, but calling it is refused.
  if (!picker || window.top !== window.self || delivery.to) return null;
  try {
    return await picker.call(window, {
      suggestedName: name,
      types: [{ description: 'LoRA', accept: { 'application/octet-stream': [ENDING] } }],
    });
  } catch (thrown) {
    if (isAbort(thrown)) return 'closed';
    // No user gesture or not allowed here: a link still works.
    if (thrown instanceof DOMException && ['SecurityError', 'NotAllowedError'].includes(thrown.name)) return null;
    throw thrown;
  }
}

/** The destination keeps its old content unless everything was written: it is replaced on close(). */
async function copyInto(handle: FileSystemFileHandle, file: Blob): Promise<void> {
  const writable = await handle.createWritable();
  await file.stream().pipeTo(writable); // closes at the end, aborts on failure
}

/** A plain download link, or the host's hands. */
export function download(file: Blob, name: string): Saved {
  if (delivery.to) {
    delivery.to(file instanceof File && file.name === name ? file : new File([file], name, { type: file.type }));
    return 'handed';
  }
  const link = document.createElement('a');
  const url = URL.createObjectURL(file);
  link.href = url;
  link.download = name;
  link.click();
  // Not at once: the download may start reading late. A minute is enough for any browser to have opened it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return 'downloading';
}
