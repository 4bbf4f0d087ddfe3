//! The kernels one by one, on plain slices, with the contract that each WGSL shader shares with its CPU twin.
//!
//! The product runs them chained (see [`super::Backend`]); this trait exists so that one test suite can hold both
//! implementations of every kernel against an f64 reference. All matrices are row-major f32.

use super::cpu::project::Projection;
use super::cpu::{self, Cpu, Real, basis, core, cut, jacobi};
use super::{Blend, Cut, Dtype, Stored};
use crate::error::Result;
pub use cpu::Shape;

/// The decomposition A = diag(2^exponent)·L·Q. Row i of Q is zero where row i of A depends on the rows before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Basis {
    /// Q, r×n: orthonormal rows, or zero rows.
    pub q: Vec<f32>,
    /// L, r×r, lower triangular, in units of `exponent`.
    pub l: Vec<f32>,
    /// Power of two taken out of each row so that its largest magnitude lies in [1, 2); 0 for a zero row.
    pub exponent: Vec<i32>,
    /// Residual of each row relative to the row's own norm; 0 where the row was dropped.
    pub pivot: Vec<f32>,
}

/// The decomposition U·Σ = core·W with U and W orthogonal.
#[derive(Clone, Debug, PartialEq)]
pub struct Svd {
    /// The singular values in the order of W's columns, not sorted.
    pub sigma: Vec<f32>,
    /// W, r×r: its columns are the right singular vectors, orthonormal to 1e-6.
    pub w: Vec<f32>,
}

/// The directions to protect, in the coordinates of the basis.
#[derive(Clone, Debug, PartialEq)]
pub struct Protected {
    /// The projector P = W_k·W_kᵀ, r×r; exactly the diagonal 0/1 matrix of the live basis rows if none of them is cut.
    pub projector: Vec<f32>,
    /// k, the number of protected directions.
    pub k: usize,
}

/// All kernels on host memory.
#[allow(async_fn_in_trait, reason = "kernels are used by one thread; on wasm32 no future is Send")]
pub trait Kernels {
    /// Decodes words of F32, F16 or BF16 to f32; `transposed` gives cols×rows. Subnormals are kept.
    async fn decode(&self, stored: &Stored<'_>, transposed: bool) -> Result<Vec<f32>>;

    /// An orthonormal basis of the row space of `a` by classical Gram-Schmidt, repeated for every row of which the first round
    /// leaves little. A row is dropped if its residual is at most [`super::RANK_TOLERANCE`] of its own norm.
    async fn basis(&self, a: &[f32], shape: Shape) -> Result<Basis>;

    /// The core, r×r: `core[p][j] = Σ_i up.l[i][p] · 2^(up.exponent[i] + down.exponent[i] − E) · down.l[i][j]`. Also returns E, the
    /// largest of these exponent sums over the rows i that are zero in neither factor.
    async fn core(&self, up: &Basis, down: &Basis) -> Result<(Vec<f32>, i32)>;

    /// The SVD of an r×r matrix by one-sided Jacobi; its entries have magnitudes of at most about 1e9.
    async fn jacobi(&self, core: &[f32], rank: usize) -> Result<Svd>;

    /// Applies the rank tolerance (σ > 2e-6·σ_1) and the user's cap. `live[i]` is false where row i of Q is zero.
    async fn cut(&self, svd: &Svd, live: &[bool], cut: Cut) -> Result<Protected>;

    /// Computes C = A_c·Qᵀ (r_c×r) and keep·A_c + added·(C·P)·Q (r_c×n). Returns (C, projected).
    async fn project(
        &self,
        content: &[f32],
        content_shape: Shape,
        q: &[f32],
        projector: &[f32],
        blend: Blend,
    ) -> Result<(Vec<f32>, Vec<f32>)>;

    /// The product X·Yᵀ, p×q, of X p×n and Y q×n.
    async fn gram(&self, x: &[f32], y: &[f32], n: usize) -> Result<Vec<f32>>;

    /// Rounds `values`·`scale` to nearest even as F32, F16 or BF16 words; values that are too large become infinite. Returns the
    /// words and, for each value, the error added by rounding divided by `scale` (0 if `scale` is 0).
    async fn encode(&self, values: &[f32], scale: f32, dtype: Dtype) -> Result<(Vec<u8>, Vec<f32>)>;
}

impl Kernels for Cpu {
    async fn decode(&self, stored: &Stored<'_>, transposed: bool) -> Result<Vec<f32>> {
        Ok(cpu::decode(stored, transposed))
    }

    async fn basis(&self, a: &[f32], shape: Shape) -> Result<Basis> {
        let basis::Basis { q, l, exponent, pivot } = basis::basis(a.to_vec(), shape);
        Ok(Basis { q, l: narrow(&l), exponent, pivot: narrow(&pivot) })
    }

    async fn core(&self, up: &Basis, down: &Basis) -> Result<(Vec<f32>, i32)> {
        let (up_l, down_l) = (widen(&up.l), widen(&down.l));
        let (small, exponent) = core::core(
            cpu::Triangle { l: &up_l, exponent: &up.exponent },
            cpu::Triangle { l: &down_l, exponent: &down.exponent },
        );
        Ok((narrow(&small), exponent))
    }

    async fn jacobi(&self, core: &[f32], rank: usize) -> Result<Svd> {
        let svd = jacobi::jacobi(&widen(core), rank);
        Ok(Svd { sigma: narrow(&svd.sigma), w: narrow(&svd.w) })
    }

    async fn cut(&self, svd: &Svd, live: &[bool], cut: Cut) -> Result<Protected> {
        let svd = jacobi::Svd { sigma: widen(&svd.sigma), w: widen(&svd.w) };
        let protected = cut::cut(&svd, live, cut);
        Ok(Protected { projector: narrow(&protected.projector), k: protected.k })
    }

    async fn project(
        &self,
        content: &[f32],
        content_shape: Shape,
        q: &[f32],
        projector: &[f32],
        blend: Blend,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let (mut content, n) = (content.to_vec(), content_shape.cols);
        let along = cpu::gram(&content, q, n);
        Projection::new(&along, q, &widen(projector), n, blend).apply(&mut content, &(0..n));
        Ok((narrow(&along), content))
    }

    async fn gram(&self, x: &[f32], y: &[f32], n: usize) -> Result<Vec<f32>> {
        Ok(narrow(&cpu::gram(x, y, n)))
    }

    async fn encode(&self, values: &[f32], scale: f32, dtype: Dtype) -> Result<(Vec<u8>, Vec<f32>)> {
        Ok(cpu::encode(values, scale.into(), dtype))
    }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| x.into()).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| Real::of(x)).collect()
}
