//! Products of matrices with a few columns at once, in f64, used to check a saved update.

use super::panels::{PANEL, loaded};
use crate::Stored;

/// The number of columns in [`Columns`]. A few random columns may all be almost blind to an update of rank 1: with 4 of them an
/// estimate of its norm is 8 times too small once in some thousand modules, with 16 never.
pub const PROBES: usize = 16;

/// A matrix of [`PROBES`] columns, row by row.
pub type Columns = Vec<[f64; PROBES]>;

/// The product M·X of M m×n and X n×16.
#[inline(never)]
pub fn times(matrix: &Stored<'_>, x: &[[f64; PROBES]]) -> Columns {
    matrix.blocks(PANEL).flat_map(|rows| product(&loaded(&rows), rows.cols, x)).collect()
}

/// The sums of squares of the columns of M, m×n: n of them.
#[inline(never)]
pub fn column_squares(matrix: &Stored<'_>) -> Vec<f64> {
    let mut squares = vec![0.0; matrix.cols];
    for block in matrix.blocks(PANEL) {
        for row in loaded::<f64>(&block).chunks_exact(matrix.cols.max(1)) {
            squares.iter_mut().zip(row).for_each(|(sum, b)| *sum += b * b);
        }
    }
    squares
}

/// The product M·X of M m×n, row-major, and X n×16.
fn product(matrix: &[f32], cols: usize, x: &[[f64; PROBES]]) -> Columns {
    let row_times = |row: &[f32]| {
        let mut sums = [0.0; PROBES];
        for (&a, x) in row.iter().zip(x) {
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum += f64::from(a) * x;
            }
        }
        sums
    };
    matrix.chunks_exact(cols.max(1)).map(row_times).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dtype;
    use nalgebra::DMatrix;

    #[test]
    fn it_is_the_product() {
        let (rows, cols) = (7, 5);
        let m: Vec<f32> = (0u16..35).map(|i| f32::from(i * 37 % 23) - 11.5).collect();
        let x: Columns = (0u8..5).map(|i| std::array::from_fn(|j| f64::from(i) + 0.25 * j as f64)).collect();
        let bytes: Vec<u8> = m.iter().flat_map(|value| value.to_le_bytes()).collect();
        let stored = Stored { bytes: &bytes, dtype: Dtype::F32, rows, cols };
        let found = times(&stored, &x);
        let of_column = |at: usize| m.iter().skip(at).step_by(cols).map(|&m| f64::from(m) * f64::from(m));
        let squares: Vec<f64> = (0..cols).map(|at| of_column(at).sum()).collect();
        let whole = DMatrix::from_row_iterator(rows, cols, m.iter().map(|&value| f64::from(value)))
            * DMatrix::from_row_iterator(cols, PROBES, x.into_iter().flatten());
        assert_eq!(column_squares(&stored), squares);
        assert_eq!(found.len(), rows);
        for (at, row) in found.iter().enumerate() {
            row.iter()
                .zip(whole.row(at).iter())
                .for_each(|(is, should)| assert!((is - should).abs() < 1e-12));
        }
    }
}
