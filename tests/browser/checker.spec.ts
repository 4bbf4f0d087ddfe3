/** Checks the checker itself, on small cases whose answer is known by other means. */

import { expect, test } from '@playwright/test';
import {
  combine, frobenius, lq, matrix, multiply, multiplyTransposed, productNorm, productSvd, row, scaled, stack, svd, transpose, type Matrix,
} from './algebra.ts';
import { DEFAULTS, compare, expected, factors, modulesOf, outline, type Module } from './check.ts';
import { FLUX_KOHYA_MODULES, SD15_MODULES, htmlPage, makeLoHa, makeLora, random, truncated, withNaN, without, type Recipe } from './make.ts';
import { fromLoHa, oneNaming } from './namings.ts';
import { allFinite, decode, encode, numberToHalf, readSafetensors, rounded, writeSafetensors, type Safetensors } from './safetensors.ts';

const RECIPE: Recipe = { modules: SD15_MODULES.slice(1, 4), rank: 4, alpha: 2, dtype: 'F32', scheme: 'kohya', seed: 1, sharedDirections: 2 };
const STYLE: Recipe = { ...RECIPE, rank: 3, alpha: 3, seed: 2 };

function filled(rows: number, cols: number, seed: number): Matrix {
  const next = random(seed);
  return matrix(rows, cols, Float64Array.from({ length: rows * cols }, next));
}

const identity = (n: number): Matrix => matrix(n, n, Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0)));
const far = (a: Matrix, b: Matrix): number => frobenius(combine(a, -1, b));
const only = (file: Safetensors): Module => [...modulesOf(file).values()][0]!;

test('numbers survive their formats', () => {
  const half = Float64Array.from({ length: 31744 }, (_, word) => word).map((word) => decode({ dtype: 'F16', shape: [], bytes: new Uint8Array([word & 255, word >> 8]) })[0]!);
  half.forEach((value, word) => {
    if (numberToHalf(value) !== word || numberToHalf(-value) !== (word | 0x8000)) throw new Error(`half ${word}`);
    // Ties are rounded to the even word.
    const next = half[word + 1];
    if (next !== undefined && numberToHalf((value + next) / 2) !== word + (word & 1)) throw new Error(`tie after ${word}`);
  });
  expect(numberToHalf(65519)).toBe(0x7bff);
  expect(numberToHalf(65520)).toBe(0x7c00);
  expect([...rounded(Float64Array.of(257, 259, -257.001), 'BF16')]).toEqual([256, 260, -258]);
  expect([...rounded(Float64Array.of(0.1), 'F32')]).toEqual([Math.fround(0.1)]);
});

test('a written file reads back, and a damaged one does not', () => {
  const file = makeLora(RECIPE);
  const bytes = writeSafetensors(file);
  const again = readSafetensors(bytes);
  expect(again).toEqual(file);
  expect(allFinite(again)).toBe(true);
  expect(allFinite(withNaN(file, [...file.tensors.keys()][1]!))).toBe(false);
  expect(() => readSafetensors(truncated(file, 10))).toThrow();
  expect(() => readSafetensors(htmlPage())).toThrow();
  expect(() => modulesOf(without(file, [...file.tensors.keys()][2]!))).toThrow(/no up factor/);
});

test('rows become an orthonormal basis, whatever their sizes', () => {
  const a = filled(7, 40, 3);
  [1e8, 1, 1e-8].forEach((size, index) => row(a, index).forEach((value, at) => { row(a, index)[at] = value * size; }));
  row(a, 5).set(row(a, 4));
  const { l, q } = lq(a);
  expect(far(multiplyTransposed(q, q), identity(7))).toBeLessThan(1e-13);
  const back = multiply(l, q);
  for (let index = 0; index < 7; index++) {
    const size = frobenius(matrix(1, 40, row(a, index)));
    expect(far(matrix(1, 40, row(back, index)), matrix(1, 40, row(a, index))) / size).toBeLessThan(1e-13);
  }
});

