/** `np-lora/core`: the tool without a page, for pages and workers. Node has one of its own, `node.ts`. */

import type { AssetOptions } from '../core/assets.ts';
import { fileNameFor } from '../core/save.ts';
import { ProblemError, problem } from '../core/problem.ts';
import { Session } from '../core/session.ts';
import type { BackendChoice, Outlook, Settings, Summary } from '../core/types.ts';
import { Pair, once, type CallOptions, type FuseOptions, type Input, type Inputs, type Result, type RunOptions } from './pair.ts';

export { ProblemError } from '../core/problem.ts';
export type { AssetOptions } from '../core/assets.ts';
export type * from '../core/types.ts';
export { Pair };
export type { CallOptions, FuseOptions, Input, Inputs, Result, RunOptions };

export interface OpenOptions extends CallOptions, AssetOptions {
  /** Nothing was heard of the worker for half a minute (true), or it goes on (false). After two minutes the call fails. */
  onStalled?: (stalled: boolean) => void;
}

/** Lets other sessions sweep a result away once nobody has it any more. */
const results = new FinalizationRegistry<() => void>((release) => release());

class Headless extends Session {
  #result: WeakRef<File> | null = null;

  async run(settings: Partial<Settings>, backend: BackendChoice, options?: FuseOptions): Promise<Result> {
    const [made] = await this.fuse([{ settings, swapped: false }], backend, options);
    if (!made) throw new ProblemError(problem('E_INTERNAL', 'nothing was made'));
    const { file, report } = made;
    const named = new File([file], fileNameFor(settings.outputName ?? ''), { type: file.type });
    this.#result = new WeakRef(named);
    return { file: named, report };
  }

  override dispose(): void {
    const result = this.#result?.deref();
    if (!result) return super.dispose();
    this.end();
    results.register(result, () => super.dispose());
  }
}

/** Opens two files to be fused, or one to be converted, in a worker of their own. Reads the headers only. */
export const open = (inputs: Inputs, options: OpenOptions = {}): Promise<Pair> =>
  Pair.open(new Headless(options), inputs, options);

/** What a file is, from its header. */
export const inspect = (file: Input, options?: OpenOptions): Promise<Summary> =>
  once(open({ content: file }, options), async ({ content }) => content as Summary);

/** What the projection would do to a pair. */
export const analyse = (inputs: Inputs, settings?: Partial<Settings>, options?: OpenOptions & RunOptions): Promise<Outlook> =>
  once(open(inputs, options), (pair) => pair.outlook(settings, options));

/** Fuses a pair into a file that was read back and checked. */
export const fuse = (inputs: Inputs, settings?: Partial<Settings>, options?: OpenOptions & FuseOptions): Promise<Result> =>
  once(open(inputs, options), (pair) => pair.fuse(settings, options));

/** Writes one file anew, in another naming, number format or rank. */
export const convert = (file: Input, settings?: Partial<Settings>, options?: OpenOptions & FuseOptions): Promise<Result> =>
  once(open({ content: file }, options), (pair) => pair.convert(settings, options));
