/**
 * Checks that a fused file is what the method says: computed independently, in f64 and by other means than the product's: ΔW = w_s·s_s·B_s·A_s +
 * w_c·s_c·B_c·A_c·(I − β·V_k·V_kᵀ), with V_k from the singular values of B_s·A_s.
 */

import {
  beside, combine, frobenius, matrix, multiply, multiplyTransposed, productNorm, productSvd, scaled, stack, type Matrix,
} from './algebra.ts';
import { decode, rounded, type Dtype, type Safetensors, type Tensor } from './safetensors.ts';

/** A direction counts if its singular value exceeds this share of the largest: the method's rule for f32 arithmetic. */
const RANK_TOLERANCE = 2e-6;
/** Up to this many numbers, the difference of two updates is computed directly, which avoids cancellation. */
const DENSE = 4e6;

export interface Module {
  down: Tensor;
  up: Tensor;
  alpha: number | null;
}

export interface Factors {
  /** m×r */
  up: Matrix;
  /** r×n */
  down: Matrix;
  /** The factor that up · down is multiplied by. */
  scale: number;
}

export interface Settings {
  mu: number;
  contentStrength: number;
  styleStrength: number;
  /** The most directions of the style to protect. */
  directions?: number;
}

/** The paper's settings, unless a test says otherwise. They are not taken from the product, so that a changed default is noticed. */
export const DEFAULTS: Settings = { mu: 0.5, contentStrength: 1, styleStrength: 1 };

const ENDINGS = [
  { down: '.lora_down.weight', up: '.lora_up.weight' },
  { down: '.lora_A.weight', up: '.lora_B.weight' },
];

/** The LoRA modules of a file by name. Throws on a tensor that belongs to none. */
export function modulesOf(file: Safetensors): Map<string, Module> {
  const modules = new Map<string, Module>();
  const taken = new Set<string>();
  for (const [name, down] of file.tensors) {
    const ending = ENDINGS.find((one) => name.endsWith(one.down));
    if (!ending) continue;
    const stem = name.slice(0, -ending.down.length);
    const up = file.tensors.get(stem + ending.up);
    if (!up) throw new Error(`${stem} has no up factor`);
    const alpha = file.tensors.get(`${stem}.alpha`);
    modules.set(stem, { down, up, alpha: alpha ? decode(alpha)[0]! : null });
    for (const own of [name, stem + ending.up, `${stem}.alpha`]) taken.add(own);
  }
  const left = [...file.tensors.keys()].filter((name) => !taken.has(name));
  if (left.length > 0) throw new Error(`no module has the tensor ${left[0]}`);
  return modules;
}

export function factors({ down, up, alpha }: Module): Factors {
  const rank = down.shape[0]!;
  if (up.shape[1] !== rank) throw new Error(`ranks ${rank} and ${up.shape[1]}`);
  const [a, b] = [decode(down), decode(up)];
  return {
    down: matrix(rank, a.length / rank, a),
    up: matrix(b.length / rank, rank, b),
    scale: alpha === null ? 1 : alpha / rank,
  };
}

/** What the module's update should be, and how far rounding its factors once to `dtype` would take it off. */
interface Expected {
  up: Matrix;
  down: Matrix;
  norm: number;
  /** ‖rounding error‖ / ‖update‖ of a result that is exact but for its storage. */
  floor: number;
  /** ‖what the projection changed‖ / ‖update‖: a check whose tolerance is larger proves nothing. */
  change: number;
}

export const removed = (mu: number): number => (mu === Infinity ? 1 : mu / (1 + mu));

/** A_c·V_k·V_kᵀ */
function inside(content: Factors, style: Factors, most = Infinity): Matrix {
  const { sigma, right } = productSvd(style.up, style.down);
  const k = Math.min(most, sigma.filter((value) => value > RANK_TOLERANCE * sigma[0]!).length);
  const v = matrix(k, right.cols, right.data.slice(0, k * right.cols));
  return multiply(multiplyTransposed(content.down, v), v);
}

/** The overlap by itself: s_c·B_c·A_c·V_k·V_kᵀ. */
export function overlapOf(content: Module, style: Module, dtype: Dtype): Expected {
  const c = factors(content);
  const { up, down, errors } = scaledPart({ ...c, down: inside(c, factors(style)) }, 1, dtype);
  const norm = productNorm(up, down);
  return { up, down, norm, floor: errors[0]! / norm, change: norm / productNorm(c.up, scaled(c.down, c.scale)) };
}

/** What a program makes of subject, style and −β times their overlap when it loads them one by one. */
export function stacked(content: Module | null, style: Module | null, overlap: Module | null, settings: Settings): Factors {
  const { contentStrength, styleStrength, mu } = settings;
  const loaded: [Module | null, number][] = [[content, contentStrength], [style, styleStrength], [overlap, -removed(mu) * contentStrength]];
  const parts = loaded.filter((one): one is [Module, number] => one[0] !== null).map(([module, strength]) => {
    const { up, down, scale } = factors(module);
    return { up, down: scaled(down, strength * scale) };
  });
  return { up: parts.map((part) => part.up).reduce(beside), down: parts.map((part) => part.down).reduce(stack), scale: 1 };
}

