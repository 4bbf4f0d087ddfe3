/** `np-lora/core`: the tool without a page, for pages and workers. Node has its own version, `node.ts`. */

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
  /** Called with true when nothing was heard from the worker for half a minute, and with false when it goes on. After two minutes the call fails. */
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

/** Opens two files to be fused, or one to be converted, in a worker of its own. Reads only the headers. */
export const open = (inputs: Inputs, options: OpenOptions = {}): Promise<Pair> =>
  Pair.open(new Headless(options), inputs, options);

const asked: Questions<unknown, OpenOptions> = questions(open);

/** Describes a file, according to its header. */
export const inspect: typeof asked.inspect = asked.inspect;

/** Tells what the projection would do to a pair. */
export const analyse: typeof asked.analyse = asked.analyse;

/** Fuses a pair into a file, which is read back and checked. */
export const fuse: typeof asked.fuse = asked.fuse;

/** Converts one file to another naming, number format or rank. */
export const convert: typeof asked.convert = asked.convert;
