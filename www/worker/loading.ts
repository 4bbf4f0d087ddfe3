/** Why the program did not load: a person can do something about a missing file, and a host about a policy. */

import { problem, toProblem } from '../core/problem.ts';
import type { Problem } from '../core/types.ts';

/** The smallest wasm module there is: its magic number and version. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** `thrown` is what loading the files at `urls` ended with. */
export async function whyNotLoaded(thrown: unknown, urls: string[]): Promise<Problem> {
  const detail = (url: string, what: string): string => `${what} (${url}). ${toProblem(thrown).detail}`;
  try {
    new WebAssembly.Module(EMPTY_MODULE);
  } catch (refused) {
    return problem('E_WASM_BLOCKED', toProblem(refused).detail);
  }
  for (const url of urls) {
    const response = await fetch(url).catch(() => null);
    void response?.body?.cancel();
    if (!response) return problem('E_WASM_LOAD', detail(url, 'No answer'));
    if (!response.ok) return problem('E_WASM_MISSING', detail(url, `The server said ${response.status}`));
    // Many hosts answer with their front page where there is no file.
    if (response.headers.get('Content-Type')?.startsWith('text/html')) return problem('E_WASM_MISSING', detail(url, 'The server sent a web page'));
  }
  return problem('E_WASM_LOAD', toProblem(thrown).detail);
}
