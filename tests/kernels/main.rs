//! Every kernel, as a CPU twin and as a shader, against f64 arithmetic of nalgebra's: one suite for both.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/on_both.rs"]
mod on_both;

mod basis;
mod core;
mod project;
mod times;
mod words;

use common::{Matrix, largest};
use np_lora::backend::kernels::Shape;

/// Frobenius error relative to the size of what was expected.
pub(crate) fn apart(is: &Matrix, should: &Matrix) -> f64 {
    (is - should).norm() / should.norm()
}

/// ‖Q·Qᵀ − I‖_max.
pub(crate) fn skew(q: &Matrix) -> f64 {
    largest(&(q * q.transpose() - Matrix::identity(q.nrows(), q.nrows())))
}

pub(crate) fn shape(matrix: &Matrix) -> Shape {
    Shape { rows: matrix.nrows(), cols: matrix.ncols() }
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
