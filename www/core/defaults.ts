/** The default settings, and the limits of some. Written by `cargo xtask docs` from src/fusion/settings. */

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

/** The largest strengths and alphas, of either sign, and the largest rank to cut to. */
export const MAX_STRENGTH = 1000;
export const MAX_ALPHA = 1000000;
export const MAX_DENSE_RANK = 256;
/** The settings that a comparison depends on. */
export const COUNTING = ['cut', 'contentScale', 'styleScale', 'family', 'denseRank', 'directionOnly'] as const satisfies (keyof Settings)[];
/** The largest adapter_config.json that is read, in bytes. */
export const CONFIG_BYTES = 1000000;