test('singular values and vectors are those of the product', () => {
  const [up, down] = [filled(30, 6, 4), filled(6, 20, 5)];
  const dense = multiply(up, down);
  const { sigma, right } = productSvd(up, down);
  svd(dense).sigma.slice(0, 6).forEach((value, index) => expect(sigma[index]! / value).toBeCloseTo(1, 12));
  // Without all its directions nothing is left, and each direction has its own length.
  expect(far(multiply(multiplyTransposed(dense, right), right), dense) / frobenius(dense)).toBeLessThan(1e-13);
  const lengths = multiplyTransposed(dense, right);
  sigma.forEach((value, index) => expect(frobenius(matrix(1, 30, row(transpose(lengths), index))) / value).toBeCloseTo(1, 12));
  expect(productNorm(up, down) / frobenius(dense)).toBeCloseTo(1, 12);
});

test('a dead direction of the style protects nothing', () => {
  const style = makeLora({ ...STYLE, modules: [{ name: 'lora_unet_x', out: 24, in: 24 }] });
  const name = 'lora_unet_x.lora_up.weight';
  const dead = decode(style.tensors.get(name)!).map((value, at) => (at % 3 === 0 ? 0 : value));
  style.tensors.set(name, { ...style.tensors.get(name)!, bytes: encode(dead, 'F32') });
  const { up, down } = factors(only(style));
  const { sigma } = productSvd(up, down);
  expect(sigma.filter((value) => value > 2e-6 * sigma[0]!)).toHaveLength(2);
});

test('the projector stands on the right', () => {
  const shape = { name: 'lora_unet_square', out: 24, in: 24 };
  const content = only(makeLora({ ...RECIPE, modules: [shape] }));
  const style = only(makeLora({ ...STYLE, modules: [shape] }));
  const [c, s] = [factors(content), factors(style)];
  const dense = (of: typeof c): Matrix => scaled(multiply(of.up, of.down), of.scale);
  // The projector from the normal equations, since AᵀA is invertible here: another way to the same P.
  const v = lq(s.down).q;
  const right = combine(dense(c), -1, multiply(multiplyTransposed(dense(c), v), v));
  for (const [mu, wanted] of [[Infinity, combine(dense(s), 1, right)], [0, combine(dense(s), 1, dense(c))]] as const) {
    const { up, down } = expected(content, style, { ...DEFAULTS, mu }, 'F32');
    expect(far(multiply(up, down), wanted) / frobenius(wanted)).toBeLessThan(1e-12);
  }
  // Strengths scale their own side only.
  const { up, down } = expected(content, style, { mu: 0, contentStrength: 0.5, styleStrength: -2 }, 'F32');
  expect(far(multiply(up, down), combine(scaled(dense(c), 0.5), -2, dense(s)))).toBeLessThan(1e-12);
});

test('a right result passes and every kind of wrong one fails', () => {
  const [content, style] = [makeLora(RECIPE), makeLora(STYLE)];
  const [c, s] = [modulesOf(content), modulesOf(style)];
  const fuse = (mu: number, dtype: 'F16' | 'F32'): Safetensors => {
    const fused: Safetensors = { metadata: {}, tensors: new Map() };
    for (const [name, module] of c) {
      const { up, down } = expected(module, s.get(name)!, { ...DEFAULTS, mu }, dtype);
      const rank = down.rows;
      fused.tensors.set(`${name}.alpha`, { dtype: 'F32', shape: [], bytes: encode([rank], 'F32') });
      fused.tensors.set(`${name}.lora_down.weight`, { dtype, shape: [rank, ...module.down.shape.slice(1)], bytes: encode(down.data, dtype) });
      fused.tensors.set(`${name}.lora_up.weight`, { dtype, shape: module.up.shape.with(1, rank), bytes: encode(up.data, dtype) });
    }
    return readSafetensors(writeSafetensors(fused));
  };
  const right = modulesOf(fuse(0.5, 'F32'));
  expect(outline(right, c, s)).toEqual([]);
  for (const { deviation, change } of compare(right, c, s, DEFAULTS, 'F32')) {
    expect(deviation).toBeLessThan(1e-7);
    expect(change).toBeGreaterThan(0.01);
  }
  for (const { deviation, floor } of compare(modulesOf(fuse(0.5, 'F16')), c, s, DEFAULTS, 'F16')) {
    expect(floor).toBeLessThan(1e-3);
    expect(deviation).toBeLessThan(2 * floor);
  }
  // A wrong μ, and swapped roles, must be noticed.
  for (const { deviation } of compare(right, c, s, { ...DEFAULTS, mu: 0.6 }, 'F32')) expect(deviation).toBeGreaterThan(1e-3);
  for (const { deviation } of compare(right, s, c, DEFAULTS, 'F32')) expect(deviation).toBeGreaterThan(1e-3);
  expect(() => compare(right, c, s, DEFAULTS, 'F16')).toThrow(/F32, not F16/);
  const [first] = right.keys();
  const cut = new Map(right);
  cut.delete(first!);
  expect(outline(cut, c, s)).toEqual([`${first} is missing`]);
  cut.set(first!, { ...right.get(first!)!, alpha: 1 });
  expect(outline(cut, c, s)).toEqual([`${first} has alpha 1 at rank 7`]);
});

