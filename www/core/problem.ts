/**
 * Errors as the page handles them. Rust words its own errors (src/error.rs); the ones here are those that Rust cannot word because it is not running:
 * the wasm did not load or is not there yet, the worker is gone, the browser refused to store or save. `cargo xtask docs` copies them into
 * docs/ERRORS.md, and for that needs each on one line.
 */

import { OF_BOTH } from './codes.ts';
import type { Problem } from './types.ts';

const OF_PAGE = {
  E_WASM_LOAD: ['The fusing program could not be loaded.', 'Check the connection, then try again.'],
  E_WASM_MISSING: ['The fusing program could not be loaded: it is not where it should be.', 'Reload the page; if that does not help, tell whoever runs this site.'],
  E_WASM_BLOCKED: ['The fusing program could not be loaded: a security policy forbids it.', 'Tell whoever runs this site that its Content-Security-Policy needs \'wasm-unsafe-eval\' in script-src, and in worker-src this tool’s origin and blob:.'],
  E_WORKER_LOST: ['The fusing program stopped. Nothing was saved.', 'Try again; the files you chose are still here. Close other tabs if memory is short.'],
  E_VERSION: ['The page and its program are of different versions.', 'Reload the page.'],
  E_TIMEOUT: ['Nothing has happened for two minutes, so the run was stopped. Nothing was saved.', 'Try again, or choose CPU as the backend.'],
  E_SAVE: ['The file could not be saved.', 'Press Save again and choose another place.'],
  E_RESULT_GONE: ['The result is no longer there: the browser has cleared it.', 'Fuse again.'],
  E_NOT_READY: ['Two files are needed before anything can be fused.', 'Choose a subject and a style LoRA.'],
  E_RUNNING: ['A run is under way.', 'Wait for its end, or cancel it.'],
  E_NOT_ONE: ['Only one file can be converted at a time.', 'Choose one file and leave the other place empty.'],
} as const;

const WORDED = { ...OF_BOTH, ...OF_PAGE };

export type PageCode = keyof typeof OF_BOTH | keyof typeof OF_PAGE;

export function problem(code: PageCode, detail = '', file: string | null = null): Problem {
  const [message, remedy] = WORDED[code];
  return { code, message, remedy, file, tensor: null, detail };
}

function isProblem(thrown: unknown): thrown is Problem {
  // Node's errors have codes too. The class is recognised by its name, because every separately bundled script has a copy of its own.
  if (thrown instanceof Error && thrown.name !== 'ProblemError') return false;
  return typeof thrown === 'object' && thrown !== null
    && typeof (thrown as Problem).code === 'string' && typeof (thrown as Problem).message === 'string';
}

/** Turns whatever was thrown into a plain Problem that can be posted, shown and copied. */
export function toProblem(thrown: unknown, otherwise: PageCode = 'E_INTERNAL'): Problem {
  if (isProblem(thrown)) {
    const { code, message, remedy, file, tensor, detail } = thrown;
    return { code, message, remedy: remedy ?? '', file: file ?? null, tensor: tensor ?? null, detail: detail ?? '' };
  }
  return problem(otherwise, thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown));
}

/** Whether the program can no longer be used: after a trap its state is unknown, and a RangeError means that stack or memory ran out. */
export const isFatal = (thrown: unknown): boolean => thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError;

/** The Problem that a program reports when it has ended with a fatal error. */
export const asLastWords = (thrown: unknown): Problem => problem('E_WORKER_LOST', toProblem(thrown).detail);

/** A Problem as an exception, for callers of the element and of the library. */
export class ProblemError extends Error {
  // A getter, because assigning the name would throw on a page that has frozen Error.prototype.
  override get name(): string { return 'ProblemError'; }
  readonly code: string;
  readonly detail: string;
  readonly remedy: string;
  readonly file: string | null;
  readonly tensor: string | null;

  constructor(readonly problem: Problem) {
    super(problem.message);
    this.code = problem.code;
    this.detail = problem.detail;
    this.remedy = problem.remedy;
    this.file = problem.file;
    this.tensor = problem.tensor;
  }
}
