/** Parts of the page that are fetched when they are wanted. */

const ADDRESS = /https?:\S+\.js/;

/**
 * Imports a part by `load`, a literal `import()`; false if it does not come. Some browsers remember that an import failed, by
 * its whole address (whatwg/html#6768), which they name in the error: from then on it is asked for under another one.
 */
export function later(load: () => Promise<unknown>): () => Promise<boolean> {
  let failed: string | null = null;
  let attempts = 0;
  return async () => {
    try {
      await (failed ? import(/* webpackIgnore: true */ /* @vite-ignore */ `${failed}?${++attempts}`) : load());
      return true;
    } catch (thrown) {
      failed ??= ADDRESS.exec(String(thrown))?.[0] ?? null;
      return false;
    }
  };
}

export const fetchCharts = later(() => import('./outlook/charts.ts'));
export const fetchComparison = later(() => import('./compare/comparison.ts'));
