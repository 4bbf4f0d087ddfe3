//! The SVD of a product B·A from the Gram matrices of its factors alone.

use super::jacobi;
use crate::RANK_TOLERANCE;
use nalgebra::{DMatrix, DVector};

/// Eigenvalues below this share of the largest are noise of the f64 Gram matrix.
const FLOOR: f64 = 1e-14;

/// The Gram matrices A·Aᵀ and Bᵀ·B of one update, r×r each.
pub(super) struct Own {
    pub(super) down: DMatrix<f64>,
    pub(super) up: DMatrix<f64>,
}

/// The singular value decomposition of one update: B·A·v_j = σ_j·u_j.
pub(super) struct Decomposed {
    /// The singular values in descending order, r of them.
    pub(super) sigma: Vec<f64>,
    /// The right singular vectors, r×r: column j times A is v_jᵀ.
    pub(super) right: DMatrix<f64>,
    /// Singular values that count.
    pub(super) live: usize,
    /// The roots of the Gram matrices of both factors, scaled so that row i of A and column i of B have equal lengths.
    pub(super) roots: [Roots; 2],
    /// The factors that the rows of A were multiplied by to make the lengths equal.
    factor: Vec<f64>,
    /// The core Λ_B^½ U_Bᵀ U_A Λ_A^½, which has the update's singular values, and its right singular vectors as columns.
    core: DMatrix<f64>,
    within: DMatrix<f64>,
}

/// The roots λ^½ and λ^-½ of a Gram matrix's eigenvalues (0 for noise), and its eigenvectors as columns.
pub(super) struct Roots {
    pub(super) root: DVector<f64>,
    inverse: DVector<f64>,
    vectors: DMatrix<f64>,
}

fn roots(gram: DMatrix<f64>) -> Roots {
    let eigen = gram.symmetric_eigen();
    let most = eigen.eigenvalues.iter().copied().fold(0.0, f64::max);
    let root = eigen.eigenvalues.map(|l| if l > FLOOR * most { l.sqrt() } else { 0.0 });
    Roots { inverse: root.map(inverse), root, vectors: eigen.eigenvectors }
}

/// The inverse 1/x for x > 0, else 0.
pub(super) fn inverse(x: f64) -> f64 {
    if x > 0.0 { x.recip() } else { 0.0 }
}

impl Own {
    /// Decomposes the update. Row i of A and column i of B are first scaled to equal lengths, as only their product counts: a
    /// direction with one huge and one tiny (or zero) half would drown all others in the rounding errors of the Gram matrices.
    pub(super) fn decomposed(&self) -> Decomposed {
        let r = self.down.nrows();
        let factor: Vec<f64> = (0..r)
            .map(|i| {
                let factor = (self.up[(i, i)] / self.down[(i, i)]).sqrt().sqrt();
                if factor.is_finite() && factor > 0.0 { factor } else { 0.0 }
            })
            .collect();
        // Rows whose factor is zero may hold NaN, on which no decomposition would end.
        let lives = |i: usize, j: usize| factor[i] > 0.0 && factor[j] > 0.0;
        let times = |gram: &DMatrix<f64>, of: fn(f64) -> f64| {
            let entry = |i, j| if lives(i, j) { gram[(i, j)] * of(factor[i]) * of(factor[j]) } else { 0.0 };
            DMatrix::from_fn(r, r, entry)
        };
        let (down, up) = (times(&self.down, |f| f), times(&self.up, inverse));
        let (a, b) = (roots(down), roots(up));
        let core =
            DMatrix::from_diagonal(&b.root) * b.vectors.tr_mul(&a.vectors) * DMatrix::from_diagonal(&a.root);
        // One-sided Jacobi is used because nalgebra's own SVD loses digits on rank-deficient matrices.
        let svd = jacobi::jacobi(core.transpose().as_slice(), r);
        let order = jacobi::descending(&svd.sigma);
        let right = DMatrix::from_fn(r, r, |i, j| svd.w[i * r + order[j]]);
        let sigma: Vec<f64> = order.iter().map(|&at| svd.sigma[at]).collect();
        let first = sigma.first().copied().unwrap_or(0.0);
        let in_rows = &a.vectors * DMatrix::from_fn(r, r, |i, j| a.inverse[i] * right[(i, j)]);
        Decomposed {
            live: sigma.iter().take_while(|&&s| s > RANK_TOLERANCE * first).count(),
            right: DMatrix::from_fn(r, r, |i, j| factor[i] * in_rows[(i, j)]),
            sigma,
            core,
            within: right,
            roots: [a, b],
            factor,
        }
    }
}

impl Decomposed {
    /// The left singular vectors scaled by σ, r×r: B times column j is σ_j·u_j.
    pub(super) fn left(&self) -> DMatrix<f64> {
        let [_, b] = &self.roots;
        let (r, turned) = (self.factor.len(), &self.core * &self.within);
        let in_columns = &b.vectors * DMatrix::from_fn(r, r, |i, j| b.inverse[i] * turned[(i, j)]);
        DMatrix::from_fn(r, r, |i, j| inverse(self.factor[i]) * in_columns[(i, j)])
    }
}
