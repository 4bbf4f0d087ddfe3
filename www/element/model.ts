/** What the components are told; they hold no state of their own about files or runs. */

import type { BackendChoice, Problem, Progress, Report, Role, Settings, Summary } from '../core/types.ts';

export type Phase = 'empty' | 'opening' | 'ready' | 'fusing' | 'checking' | 'done' | 'failed';

/** One file's place on the page. */
export type Card =
  | { state: 'empty' }
  | { state: 'opening'; file: File }
  | { state: 'open'; file: File; summary: Summary }
  | { state: 'refused'; file: File; problem: Problem };

/** A verified result. `stale`: files or settings are no longer those it was made from. */
export interface Outcome {
  file: File;
  report: Report;
  stale: boolean;
}

export interface Running {
  since: number;
  progress: Progress | null;
  /** When the current stage began, for the time left. */
  stageSince: number;
  stalled: boolean;
}

/** A change in the controls; `committed` when the person let go. */
export interface Setting {
  patch: Partial<Settings> & { backend?: BackendChoice };
  committed: boolean;
}

export type Action = 'fuse' | 'cancel' | 'save' | 'save-report' | 'reset';

export const ROLES: readonly Role[] = ['content', 'style'];
