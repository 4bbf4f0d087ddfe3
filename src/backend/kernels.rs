//! The kernels one by one, on plain slices: what each WGSL shader and its CPU twin both promise.
//!
//! The product runs them chained (see [`super::Backend`]); this trait exists so that one test suite can hold both
//! implementations of every kernel against an f64 reference. All matrices are row-major f32.

use super::cpu::project::Projection;
use super::cpu::{self, Cpu, Real, basis, core, cut, jacobi};
use super::{Blend, Cut, Dtype, Stored};
use crate::error::Result;
pub use cpu::Shape;

/// A = diag(2^exponent)·L·Q. Row i of Q is zero where row i of A depends on the rows before it.
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

/// U·Σ = core·W with U, W orthogonal.
#[derive(Clone, Debug, PartialEq)]
pub struct Svd {
    /// Singular values, one a column of W, not sorted.
    pub sigma: Vec<f32>,
    /// W, r×r: its columns are the right singular vectors, orthonormal to 1e-6.
    pub w: Vec<f32>,
}

/// The directions to protect, in the coordinates of the basis.
#[derive(Clone, Debug, PartialEq)]
pub struct Protected {
    /// P = W_k·W_kᵀ, r×r; exactly the diagonal 0/1 matrix of the live basis rows when nothing of them is cut.
    pub projector: Vec<f32>,
    /// k, the number of protected directions.
    pub k: usize,
}

/// Every kernel on host memory.
#[allow(async_fn_in_trait, reason = "kernels are used by one thread; on wasm32 no future is Send")]
pub trait Kernels {
    /// Words of F32, F16 or BF16 to f32; `transposed` gives cols×rows. Subnormals are kept.
    async fn decode(&self, stored: &Stored<'_>, transposed: bool) -> Result<Vec<f32>>;

    /// Orthonormal basis of the row space of `a`: classical Gram-Schmidt, twice for every row of which the
    /// first time leaves little. A row is dropped when its residual is at most [`super::RANK_TOLERANCE`] of its own norm.
    async fn basis(&self, a: &[f32], shape: Shape) -> Result<Basis>;

    /// `core[p][j] = Σ_i up.l[i][p] · 2^(up.exponent[i] + down.exponent[i] − E) · down.l[i][j]`, r×r, where E, returned
    /// beside it, is the largest of those exponent sums over the rows i that are zero in neither factor.
    async fn core(&self, up: &Basis, down: &Basis) -> Result<(Vec<f32>, i32)>;

    /// One-sided Jacobi on an r×r matrix with entries of magnitude at most about 1e9.
    async fn jacobi(&self, core: &[f32], rank: usize) -> Result<Svd>;

    /// Applies the rank tolerance (σ > 2e-6·σ_1) and the user's cap. `live[i]` is false where row i of Q is zero.
    async fn cut(&self, svd: &Svd, live: &[bool], cut: Cut) -> Result<Protected>;

    /// C = A_c·Qᵀ (r_c×r) and keep·A_c + added·(C·P)·Q (r_c×n). Returns (C, projected).
    async fn project(
        &self,
        content: &[f32],
        content_shape: Shape,
        q: &[f32],
        projector: &[f32],
        blend: Blend,
    ) -> Result<(Vec<f32>, Vec<f32>)>;

    /// X·Yᵀ for X p×n and Y q×n.
    async fn gram(&self, x: &[f32], y: &[f32], n: usize) -> Result<Vec<f32>>;

    /// `values`·`scale` rounded to nearest even as F32, F16 or BF16 words; too large a value becomes infinity.
    /// Returns the words and, per value, what rounding added, divided by `scale` (0 where scale is 0).
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
