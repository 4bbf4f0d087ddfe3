//! A matrix rounded to the output format, with the Gram matrix of what rounding adds, and without those errors themselves.

use super::encode::encode;
use super::gram::Sums;
use super::outer::Strips;
use super::panels::{PANEL, panel, panels};
use super::real::Real;
use crate::{Dtype, Stored};
use std::ops::Range;

/// The words of a rounded matrix, and the Gram matrix of the errors, which are divided by the scale (0 where that is 0).
#[derive(Clone, Debug)]
pub struct Rounded {
    /// Row by row, as [`encode`](super::encode()) makes them.
    pub words: Vec<u8>,
    /// E·Eᵀ of rounded rows, Eᵀ·E of rounded columns.
    pub error_gram: Vec<f64>,
}

/// A matrix that is rounded some columns at a time.
pub(super) struct Rounding {
    words: Vec<u8>,
    cols: usize,
    scale: f64,
    dtype: Dtype,
    errors: Sums,
}

impl Rounding {
    pub(super) fn new(rows: usize, cols: usize, scale: f64, dtype: Dtype) -> Self {
        Self {
            words: vec![0; rows * cols * dtype.bitsize() / 8],
            cols,
            scale,
            dtype,
            errors: Sums::own(rows),
        }
    }

    /// Some columns of all rows.
    pub(super) fn add<T: Real>(&mut self, values: &[T], columns: &Range<usize>) {
        let word = self.dtype.bitsize() / 8;
        let (words, errors) = encode(values, self.scale, self.dtype);
        let to = self.words.chunks_exact_mut((self.cols * word).max(1));
        for (to, from) in to.zip(words.chunks_exact((columns.len() * word).max(1))) {
            to[columns.start * word..columns.end * word].copy_from_slice(from);
        }
        self.errors.add_own(&Strips::of_rows(&errors, columns.len(), 0..columns.len()));
    }

    pub(super) fn finish(self) -> Rounded {
        Rounded { words: self.words, error_gram: self.errors.finish() }
    }
}

/// M·`scale` for a stored lora_down, r×n: the errors' Gram matrix is r×r.
#[inline(never)]
pub fn rounded_rows(stored: &Stored<'_>, scale: f64, dtype: Dtype) -> Rounded {
    let mut rounding = Rounding::new(stored.rows, stored.cols, scale, dtype);
    for columns in panels(stored.cols) {
        rounding.add(&panel::<f32>(stored, &columns, 0), &columns);
    }
    rounding.finish()
}

/// M·`scale` for a stored lora_up, m×r: the errors' Gram matrix is r×r.
#[inline(never)]
pub fn rounded_columns(stored: &Stored<'_>, scale: f64, dtype: Dtype) -> Rounded {
    let mut words = Vec::with_capacity(stored.rows * stored.cols * dtype.bitsize() / 8);
    let mut sums = Sums::own(stored.cols);
    for block in stored.blocks(PANEL) {
        let (part, errors) = encode(&panel::<f32>(&block, &(0..block.cols), 0), scale, dtype);
        words.extend(part);
        sums.add_own(&Strips::of_columns(&errors, block.cols, 0..block.cols));
    }
    Rounded { words, error_gram: sums.finish() }
}
