/** Parts of the page that are fetched when they are wanted. */

const ADDRESS = /https?:\S+\.js/;

/**
 * Imports a part by `load`, a literal `import()`; null if it does not come. Some browsers remember that an import failed, by
 * its whole address (whatwg/html#6768), which they name in the error: from then on it is asked for under another one.
 */
export function later<Part>(load: () => Promise<Part>): () => Promise<Part | null> {
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

export const fetchCharts = later(() => import('./outlook/charts.ts'));
export const fetchComparison = later(() => import('./compare/comparison.ts'));