export function expected(content: Module | null, style: Module | null, settings: Settings, dtype: Dtype): Expected {
  const c = content && factors(content);
  const s = settings.styleStrength === 0 ? null : style && factors(style);
  const beta = removed(settings.mu);
  const parts: { up: Matrix; down: Matrix; errors: number[] }[] = [];
  let change = 0;
  if (s) parts.push(scaledPart(s, settings.styleStrength, dtype));
  if (c) {
    let down = c.down;
    if (s && beta > 0) {
      const along = inside(c, s, settings.directions);
      down = combine(c.down, -beta, along);
      change = Math.abs(settings.contentStrength * c.scale) * beta * productNorm(c.up, along);
    }
    const part = scaledPart({ ...c, down }, settings.contentStrength, dtype);
    // A fused content's scale goes into the factor that was projected, which is rounded anyway.
    parts.push(s ? { ...part, errors: part.errors.slice(0, 1) } : part);
  }
  if (parts.length === 0) throw new Error('a module of neither file');
  const up = parts.map((part) => part.up).reduce(beside);
  const down = parts.map((part) => part.down).reduce(stack);
  const norm = productNorm(up, down);
  const worst = Math.hypot(...parts.map((part) => Math.max(...part.errors)));
  return { up, down, norm, floor: worst / norm, change: change / norm };
}

/** A part with its scale, and what storing it costs when the scale is folded into the down or into the up factor. */
function scaledPart({ up, down, scale }: Factors, strength: number, dtype: Dtype): { up: Matrix; down: Matrix; errors: number[] } {
  const all = strength * scale;
  const lost = (a: Matrix): Matrix => combine(matrix(a.rows, a.cols, rounded(a.data, dtype)), -1, a);
  const cost = (b: Matrix, a: Matrix): number => Math.hypot(productNorm(b, lost(a)), productNorm(lost(b), a));
  return { up, down: scaled(down, all), errors: [cost(up, scaled(down, all)), cost(scaled(up, all), down)] };
}

/** ‖actual − expected‖ / ‖expected‖ */
export const deviation = (actual: Module, wanted: Expected): number => apart(factors(actual), wanted);

/** The deviation of factors that are in no file. */
export function apart(found: Factors, { up, down, norm }: Pick<Expected, 'up' | 'down' | 'norm'>): number {
  const foundDown = scaled(found.down, found.scale);
  if (up.rows * down.cols <= DENSE) {
    return frobenius(combine(multiply(found.up, foundDown), -1, multiply(up, down))) / norm;
  }
  return productNorm(beside(found.up, scaled(up, -1)), stack(foundDown, down)) / norm;
}

export interface Verdict {
  name: string;
  deviation: number;
  floor: number;
  change: number;
}

/** Compares the modules `names` of a fused file with what the method makes of its two sources. */
export function compare(
  fused: Map<string, Module>, content: Map<string, Module>, style: Map<string, Module>,
  settings: Settings, dtype: Dtype, names: Iterable<string> = fused.keys(),
): Verdict[] {
  return [...names].map((name) => {
    const actual = fused.get(name);
    if (!actual) throw new Error(`${name} is not in the fused file`);
    if (actual.down.dtype !== dtype || actual.up.dtype !== dtype) throw new Error(`${name} is ${actual.down.dtype}, not ${dtype}`);
    const wanted = expected(content.get(name) ?? null, style.get(name) ?? null, settings, dtype);
    return { name, deviation: deviation(actual, wanted), floor: wanted.floor, change: wanted.change };
  });
}

/** Everything wrong with the names, shapes and alphas of a fused file; empty if all is well. */
export function outline(
  fused: Map<string, Module>, content: Map<string, Module>, style: Map<string, Module>,
): string[] {
  const wrong: string[] = [];
  for (const name of new Set([...content.keys(), ...style.keys()])) {
    const actual = fused.get(name);
    if (!actual) {
      wrong.push(`${name} is missing`);
      continue;
    }
    const sources = [content.get(name), style.get(name)].filter((one) => one !== undefined);
    const rank = actual.down.shape[0]!;
    const needed = sources.reduce((sum, one) => sum + one.down.shape[0]!, 0);
    if (rank < needed) wrong.push(`${name} has rank ${rank}, less than ${needed}`);
    const shapes = (one: Module): string => JSON.stringify([one.down.shape.slice(1), one.up.shape.with(1, 0)]);
    for (const source of sources) {
      if (shapes(actual) !== shapes(source)) wrong.push(`${name} has other shapes than its source`);
    }
    // The only rule that all loaders read alike: alpha equals the rank, or is not stored at all.
    if (actual.alpha !== null && actual.alpha !== rank) wrong.push(`${name} has alpha ${actual.alpha} at rank ${rank}`);
  }
  for (const name of fused.keys()) {
    if (!content.has(name) && !style.has(name)) wrong.push(`${name} comes from nowhere`);
  }
  const ranks = new Set([...fused.values()].map((one) => one.down.shape[0]));
  if (ranks.size > 1) wrong.push(`several ranks: ${[...ranks].join(', ')}`);
  return wrong;
}
