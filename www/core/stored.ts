/**
 * Results in temporary files, which the next run clears away. A Web Lock with a file's name protects it: whoever sweeps, this page's worker or
 * another tab's, leaves locked files alone, and a closed page holds no locks.
 */

import { lockName } from './protocol.ts';
import { isFile } from './shape.ts';

/** Whether results can be kept in temporary files. Private windows and frames without an origin have none and keep whole results in memory. */
export const canStore = (): Promise<boolean> => Promise.resolve().then(() => navigator.storage.getDirectory()).then(() => true, () => false);

export const isReadable = (file: Blob): Promise<boolean> => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

const temporary = new WeakMap<Blob, string>();

/** A result under another name. The name of its temporary file is remembered, because the new File does not tell where its bytes are. */
export function renamed(result: Blob, name: string): File {
  const file = new File([result], name, { type: 'application/octet-stream' });
  if (isFile(result)) temporary.set(file, result.name);
  return file;
}

/** Keeps the temporary file of a result, if it has one, until a promise has settled. */
export function keepUntil(over: Promise<unknown>, result: Blob): void {
  const name = temporary.get(result);
  if (name === undefined) return;
  // Where locks are refused, nothing is swept either.
  void navigator.locks?.request(lockName(name), () => over.then(() => {}, () => {})).catch(() => {});
}

/** Keeps the temporary file of a result for a number of milliseconds. */
export const keepFor = (ms: number, result: Blob): void => keepUntil(new Promise((over) => { setTimeout(over, ms); }), result);
