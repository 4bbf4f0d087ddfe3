/** `np-lora`: the element's class, not yet defined as an element. `np-lora/define.js` defines it, with its parts. */

import type { NpLora } from './np-lora.ts';

export { NpLora } from './np-lora.ts';
export { ProblemError } from '../core/problem.ts';
export type * from '../core/types.ts';
export type { Language } from './languages/tags.ts';
export type { Phase } from './model.ts';
export type { BackendFound } from '../core/protocol.ts';
export type { NpLoraEvents } from './events.ts';

declare global {
  interface HTMLElementTagNameMap {
    'np-lora': NpLora;
  }
}
