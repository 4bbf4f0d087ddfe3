/** What the components receive; they hold no state of their own about files or runs. */

import { UNFIT } from '../core/codes.ts';
import type { BackendChoice, FileLink, GivenFile, PairFit, Problem, Progress, Report, ResultChoice, Role, Settings, Several, Summary } from '../core/types.ts';

export type Phase = 'empty' | 'opening' | 'ready' | 'fusing' | 'checking' | 'done' | 'failed';

/** An adapter_config.json that has been read. `loaded`: it came from the file's host, and is fetched again with the file. */
export interface Config {
  name: string;
  text: string;
  loaded?: boolean;
}

/** The state of one file's place on the page. */
export type Card =
  /** `problem`: why a link leads to no file. `reading`: a link is being read. */
  | { state: 'empty'; problem: Problem | null; reading: boolean }
  /** A link whose host is asked only when the person says so. */
  | { state: 'offered'; link: FileLink }
  | { state: 'opening'; file: File | FileLink; config: Config | null }
  | { state: 'open'; file: GivenFile; config: Config | null; summary: Summary }
  /** `before`: the previous file, which the person can go back to. */
  | { state: 'refused'; file: File | FileLink; config: Config | null; problem: Problem; before: Before | null };

/** A file that was open before. */
export interface Before {
  file: GivenFile;
  config: Config | null;
}

export const EMPTY: Card = { state: 'empty', problem: null, reading: false };

/**
 * A verified result. `sources`: those of its sources that are on this machine. `warnings`: the report's warnings, without those that the host hides.
 * `stale`: what has changed since it was made; changed files outweigh changed settings.
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

/** The warnings of several lists, each once. */
export function warningsOf(lists: readonly Problem[][]): Problem[] {
  const all = lists.flat().map((warning): [string, Problem] => [JSON.stringify(warning), warning]);
  return [...new Map(all).values()];
}

export interface Running {
  converting: boolean;
  files: number;
  result: ResultChoice;
  progress: Progress | null;
  /** When the current stage began, to estimate the time left. */
  stageSince: number;
  stalled: boolean;
}

/** What the controls show: the settings in force, and the choices there are. */
export interface Choices {
  settings: Settings;
  /** The several files to make; null: one file. */
  several: Several | null;
  /** The number of files to make. */
  files: number;
  fit: PairFit | null;
  /** The two files cannot be fused, and of the settings only those that the files leave open could change that. */
  unfit: boolean;
  summaries: Record<Role, Summary | null>;
  /** The model families to choose from. */
  families: readonly string[];
  /** The role of the only file, which cannot be fused but can be converted; null if there are two. */
  only: Role | null;
  disabled: boolean;
  /** Whether μ and all strengths are disabled: whenever everything is, and also where they have no effect. */
  idle: boolean;
}

/** A change in the controls; `committed` when the person has let go. */
export interface Setting {
  patch: Partial<Settings> & { backend?: BackendChoice; several?: Several | null };
  committed: boolean;
}

export type Action = 'fuse' | 'convert' | 'cancel' | 'save' | 'save-all' | 'save-report' | 'reset';

/** What a person wants done; `at`: the index of the result, if there are several. */
export interface ActionAt {
  action: Action;
  at: number;
}

