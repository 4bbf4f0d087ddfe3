/**
 * For esbuild, which leaves templates as they are written: in css`…` what a stylesheet does not need goes, unless a value is in it,
 * and everywhere what indents a line, which no template of ours shows.
 */

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
      return { loader: 'ts', contents: text.replace(STYLES, () => smaller.shift()).replace(/\n +/g, '\n') };
    });
  },
};
