/** Finds out why the program did not load: a person can do something about a missing file, and a host about a security policy. */

import { problem, toProblem } from './problem.ts';
import type { Problem } from './types.ts';

/** The smallest wasm module there is: its magic number and version. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** `thrown` is the error with which loading the files at `urls` failed. */
export async function whyNotLoaded(thrown: unknown, urls: string[]): Promise<Problem> {
  const { detail } = toProblem(thrown);
  try {
    new WebAssembly.Module(EMPTY_MODULE);
  } catch (refused) {
    return problem('E_WASM_BLOCKED', toProblem(refused).detail);
  }
  for (const url of urls) {
    const unserved = await whyNotServed(url, detail);
    if (unserved) return unserved;
  }
  return problem('E_WASM_LOAD', detail);
}

/** Finds out why the worker's script at `url` never ran, which no browser says. */
export async function whyNotStarted(url: string): Promise<Problem> {
  // The server sends it, and as a script, so only a security policy can have stopped it.
  return await whyNotServed(url, 'The worker did not start.', 'javascript') ?? problem('E_WASM_BLOCKED', `The worker ${url} did not start.`);
}

async function whyNotServed(url: string, detail: string, type = ''): Promise<Problem | null> {
  const because = (what: string): string => `${what} (${url}). ${detail}`;
  const response = await fetch(url).catch(() => null);
  void response?.body?.cancel();
  if (!response) return problem('E_WASM_LOAD', because('No answer'));
  if (!response.ok) return problem('E_WASM_MISSING', because(`The server said ${response.status}`));
  const sent = response.headers.get('Content-Type') ?? '';
  // Many hosts answer with their front page where a file is missing.
  if (sent.startsWith('text/html')) return problem('E_WASM_MISSING', because('The server sent a web page'));
  return sent.includes(type) ? null : problem('E_WASM_LOAD', because(`The server calls it ${sent}`));
}
