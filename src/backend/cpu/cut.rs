//! Twin of `shaders/cut.wgsl`: how many directions an update has, and which of the style's are protected.

use super::jacobi::{Svd, descending};
use crate::{Cut, RANK_TOLERANCE};

/// The directions to protect, in the coordinates of the basis.
#[derive(Clone, Debug)]
pub struct Protected {
    /// The projector P = W_k·W_kᵀ, r×r; exactly the diagonal of the live rows if none of them is cut.
    pub projector: Vec<f64>,
    /// The number of protected directions, k.
    pub k: usize,
    /// Singular values in descending order.
    pub sigma: Vec<f64>,
    /// Live rows of the basis.
    pub lives: usize,
}

impl Protected {
    /// Protects every row of a basis that has no zero row; the singular values remain unknown.
    pub(super) fn all(rank: usize) -> Self {
        let projector = (0..rank * rank).map(|at| if at % (rank + 1) == 0 { 1.0 } else { 0.0 }).collect();
        Self { projector, k: rank, sigma: Vec::new(), lives: rank }
    }
}

/// Applies the rank tolerance (σ > 2e-6·σ_1: the floor of f32 arithmetic, measured on ΔW_s) and the user's cap.
/// `live[i]` is false where row i of Q is zero.
pub fn cut(svd: &Svd, live: &[bool], cut: Cut) -> Protected {
    let r = live.len();
    let order = descending(&svd.sigma);
    let sigma: Vec<f64> = order.iter().map(|&at| svd.sigma[at]).collect();
    let k = count(&sigma, cut);
    let lives = live.iter().filter(|&&live| live).count();
    let mut projector = vec![0.0; r * r];
    if k == lives {
        live.iter().enumerate().filter(|(_, live)| **live).for_each(|(i, _)| projector[i * r + i] = 1.0);
    } else {
        for &column in &order[..k] {
            let w = |i: usize| svd.w[i * r + column];
            for i in 0..r {
                for j in 0..r {
                    projector[i * r + j] += w(i) * w(j);
                }
            }
        }
    }
    Protected { projector, k, sigma, lives }
}

/// The number of directions k for singular values in descending order.
#[inline(never)]
pub fn count(sigma: &[f64], cut: Cut) -> usize {
    let first = sigma.first().copied().unwrap_or(0.0);
    let rank = sigma.iter().take_while(|&&s| s > RANK_TOLERANCE * first).count();
    match cut {
        Cut::All => rank,
        Cut::Count(count) => rank.min(count),
        Cut::Energy(share) => by_energy(&sigma[..rank], share),
    }
}

/// The smallest number of leading values whose squares sum to at least `share` of the total, with a tiny tolerance for ties that
/// differ only by rounding.
fn by_energy(sigma: &[f64], share: f64) -> usize {
    let whole: f64 = sigma.iter().map(|s| s * s).sum();
    let spare = (1.0 - share) * whole * (1.0 + 1e-12);
    let mut k = sigma.len();
    let mut given = 0.0;
    while k > 0 {
        given += sigma[k - 1] * sigma[k - 1];
        if given > spare {
            break;
        }
        k -= 1;
    }
    k
}
