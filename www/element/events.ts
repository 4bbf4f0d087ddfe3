/** What the element tells its host. */

import type { Phase } from './model.ts';
import type { BackendFound, Fused } from '../core/protocol.ts';
import type { Problem, Progress, Role, Settings, Summary } from '../core/types.ts';

/** Events by name, each with what its `detail` is. */
export interface NpLoraEvents {
  input: CustomEvent<Settings>;
  change: CustomEvent<Settings>;
  inspect: CustomEvent<{ role: Role; summary: Summary }>;
  warning: CustomEvent<Problem>;
  progress: CustomEvent<Progress>;
  backendchange: CustomEvent<BackendFound>;
  phasechange: CustomEvent<Phase>;
  beforesave: CustomEvent<Fused>;
  complete: CustomEvent<Fused & { results: Fused[] }>;
  error: CustomEvent<Problem>;
  abort: CustomEvent<null>;
}
