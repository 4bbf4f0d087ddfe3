/** For esbuild: what stands in css`…` is minified as a stylesheet is. With a value in it, it stays as it is written. */

import { transform } from 'esbuild';
import { readFile } from 'node:fs/promises';

const STYLES = /\bcss`([^`$\\]*)`/g;

export const styles = {
  name: 'styles',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const found = await Promise.all([...text.matchAll(STYLES)].map(([, css]) => transform(css, { loader: 'css', minify: true, charset: 'utf8' })));
      const smaller = found.map(({ code }) => `css\`${code.trim()}\``);
      return { loader: 'ts', contents: text.replace(STYLES, () => smaller.shift()) };
    });
  },
};
