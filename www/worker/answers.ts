/** Checks of the answers that one worker gives another. */

import type { Assisted, CrewCall } from '../core/protocol.ts';
import type { Answers } from '../core/replies.ts';
import { nothing, object, orNull, text } from '../core/shape.ts';
import { BYTES, IN_USE, KEPT, SUMMARY } from '../core/shapes.ts';

export const ANSWERS: Answers<CrewCall> = {
  start: object({ version: text }),
  prepare: nothing,
  backend: object({ backend: IN_USE, adapter: orNull(text), reason: text }),
  open: object({ summary: SUMMARY, kept: KEPT }),
  close: nothing,
  share: nothing,
  assist: object<Assisted>({ done: text, bytes: orNull(BYTES) }),
  hashing: BYTES,
  hashed: text,
};
