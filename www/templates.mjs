/**
 * For esbuild, which leaves templates as they are written: in css`…` what a stylesheet does not need goes, unless a value is in it,
 * and everywhere what indents a line.
 */

import { transform } from 'esbuild';
import { readFile } from 'node:fs/promises';

const STYLES = /\bcss`([^`$\\]*)`/g;
/** Where the beginning of a line would be seen. */
const SHOWN = /white-space:\s*(pre|break-spaces)|<(pre|textarea)\b/;

export const templates = {
  name: 'templates',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (SHOWN.test(text)) return { errors: [{ text: `${path} shows how lines begin, which this build takes away (www/templates.mjs).` }] };
      const found = await Promise.all([...text.matchAll(STYLES)].map(([, css]) => transform(css, { loader: 'css', minify: true, charset: 'utf8' })));
      const smaller = found.map(({ code }) => `css\`${code.trim()}\``);
      return { loader: 'ts', contents: text.replace(STYLES, () => smaller.shift()).replace(/\n +/g, '\n') };
    });
  },
};
