//! The one product kernel: sums of outer products of short vectors, from which all larger products are built.
//!
//! It compiles to 128-bit vector operations without naming any, and every sum has one order: WebAssembly and native code
//! give the same bits.

use super::real::Real;

/// Vectors that lie side by side in a strip.
pub(super) const WIDE: usize = 8;
/// The number of a strip's vectors that are multiplied at once: registers hold four times eight sums.
pub(super) const HALF: usize = WIDE / 2;

/// The sum Σ_k `x[k]·y[k]ᵀ` for the four vectors of x from index `FIRST` on.
#[inline(never)]
fn half<T: Real, const FIRST: usize>(x: &[[T; WIDE]], y: &[[T; WIDE]]) -> [[T; WIDE]; HALF] {
    let mut sums = [[T::ZERO; WIDE]; HALF];
    for (x, y) in x.iter().zip(y) {
        for (i, sums) in sums.iter_mut().enumerate() {
            for (sum, &y) in sums.iter_mut().zip(y) {
                *sum += x[FIRST + i] * y;
            }
        }
    }
    sums
}

/// The sum Σ_k `x[k]·y[k]ᵀ` as two halves: the first four rows, then the others.
pub(super) fn outer<T: Real>(x: &[[T; WIDE]], y: &[[T; WIDE]]) -> [[[T; WIDE]; HALF]; 2] {
    [half::<T, 0>(x, y), half::<T, HALF>(x, y)]
}

/// Vectors of equal length, eight to a strip, stored entry by entry; the last strip is padded with zeros.
#[derive(Debug)]
pub(super) struct Strips<T> {
    values: Vec<[T; WIDE]>,
    length: usize,
}

impl<T: Real> Strips<T> {
    /// The rows of a row-major matrix with `cols` columns, restricted to `columns`.
    pub(super) fn of_rows(x: &[T], cols: usize, columns: std::ops::Range<usize>) -> Self {
        let length = columns.len();
        let mut values = vec![[T::ZERO; WIDE]; (x.len() / cols).div_ceil(WIDE) * length];
        for (at, row) in x.chunks_exact(cols).enumerate() {
            let strip = &mut values[at / WIDE * length..][..length];
            strip.iter_mut().zip(&row[columns.clone()]).for_each(|(to, &value)| to[at % WIDE] = value);
        }
        Self { values, length }
    }

    /// The given columns of a row-major matrix with `cols` columns.
    pub(super) fn of_columns(x: &[T], cols: usize, columns: std::ops::Range<usize>) -> Self {
        let length = x.len() / cols;
        let mut values = vec![[T::ZERO; WIDE]; columns.len().div_ceil(WIDE) * length];
        for (strip, first) in values.chunks_exact_mut(length).zip(columns.clone().step_by(WIDE)) {
            let columns = first..columns.end.min(first + WIDE);
            for (to, row) in strip.iter_mut().zip(x.chunks_exact(cols)) {
                match <[T; WIDE]>::try_from(&row[columns.clone()]) {
                    Ok(row) => *to = row,
                    Err(_) => to[..columns.len()].copy_from_slice(&row[columns.clone()]),
                }
            }
        }
        Self { values, length }
    }

    /// The strips in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[[T; WIDE]]> {
        self.values.chunks_exact(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values whose products and sums need rounding.
    fn values(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f32::from_bits(0x3f00_0000 | state >> 8) - 0.7
            })
            .collect()
    }

    #[test]
    fn every_sum_is_made_in_the_order_of_its_terms() {
        for (p, q, length) in [(1, 1, 1), (3, 9, 7), (8, 8, 128), (17, 5, 33), (16, 24, 2)] {
            let (x, y) = (values(p * length, 1), values(q * length, 2));
            let (xs, ys) = (Strips::of_rows(&x, length, 0..length), Strips::of_rows(&y, length, 0..length));
            for (i, xs) in xs.iter().enumerate() {
                for (j, ys) in ys.iter().enumerate() {
                    let sums = outer(xs, ys);
                    for (a, b) in (0..WIDE).flat_map(|a| (0..WIDE).map(move |b| (a, b))) {
                        let (row, column) = (WIDE * i + a, WIDE * j + b);
                        let plain = (0..length).fold(0f32, |sum, k| {
                            let of = |x: &[f32], at: usize| x.get(at * length + k).copied().unwrap_or(0.0);
                            sum + of(&x, row) * of(&y, column)
                        });
                        assert_eq!(sums[a / HALF][a % HALF][b].to_bits(), plain.to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn rows_and_columns_make_the_same_strips() {
        for (rows, cols, columns) in [(1, 1, 0..1), (5, 40, 3..27), (19, 8, 0..8), (8, 33, 32..33)] {
            let x = values(rows * cols, 3);
            let turned = super::super::transpose(&x, rows, cols);
            let by_columns = Strips::of_columns(&x, cols, columns.clone());
            let by_rows = Strips::of_rows(&turned[columns.start * rows..columns.end * rows], rows, 0..rows);
            assert_eq!(by_columns.values, by_rows.values);
            assert_eq!(by_columns.values.len(), columns.len().div_ceil(WIDE) * rows);
        }
    }
}
