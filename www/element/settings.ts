/** Markup and properties to settings: whatever a host writes, a usable value comes out; nothing here throws. */

import type { ComplexAttributeConverter } from 'lit';
import { DEFAULT_SETTINGS, MAX_ALPHA, MAX_DENSE_RANK, MAX_STRENGTH } from '../core/defaults.ts';
import type { BackendChoice, Settings } from '../core/types.ts';
import { within, type Limits } from './fields.ts';
import { readMu } from './mu-slider.ts';

const { mu, contentStrength, styleStrength, dtype, outputName, ...more } = DEFAULT_SETTINGS;
/** The paper's μ, everything the style has, and files as they came. */
export const DEFAULTS = { mu, contentStrength, styleStrength, dtype, backend: 'auto' as BackendChoice };
/** Settings without an attribute of their own. */
export type More = Omit<Settings, 'mu' | 'contentStrength' | 'styleStrength' | 'dtype' | 'outputName'>;
export const MORE: More = more;
export const DTYPES: readonly Settings['dtype'][] = ['auto', 'F16', 'BF16', 'F32'];
export const BACKENDS: readonly BackendChoice[] = ['auto', 'webgpu', 'cpu'];
/** Whether a pair is analysed by itself. */
export const ANALYSES = ['auto', 'off'] as const;
/** Where settings can be kept beside the page. */
export const PLACES = ['off', 'hash'] as const;
/** How far settings go, whoever sets them: as the program takes them, and no more directions or ranks than any file has. */
export const LIMITS = {
  strength: { least: -MAX_STRENGTH, most: MAX_STRENGTH },
  alpha: { least: -MAX_ALPHA, most: MAX_ALPHA },
  count: { least: 1, most: 4096, step: 1, whole: true },
  denseRank: { least: 1, most: MAX_DENSE_RANK, step: 1, whole: true },
  percent: { least: 0.1, most: 100 },
} satisfies Record<string, Limits>;
/** A strength in a field goes as far as loaders take it, on a slider from 0 to what people use. */
export const FIELD_STRENGTH = { least: -10, most: 10, step: 0.05 } satisfies Limits;
export const SLIDER_STRENGTH = 2;

export function asMu(value: unknown): number {
  if (typeof value === 'string') return readMu(value) ?? DEFAULTS.mu;
  return typeof value === 'number' && value >= 0 ? value : DEFAULTS.mu;
}

export function asStrength(value: unknown): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return 1;
  return within(number, LIMITS.strength);
}

export function asOneOf<T extends string>(value: unknown, allowed: readonly T[], otherwise: T): T {
  return allowed.find((one) => one.toLowerCase() === String(value).toLowerCase()) ?? otherwise;
}

/** Where there is no attribute, there is no text. */
export const asText = (value: unknown): string => (value === null || value === undefined ? '' : String(value));

/** An attribute converter from a reader that accepts anything. */
export function reads<T>(read: (value: unknown) => T): ComplexAttributeConverter<T> {
  return { fromAttribute: (value) => read(value), toAttribute: (value) => String(value) };
}
