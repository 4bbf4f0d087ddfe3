/** The little linear algebra that the checker needs, in f64 and the straightforward way. Matrices are row-major. */

export interface Matrix {
  rows: number;
  cols: number;
  data: Float64Array;
}

export function matrix(rows: number, cols: number, data: Float64Array = new Float64Array(rows * cols)): Matrix {
  if (data.length !== rows * cols) throw new Error(`${data.length} numbers are no ${rows}×${cols} matrix`);
  return { rows, cols, data };
}

export const row = (a: Matrix, index: number): Float64Array => a.data.subarray(index * a.cols, (index + 1) * a.cols);

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

/** to += factor · from */
function add(to: Float64Array, factor: number, from: Float64Array): void {
  for (let index = 0; index < to.length; index++) to[index]! += factor * from[index]!;
}

export function transpose(a: Matrix): Matrix {
  const out = matrix(a.cols, a.rows);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.cols; j++) out.data[j * a.rows + i] = a.data[i * a.cols + j]!;
  }
  return out;
}

/** a · b */
export function multiply(a: Matrix, b: Matrix): Matrix {
  if (a.cols !== b.rows) throw new Error(`${a.rows}×${a.cols} times ${b.rows}×${b.cols}`);
  const out = matrix(a.rows, b.cols);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.cols; j++) add(row(out, i), a.data[i * a.cols + j]!, row(b, j));
  }
  return out;
}

/** a · bᵀ */
export function multiplyTransposed(a: Matrix, b: Matrix): Matrix {
  if (a.cols !== b.cols) throw new Error(`${a.rows}×${a.cols} times the transpose of ${b.rows}×${b.cols}`);
  const out = matrix(a.rows, b.rows);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.rows; j++) out.data[i * b.rows + j] = dot(row(a, i), row(b, j));
  }
  return out;
}

export function combine(a: Matrix, factor: number, b: Matrix): Matrix {
  const out = matrix(a.rows, a.cols, a.data.slice());
  add(out.data, factor, b.data);
  return out;
}

export const scaled = (a: Matrix, factor: number): Matrix => matrix(a.rows, a.cols, a.data.map((value) => value * factor));

/** a above b */
export function stack(a: Matrix, b: Matrix): Matrix {
  if (a.cols !== b.cols) throw new Error(`${a.cols} and ${b.cols} columns`);
  const out = matrix(a.rows + b.rows, a.cols);
  out.data.set(a.data);
  out.data.set(b.data, a.data.length);
  return out;
}

/** a and b side by side */
export const beside = (a: Matrix, b: Matrix): Matrix => transpose(stack(transpose(a), transpose(b)));

export const frobenius = (a: Matrix): number => Math.sqrt(dot(a.data, a.data));

/**
 * a = l · q with orthonormal rows in q, by Householder reflections of the rows: backward stable whatever the rows are,
 * row by row even where their sizes differ by orders. l: r×k, q: k×n, k = min(r, n).
 */
export function lq(a: Matrix): { l: Matrix; q: Matrix } {
  const work = matrix(a.rows, a.cols, a.data.slice());
  const k = Math.min(a.rows, a.cols);
  const reflectors: Float64Array[] = [];
  for (let i = 0; i < k; i++) {
    const v = row(work, i).slice();
    v.fill(0, 0, i);
    const size = Math.sqrt(dot(v, v));
    v[i]! += v[i]! < 0 ? -size : size;
    const length = Math.sqrt(dot(v, v));
    if (length > 0) v.forEach((value, at) => { v[at] = value / length; });
    for (let j = i; j < a.rows; j++) add(row(work, j), -2 * dot(v, row(work, j)), v);
    reflectors.push(v);
  }
  const l = matrix(a.rows, k);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j <= Math.min(i, k - 1); j++) l.data[i * k + j] = work.data[i * a.cols + j]!;
  }
  const q = matrix(k, a.cols);
  for (let i = 0; i < k; i++) {
    q.data[i * a.cols + i] = 1;
    for (const v of reflectors.toReversed()) add(row(q, i), -2 * dot(v, row(q, i)), v);
  }
  return { l, q };
}

/**
 * One-sided Jacobi: singular values in descending order, and the right singular vectors as rows of `right`.
 * The columns of `a` are rotated in pairs until all are orthogonal.
 */
export function svd(a: Matrix): { sigma: number[]; right: Matrix } {
  const columns = transpose(a);
  const n = a.cols;
  const right = matrix(n, n);
  for (let i = 0; i < n; i++) right.data[i * n + i] = 1;
  // Columns below this square are rounding noise, and noise need not be made orthogonal.
  const noise = 1e-32 * dot(a.data, a.data);
  for (let sweep = 0, turned = true; turned; sweep++) {
    if (sweep === 60) throw new Error('the Jacobi rotations do not end');
    turned = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) turned = rotate(columns, right, p, q, noise) || turned;
    }
  }
  const order = Array.from({ length: n }, (_, index) => ({ index, size: Math.sqrt(dot(row(columns, index), row(columns, index))) }));
  order.sort((one, other) => other.size - one.size);
  const sorted = matrix(n, n);
  order.forEach(({ index }, at) => row(sorted, at).set(row(right, index)));
  return { sigma: order.map(({ size }) => size), right: sorted };
}

function rotate(columns: Matrix, right: Matrix, p: number, q: number, noise: number): boolean {
  const [x, y] = [row(columns, p), row(columns, q)];
  const [xx, yy, xy] = [dot(x, x), dot(y, y), dot(x, y)];
  if (Math.min(xx, yy) <= noise || Math.abs(xy) <= 1e-14 * Math.sqrt(xx * yy)) return false;
  const zeta = (yy - xx) / (2 * xy);
  const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
  const c = 1 / Math.sqrt(1 + t * t);
  for (const [one, other] of [[x, y], [row(right, p), row(right, q)]] as const) {
    for (let index = 0; index < one.length; index++) {
      const [first, second] = [one[index]!, other[index]!];
      one[index] = c * (first - t * second);
      other[index] = c * (second + t * first);
    }
  }
  return true;
}

/** Singular values and right singular vectors (rows) of up · down, without building the product. */
export function productSvd(up: Matrix, down: Matrix): { sigma: number[]; right: Matrix } {
  const a = lq(down);
  const b = lq(transpose(up));
  const core = svd(multiply(transpose(b.l), a.l));
  return { sigma: core.sigma, right: multiply(core.right, a.q) };
}

/** ‖up · down‖, without building the product: tr((upᵀ·up)(down·downᵀ)). Good to about 1e-8 of the factors' sizes. */
export function productNorm(up: Matrix, down: Matrix): number {
  const across = transpose(up);
  return Math.sqrt(Math.max(0, dot(multiplyTransposed(across, across).data, multiplyTransposed(down, down).data)));
}
