/** `np-lora`: the element's class, defined by nobody yet. `np-lora/define.js` defines it, with its parts. */

import type { BackendFound, Fused } from '../core/protocol.ts';
import type { Problem, Progress, Role, Summary } from '../core/types.ts';
import type { NpLora } from './np-lora.ts';

export { NpLora } from './np-lora.ts';
export { ProblemError } from '../core/problem.ts';
export type * from '../core/types.ts';
export type { Phase } from './model.ts';
export type { BackendFound, Fused };

/** What the element tells, and with which detail. */
export interface NpLoraEvents {
  inspect: CustomEvent<{ role: Role; summary: Summary }>;
  warning: CustomEvent<Problem>;
  progress: CustomEvent<Progress>;
  backendchange: CustomEvent<BackendFound>;
  beforesave: CustomEvent<Fused>;
  complete: CustomEvent<Fused>;
  error: CustomEvent<Problem>;
  abort: CustomEvent<null>;
}

declare global {
  interface HTMLElementTagNameMap {
    'np-lora': NpLora;
  }
}
