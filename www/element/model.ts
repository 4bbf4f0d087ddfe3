/** What the components are told; they hold no state of their own about files or runs. */

import type { BackendChoice, FileLink, GivenFile, PairFit, Problem, Progress, Report, ResultChoice, Role, Settings, Summary } from '../core/types.ts';

export type Phase = 'empty' | 'opening' | 'ready' | 'fusing' | 'checking' | 'done' | 'failed';

/** An adapter_config.json, read. */
export interface Config {
  name: string;
  text: string;
}

/** One file's place on the page. */
export type Card =
  /** `problem`: why a link leads to no file. */
  | { state: 'empty'; problem: Problem | null }
  /** A link, of whose host nothing is asked before the person says so. */
  | { state: 'offered'; link: FileLink }
  | { state: 'opening'; file: File | FileLink; config: Config | null }
  | { state: 'open'; file: GivenFile; config: Config | null; summary: Summary }
  | { state: 'refused'; file: File | FileLink; config: Config | null; problem: Problem };

export const EMPTY: Card = { state: 'empty', problem: null };

/** A verified result. `stale`: files or settings are no longer those it was made from. */
export interface Outcome {
  file: File;
  report: Report;
  stale: boolean;
}

export const isConversion = (report: Report): boolean => report.content === null || report.style === null;

export interface Running {
  converting: boolean;
  result: ResultChoice;
  since: number;
  progress: Progress | null;
  /** When the current stage began, for the time left. */
  stageSince: number;
  stalled: boolean;
}

/** What the controls show: the settings in force, and what there is to choose from. */
export interface Choices {
  settings: Settings;
  fit: PairFit | null;
  summaries: Record<Role, Summary | null>;
  /** Model families that the open files leave open. */
  families: readonly string[];
  /** The only file's role: there is nothing to fuse, but it can be converted. */
  only: Role | null;
  disabled: boolean;
  /** Whether μ and all strengths are disabled: always then, and where they have no effect. */
  idle: boolean;
}

/** A change in the controls; `committed` when the person let go. */
export interface Setting {
  patch: Partial<Settings> & { backend?: BackendChoice };
  committed: boolean;
}

export type Action = 'fuse' | 'convert' | 'cancel' | 'save' | 'save-report' | 'reset';

