/** `np-lora/core` in Node: the same, on the CPU and in the thread that calls it, and files on disk. */

import type { DiskOptions } from './disk.ts';
import { Direct } from './direct.ts';
import { Pair, questions, type CallOptions, type FuseOptions, type Input, type Inputs, type Questions, type RunOptions } from './pair.ts';

export { ProblemError } from '../core/problem.ts';
export type * from '../core/types.ts';
export { openFile } from './disk.ts';
export { Pair };
export type { CallOptions, DiskOptions, FuseOptions, Input, Inputs, RunOptions };

/** Opens two files to be fused, or one to be converted. Reads the headers only. */
export const open = async (inputs: Inputs, options: CallOptions = {}): Promise<Pair<DiskOptions>> =>
  Pair.open(await Direct.start(), inputs, options);

/** The program's own version. */
export const version = (): Promise<string> => Direct.version();

const asked: Questions<DiskOptions, CallOptions> = questions(open);

/** What a file is, from its header. */
export const inspect: typeof asked.inspect = asked.inspect;

/** What the projection would do to a pair. */
export const analyse: typeof asked.analyse = asked.analyse;

/** Fuses a pair into a file that was read back and checked. */
export const fuse: typeof asked.fuse = asked.fuse;

/** Writes one file anew, in another naming, number format or rank. */
export const convert: typeof asked.convert = asked.convert;
