/** The events that the element sends to its host. */

import type { Phase } from './model.ts';
import type { BackendFound } from '../core/protocol.ts';
import type { FusedFile, Problem, Progress, Role, Settings, Summary } from '../core/types.ts';

/** The events by name, each with the type of its `detail`. */
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

/** Sends an event. False: a listener has cancelled it. */
export type Announce = <K extends keyof NpLoraEvents>(name: K, detail: NpLoraEvents[K]['detail']) => boolean;

/** The signature of addEventListener and removeEventListener, with the element's own events and those of all elements. */
export interface Listening<Tool, Options> {
  <K extends keyof NpLoraEvents>(type: K, listener: (this: Tool, event: NpLoraEvents[K]) => unknown, options?: boolean | Options): void;
  <K extends keyof HTMLElementEventMap>(type: K, listener: (this: Tool, event: HTMLElementEventMap[K]) => unknown, options?: boolean | Options): void;
  (type: string, listener: EventListenerOrEventListenerObject, options?: boolean | Options): void;
}
