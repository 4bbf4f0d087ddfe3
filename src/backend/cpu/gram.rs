//! Twin of `shaders/gram.wgsl`: inner products of rows, and of columns.

use super::outer::{HALF, Strips, WIDE, outer};
use super::panels::{PANEL, loaded, panel, panels};
use super::real::Real;
use crate::Stored;

/// The product X·Yᵀ, p×q and row-major, of X p×n and Y q×n. If both are the same matrix, half of it is a mirror image.
pub(super) fn gram<T: Real>(x: &[T], y: &[T], n: usize) -> Vec<f64> {
    let strips = |matrix| panels(n).map(move |columns| Strips::of_rows(matrix, n, columns));
    let [p, q] = [x, y].map(|matrix| matrix.len() / n.max(1));
    if std::ptr::eq(x, y) { own_gram(p, strips(x)) } else { cross_gram([p, q], strips(x), strips(y)) }
}

/// The Gram matrix p×p: X·Xᵀ for X p×n from [`rows`], Xᵀ·X for X m×p from [`columns`].
pub(super) fn own_gram<T: Real>(p: usize, x: impl Iterator<Item = Strips<T>>) -> Vec<f64> {
    let mut sums = Sums::own(p);
    x.for_each(|x| sums.add_own(&x));
    sums.finish()
}

/// The products p×q: X·Yᵀ for X p×n and Y q×n from [`rows`], Xᵀ·Y for X m×p and Y m×q from [`columns`].
pub(super) fn cross_gram<T: Real>(
    [p, q]: [usize; 2],
    x: impl Iterator<Item = Strips<T>>,
    y: impl Iterator<Item = Strips<T>>,
) -> Vec<f64> {
    let mut sums = Sums::new(p, q);
    x.zip(y).for_each(|(x, y)| sums.add(&x, &y));
    sums.finish()
}

/// The Gram matrix of X, the products of X and Y, and the Gram matrix of Y, as from [`own_gram`] and [`cross_gram`].
pub(super) fn both_grams<T: Real>(
    [p, q]: [usize; 2],
    x: impl Iterator<Item = Strips<T>>,
    y: impl Iterator<Item = Strips<T>>,
) -> [Vec<f64>; 3] {
    let (mut of_x, mut across, mut of_y) = (Sums::own(p), Sums::new(p, q), Sums::own(q));
    for (x, y) in x.zip(y) {
        of_x.add_own(&x);
        across.add(&x, &y);
        of_y.add_own(&y);
    }
    [of_x, across, of_y].map(Sums::finish)
}

/// The rows of a matrix in strips, a panel of columns at a time.
pub(super) fn rows<T: Real>(x: &Stored<'_>) -> impl Iterator<Item = Strips<T>> {
    panels(x.cols)
        .map(|columns| Strips::of_rows(&panel::<T>(x, &columns, 0), columns.len(), 0..columns.len()))
}

/// The columns of a matrix in strips, a block of rows at a time.
pub(super) fn columns<T: Real>(x: &Stored<'_>) -> impl Iterator<Item = Strips<T>> {
    x.blocks(PANEL).map(|block| Strips::of_columns(&loaded::<T>(&block), block.cols, 0..block.cols))
}

/// A p×q matrix of sums, padded to whole strips. Each addition is summed in T, so it should be a panel or less; these sums are
/// added in f64, so that the error does not grow with the length.
pub(super) struct Sums {
    values: Vec<f64>,
    p: usize,
    q: usize,
    /// Whether only the sums on and below the diagonal are computed.
    mirrored: bool,
}

impl Sums {
    /// Sums for the products of p vectors with q others.
    pub(super) fn new(p: usize, q: usize) -> Self {
        let values = vec![0.0; p.next_multiple_of(WIDE) * q.next_multiple_of(WIDE)];
        Self { values, p, q, mirrored: false }
    }

    /// Sums for the products of p vectors with themselves, half of which are a mirror image.
    pub(super) fn own(p: usize) -> Self {
        Self { mirrored: true, ..Self::new(p, p) }
    }

    /// Adds X·Xᵀ to the sums.
    pub(super) fn add_own<T: Real>(&mut self, x: &Strips<T>) {
        self.add(x, x);
    }

