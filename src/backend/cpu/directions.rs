//! What of the style is protected: the short way to it where there is no doubt, and the long one.

use super::basis::{Basis, basis};
use super::core::{Triangle, core};
use super::cut::{self, Protected};
use super::full::plainly_full;
use super::gram::{column_gram, columns, gram};
use super::jacobi::jacobi;
use super::loaded;
use super::real::Real;
use super::squares::plainly_cut;
use crate::{Conditioning, Cut, Job, PIVOT_GUARD, Shape};

/// The directions of the style that are protected.
#[derive(Debug)]
pub(super) struct Directions {
    pub(super) protected: Protected,
    /// ‖B_s·A_s‖², in units of 2^(2·exponent).
    pub(super) energy: f64,
    pub(super) exponent: i32,
    pub(super) conditioning: Conditioning,
}

/// With the least work: from Gram matrices where they leave no doubt. Else `conditioning` tells whether f32 was enough.
pub(super) fn quick(job: &Job<'_>, down: &Basis<f32>, cut: Cut) -> Directions {
    let pivot = down.pivot.iter().copied().fold(1.0, f64::min);
    let rank = down.pivot.len();
    let plain = || match cut {
        _ if pivot < PIVOT_GUARD => None,
        Cut::All => plainly_full(&column_gram(&job.style_up, &job.style_up), down)
            .map(|(energy, exponent)| (Protected::all(rank), energy, exponent)),
        _ => {
            let rows = loaded::<f64>(&job.style_down, false);
            let down_gram = gram(&rows, &rows, job.style_down.cols);
            plainly_cut(&down_gram, &columns::<f64>(&job.style_up, &job.style_up), rank, cut)
        }
    };
    match plain() {
        Some((protected, energy, exponent)) => {
            Directions { protected, energy, exponent, conditioning: Conditioning { pivot, gap: 1.0 } }
        }
        None => by_basis(job, down, cut),
    }
}

/// Those that a basis of the columns of B_s and the singular values tell.
pub(super) fn by_basis<T: Real>(job: &Job<'_>, down: &Basis<T>, cut: Cut) -> Directions {
    let rank = down.pivot.len();
    let up = basis(loaded::<T>(&job.style_up, true), Shape { rows: rank, cols: job.style_up.rows });
    let (small, exponent) = core(
        Triangle { l: &up.l, exponent: &up.exponent },
        Triangle { l: &down.l, exponent: &down.exponent },
    );
    let live: Vec<bool> = down.pivot.iter().map(|&pivot| pivot > 0.0).collect();
    let protected = cut::cut(&jacobi(&small, rank), &live, cut);
    let lower = |l: &[f64], i: usize| l[i * rank..(i + 1) * rank].iter().any(|&x| x != 0.0);
    let pivots = (0..rank).filter(|&i| lower(&up.l, i) && lower(&down.l, i)).map(|i| down.pivot[i]);
    let conditioning = Conditioning::of(pivots, &protected.sigma, protected.k, protected.lives, cut);
    let energy = protected.sigma.iter().map(|s| s * s).sum();
    Directions { protected, energy, exponent, conditioning }
}
