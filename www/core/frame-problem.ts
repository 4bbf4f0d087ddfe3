/**
 * Refusals of frames alone, on either side of them, which no other visitor needs to load. `cargo xtask docs` copies them into docs/ERRORS.md, and for
 * that needs each on one line.
 */

import type { Problem } from './types.ts';

const OF_FRAMES = {
  E_FRAME: ['The tool could not be opened in this frame.', 'Tell whoever runs this site.'],
  E_MESSAGE: ['The page around this tool asked for something that makes no sense.', 'Tell whoever runs this site.'],
} as const;

export type FrameCode = keyof typeof OF_FRAMES;

export function frameProblem(code: FrameCode, detail = ''): Problem {
  const [message, remedy] = OF_FRAMES[code];
  return { code, message, remedy, file: null, tensor: null, detail };
}