test('large factors are compared without the dense product', () => {
  const shape = { name: 'lora_unet_large', out: 3000, in: 2000 };
  const [content, style] = [makeLora({ ...RECIPE, modules: [shape] }), makeLora({ ...STYLE, modules: [shape] })];
  const { up, down } = expected(only(content), only(style), DEFAULTS, 'F32');
  const tensor = (of: Matrix) => ({ dtype: 'F32' as const, shape: [of.rows, of.cols], bytes: encode(of.data, 'F32') });
  const fused = new Map([[shape.name, { down: tensor(down), up: tensor(up), alpha: null }]]);
  const [verdict] = compare(fused, modulesOf(content), modulesOf(style), DEFAULTS, 'F32');
  expect(verdict!.deviation).toBeLessThan(2e-7);
  const [wrong] = compare(fused, modulesOf(content), modulesOf(style), { ...DEFAULTS, mu: 0.50001 }, 'F32');
  expect(wrong!.deviation).toBeGreaterThan(5e-7);
});

test('the full FLUX.1 list has every module once', () => {
  expect(new Set(FLUX_KOHYA_MODULES.map(({ name }) => name)).size).toBe(304);
  expect(stack(identity(2), identity(2)).rows).toBe(4);
});

test('LoHa is the product of two updates, entry by entry', () => {
  const file = makeLoHa({ modules: [{ name: 'm', out: 6, in: 5 }], rank: 2, alpha: 1, dtype: 'F32', seed: 7 });
  const half = (of: string): Matrix => {
    const [a, b] = ['a', 'b'].map((part) => file.tensors.get(`m.hada_${of}_${part}`)!);
    return multiply(matrix(6, 2, decode(a!)), matrix(2, 5, decode(b!)));
  };
  const [first, second] = [half('w1'), half('w2')];
  const wanted = matrix(6, 5, first.data.map((value, at) => 0.5 * value * second.data[at]!));
  const { up, down, scale } = factors(fromLoHa(file).get('m')!);
  expect(far(scaled(multiply(up, down), scale), wanted) / frobenius(wanted)).toBeLessThan(1e-6);
});

test('a fused layer is its parts, one below the other', () => {
  const name = 'lora_unet_double_blocks_3_img_attn_qkv';
  const whole = only(makeLora({ ...RECIPE, modules: [{ name, out: 9, in: 4 }] }));
  const parts = oneNaming(new Map([[name, whole]]));
  expect([...parts.keys()]).toEqual(['q', 'k', 'v'].map((part) => `lora_unet_transformer_blocks_3_attn_to_${part}`));
  const rows = [...parts.values()].flatMap((part) => [...factors(part).up.data]);
  expect(rows).toEqual([...factors(whole).up.data]);
  expect([...oneNaming(new Map([['transformer.transformer_blocks.3.attn.to_k', whole]])).keys()]).toEqual([[...parts.keys()][1]]);
});
