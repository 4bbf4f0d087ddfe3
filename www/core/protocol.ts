/**
 * What the page and its worker say to each other: one request shape, one reply shape, both with an id;
 * beside them progress, a cancel flag, and the worker's last words.
 */

import type { Program } from './assets.ts';
import type {
  BackendChoice, BackendInUse, Comparison, FamilyChoice, FileLink, GivenFile, Hashed, Kept, Outlook, PairFit, Problem, Progress, RemoteFile, Report, Role,
  SavedRecipe, Settings, Several, Spectra, Summary, Variant,
} from './types.ts';

/** Which backend would be used, and why, in a sentence. */
export interface BackendFound {
  backend: BackendInUse;
  adapter: string | null;
  reason: string;
}

/** A verified file and the account of how it was made. */
export interface Fused {
  file: Blob;
  report: Report;
}

/** A file, the text of the adapter_config.json that came with it, and what is known of a file on a server already. */
export interface OpenedFile {
  file: GivenFile;
  config: string | null;
  kept: Kept[];
}

/** A file to be compared with the pair, and the text of the adapter_config.json that came with it. */
export interface Third {
  file: File;
  config: string | null;
}

/** What came of a task of another worker's run (src/web/crew.rs). */
export interface Assisted {
  done: string;
  bytes: Uint8Array<ArrayBuffer> | null;
}

/** Every call: what goes in, what comes back. */
export interface Calls {
  /** `reader`: null where the whole program is to be loaded at once. `leads`: the page speaks with it. */
  start: { in: { reader: Program | null; whole: Program; owner: string; leads: boolean }; out: { version: string } };
  example: { in: { role: Role }; out: Uint8Array<ArrayBuffer> };
  /** What a person's link means. `hosts`: those that files are loaded from besides the Hugging Face Hub. */
  link: { in: { text: string; hosts: string[] }; out: FileLink };
  /** Asks the host of the file for it. */
  find: { in: { link: FileLink }; out: RemoteFile };
  open: { in: { role: Role } & OpenedFile; out: { summary: Summary; kept: Kept[] } };
  /** Asks the host of a role's file for the adapter_config.json beside it, if the file leaves its scale open: its text. */
  config: { in: { role: Role }; out: string | null };
  /** A file is about to come. */
  prepare: { in: Record<string, never>; out: null };
  close: { in: { role: Role }; out: null };
  swap: { in: Record<string, never>; out: null };
  /** The model families of which one may be chosen for the files that are open. */
  families: { in: Record<string, never>; out: FamilyChoice };
  fit: { in: { settings: Partial<Settings> }; out: PairFit };
  /** The files that several are. */
  variants: { in: { settings: Partial<Settings>; several: Several }; out: Variant[] };
  /** Of a recipe, a report or a fused file. */
  recipe: { in: { file: File }; out: SavedRecipe };
  backend: { in: { choice: BackendChoice }; out: BackendFound };
  /** SHA-256 in hex; whenever another call comes in, this one waits. */
  hash: { in: { file: Blob; of: Hashed }; out: string };
  /** All files or none, in the order of the variants. */
  fuse: { in: { variants: Variant[]; backend: BackendChoice }; out: Fused[] };
  /** Analyses what is not analysed yet of the pair, in the background; `outlook` tells what is known by then. */
  analyse: { in: { settings: Partial<Settings> }; out: null };
  outlook: { in: { settings: Partial<Settings> }; out: Outlook };
  /** `module`: its name in the outlook. */
  spectra: { in: { settings: Partial<Settings>; module: string }; out: Spectra };
  /** What a third file has of the pair; in the background, as `analyse`. */
  compare: { in: { settings: Partial<Settings> } & Third; out: Comparison };
  /** From the worker that leads a run to the others: the run's plans and what computes, then its tasks, several at a time. */
  share: { in: { variants: Variant[]; ranks: number[][] | null; checksum: number; backend: BackendChoice }; out: null };
  /** `onDevice`: whether a graphics device may still be used. */
  assist: { in: { task: string; result: Blob | null; onDevice: boolean }; out: Assisted };
  /** From it to the one that hashes: the next bytes of one of its results. They come back, to be filled anew. */
  hashing: { in: { of: number; bytes: Uint8Array<ArrayBuffer> }; out: Uint8Array<ArrayBuffer> };
  /** SHA-256 of them all, in hex, which is forgotten then. */
  hashed: { in: { of: number }; out: string };
}

export type CallName = keyof Calls;

/** What one worker asks another for. */
export type CrewCall = 'start' | 'prepare' | 'backend' | 'open' | 'close' | 'share' | 'assist' | 'hashing' | 'hashed';

/** What the page asks its worker for. */
export type PageCall = Exclude<CallName, 'share' | 'assist' | 'hashing' | 'hashed'>;

export type Request = { [N in CallName]: { id: number; call: N; in: Calls[N]['in'] } }[CallName];

/** The memory that goes over with a call instead of being copied: whoever asks has no use for it until it comes back. */
export const goesWith = (request: Request): Transferable[] => (request.call === 'hashing' ? [request.in.bytes.buffer] : []);

/** The same for the answer. */
export function comesWith(call: CallName, out: Calls[CallName]['out']): Transferable[] {
  if (call === 'hashing') return [(out as Calls['hashing']['out']).buffer];
  const bytes = call === 'assist' ? (out as Calls['assist']['out']).bytes : null;
  return bytes ? [bytes.buffer] : [];
}

export type ToWorker = Request | { cancel: number };

export type FromWorker =
  | { id: number; out: Calls[CallName]['out'] }
  /** `fatal`: the wasm instance is unusable from here on (panic = abort), so the worker must be replaced. */
  | { id: number; problem: Problem; fatal: boolean }
  | { id: number; progress: Progress }
  /** Work in the background goes on; for the watchdog. */
  | { id: number; alive: true }
  /** A trap that belongs to no request's promise, for example a panic in a spawned future. */
  | { fatal: Problem };

/** Name of a Web Lock. Held under a session's id, it protects all its temporary files; under a file's name, that file. */
export const lockName = (owner: string): string => `np-lora-temp:${owner}`;
