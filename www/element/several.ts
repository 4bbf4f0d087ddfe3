/** Several files in one go: at which μ, and what else, and what each is called. */

import { changed } from './block-strengths.ts';
import { cleanStem } from '../core/save.ts';
import type { Settings, Variant } from '../core/types.ts';
import { mu as muText } from './format.ts';
import { STOPS } from './mu-range.ts';
import { readMu } from './mu-slider.ts';

/** What is made of a pair where it is more than one file. */
export interface Several {
  mus: readonly number[]; // one file each
  plain: boolean; // plain addition beside them, to compare with
  bothDirections: boolean; // the same μ once more with the files in each other's place
}

/** All stops of the slider: μ = 0 is plain addition. */
export const SEVERAL: Several = { mus: STOPS.filter((mu) => mu > 0), plain: true, bothDirections: false };
/** More files than this nobody compares. */
const MOST = 20;
/** In bytes: what is left for the rest of a name is enough for every μ. */
const LONGEST_BASE = 160;

/** In order, and each once. */
const sorted = (mus: readonly number[]): number[] => [...new Set(mus)].sort((a, b) => a - b);

/** What a person types: "0.1, 0.5, ∞", or "0,1; 0,5; ∞": a comma between two digits and no space is a decimal one. */
export function readMus(typed: string): number[] | null {
  const plain = typed.replace(/[，、]/g, ',').replaceAll('；', ';');
  const parts = plain.split(plain.includes(';') ? ';' : /,(?!\d)|(?<!\d),|\s+/).filter((part) => part.trim() !== '');
  const mus = parts.map(readMu);
  const read = sorted(mus.filter((mu) => mu !== null));
  return mus.includes(null) || read.length === 0 || read.length > MOST ? null : read;
}

export const musText = (mus: readonly number[]): string => mus.map(muText).join(', ');

/** What a host gives: a usable value comes out, or none. */
export function asSeveral(value: unknown): Several | null {
  if (typeof value !== 'object' || value === null) return null;
  const { mus = SEVERAL.mus, plain = SEVERAL.plain, bothDirections = SEVERAL.bothDirections } = value as Partial<Several>;
  const read = Array.isArray(mus) ? sorted(mus.filter((mu) => typeof mu === 'number' && mu >= 0)).slice(0, MOST) : [];
  return { mus: read.length > 0 ? read : SEVERAL.mus, plain: plain === true, bothDirections: bothDirections === true };
}

/** How a file of this μ is told from its like. */
function suffix(mu: number): string {
  if (mu === 0) return '_plain';
  return `_mu${mu === Infinity ? 'inf' : mu}`;
}

/** The files, in order; `names`: of the pair as it is, and with the files in each other's place. */
export function variantsOf(settings: Settings, { mus, plain, bothDirections }: Several, names: { straight: string; swapped: string }): Variant[] {
  const straightBase = cleanStem(names.straight, 'fused', LONGEST_BASE);
  const swappedBase = cleanStem(names.swapped, 'fused', LONGEST_BASE);
  const bases = { straight: straightBase, swapped: swappedBase === straightBase ? `${straightBase}_swapped` : swappedBase };
  // Plain addition is plain in every block; in the others, blocks keep a μ of their own.
  const withoutMus = { ...settings, blocks: changed(settings.blocks, Object.keys(settings.blocks), (block) => ({ ...block, mu: null })) };
  const at = (mu: number, swapped: boolean): Variant => {
    const own = mu === 0 ? withoutMus : settings;
    const outputName = (swapped ? bases.swapped : bases.straight) + suffix(mu);
    return { swapped, settings: { ...(swapped ? inverted(own) : own), mu, result: 'fusion', outputName } };
  };
  const straight = sorted(plain ? [0, ...mus] : mus).map((mu) => at(mu, false));
  const swapped = bothDirections ? sorted(mus).filter((mu) => mu > 0).map((mu) => at(mu, true)) : [];
  return [...straight, ...swapped];
}

/** How many files that makes. */
export function countOf({ mus, plain, bothDirections }: Several): number {
  const projected = mus.filter((mu) => mu > 0).length;
  return (bothDirections ? 2 : 1) * projected + Number(plain || projected < mus.length);
}

/** As pressing Swap does it: what is said of a file's scale goes with the file, all else stays with the role. */
const inverted = (settings: Settings): Settings => ({ ...settings, contentScale: settings.styleScale, styleScale: settings.contentScale });