    /// Adds X·Yᵀ to the sums.
    pub(super) fn add<T: Real>(&mut self, x: &Strips<T>, y: &Strips<T>) {
        self.add_runs(x, y, PANEL);
    }

    /// Adds X·Yᵀ to sums that the update itself depends on. Equal terms always round the same way, so their error grows with the
    /// number of terms summed in T; this method sums only a few at a time in T, which takes longer.
    pub(super) fn add_finely<T: Real>(&mut self, x: &Strips<T>, y: &Strips<T>) {
        self.add_runs(x, y, PANEL / 8);
    }

    fn add_runs<T: Real>(&mut self, x: &Strips<T>, y: &Strips<T>, run: usize) {
        let width = self.q.next_multiple_of(WIDE);
        for ((i, x), block) in x.iter().enumerate().zip(self.values.chunks_exact_mut(WIDE * width)) {
            let strips = if self.mirrored { i + 1 } else { usize::MAX };
            for (j, y) in y.iter().enumerate().take(strips) {
                for (x, y) in x.chunks(run).zip(y.chunks(run)) {
                    for (half, sums) in block.chunks_exact_mut(HALF * width).zip(outer(x, y)) {
                        for (row, sums) in half.chunks_exact_mut(width).zip(sums) {
                            let row = &mut row[WIDE * j..WIDE * (j + 1)];
                            row.iter_mut().zip(sums).for_each(|(sum, part)| *sum += part.wide());
                        }
                    }
                }
            }
        }
    }

    /// The sums, p×q and row-major.
    pub(super) fn finish(self) -> Vec<f64> {
        let width = self.q.next_multiple_of(WIDE);
        let at = |i: usize, j: usize| {
            let (i, j) = if self.mirrored && j > i { (j, i) } else { (i, j) };
            self.values[i * width + j]
        };
        (0..self.p).flat_map(|i| (0..self.q).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect()
    }
}

/// The inner product Σ x_i·y_i.
pub(super) fn dot<T: Real>(x: &[T], y: &[T]) -> f64 {
    /// The number of sums made side by side.
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
    // Eight sums side by side, each of few terms.
    x.chunks(PANEL).zip(y.chunks(PANEL)).map(chunk).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtype, decode, encode, transpose};

    #[test]
    fn stored_rows_and_columns_give_the_bits_of_their_values() {
        let n = 2 * PANEL + 7;
        let words = |r: usize, dtype, seed: f32| {
            let values: Vec<f32> = (0u16..).take(r * n).map(|at| (f32::from(at) * seed).sin()).collect();
            encode(&values, 1.0, dtype).0
        };
        let (x, y) = (words(3, Dtype::F16, 0.37), words(11, Dtype::BF16, 0.71));
        let wide = |bytes, dtype, rows| Stored { bytes, dtype, rows, cols: n };
        let (x, y) = (wide(&x, Dtype::F16, 3), wide(&y, Dtype::BF16, 11));
        let values = |of: &Stored<'_>| decode(of, false);
        let (a, b) = (values(&x), values(&y));
        let expected = [gram(&a, &a, n), gram(&a, &b, n), gram(&b, &b, n)];
        assert_eq!(both_grams([3, 11], rows::<f32>(&x), rows(&y)), expected);
        assert_eq!(own_gram(3, rows::<f32>(&x)), expected[0]);
        assert_eq!(cross_gram([3, 11], rows::<f32>(&x), rows(&y)), expected[1]);

        // The same words are read as a lora_up.
        let (x, y) = (Stored { rows: n, cols: 3, ..x }, Stored { rows: n, cols: 11, ..y });
        let turned = |of: &Stored<'_>| transpose(&values(of), of.rows, of.cols);
        let (a, b) = (turned(&x), turned(&y));
        let expected = [gram(&a, &a, n), gram(&a, &b, n), gram(&b, &b, n)];
        assert_eq!(both_grams([3, 11], columns::<f32>(&x), columns(&y)), expected);
        assert_eq!(own_gram(11, columns::<f32>(&y)), expected[2]);
        assert_eq!(cross_gram([3, 11], columns::<f32>(&x), columns(&y)), expected[1]);
    }
}
