/** `np-lora/core`: the tool without a page, for pages and workers. Node has one of its own, `node.ts`. */

import type { AssetOptions } from '../core/assets.ts';
import { ProblemError, problem } from '../core/problem.ts';
import { Session } from '../core/session.ts';
import type { BackendChoice, FusedFile, Settings } from '../core/types.ts';
import { Pair, questions, type CallOptions, type FuseOptions, type Input, type Inputs, type Questions, type RunOptions } from './pair.ts';

export { ProblemError } from '../core/problem.ts';
export type { AssetOptions } from '../core/assets.ts';
export type * from '../core/types.ts';
export { Pair };
export type { CallOptions, FuseOptions, Input, Inputs, RunOptions };

export interface OpenOptions extends CallOptions, AssetOptions {
  /** Nothing was heard of the worker for half a minute (true), or it goes on (false). After two minutes the call fails. */
  onStalled?: ((stalled: boolean) => void) | undefined;
}

class Headless extends Session {
  readonly options = ['assetBase', 'workerURL', 'glueURL', 'wasmURL', 'onStalled'] satisfies (keyof OpenOptions)[];

  nameFor(): null {
    return null;
  }

  async run(settings: Partial<Settings>, backend: BackendChoice, _sources: readonly Blob[], options?: FuseOptions): Promise<FusedFile> {
    const [made] = await this.fuse([{ settings, swapped: false }], backend, options);
    if (!made) throw new ProblemError(problem('E_INTERNAL', 'nothing was made'));
    return made;
  }
}

/** Opens two files to be fused, or one to be converted, in a worker of their own. Reads the headers only. */
export const open = (inputs: Inputs, options: OpenOptions = {}): Promise<Pair> =>
  Pair.open(new Headless(options), inputs, options);

const asked: Questions<unknown, OpenOptions> = questions(open);

/** What a file is, from its header. */
export const inspect: typeof asked.inspect = asked.inspect;

/** What the projection would do to a pair. */
export const analyse: typeof asked.analyse = asked.analyse;

/** Fuses a pair into a file that was read back and checked. */
export const fuse: typeof asked.fuse = asked.fuse;

/** Writes one file anew, in another naming, number format or rank. */
export const convert: typeof asked.convert = asked.convert;
