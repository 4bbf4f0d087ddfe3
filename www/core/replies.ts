/** Checks of everything that a worker can say, whatever it was asked. */

import type { CallName, Calls, FromWorker } from './protocol.ts';
import { number, object, truth, type Shape } from './shape.ts';
import { PROBLEM, PROGRESS } from './shapes.ts';
import type { Problem, Progress } from './types.ts';

/** The checks of the answers to some calls. */
export type Answers<K extends CallName> = { readonly [N in K]: Shape<Calls[N]['out']> };

const LAST_WORDS = object<{ fatal: Problem }>({ fatal: PROBLEM });
const REFUSAL = object<{ id: number; problem: Problem; fatal: boolean }>({ id: number, problem: PROBLEM, fatal: truth });
const ON_THE_WAY = object<{ id: number; progress: Progress }>({ id: number, progress: PROGRESS });
const ALIVE = object<{ id: number; alive: true }>({ id: number, alive: (value): value is true => value === true });
const REPLY = object<{ id: number; out: unknown }>({ id: number, out: (value): value is unknown => value !== undefined });

/** A worker's message, checked; null if it makes no sense. `callOf` tells which call an id belongs to. */
export function fromWorker<K extends CallName>(message: unknown, callOf: (id: number) => K | undefined, answers: Answers<K>): FromWorker | null {
  if (LAST_WORDS(message) || REFUSAL(message) || ON_THE_WAY(message) || ALIVE(message)) return message;
  if (!REPLY(message)) return null;
  const call = callOf(message.id);
  // Once nobody waits for a call any more, any answer to it will do.
  return call === undefined || answers[call](message.out) ? message as FromWorker : null;
}
