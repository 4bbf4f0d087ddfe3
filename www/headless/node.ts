/** `np-lora/core` in Node: the same, on the CPU and in the thread that calls it, and files on disk. */

import type { Outlook, Settings, Summary } from '../core/types.ts';
import type { DiskOptions } from './disk.ts';
import { Direct } from './direct.ts';
import { Pair, once, type CallOptions, type FuseOptions, type Input, type Inputs, type Result, type RunOptions } from './pair.ts';

export { ProblemError } from '../core/problem.ts';
export type * from '../core/types.ts';
export { openFile } from './disk.ts';
export { Pair };
export type { CallOptions, DiskOptions, FuseOptions, Input, Inputs, Result, RunOptions };

/** Opens two files to be fused, or one to be converted. Reads the headers only. */
export const open = async (inputs: Inputs, options: CallOptions = {}): Promise<Pair<DiskOptions>> =>
  Pair.open(await Direct.start(), inputs, options);

/** The program's own version. */
export const version = (): Promise<string> => Direct.version();

/** What a file is, from its header. */
export const inspect = (file: Input, options?: CallOptions): Promise<Summary> =>
  once(open({ content: file }, options), async ({ content }) => content as Summary);

/** What the projection would do to a pair. */
export const analyse = (inputs: Inputs, settings?: Partial<Settings>, options?: RunOptions): Promise<Outlook> =>
  once(open(inputs, options), (pair) => pair.outlook(settings, options));

/** Fuses a pair into a file that was read back and checked. */
export const fuse = (inputs: Inputs, settings?: Partial<Settings>, options?: FuseOptions & Partial<DiskOptions>): Promise<Result> =>
  once(open(inputs, options), (pair) => pair.fuse(settings, options));

/** Writes one file anew, in another naming, number format or rank. */
export const convert = (file: Input, settings?: Partial<Settings>, options?: FuseOptions & Partial<DiskOptions>): Promise<Result> =>
  once(open({ content: file }, options), (pair) => pair.convert(settings, options));
