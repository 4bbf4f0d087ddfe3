//! Reads a stored matrix a few columns at a time, so that no full copy in another precision is needed.

use super::decode::widened;
use super::real::{self, Real};
use crate::{Dtype, Stored};
use std::ops::Range;

/// The number of columns (for a lora_up, rows) that are processed at once. Products of that many are summed in one precision before
/// these sums are added in f64, so another number gives other last digits.
pub(super) const PANEL: usize = 128;

/// The ranges of the panels that `cols` columns divide into.
pub(super) fn panels(cols: usize) -> impl Iterator<Item = Range<usize>> {
    (0..cols).step_by(PANEL).map(move |from| from..cols.min(from + PANEL))
}

/// All values of a matrix, row-major.
pub(super) fn loaded<T: Real>(stored: &Stored<'_>) -> Vec<T> {
    panel(stored, &(0..stored.cols), 0)
}

/// Some columns of a matrix, rows×(number of columns), row-major, times 2^-`exponent`.
pub(super) fn panel<T: Real>(stored: &Stored<'_>, columns: &Range<usize>, exponent: i32) -> Vec<T> {
    let word = stored.dtype.bitsize() / 8;
    let mut values = Vec::with_capacity(stored.rows * columns.len());
    for row in stored.bytes.chunks_exact((stored.cols * word).max(1)) {
        widened(&row[columns.start * word..columns.end * word], stored.dtype, &mut values);
    }
    real::scale(&mut values, -exponent);
    values
}

/// The largest magnitude in a matrix of finite numbers; 0 if it is empty.
pub fn largest(stored: &Stored<'_>) -> f32 {
    // Magnitudes of finite numbers are in the order of their bits.
    let mut largest: Vec<f32> = Vec::with_capacity(1);
    if stored.dtype == Dtype::F32 {
        let words =
            stored.bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word) & 0x7fff_ffff);
        widened(&words.fold(0, u32::max).to_le_bytes(), stored.dtype, &mut largest);
    } else {
        let words = stored.bytes.as_chunks::<2>().0.iter().map(|&word| u16::from_le_bytes(word) & 0x7fff);
        widened(&words.fold(0, u16::max).to_le_bytes(), stored.dtype, &mut largest);
    }
    largest.first().copied().unwrap_or(0.0)
}

/// The largest magnitude in each row of a matrix of finite numbers.
pub fn largest_of_rows(stored: &Stored<'_>) -> Vec<f32> {
    let row = stored.cols * stored.dtype.bitsize() / 8;
    let of_row = |bytes| largest(&Stored { bytes, rows: 1, ..*stored });
    stored.bytes.chunks_exact(row.max(1)).map(of_row).collect()
}

/// The largest magnitude in each column of a matrix of finite numbers.
pub fn largest_of_columns(stored: &Stored<'_>) -> Vec<f32> {
    let mut largest = vec![0.0f32; stored.cols];
    for row in super::decode(stored, false).chunks_exact(stored.cols.max(1)) {
        for (largest, value) in largest.iter_mut().zip(row) {
            *largest = largest.max(value.abs());
        }
    }
    largest
}

/// The power of two of a matrix's largest magnitude: 2^e ≤ max|x| < 2^(e+1); 0 if all values are zero.
pub(super) fn exponent(stored: &Stored<'_>) -> i32 {
    real::exponent(&[largest(stored)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_the_matrix() {
        let (rows, cols) = (3, 2 * PANEL + 5);
        let values: Vec<f32> = (0u16..).take(rows * cols).map(|at| 0.5 * f32::from(at) - 300.0).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let stored = Stored { bytes: &bytes, dtype: Dtype::F32, rows, cols };
        let mut seen = 0;
        for columns in panels(cols) {
            let panel = panel::<f64>(&stored, &columns, 1);
            for (row, part) in panel.chunks_exact(columns.len()).enumerate() {
                let whole = &values[row * cols..][columns.clone()];
                assert!(part.iter().zip(whole).all(|(&part, &whole)| 2.0 * part == f64::from(whole)));
            }
            seen += panel.len();
        }
        assert_eq!(seen, rows * cols);
    }

    #[test]
    fn the_exponent_is_that_of_all_values_in_every_format() {
        let of = |bytes: &[u8], dtype| exponent(&Stored { bytes, dtype, rows: 1, cols: 4 });
        for (values, expected) in [
            ([0.0, -3.0, 2.5, 0.125], 1),
            ([0.0, -0.0, 0.0, 0.0], 0),
            // The smallest subnormal of F16.
            ([0.0, 0.0, -5.960_464_5e-8, 0.0], -24),
        ] {
            let f32s: Vec<u8> = values.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
            let upper: Vec<u8> = f32s.chunks_exact(4).flat_map(|word| [word[2], word[3]]).collect();
            let (f16s, _) = crate::encode(&values, 1.0, Dtype::F16);
            for (bytes, dtype) in [(f32s, Dtype::F32), (upper, Dtype::BF16), (f16s, Dtype::F16)] {
                assert_eq!(of(&bytes, dtype), expected, "{values:?} as {dtype}");
                let mut widened = Vec::new();
                super::widened(&bytes, dtype, &mut widened);
                assert_eq!(real::exponent::<f32>(&widened), expected);
            }
        }
    }
}
