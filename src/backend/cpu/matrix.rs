//! Matrices of values, and operations on them outside of the method.

use nalgebra::DMatrix;
use std::ops::Range;

/// A matrix of f32 values, stored by columns.
pub type Matrix = DMatrix<f32>;

/// A matrix from its values row by row.
#[inline(never)]
pub fn from_rows(rows: usize, cols: usize, values: &[f32]) -> Matrix {
    DMatrix::from_row_slice(rows, cols, values)
}

/// The values of a matrix row by row.
#[inline(never)]
pub fn by_rows(matrix: &Matrix) -> Vec<f32> {
    matrix.transpose().as_slice().to_vec()
}

/// The transpose Xᵀ of a matrix.
#[inline(never)]
pub fn transposed(matrix: &Matrix) -> Matrix {
    matrix.transpose()
}

/// Copies some rows of a matrix, times a factor, into `target`, beginning at `row` and `column`.
#[inline(never)]
pub fn place(
    target: &mut Matrix,
    row: usize,
    column: usize,
    from: &Matrix,
    rows: &Range<usize>,
    factor: f32,
) {
    let part = from.rows(rows.start, rows.len());
    target.view_mut((row, column), part.shape()).zip_apply(&part, |to, from| *to = from * factor);
}

/// The energy ‖X‖² of a matrix.
#[inline(never)]
pub fn energy(matrix: &Matrix) -> f64 {
    matrix.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

/// The norm ‖X·Y‖ = √tr(XᵀX·YYᵀ), from the small matrices alone.
#[inline(never)]
pub fn norm_of_product(x: &Matrix, y: &Matrix) -> f64 {
    let (x, y) = (x.map(f64::from), y.map(f64::from));
    x.tr_mul(&x).dot(&(&y * y.transpose())).max(0.0).sqrt()
}

/// Whether all values are finite.
#[inline(never)]
pub fn is_finite(matrix: &Matrix) -> bool {
    matrix.iter().all(|value| value.is_finite())
}
