/** What a program hands over, looked at before anything is done with it: the compiler does not look at everybody's. */

import { ProblemError, problem } from '../core/problem.ts';
import type { BackendChoice, PairFit, Settings } from '../core/types.ts';
import { listed } from './blocks.ts';

const BACKENDS: readonly BackendChoice[] = ['auto', 'webgpu', 'cpu'];

const refused = (detail: string): ProblemError => new ProblemError(problem('E_SETTINGS', detail));

export function checkBackend(backend: BackendChoice): void {
  if (!BACKENDS.includes(backend)) throw refused(`There is no backend "${String(backend)}", only ${BACKENDS.join(', ')}.`);
}

/** A page opens a recipe of another model, whose blocks are not there; in what a program says, a block that is not there is a slip. */
export function checkBlocks(blocks: Settings['blocks'], { blocks: found }: PairFit): void {
  const labels = found.map(({ label }) => label);
  const unknown = Object.keys(blocks).find((label) => !labels.includes(label));
  if (unknown === undefined) return;
  throw refused(`There is no block "${unknown}" here, ${labels.length > 0 ? `only ${listed(labels)}` : 'as the model is not known'}.`);
}
