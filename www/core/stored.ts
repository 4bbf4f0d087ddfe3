/**
 * Results that lie in temporary files, which the next run clears away. A lock with the file's name keeps it: whoever sweeps, this
 * page's worker or another tab's, leaves what is locked alone, and a page that is gone holds no lock.
 */

import { lockName } from './protocol.ts';
import { isFile } from './shape.ts';

/** Private windows and frames without an origin have no such files: there all of a result is in the page's memory. */
export const canStore = (): Promise<boolean> => Promise.resolve().then(() => navigator.storage.getDirectory()).then(() => true, () => false);

export const isReadable = (file: Blob): Promise<boolean> => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

const temporary = new WeakMap<Blob, string>();

/** A result under another name. What is made from a file does not say where its bytes lie. */
export function renamed(result: Blob, name: string): File {
  const file = new File([result], name, { type: 'application/octet-stream' });
  if (isFile(result)) temporary.set(file, result.name);
  return file;
}

/** Keeps the temporary file of a result, if it has one, until something has settled. */
export function keepUntil(over: Promise<unknown>, result: Blob): void {
  const name = temporary.get(result);
  if (name === undefined) return;
  // Where locks are refused, nothing is swept.
  void navigator.locks?.request(lockName(name), () => over.then(() => {}, () => {})).catch(() => {});
}

/** For so many milliseconds. */
export const keepFor = (ms: number, result: Blob): void => keepUntil(new Promise((over) => { setTimeout(over, ms); }), result);
