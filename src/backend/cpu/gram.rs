//! Twin of `shaders/gram.wgsl`: inner products of rows, and of columns.

use super::loaded;
use super::outer::{HALF, Strips, WIDE, outer};
use super::real::Real;
use crate::Stored;

/// Sums of at most this many products are made in T; sums of those in f64, so that the error does not grow with n.
const CHUNK: usize = 128;

/// X·Yᵀ for X p×n and Y q×n, p×q, row-major. Where both are one matrix, half of it is a mirror image.
pub(super) fn gram<T: Real>(x: &[T], y: &[T], n: usize) -> Vec<f64> {
    let same = std::ptr::eq(x, y);
    let mut sums = Sums::new(x.len() / n.max(1), y.len() / n.max(1), same);
    for from in (0..n).step_by(CHUNK) {
        let strips = |matrix| Strips::of_rows(matrix, n, from..n.min(from + CHUNK));
        sums.add(&strips(x), (!same).then(|| strips(y)).as_ref());
    }
    sums.finish()
}

/// Xᵀ·Y for X m×p and Y m×q, p×q, row-major, in f32. Where both are one matrix, half of it is a mirror image.
#[inline(never)]
pub fn column_gram(x: &Stored<'_>, y: &Stored<'_>) -> Vec<f64> {
    columns::<f32>(x, y)
}

/// As [`column_gram`], in T.
pub(super) fn columns<T: Real>(x: &Stored<'_>, y: &Stored<'_>) -> Vec<f64> {
    let same = std::ptr::eq(x, y);
    let mut sums = Sums::new(x.cols, y.cols, same);
    for from in (0..x.rows).step_by(CHUNK) {
        let rows = CHUNK.min(x.rows - from);
        let strips = |matrix: &Stored<'_>| {
            let row = matrix.cols * matrix.dtype.bitsize() / 8;
            let bytes = &matrix.bytes[from * row..(from + rows) * row];
            let values = loaded::<T>(&Stored { bytes, rows, ..matrix.clone() }, false);
            Strips::of_columns(&values, matrix.cols, 0..matrix.cols)
        };
        sums.add(&strips(x), (!same).then(|| strips(y)).as_ref());
    }
    sums.finish()
}

/// Xᵀ·X for X m×p, row-major, in f64.
pub(super) fn own_columns(x: &[f32], p: usize) -> Vec<f64> {
    let mut sums = Sums::new(p, p, true);
    for rows in x.chunks(CHUNK * p.max(1)) {
        let values: Vec<f64> = rows.iter().map(|&x| x.into()).collect();
        sums.add(&Strips::of_columns(&values, p, 0..p), None);
    }
    sums.finish()
}

/// p×q sums, padded to whole strips.
struct Sums {
    values: Vec<f64>,
    p: usize,
    q: usize,
    /// Only those on and below the diagonal are made.
    mirrored: bool,
}

impl Sums {
    fn new(p: usize, q: usize, mirrored: bool) -> Self {
        let values = vec![0.0; p.next_multiple_of(WIDE) * q.next_multiple_of(WIDE)];
        Self { values, p, q, mirrored }
    }

    /// Adds X·Yᵀ, or X·Xᵀ.
    fn add<T: Real>(&mut self, x: &Strips<T>, y: Option<&Strips<T>>) {
        let y = y.unwrap_or(x);
        let width = self.q.next_multiple_of(WIDE);
        for ((i, x), block) in x.iter().enumerate().zip(self.values.chunks_exact_mut(WIDE * width)) {
            let strips = if self.mirrored { i + 1 } else { usize::MAX };
            for (j, y) in y.iter().enumerate().take(strips) {
                for (half, sums) in block.chunks_exact_mut(HALF * width).zip(outer(x, y)) {
                    for (row, sums) in half.chunks_exact_mut(width).zip(sums) {
                        let row = &mut row[WIDE * j..WIDE * (j + 1)];
                        row.iter_mut().zip(sums).for_each(|(sum, part)| *sum += part.wide());
                    }
                }
            }
        }
    }

    fn finish(self) -> Vec<f64> {
        let width = self.q.next_multiple_of(WIDE);
        let at = |i: usize, j: usize| {
            let (i, j) = if self.mirrored && j > i { (j, i) } else { (i, j) };
            self.values[i * width + j]
        };
        (0..self.p).flat_map(|i| (0..self.q).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect()
    }
}

/// Σ x_i·y_i.
pub(super) fn dot<T: Real>(x: &[T], y: &[T]) -> f64 {
    /// As many sums are made side by side.
    const LANES: usize = 8;
    let chunk = |(x, y): (&[T], &[T])| {
        let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
        let mut sums = [T::ZERO; LANES];
        for (x, y) in x.iter().zip(y) {
            for lane in 0..LANES {
                sums[lane] += x[lane] * y[lane];
            }
        }
        let rest: T = x_rest.iter().zip(y_rest).fold(T::ZERO, |sum, (&x, &y)| sum + x * y);
        sums.into_iter().fold(rest, |sum, lane| sum + lane).wide()
    };
    // Eight sums side by side are each as short as one of a chunk above.
    x.chunks(4 * CHUNK).zip(y.chunks(4 * CHUNK)).map(chunk).sum()
}
