//! The SVD of a product B·A from the Gram matrices of its factors alone.

use super::jacobi;
use nalgebra::{DMatrix, DVector};

/// Eigenvalues below this share of the largest are noise of the f64 Gram matrix.
const FLOOR: f64 = 1e-14;

/// λ^½ and λ^-½ of a Gram matrix's eigenvalues (0 for noise), and its eigenvectors by columns.
pub(super) struct Roots {
    pub(super) root: DVector<f64>,
    pub(super) inverse: DVector<f64>,
    pub(super) vectors: DMatrix<f64>,
}

pub(super) fn roots(gram: DMatrix<f64>) -> Roots {
    let eigen = gram.symmetric_eigen();
    let most = eigen.eigenvalues.iter().copied().fold(0.0, f64::max);
    let root = eigen.eigenvalues.map(|l| if l > FLOOR * most { l.sqrt() } else { 0.0 });
    let inverse = root.map(|r| if r > 0.0 { r.recip() } else { 0.0 });
    Roots { root, inverse, vectors: eigen.eigenvectors }
}

/// The SVD of Λ_B^½ U_Bᵀ U_A Λ_A^½, which has the singular values of B·A.
pub(super) struct Core {
    /// In descending order.
    pub(super) sigma: Vec<f64>,
    /// Column j: the j-th left singular vector times σ_j.
    pub(super) left: DMatrix<f64>,
    /// Column j: the j-th right singular vector.
    pub(super) right: DMatrix<f64>,
}

impl Core {
    pub(super) fn of(a: &Roots, b: &Roots) -> Self {
        let core =
            DMatrix::from_diagonal(&b.root) * b.vectors.tr_mul(&a.vectors) * DMatrix::from_diagonal(&a.root);
        let r = core.nrows();
        // Jacobi, as nalgebra's own SVD loses digits on matrices that lack rank.
        let svd = jacobi::jacobi(core.transpose().as_slice(), r);
        let order = jacobi::descending(&svd.sigma);
        let right = DMatrix::from_fn(r, r, |i, j| svd.w[i * r + order[j]]);
        Self { sigma: order.iter().map(|&at| svd.sigma[at]).collect(), left: core * &right, right }
    }
}
