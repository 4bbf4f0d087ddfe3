/** `np-lora/core` in Node: the same interface, on the CPU and in the calling thread, with files on disk. */

import type { DiskOptions } from './disk.ts';
import { Direct } from './direct.ts';
import { Pair, questions, type CallOptions, type FuseOptions, type Input, type Inputs, type Questions, type RunOptions } from './pair.ts';

export { ProblemError } from '../core/problem.ts';
export type * from '../core/types.ts';
export { openFile } from './disk.ts';
export { Pair };
export type { CallOptions, DiskOptions, FuseOptions, Input, Inputs, RunOptions };

/** Opens two files to be fused, or one to be converted. Reads only the headers. */
export const open = async (inputs: Inputs, options: CallOptions = {}): Promise<Pair<DiskOptions>> =>
  Pair.open(await Direct.start(), inputs, options);

/** The version of the program. */
export const version = (): Promise<string> => Direct.version();

const asked: Questions<DiskOptions, CallOptions> = questions(open);

/** Describes a file, according to its header. */
export const inspect: typeof asked.inspect = asked.inspect;

/** Tells what the projection would do to a pair. */
export const analyse: typeof asked.analyse = asked.analyse;

/** Fuses a pair into a file, which is read back and checked. */
export const fuse: typeof asked.fuse = asked.fuse;

/** Converts one file to another naming, number format or rank. */
export const convert: typeof asked.convert = asked.convert;
