//! What of the style is protected: the short ways to it where there is no doubt, and the long one.

use super::basis::{Basis, basis};
use super::core::core;
use super::cut::{self, Protected};
use super::gram::{column_gram, columns, gram};
use super::jacobi::jacobi;
use super::loaded;
use super::plainly_cut::plainly_cut;
use super::plainly_full::plainly_full;
use super::real::Real;
use super::triangle::{Triangle, support};
use crate::{Conditioning, Cut, Job, SUPPORT_GUARD, Shape, Stored};

/// The directions of the style that are protected.
#[derive(Clone, Debug)]
pub struct Directions {
    /// Which, in the coordinates of the basis of A_s, with the singular values in units of 2^exponent, where they are known.
    pub protected: Protected,
    /// ‖B_s·A_s‖², in units of 2^(2·exponent).
    pub energy: f64,
    /// See above.
    pub exponent: i32,
    /// Whether f32 was enough to tell.
    pub conditioning: Conditioning,
}

impl Directions {
    /// Of what Gram matrices leave no doubt about.
    fn plain((protected, energy, exponent): (Protected, f64, i32), support: f64) -> Self {
        Self { protected, energy, exponent, conditioning: Conditioning { support, gap: 1.0 } }
    }
}

/// All directions of A_s, where it is plain that they count; `down` is of its basis. None does not say that there is any
/// doubt.
#[inline(never)]
pub fn all_directions(style_up: &Stored<'_>, down: Triangle<'_>) -> Option<Directions> {
    let rank = down.exponent.len();
    let support = borne(down)?;
    let (energy, exponent) = plainly_full(&column_gram(style_up, style_up), down)?;
    Some(Directions::plain((Protected::all(rank), energy, exponent), support))
}

/// With the least work: from Gram matrices where they leave no doubt. Else `conditioning` tells whether f32 was enough.
pub(super) fn quick(job: &Job<'_>, down: &Basis<f32>, cut: Cut) -> Directions {
    let plain = match cut {
        Cut::All => all_directions(&job.style_up, down.triangle()),
        _ => some_directions(job, down.triangle(), cut),
    };
    plain.unwrap_or_else(|| by_basis(job, down, cut))
}

/// Some of A_s, where it is plain which. As above.
fn some_directions(job: &Job<'_>, down: Triangle<'_>, cut: Cut) -> Option<Directions> {
    let support = borne(down)?;
    let rows = loaded::<f64>(&job.style_down, false);
    let down_gram = gram(&rows, &rows, job.style_down.cols);
    let up_gram = columns::<f64>(&job.style_up, &job.style_up);
    Some(Directions::plain(plainly_cut(&down_gram, &up_gram, down.exponent.len(), cut)?, support))
}

/// The support of a basis of all rows, where it is enough.
fn borne(down: Triangle<'_>) -> Option<f64> {
    Some(support(down.l, &vec![true; down.exponent.len()])).filter(|&support| support >= SUPPORT_GUARD)
}

/// Those that a basis of the columns of B_s and the singular values tell.
pub(super) fn by_basis<T: Real>(job: &Job<'_>, down: &Basis<T>, cut: Cut) -> Directions {
    let rank = down.pivot.len();
    let up = basis(loaded::<T>(&job.style_up, true), Shape { rows: rank, cols: job.style_up.rows });
    let (small, exponent) = core(up.triangle(), down.triangle());
    let live: Vec<bool> = down.pivot.iter().map(|&pivot| pivot > 0.0).collect();
    let protected = cut::cut(&jacobi(&small, rank), &live, cut);
    let lower = |l: &[f64], i: usize| l[i * rank..(i + 1) * rank].iter().any(|&x| x != 0.0);
    let counts: Vec<bool> = (0..rank).map(|i| lower(&up.l, i) && lower(&down.l, i)).collect();
    let support = support(&down.l, &counts);
    let conditioning = Conditioning::of(support, &protected.sigma, protected.k, protected.lives, cut);
    let energy = protected.sigma.iter().map(|s| s * s).sum();
    Directions { protected, energy, exponent, conditioning }
}
