/** What the components are told; they hold no state of their own about files or runs. */

import { UNFIT } from '../core/codes.ts';
import type { BackendChoice, FileLink, GivenFile, PairFit, Problem, Progress, Report, ResultChoice, Role, Settings, Several, Summary } from '../core/types.ts';

export type Phase = 'empty' | 'opening' | 'ready' | 'fusing' | 'checking' | 'done' | 'failed';

/** An adapter_config.json, read. `loaded`: with the file from its host, and again with it. */
export interface Config {
  name: string;
  text: string;
  loaded?: boolean;
}

/** One file's place on the page. */
export type Card =
  /** `problem`: why a link leads to no file. `reading`: what a link means is being found out. */
  | { state: 'empty'; problem: Problem | null; reading: boolean }
  /** A link, of whose host nothing is asked before the person says so. */
  | { state: 'offered'; link: FileLink }
  | { state: 'opening'; file: File | FileLink; config: Config | null }
  | { state: 'open'; file: GivenFile; config: Config | null; summary: Summary }
  /** `before`: what lay there and can be taken back. */
  | { state: 'refused'; file: File | FileLink; config: Config | null; problem: Problem; before: Before | null };

/** A file that was open. */
export interface Before {
  file: GivenFile;
  config: Config | null;
}

export const EMPTY: Card = { state: 'empty', problem: null, reading: false };

/**
 * A verified result. `sources`: what it was made of that lies on this machine. `warnings`: those of the report that the host lets
 * be shown. `stale`: what is no longer as it was when it was made; files outweigh settings.
 */
export interface Outcome {
  file: File;
  report: Report;
  sources: Record<Role, File | null>;
  warnings: Problem[];
  stale: false | 'settings' | 'files';
}

export const isConversion = (report: Report): boolean => report.content === null || report.style === null;

/** Whether a problem lies in the two files themselves. */
export const isUnfit = (problem: Problem | null): boolean => UNFIT.has(problem?.code ?? '');

/** What a user should know of any of them, each once. */
export function warningsOf(lists: readonly Problem[][]): Problem[] {
  const all = lists.flat().map((warning): [string, Problem] => [JSON.stringify(warning), warning]);
  return [...new Map(all).values()];
}

export interface Running {
  converting: boolean;
  files: number;
  result: ResultChoice;
  progress: Progress | null;
  /** When the current stage began, for the time left. */
  stageSince: number;
  stalled: boolean;
}

/** What the controls show: the settings in force, and what there is to choose from. */
export interface Choices {
  settings: Settings;
  /** Where more than one file is made. */
  several: Several | null;
  /** How many files that are. */
  files: number;
  fit: PairFit | null;
  /** The two cannot be fused, whatever is set here but what the files leave open. */
  unfit: boolean;
  summaries: Record<Role, Summary | null>;
  /** Model families of which one may be chosen. */
  families: readonly string[];
  /** The only file's role: there is nothing to fuse, but it can be converted. */
  only: Role | null;
  disabled: boolean;
  /** Whether μ and all strengths are disabled: always then, and where they have no effect. */
  idle: boolean;
}

/** A change in the controls; `committed` when the person let go. */
export interface Setting {
  patch: Partial<Settings> & { backend?: BackendChoice; several?: Several | null };
  committed: boolean;
}

export type Action = 'fuse' | 'convert' | 'cancel' | 'save' | 'save-all' | 'save-report' | 'reset';

/** What a person wants done; `at`: with which of several results. */
export interface ActionAt {
  action: Action;
  at: number;
}

