//! A matrix in the output format, with the Gram matrix of its rounding errors instead of the errors themselves.

use super::encode::encode;
use super::gram::Sums;
use super::outer::Strips;
use super::panels::{PANEL, loaded, panel, panels};
use super::real::Real;
use crate::{Dtype, Stored};
use std::ops::Range;

/// A matrix in the output format, with the Gram matrix of its rounding errors.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The words of the matrix, row by row.
    pub words: Vec<u8>,
    /// The Gram matrix of the rounding errors E: E·Eᵀ for rows, Eᵀ·E for columns; empty if it was not asked for.
    pub error_gram: Vec<f64>,
}

/// Encodes a matrix that arrives a few columns at a time.
pub(super) struct Encoder {
    words: Vec<u8>,
    cols: usize,
    dtype: Dtype,
    errors: Sums,
}

impl Encoder {
    /// Begins a matrix of rows×cols.
    pub(super) fn new(rows: usize, cols: usize, dtype: Dtype) -> Self {
        Self { words: vec![0; rows * cols * word(dtype)], cols, dtype, errors: Sums::own(rows) }
    }

    /// Adds the words of some columns and their rounding errors, both rows×(number of columns).
    pub(super) fn add(&mut self, (words, errors): (Vec<u8>, Vec<f32>), columns: &Range<usize>) {
        let (word, width) = (word(self.dtype), columns.len());
        let rows = self.words.chunks_exact_mut((self.cols * word).max(1));
        for (to, from) in rows.zip(words.chunks_exact((width * word).max(1))) {
            to[columns.start * word..columns.end * word].copy_from_slice(from);
        }
        self.errors.add_own(&Strips::of_rows(&errors, width, 0..width));
    }

    /// The whole matrix, with E·Eᵀ in the units of the errors that were added.
    pub(super) fn finish(self) -> Encoded {
        Encoded { words: self.words, error_gram: self.errors.finish() }
    }
}

/// Encodes a stored lora_down, r×n, times `scale`; E·Eᵀ is r×r, in units of the result.
#[inline(never)]
pub fn encoded_rows(stored: &Stored<'_>, scale: f64, dtype: Dtype) -> Encoded {
    let mut encoder = Encoder::new(stored.rows, stored.cols, dtype);
    for columns in panels(stored.cols) {
        encoder.add(rounded(&panel(stored, &columns, 0), scale, dtype), &columns);
    }
    encoder.finish()
}

/// Encodes a stored lora_up, m×r, times `scale`; Eᵀ·E is r×r, in units of the result.
#[inline(never)]
pub fn encoded_columns(stored: &Stored<'_>, scale: f64, dtype: Dtype) -> Encoded {
    let mut words = Vec::with_capacity(stored.rows * stored.cols * word(dtype));
    let mut sums = Sums::own(stored.cols);
    for block in stored.blocks(PANEL) {
        let (part, errors) = rounded(&loaded(&block), scale, dtype);
        words.extend(part);
        sums.add_own(&Strips::of_columns(&errors, block.cols, 0..block.cols));
    }
    Encoded { words, error_gram: sums.finish() }
}

/// Encodes a stored matrix times `scale`, without the Gram matrix of the rounding errors.
#[inline(never)]
pub fn encoded(stored: &Stored<'_>, scale: f64, dtype: Dtype) -> Encoded {
    let mut words = Vec::with_capacity(stored.rows * stored.cols * word(dtype));
    stored.blocks(PANEL).for_each(|block| words.extend(encode(&loaded::<f32>(&block), scale, dtype).0));
    Encoded { words, error_gram: Vec::new() }
}

/// Rounds values times `scale` to words. Also returns the rounding errors, in units of the result.
#[inline(never)]
pub fn rounded(values: &[f32], scale: f64, dtype: Dtype) -> (Vec<u8>, Vec<f32>) {
    let (words, mut errors) = encode(values, scale, dtype);
    let scale = <f32 as Real>::of(scale);
    errors.iter_mut().for_each(|error| *error *= scale);
    (words, errors)
}

/// The number of bytes of one value.
fn word(dtype: Dtype) -> usize {
    dtype.bitsize() / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram::gram;
    use crate::transpose;

    #[test]
    fn words_and_errors_are_those_of_all_values_at_once() {
        let (rows, cols) = (5, 2 * PANEL + 3);
        let values: Vec<f32> = (0u16..).take(rows * cols).map(|at| (f32::from(at) * 0.37).sin()).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let wide = Stored { bytes: &bytes, dtype: Dtype::F32, rows, cols };
        let tall = Stored { rows: cols, cols: rows, ..wide.clone() };
        for dtype in [Dtype::F16, Dtype::BF16, Dtype::F32] {
            for scale in [1.0, 0.3, -2.0, 0.0, 1e3] {
                let (words, errors) = rounded(&values, scale, dtype);
                let found = encoded_rows(&wide, scale, dtype);
                assert_eq!((&found.words, found.error_gram), (&words, gram(&errors, &errors, cols)));
                let found = encoded_columns(&tall, scale, dtype);
                let errors = transpose(&errors, cols, rows);
                assert_eq!((&found.words, found.error_gram), (&words, gram(&errors, &errors, cols)));
                assert_eq!(encoded(&tall, scale, dtype).words, words);
            }
        }
    }

    #[test]
    fn errors_are_squared_at_the_size_of_the_result() {
        for (value, scale) in [(1.2345e23f32, 1e-23), (1.2345e-21, 1e21)] {
            let bytes = value.to_le_bytes();
            let stored = Stored { bytes: &bytes, dtype: Dtype::F32, rows: 1, cols: 1 };
            for found in
                [encoded_rows, encoded_columns].map(|by| by(&stored, scale, Dtype::F16).error_gram[0])
            {
                assert!((1e-9..1e-6).contains(&found), "{found}");
            }
        }
    }
}
