/** Markup and properties to settings: whatever a host writes, a usable value comes out; nothing here throws. */

import type { ComplexAttributeConverter } from 'lit';
import type { BackendChoice, Settings } from '../core/types.ts';
import { readMu } from './mu-slider.ts';

/** The paper's μ, everything the style has, and files as they came. */
export const DEFAULTS = {
  mu: 0.5, contentStrength: 1, styleStrength: 1, dtype: 'auto' as Settings['dtype'], backend: 'auto' as BackendChoice,
};
/** Settings without an attribute of their own. */
export type More = Omit<Settings, 'mu' | 'contentStrength' | 'styleStrength' | 'dtype' | 'outputName'>;
export const MORE: More = {
  cut: { kind: 'all' }, layout: 'compatible', contentTextStrength: null, styleTextStrength: null, blocks: {},
  contentScale: { kind: 'auto' }, styleScale: { kind: 'auto' }, family: null, scheme: null, recompress: { kind: 'exact' },
  denseRank: 64, directionOnly: false, keepSources: true, result: 'fusion',
};
export const DTYPES: readonly Settings['dtype'][] = ['auto', 'F16', 'BF16', 'F32'];
export const BACKENDS: readonly BackendChoice[] = ['auto', 'webgpu', 'cpu'];
/** Whether a pair is analysed by itself. */
export const ANALYSES = ['auto', 'off'] as const;
/** Where settings can be kept beside the page. */
export const PLACES = ['off', 'hash'] as const;
/** What the program takes (src/fusion/settings.rs); the page's own fields go less far. */
export const STRENGTH_MAX = 1000;

export function asMu(value: unknown): number {
  if (typeof value === 'string') return readMu(value) ?? DEFAULTS.mu;
  return typeof value === 'number' && value >= 0 ? value : DEFAULTS.mu;
}

export function asStrength(value: unknown): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return 1;
  return Math.min(STRENGTH_MAX, Math.max(-STRENGTH_MAX, number));
}

export function asOneOf<T extends string>(value: unknown, allowed: readonly T[], otherwise: T): T {
  return allowed.find((one) => one.toLowerCase() === String(value).toLowerCase()) ?? otherwise;
}

/** An attribute converter from a reader that accepts anything. */
export function reads<T>(read: (value: unknown) => T): ComplexAttributeConverter<T> {
  return { fromAttribute: (value) => read(value), toAttribute: (value) => String(value) };
}
