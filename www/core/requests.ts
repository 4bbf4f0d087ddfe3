/** Checks of the requests that a page sends to its worker, and one worker to another. */

import type { Program } from './assets.ts';
import type { CallName, Calls, ToWorker } from './protocol.ts';
import { isBlob, isFile, list, number, object, orNull, text, truth, word, type Shape } from './shape.ts';
import { BYTES, CHOICE, CHOSEN, FILE_LINK, OPENED, ROLE, TEXTS, VARIANTS } from './shapes.ts';
import type { Several } from './types.ts';

const PROGRAM = object<Program>({ glue: text, wasm: text });

const SEVERAL = object<Several>({ mus: list(number), plain: truth, bothDirections: truth });

const REQUESTS: { [N in CallName]: Shape<Calls[N]['in']> } = {
  start: object({ reader: orNull(PROGRAM), whole: PROGRAM, owner: text, leads: truth }),
  example: object({ role: ROLE }),
  link: object({ text, hosts: TEXTS }),
  find: object({ link: FILE_LINK }),
  open: object({ role: ROLE, ...OPENED }),
  config: object({ role: ROLE }),
  prepare: object({}),
  close: object({ role: ROLE }),
  swap: object<Record<string, never>>({}),
  families: object<Record<string, never>>({}),
  fit: object({ settings: CHOSEN }),
  variants: object({ settings: CHOSEN, several: SEVERAL }),
  recipe: object({ file: isFile }),
  backend: object({ choice: CHOICE }),
  hash: object({ file: isBlob, of: word('file', 'tensors') }),
  fuse: object({ variants: VARIANTS, backend: CHOICE }),
  analyse: object({ settings: CHOSEN }),
  outlook: object({ settings: CHOSEN }),
  spectra: object({ settings: CHOSEN, module: text }),
  compare: object({ settings: CHOSEN, file: isFile, config: orNull(text) }),
  share: object({ variants: VARIANTS, ranks: orNull(list(list(number))), checksum: number, backend: CHOICE }),
  assist: object({ task: text, result: orNull(isBlob), onDevice: truth }),
  hashing: object({ of: number, bytes: BYTES }),
  hashed: object({ of: number }),
};

const isCall = (name: unknown): name is CallName => typeof name === 'string' && Object.hasOwn(REQUESTS, name);

const CANCEL = object<{ cancel: number }>({ cancel: number });
const REQUEST = object<{ id: number; call: CallName; in: unknown }>({ id: number, call: isCall, in: (_): _ is unknown => true });

/** A message to the worker, checked; null if it makes no sense. */
export function toWorker(message: unknown): ToWorker | null {
  if (REQUEST(message)) return REQUESTS[message.call](message.in) ? message as ToWorker : null;
  return CANCEL(message) ? message : null;
}
