/** Outlooks and spectra of made-up pairs, always the same for the same seed. Figures of several modules come from summed energies. */

import type { MapCell, ModuleOutlook, Outlook, Spectra, Tally } from '../../www/core/types.ts';
import { random } from './make.ts';

/** Random numbers from 0 to 1. */
function shares(seed: number): () => number {
  const next = random(seed);
  return () => (next() + 1) / 2;
}

interface Shape {
  seed: number;
  mu?: number;
  /** Every block, with the number of its modules of each kind. */
  blocks: { label: string; kinds: Record<string, number> }[];
  /** The largest overlap of a module. */
  overlap?: number;
  /** How many times larger the style is than the subject. */
  weight?: number;
  name?: (block: string, kind: string, index: number) => string;
}

const removed = (mu: number): number => (mu === Infinity ? 1 : mu / (1 + mu));

/** A module with its energies, from which the figures of several modules are made. */
type Made = ModuleOutlook & { inside: number; sum: number };

function tally(modules: readonly Made[], mu: number): Tally {
  const total = (of: (module: Made) => number): number => modules.reduce((sum, module) => sum + of(module), 0);
  const content = total(({ contentNorm }) => contentNorm ** 2);
  const overlap = content > 0 ? total(({ inside }) => inside) / content : 0;
  const beta = removed(mu);
  return {
    modules: modules.length, overlap, chance: total(({ chance, contentNorm }) => chance * contentNorm ** 2) / (content || 1),
    contentKept: 1 - overlap * (1 - (1 - beta) ** 2), change: beta * Math.sqrt(total(({ inside }) => inside) / (total(({ sum }) => sum) || 1)),
    contentNorm: Math.sqrt(content), styleNorm: Math.sqrt(total(({ styleNorm }) => styleNorm ** 2)),
  };
}

function makeModule(next: () => number, { overlap: most = 0.4, weight = 1 }: Shape, name: string, block: string, kind: string, depth: number): Made {
  const [inFeatures, outFeatures] = [3072, kind.startsWith('ff') ? 12_288 : 3072];
  const chance = 16 / inFeatures;
  const overlap = chance + most * next() * (0.2 + 0.8 * Math.sin(Math.PI * depth) ** 2);
  const contentNorm = 0.4 + next();
  const styleNorm = weight * (0.4 + next()) * (0.4 + 1.6 * depth);
  return {
    name, block: block || null, kind, outFeatures, inFeatures, contentRank: 16, styleRank: 16, protected: 16, effectiveRank: 2 + 12 * next(),
    modules: 1, overlap, chance, contentKept: 0, change: 0, contentNorm, styleNorm,
    inside: overlap * contentNorm ** 2, sum: contentNorm ** 2 + styleNorm ** 2,
  };
}

export function makeOutlook(shape: Shape, some: Partial<Outlook> = {}): Outlook {
  const { seed, mu = 0.5, blocks, name = (block, kind, index) => `${block || 'other'}.${kind}.${index}` } = shape;
  const next = shares(seed);
  const kinds = [...new Set(blocks.flatMap((block) => Object.keys(block.kinds)))];
  const modules = blocks.flatMap(({ label, kinds: of }, at) => Object.entries(of).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, index) => makeModule(next, shape, name(label, kind, index), label, kind, (at + 0.5) / blocks.length))));
  const cells: MapCell[] = [];
  for (const [block, { label }] of blocks.entries()) {
    for (const [kind, of] of kinds.entries()) {
      const members = modules.flatMap((module, index) => ((module.block ?? '') === label && module.kind === of ? [index] : []));
      if (members.length > 0) cells.push({ block, kind, members, ...tally(members.map((index) => modules[index]!), mu) });
    }
  }
  const whole = tally(modules, mu);
  return {
    analysed: modules.length, total: modules.length, unmeasured: 0, partial: false, whole, verdict: 'usual', balance: null, suggested: { mu: 2.16, share: 0.1 },
    curve: Array.from({ length: 101 }, (_, index) => {
      const beta = index / 100;
      const { contentKept, change } = tally(modules, beta === 1 ? Infinity : beta / (1 - beta));
      return { beta, taken: 1 - (1 - beta) ** 2, contentKept, change };
    }),
    blocks: blocks.map(({ label }) => ({ label, ...tally(modules.filter(({ block }) => (block ?? '') === label), mu) })),
    kinds, cells,
    modules: modules.map(({ inside, sum, ...module }) => ({ ...module, ...tally([{ ...module, inside, sum }], mu) })),
    ...some,
  };
}

/** 19 double and 38 single blocks, and modules outside all blocks: 8 kinds. */
export const fluxLike = (some: Partial<Outlook> = {}, shape: Partial<Shape> = {}): Outlook => makeOutlook({
  seed: 57,
  blocks: [
    ...Array.from({ length: 19 }, (_, index) => ({ label: `double ${index}`, kinds: { q: 2, k: 2, v: 2, out: 2, 'ff in': 2, 'ff out': 2, mod: 2 } })),
    ...Array.from({ length: 38 }, (_, index) => ({ label: `single ${index}`, kinds: { q: 1, k: 1, v: 1, 'ff in': 1, 'ff out': 1, mod: 1 } })),
    { label: '', kinds: { other: 4 } },
  ],
  ...shape,
}, some);

const TEXT = { q: 12, k: 12, v: 12, out: 12, ff: 24 };
const SHALLOW = { q: 4, k: 4, v: 4, out: 4, conv: 3 };
const DEEP = { q: 20, k: 20, v: 20, out: 20, ff: 20, proj: 2, conv: 2 };
const named = (kinds: Record<string, number>, ...labels: string[]): Shape['blocks'] => labels.map((label) => ({ label, kinds }));

/** Two text encoders, a U-Net, and convolutions outside all blocks. */
export const sdxlLike = (some: Partial<Outlook> = {}): Outlook => makeOutlook({
  seed: 20,
  blocks: [
    ...named(TEXT, 'TE1', 'TE2'), ...named(SHALLOW, 'IN01', 'IN02', 'IN04', 'IN05'), ...named(DEEP, 'IN07', 'IN08', 'M00', 'OUT00', 'OUT01', 'OUT02'),
    ...named(SHALLOW, 'OUT03', 'OUT04', 'OUT05', 'OUT06', 'OUT07', 'OUT08'), ...named({ conv: 3 }, ''),
  ],
}, some);

export const threeModules = (some: Partial<Outlook> = {}): Outlook =>
  makeOutlook({ seed: 3, blocks: [{ label: 'block 0', kinds: { q: 1, k: 1 } }, { label: 'block 1', kinds: { q: 1 } }] }, some);

/** Falling singular values; all lists have different sizes, so that the page cannot confuse them unnoticed. */
export function makeSpectra(name: string, seed: number, { content = 16, style = 16, protected: k = 12 } = {}): Spectra {
  const next = shares(seed);
  const falling = (count: number, from: number): number[] => Array.from({ length: count }, (_, index) => from * Math.exp(-4 * index / count) * (0.9 + 0.1 * next())).sort((a, b) => b - a);
  const cosines = Array.from({ length: Math.min(content, k) }, () => next()).sort((a, b) => b - a);
  return {
    name, content: falling(content, 0.8), style: falling(style, 1.4), fused: falling(content + style, 1.6), protected: k,
    along: falling(k, 0.3).map((value) => value * (0.2 + next())), cosines,
  };
}
