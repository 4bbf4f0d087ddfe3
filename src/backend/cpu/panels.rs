//! A stored matrix some columns at a time: of what may be large there is no copy in another precision.

use super::decode::widened;
use super::real::{self, Real};
use crate::{Dtype, Stored};
use std::ops::Range;

/// Columns that are looked at at once.
pub(super) const PANEL: usize = 128;

/// So many columns, panel by panel.
pub(super) fn panels(cols: usize) -> impl Iterator<Item = Range<usize>> {
    (0..cols).step_by(PANEL).map(move |from| from..cols.min(from + PANEL))
}

/// Some columns of a matrix, row-major, times 2^-`exponent`.
pub(super) fn panel<T: Real>(stored: &Stored<'_>, columns: &Range<usize>, exponent: i32) -> Vec<T> {
    let word = stored.dtype.bitsize() / 8;
    let mut values = Vec::with_capacity(stored.rows * columns.len());
    for row in stored.bytes.chunks_exact((stored.cols * word).max(1)) {
        widened(&row[columns.start * word..columns.end * word], stored.dtype, &mut values);
    }
    real::scale(&mut values, -exponent);
    values
}

/// The power of two of the largest magnitude of a matrix of numbers: 2^e ≤ max|x| < 2^(e+1); 0 where all are zero.
pub(super) fn exponent(stored: &Stored<'_>) -> i32 {
    // Magnitudes of numbers are in the order of their bits.
    let half = || stored.bytes.as_chunks::<2>().0.iter().map(|&word| u16::from_le_bytes(word) & 0x7fff);
    let largest = match stored.dtype {
        Dtype::F32 => {
            let words = stored.bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word));
            words.fold(0, |most, word| most.max(word & 0x7fff_ffff)).to_le_bytes().to_vec()
        }
        _ => half().fold(0, u16::max).to_le_bytes().to_vec(),
    };
    let mut values: Vec<f32> = Vec::with_capacity(1);
    widened(&largest, stored.dtype, &mut values);
    real::exponent(&values)
}
