/** Several files in one run: how their μ are read and written, and how the files are named. Which files to make is decided elsewhere. */

import { cleanStem } from '../../core/save.ts';
import type { Several, Variant } from '../../core/types.ts';
import { muText, readMu, STOPS } from '../words/mu.ts';

/** All stops of the slider, with plain addition in place of μ = 0. */
export const SEVERAL: Several = { mus: STOPS.filter((mu) => mu > 0), plain: true, bothDirections: false };
/** The most files to make: nobody compares more. */
const MOST = 20;
/** The longest name without its μ, in bytes; this leaves enough room for every μ. */
const LONGEST_BASE = 160;

/** The values in order, each once. */
const sorted = (mus: readonly number[]): number[] => [...new Set(mus)].sort((a, b) => a - b);

/**
 * Reads what a person types: "0.1, 0.5, ∞", or "0,1; 0,5; ∞". Without semicolons a comma separates, unless it must be a decimal comma: where spaces
 * separate ("0,5 1,5"), or after a lone 0 in a list without points.
 */
export function readMus(typed: string): number[] | null {
  const plain = typed.normalize('NFKC').replaceAll('、', ',').replace(/[,;\s]+$/, '');
  const bySpaces = /^\s*[^\s,]+(,\d+)?(\s+[^\s,]+(,\d+)?)+\s*$/.test(plain);
  const separator = plain.includes('.') ? /[,\s]+/ : bySpaces ? /\s+/ : /(?<!(?<!\d)0),|,(?!\d)|\s+/;
  const parts = plain.split(plain.includes(';') ? ';' : separator).filter((part) => part.trim() !== '');
  const mus = parts.map(readMu);
  const read = sorted(mus.filter((mu) => mu !== undefined));
  return mus.includes(undefined) || read.length === 0 || read.length > MOST ? null : read;
}

export const musText = (mus: readonly number[]): string => mus.map(muText).join(', ');

/** A usable value from whatever a host gives, or null. */
export function asSeveral(value: unknown): Several | null {
  if (typeof value !== 'object' || value === null) return null;
  const { mus = SEVERAL.mus, plain, bothDirections } = value as Partial<Several>;
  const read = Array.isArray(mus) ? sorted(mus.filter((mu) => typeof mu === 'number' && mu >= 0)).slice(0, MOST) : [];
  return { mus: read.length > 0 ? read : SEVERAL.mus, plain: plain === true, bothDirections: bothDirections === true };
}

/** The part of the name that distinguishes the file with this μ. */
function suffix(mu: number): string {
  if (mu === 0) return '_plain';
  return `_mu${mu === Infinity ? 'inf' : mu}`;
}

/** The names of the files without their μ, for the pair as it is and for the swapped one. */
export interface Names {
  straight: string;
  swapped: string;
}

/** The same variants, each with a name of its own. */
export function named(variants: readonly Variant[], { straight, swapped }: Names): Variant[] {
  const base = cleanStem(straight, 'fused', LONGEST_BASE);
  const other = cleanStem(swapped, 'fused', LONGEST_BASE);
  const bases = { straight: base, swapped: other === base ? `${base}_swapped` : other };
  return variants.map(({ settings, swapped }) => (
    { swapped, settings: { ...settings, outputName: bases[swapped ? 'swapped' : 'straight'] + suffix(settings.mu ?? 0) } }));
}
