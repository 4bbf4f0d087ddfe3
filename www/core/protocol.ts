/**
 * The messages between the page and its worker: one request shape and one reply shape, both with an id; besides these, progress, a cancel flag, and
 * the worker's last words.
 */

import type { Program } from './assets.ts';
import type {
  BackendChoice, BackendInUse, Comparison, FamilyChoice, FileLink, GivenFile, Hashed, Kept, Outlook, PairFit, Problem, Progress, RemoteFile, Report, Role,
  SavedRecipe, Settings, Several, Spectra, Summary, Variant,
} from './types.ts';

/** Which backend would be used, and a sentence that says why. */
export interface BackendFound {
  backend: BackendInUse;
  adapter: string | null;
  reason: string;
}

/** A verified file and the report on how it was made. */
export interface Fused {
  file: Blob;
  report: Report;
}

/** A file, the text of the adapter_config.json that came with it, and the parts already read if the file is on a server. */
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

/** What came of a task that this worker did for another worker's run (src/web/crew.rs). */
export interface Assisted {
  done: string;
  bytes: Uint8Array<ArrayBuffer> | null;
}

/** Every call, with its input and its answer. */
export interface Calls {
  /** `reader`: null if the whole program is to be loaded at once. `leads`: whether the page speaks to this worker directly. */
  start: { in: { reader: Program | null; whole: Program; owner: string; leads: boolean }; out: { version: string } };
  example: { in: { role: Role }; out: Uint8Array<ArrayBuffer> };
  /** What a person's link means. `hosts`: the hosts that files are loaded from besides the Hugging Face Hub. */
  link: { in: { text: string; hosts: string[] }; out: FileLink };
  /** Asks the host of the linked file for its size and tag. */
  find: { in: { link: FileLink }; out: RemoteFile };
  open: { in: { role: Role } & OpenedFile; out: { summary: Summary; kept: Kept[] } };
  /** Asks the host of a role's file for the adapter_config.json beside it, if the file leaves its scale open; gives its text. */
  config: { in: { role: Role }; out: string | null };
  /** Prepares the worker for a file that is about to come. */
  prepare: { in: Record<string, never>; out: null };
  close: { in: { role: Role }; out: null };
  swap: { in: Record<string, never>; out: null };
  /** The model families to choose from for the open files. */
  families: { in: Record<string, never>; out: FamilyChoice };
  fit: { in: { settings: Partial<Settings> }; out: PairFit };
  /** The variants that `several` asks for, one for each file. */
  variants: { in: { settings: Partial<Settings>; several: Several }; out: Variant[] };
  /** Reads the settings of a recipe, a report or a fused file. */
  recipe: { in: { file: File }; out: SavedRecipe };
  backend: { in: { choice: BackendChoice }; out: BackendFound };
  /** SHA-256 in hex; this call waits whenever another one comes in. */
  hash: { in: { file: Blob; of: Hashed }; out: string };
  /** Makes one file for each variant, in order: all of them or none. */
  fuse: { in: { variants: Variant[]; backend: BackendChoice }; out: Fused[] };
  /** Analyses the rest of the pair in the background; `outlook` gives what is known so far. */
  analyse: { in: { settings: Partial<Settings> }; out: null };
  outlook: { in: { settings: Partial<Settings> }; out: Outlook };
  /** `module`: the module's name in the outlook. */
  spectra: { in: { settings: Partial<Settings>; module: string }; out: Spectra };
  /** How much of the pair a third file contains; worked out in the background, like `analyse`. */
  compare: { in: { settings: Partial<Settings> } & Third; out: Comparison };
  /** From the worker that leads a run to the others: the run's plans and the backend. Its tasks follow in `assist`, several at a time. */
  share: { in: { variants: Variant[]; ranks: number[][] | null; checksum: number; backend: BackendChoice }; out: null };
  /** `onDevice`: whether a graphics device may still be used. */
  assist: { in: { task: string; result: Blob | null; onDevice: boolean }; out: Assisted };
  /** From the worker that leads a run to the one that hashes: the next bytes of a result. The buffer comes back, to be filled again. */
  hashing: { in: { of: number; bytes: Uint8Array<ArrayBuffer> }; out: Uint8Array<ArrayBuffer> };
  /** The SHA-256 of all bytes of a result, in hex; the hashing worker then forgets them. */
  hashed: { in: { of: number }; out: string };
}

export type CallName = keyof Calls;

/** The calls that one worker makes to another. */
export type CrewCall = 'start' | 'prepare' | 'backend' | 'open' | 'close' | 'share' | 'assist' | 'hashing' | 'hashed';

/** The calls that the page makes to its worker. */
export type PageCall = Exclude<CallName, 'share' | 'assist' | 'hashing' | 'hashed'>;

export type Request = { [N in CallName]: { id: number; call: N; in: Calls[N]['in'] } }[CallName];

/** The memory that is transferred with a call instead of being copied; the caller cannot use it until it comes back. */
export const goesWith = (request: Request): Transferable[] => (request.call === 'hashing' ? [request.in.bytes.buffer] : []);

/** The memory that is transferred with an answer instead of being copied. */
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
  /** Background work goes on; this keeps the watchdog quiet. */
  | { id: number; alive: true }
  /** A trap that belongs to no request's promise, for example a panic in a spawned future. */
  | { fatal: Problem };

/** The name of a Web Lock. Held with a session's id, it protects all temporary files of the session; with a file's name, that file. */
export const lockName = (owner: string): string => `np-lora-temp:${owner}`;
