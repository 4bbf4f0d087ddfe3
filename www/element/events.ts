/** What the element tells its host. */

import type { Phase } from './model.ts';
import type { BackendFound } from '../core/protocol.ts';
import type { FusedFile, Problem, Progress, Role, Settings, Summary } from '../core/types.ts';

/** Events by name, each with what its `detail` is. */
export interface NpLoraEvents {
  input: CustomEvent<Settings>;
  change: CustomEvent<Settings>;
  inspect: CustomEvent<{ role: Role; summary: Summary }>;
  warning: CustomEvent<Problem>;
  progress: CustomEvent<Progress>;
  backendchange: CustomEvent<BackendFound>;
  phasechange: CustomEvent<Phase>;
  beforesave: CustomEvent<FusedFile>;
  complete: CustomEvent<FusedFile & { results: FusedFile[] }>;
  error: CustomEvent<Problem>;
  abort: CustomEvent<null>;
}

/** Sends one of them. False: whoever listens has cancelled it. */
export type Announce = <K extends keyof NpLoraEvents>(name: K, detail: NpLoraEvents[K]['detail']) => boolean;

/** Listening to them and to those that all elements have, and no longer. */
export interface Listening<Tool, Options> {
  <K extends keyof NpLoraEvents>(type: K, listener: (this: Tool, event: NpLoraEvents[K]) => unknown, options?: boolean | Options): void;
  <K extends keyof HTMLElementEventMap>(type: K, listener: (this: Tool, event: HTMLElementEventMap[K]) => unknown, options?: boolean | Options): void;
  (type: string, listener: EventListenerOrEventListenerObject, options?: boolean | Options): void;
}
