/**
 * Refusals of the library and the command alone, which the page never shows and which are therefore not translated. `cargo xtask docs` copies them
 * into docs/ERRORS.md, and for that needs each on one line.
 */

import { ProblemError } from '../core/problem.ts';

const OF_LIBRARY = {
  E_EXISTS: ['There is a file of this name already.', 'Choose another name, or allow overwriting it.'],
  E_FOLDER: ['The result would have the name of a folder.', 'Choose another name for it.'],
  E_OVER_INPUT: ['The result would replace one of its sources.', 'Choose another name for it.'],
  E_CLOSED: ['The pair has been closed.', 'Open its files again.'],
} as const;

export function refused(code: keyof typeof OF_LIBRARY, file: string | null = null): ProblemError {
  const [message, remedy] = OF_LIBRARY[code];
  return new ProblemError({ code, message, remedy, file, tensor: null, detail: '' });
}
