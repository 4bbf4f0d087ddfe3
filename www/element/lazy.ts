/** Parts of the page that are fetched when they are needed. */

import type { ReactiveControllerHost } from 'lit';
import { text } from './words/strings.ts';

const ADDRESS = /https?:\S+\.js/;

/**
 * Imports a part by `load`, a literal `import()`; null if it does not arrive. Some browsers remember that an import failed, by its whole address
 * (whatwg/html#6768), which they name in the error: from then on, the part is requested under a different one.
 */
export function lazy<Part>(load: () => Promise<Part>): () => Promise<Part | null> {
  let failed: string | null = null;
  let attempts = 0;
  return async () => {
    try {
      return await (failed ? import(/* webpackIgnore: true */ /* @vite-ignore */ `${failed}?${++attempts}`) as Promise<Part> : load());
    } catch (thrown) {
      failed ??= ADDRESS.exec(String(thrown))?.[0] ?? null;
      return null;
    }
  };
}

/** Parts that an element needs for drawing, and whether they have arrived. */
export class Fetched {
  state: 'unasked' | 'coming' | 'there' | 'failed' = 'unasked';
  #fetches: (() => Promise<unknown>)[];
  #coming: Promise<void> | null = null;
  #failures = 0;

  constructor(private host: ReactiveControllerHost, ...fetches: (() => Promise<unknown>)[]) {
    this.#fetches = fetches;
  }

  /** What follows the message that they did not come: a server has only the parts of its newest version, or did not answer once. */
  get hint(): string {
    return this.#failures > 1 && navigator.onLine ? text.newerVersion : '';
  }

  /** Fetches the parts, unless they have arrived or are on their way. */
  want(): Promise<void> {
    return (this.#coming ??= this.#ask());
  }

  async #ask(): Promise<void> {
    this.#become('coming');
    const parts = await Promise.all(this.#fetches.map((fetch) => fetch()));
    const there = parts.every(Boolean);
    if (!there) {
      this.#coming = null;
      this.#failures += 1;
    }
    this.#become(there ? 'there' : 'failed');
  }

  #become(state: Fetched['state']): void {
    this.state = state;
    this.host.requestUpdate();
  }
}

export const fetchCharts = lazy(() => import('./outlook/charts.ts'));
export const fetchResults = lazy(() => import('./run/results.ts'));
export const fetchComparison = lazy(() => import('./compare/comparison.ts'));
