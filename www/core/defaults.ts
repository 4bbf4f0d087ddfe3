/** The settings where nobody says otherwise. Written by `cargo xtask docs` from src/fusion/settings/mod.rs. */

import type { Settings } from './types.ts';

export const DEFAULT_SETTINGS: Settings = {
  mu: 0.5,
  result: 'fusion',
  contentStrength: 1,
  styleStrength: 1,
  cut: { kind: 'all' },
  dtype: 'auto',
  layout: 'compatible',
  contentTextStrength: null,
  styleTextStrength: null,
  blocks: {},
  contentScale: { kind: 'auto' },
  styleScale: { kind: 'auto' },
  family: null,
  scheme: null,
  recompress: { kind: 'exact' },
  denseRank: 64,
  directionOnly: false,
  keepSources: true,
  outputName: '',
};
