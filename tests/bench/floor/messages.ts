/** What the page of the floor asks of its workers. */

export interface Asks {
  /** Reads slices, and puts them through memory like that of wasm. */
  read: { in: Blob[]; out: ArrayBuffer };
  /** Where the bytes of `write` go: a file in the origin's private file system, or parts of a Blob. */
  begin: { in: { file: boolean }; out: null };
  write: { in: ArrayBuffer; out: null };
  finish: { in: null; out: Blob };
}

export type Asked = { [Name in keyof Asks]: { ask: Name; in: Asks[Name]['in'] } }[keyof Asks];
export type Answer = { out: Asks[keyof Asks]['out'] } | { failed: string };
