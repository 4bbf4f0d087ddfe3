/** What a program hands over, looked at before anything is done with it: the compiler does not look at everybody's. */

import { ProblemError, problem } from '../core/problem.ts';
import type { BackendChoice } from '../core/types.ts';

const BACKENDS: readonly BackendChoice[] = ['auto', 'webgpu', 'cpu'];

const refused = (detail: string): ProblemError => new ProblemError(problem('E_SETTINGS', detail));

export function checkBackend(backend: BackendChoice): void {
  if (!BACKENDS.includes(backend)) throw refused(`There is no backend "${String(backend)}", only ${BACKENDS.join(', ')}.`);
}
