//! Twin of `shaders/jacobi.wgsl`: singular values and right singular vectors of a small matrix.

use super::gram::dot;
use nalgebra::{DMatrix, SymmetricEigen};

/// U·Σ = core·W.
#[derive(Clone, Debug)]
pub struct Svd {
    /// Singular values, one a column of W, not sorted.
    pub sigma: Vec<f64>,
    /// W, r×r; its columns are the right singular vectors.
    pub w: Vec<f64>,
}

/// Two columns count as orthogonal if their cosine is at most this times the root of the rank: what rounding leaves.
const ORTHOGONAL: f64 = 1e-15;
/// From the eigenvectors it takes two to five; from the unit matrix, as the shader begins, ten.
const SWEEPS: usize = 40;
/// Steps of the eigenvectors' iteration a column.
const STEPS: usize = 30;

/// One-sided Jacobi (Hestenes 1958; Demmel and Veselić 1992): rotates pairs of columns until all are orthogonal. Begins at
/// the eigenvectors of coreᵀ·core, which leave little to do but for the small singular values, whose digits squaring has
/// lost.
pub fn jacobi(core: &[f64], rank: usize) -> Svd {
    // Columns as rows, each followed by its column of W: one rotation moves both.
    let width = 2 * rank;
    let mut columns = vec![0.0; rank * width];
    let core = DMatrix::from_row_slice(rank, rank, core);
    let w = eigenvectors(&core).unwrap_or_else(|| DMatrix::identity(rank, rank));
    let turned = core * &w;
    for (j, column) in columns.chunks_exact_mut(width.max(1)).enumerate() {
        let (left, right) = column.split_at_mut(rank);
        left.copy_from_slice(turned.column(j).as_slice());
        right.copy_from_slice(w.column(j).as_slice());
    }
    #[allow(clippy::cast_precision_loss, reason = "hundreds at most")]
    let orthogonal = ORTHOGONAL * (rank as f64).sqrt();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        let mut squares: Vec<f64> =
            columns.chunks_exact(width.max(1)).map(|c| dot(&c[..rank], &c[..rank])).collect();
        for p in 0..rank {
            for q in p + 1..rank {
                let (head, tail) = columns.split_at_mut(q * width);
                let (x, y) = (&mut head[p * width..(p + 1) * width], &mut tail[..width]);
                let along = dot(&x[..rank], &y[..rank]);
                if along.abs() > orthogonal * (squares[p] * squares[q]).sqrt() {
                    let moved = rotate(x, y, along, squares[q] - squares[p]);
                    squares[p] = (squares[p] - moved).max(0.0);
                    squares[q] += moved;
                    rotated = true;
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let sigma = columns.chunks_exact(width.max(1)).map(|c| dot(&c[..rank], &c[..rank]).sqrt()).collect();
    let w = (0..rank * rank).map(|at| columns[(at % rank) * width + rank + at / rank]).collect();
    Svd { sigma, w }
}

/// Of coreᵀ·core, by columns; none where the iteration does not end, as on what is no number.
fn eigenvectors(core: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    // Squares must neither leave the range nor vanish.
    let largest = core.amax();
    let scaled = (largest > 0.0 && largest.is_finite()).then(|| core / largest)?;
    let found = SymmetricEigen::try_new(scaled.tr_mul(&scaled), f64::EPSILON, STEPS * core.ncols())?;
    found.eigenvectors.iter().all(|x| x.is_finite()).then_some(found.eigenvectors)
}

/// Where values stand once they are in descending order; equal ones stay in theirs. There are hundreds at most.
pub fn descending(values: &[f64]) -> Vec<usize> {
    let mut order = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        let to = order.partition_point(|&before: &usize| values[before].total_cmp(value).is_ge());
        order.insert(to, at);
    }
    order
}

/// Makes two columns orthogonal whose product is `along`, and whose squares differ by `wider`. Returns by how much the
/// second square grows, and the first one falls.
fn rotate(x: &mut [f64], y: &mut [f64], along: f64, wider: f64) -> f64 {
    let zeta = wider / (2.0 * along);
    // Roots are the same to the bit everywhere, which a library's functions are not. Large squares need no 1.
    let root = if zeta.abs() < 1e100 { (zeta * zeta + 1.0).sqrt() } else { zeta.abs() };
    let tangent = zeta.signum() / (zeta.abs() + root);
    let cosine = (tangent * tangent + 1.0).sqrt().recip();
    let sine = cosine * tangent;
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
    tangent * along
}
