/** Turns markup and properties into settings: whatever a host writes, a usable value results. Nothing here throws. */

import type { ComplexAttributeConverter } from 'lit';
import { DEFAULT_SETTINGS } from '../../core/defaults.ts';
import type { BackendChoice, Settings } from '../../core/types.ts';
import { LIMITS, within } from '../words/limits.ts';
import { oneOf } from '../words/spelling.ts';
import { readMu } from '../words/mu.ts';

const { mu, contentStrength, styleStrength, dtype, outputName, ...more } = DEFAULT_SETTINGS;
/** The defaults of the settings with an attribute of their own, and of the backend. */
export const DEFAULTS = { mu, contentStrength, styleStrength, dtype, backend: 'auto' as BackendChoice };
/** Settings without an attribute of their own. */
export type More = Omit<Settings, 'mu' | 'contentStrength' | 'styleStrength' | 'dtype' | 'outputName'>;
export const MORE: More = more;
/** Whether a pair is analysed without being asked. */
export const ANALYSES = ['auto', 'off'] as const;
/** Where settings can be kept outside the page. */
export const REMEMBER = ['off', 'hash'] as const;
export function asMu(value: unknown): number {
  if (typeof value === 'string') return readMu(value) ?? DEFAULTS.mu;
  return typeof value === 'number' && value >= 0 ? value : DEFAULTS.mu;
}

export function asStrength(value: unknown): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return DEFAULTS.contentStrength;
  return within(number, LIMITS.strength);
}

export function asOneOf<T extends string>(value: unknown, allowed: readonly T[], otherwise: T): T {
  return oneOf(allowed, String(value)) ?? otherwise;
}

/** A value as text; a missing attribute is an empty text. */
export const asText = (value: unknown): string => (value === null || value === undefined ? '' : String(value));

/** Makes an attribute converter from a reader that accepts anything. */
export function reads<T>(read: (value: unknown) => T): ComplexAttributeConverter<T> {
  return { fromAttribute: (value) => read(value), toAttribute: (value) => String(value) };
}
