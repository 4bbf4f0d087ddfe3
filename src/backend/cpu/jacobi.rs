//! Twin of `shaders/jacobi.wgsl`: singular values and right singular vectors of a small matrix.

use super::gram::{dot, gram};
use super::real;
use nalgebra::{DMatrix, SymmetricEigen};

/// The decomposition core·W = U·Σ.
#[derive(Clone, Debug)]
pub struct Svd {
    /// The singular values in the order of W's columns, not sorted.
    pub sigma: Vec<f64>,
    /// W, r×r; its columns are the right singular vectors.
    pub w: Vec<f64>,
}

/// Two columns count as orthogonal if their cosine is at most this times the square root of the rank, which is what rounding leaves.
const ORTHOGONAL: f64 = 1e-15;
/// The most sweeps over all pairs of columns. Starting from the eigenvectors usually takes two to five; from the unit matrix, as in
/// the shader, ten or more.
const SWEEPS: usize = 40;
/// The most iterations per column of the eigenvector computation.
const STEPS: usize = 30;
/// The largest departure from 1 of the squared lengths of the eigenvectors.
const UNIT: f64 = 1e-8;

/// One-sided Jacobi (Hestenes 1958; Demmel and Veselić 1992): rotates pairs of columns until all are orthogonal. It begins at the
/// eigenvectors of coreᵀ·core, which leave little to do except for the small singular values, whose digits squaring has lost.
/// Singular values below the rounding of the largest are not refined.
pub fn jacobi(core: &[f64], rank: usize) -> Svd {
    // The columns are stored as rows, each followed by its column of W, so that one rotation moves both.
    let width = 2 * rank;
    let mut columns = vec![0.0; rank * width];
    // Scaling by a power of two keeps every square within range.
    let mut core = core.to_vec();
    let exponent = real::exponent(&core);
    real::scale(&mut core, -exponent);
    let w = eigenvectors(&core, rank).unwrap_or_else(|| DMatrix::identity(rank, rank));
    for (column, w) in columns.chunks_exact_mut(width.max(1)).zip(w.column_iter()) {
        let (turned, own) = column.split_at_mut(rank);
        own.copy_from_slice(w.as_slice());
        turned.iter_mut().zip(core.chunks_exact(rank)).for_each(|(x, row)| *x = dot(row, own));
    }
    #[allow(clippy::cast_precision_loss, reason = "hundreds at most")]
    let size = rank as f64;
    let orthogonal = ORTHOGONAL * size.sqrt();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        let mut squares: Vec<f64> =
            columns.chunks_exact(width.max(1)).map(|column| dot(&column[..rank], &column[..rank])).collect();
        // Columns of a singular core are rounding errors, which no rotation makes orthogonal to all others.
        let noise = (size * f64::EPSILON).powi(2) * squares.iter().copied().fold(0.0, f64::max);
        for p in 0..rank {
            for q in p + 1..rank {
                let (head, tail) = columns.split_at_mut(q * width);
                let (x, y) = (&mut head[p * width..(p + 1) * width], &mut tail[..width]);
                let along = dot(&x[..rank], &y[..rank]);
                let bound = orthogonal * (squares[p] * squares[q]).sqrt();
                if squares[p].min(squares[q]) > noise && along.abs() > bound {
                    let moved = rotate(x, y, along, squares[q] - squares[p]);
                    squares[p] = (squares[p] - moved).max(0.0);
                    squares[q] = (squares[q] + moved).max(0.0);
                    rotated = true;
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let length = |column: &[f64]| dot(&column[..rank], &column[..rank]).sqrt();
    let mut sigma: Vec<f64> = columns.chunks_exact(width.max(1)).map(length).collect();
    real::scale(&mut sigma, exponent);
    let w = (0..rank * rank).map(|at| columns[(at % rank) * width + rank + at / rank]).collect();
    Svd { sigma, w }
}

/// The eigenvectors of coreᵀ·core as columns; `None` if they are not found, for example because a value is not a number.
fn eigenvectors(core: &[f64], rank: usize) -> Option<DMatrix<f64>> {
    if rank == 0 {
        return None;
    }
    let columns = DMatrix::from_row_slice(rank, rank, core);
    let squares = DMatrix::from_vec(rank, rank, gram(columns.as_slice(), columns.as_slice(), rank));
    let w = SymmetricEigen::try_new(squares, f64::EPSILON, STEPS * rank)?.eigenvectors;
    let is_unit = |column: &[f64]| (dot(column, column) - 1.0).abs() < UNIT;
    w.as_slice().chunks_exact(rank).all(is_unit).then_some(w)
}

/// The indices that put values in descending order; equal values keep their order. There are at most a few hundred.
pub fn descending(values: &[f64]) -> Vec<usize> {
    let mut order = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        let to = order.partition_point(|&before: &usize| values[before].total_cmp(value).is_ge());
        order.insert(to, at);
    }
    order
}

/// Makes two columns orthogonal whose inner product is `along` and whose squared lengths differ by `wider`. Returns how much the
/// second squared length grows, which is how much the first shrinks.
fn rotate(x: &mut [f64], y: &mut [f64], along: f64, wider: f64) -> f64 {
    let zeta = wider / (2.0 * along);
    // Square roots give the same bits everywhere, unlike a library's functions. For large squares the 1 makes no difference.
    let root = if zeta.abs() < 1e100 { (zeta * zeta + 1.0).sqrt() } else { zeta.abs() };
    let tangent = zeta.signum() / (zeta.abs() + root);
    let cosine = (tangent * tangent + 1.0).sqrt().recip();
    let sine = cosine * tangent;
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
    tangent * along
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truncate::tests::random;

    /// Singular values in descending order, with W's departure from orthonormality.
    fn decomposed(core: &DMatrix<f64>) -> (Vec<f64>, f64) {
        let r = core.nrows();
        let Svd { sigma, w } = jacobi(core.transpose().as_slice(), r);
        let w = DMatrix::from_row_slice(r, r, &w);
        let turned = core * &w;
        let most = sigma.iter().copied().fold(0.0, f64::max);
        for (column, sigma) in turned.column_iter().zip(&sigma) {
            assert!((column.norm() - sigma).abs() <= 1e-13 * most);
        }
        let order = descending(&sigma);
        let skew = (w.tr_mul(&w) - DMatrix::identity(r, r)).amax();
        (order.iter().map(|&at| sigma[at]).collect(), skew)
    }

    #[test]
    fn no_size_is_too_large_or_too_small() {
        let core = random(24, 24, 1).map(f64::from);
        let (expected, _) = decomposed(&core);
        for size in [2f64.powi(-480), 2f64.powi(-300), 2f64.powi(300), 2f64.powi(500)] {
            let (sigma, skew) = decomposed(&(&core * size));
            assert!(sigma.iter().zip(&expected).all(|(is, should)| *is == should * size));
            assert!(skew < 1e-13);
        }
        // Beside the large block, nothing remains of the small one but its place.
        let mut uneven = DMatrix::identity(6, 6);
        uneven.view_mut((3, 3), (3, 3)).copy_from(&(random(3, 3, 2).map(f64::from) * 1e-81));
        let (sigma, skew) = decomposed(&uneven);
        assert!(skew < 1e-13 && sigma[2] == 1.0 && sigma[3] < 1e-80);
    }

    #[test]
    fn what_is_missing_is_zero() {
        let holes = DMatrix::from_row_slice(3, 3, &[2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 3.0]);
        let (sigma, skew) = decomposed(&holes);
        assert!(skew < 1e-14 && sigma[1] > 1.0 && sigma[2] < 1e-15);
        let one_row = DMatrix::from_fn(9, 9, |i, j| if i == 4 { 1.0 + j as f64 } else { 0.0 });
        let (sigma, skew) = decomposed(&one_row);
        assert!(skew < 1e-14 && (sigma[0] - 285f64.sqrt()).abs() < 1e-13 && sigma[1] < 1e-14);
        assert!(decomposed(&DMatrix::zeros(0, 0)).0.is_empty());
    }

    #[test]
    fn it_ends_on_what_is_no_number() {
        for no_number in [f64::NAN, f64::INFINITY] {
            for at in [0, 7, 24] {
                let mut core = random(5, 5, 3).map(f64::from);
                core[at] = no_number;
                assert_eq!(jacobi(core.as_slice(), 5).sigma.len(), 5);
            }
        }
    }
}
