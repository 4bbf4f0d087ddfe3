//! Finds the style's protected directions: by a short way from Gram matrices where they leave no doubt, else by the long way.

use super::basis::{Basis, basis};
use super::core::core;
use super::cut::{self, Protected};
use super::gram::{columns, own_gram, rows};
use super::jacobi::jacobi;
use super::own_columns;
use super::panels::loaded;
use super::plainly_cut::plainly_cut;
use super::plainly_full::plainly_full;
use super::real::Real;
use super::triangle::{Triangle, support};
use crate::job::SUPPORT_GUARD;
use crate::{Conditioning, Cut, Job, Shape, Stored};

/// The directions of the style that are protected.
#[derive(Clone, Debug)]
pub struct Directions {
    /// The protected directions in the coordinates of the basis of A_s, with singular values, where known, in units of 2^`exponent`.
    pub protected: Protected,
    /// The style's energy ‖B_s·A_s‖², in units of 2^(2·`exponent`).
    pub energy: f64,
    /// The exponent of the power of two in whose units `energy` and the singular values are given.
    pub exponent: i32,
    /// Whether f32 was exact enough.
    pub conditioning: Conditioning,
}

impl Directions {
    /// Directions that Gram matrices leave no doubt about.
    fn plain((protected, energy, exponent): (Protected, f64, i32), support: f64) -> Self {
        Self { protected, energy, exponent, conditioning: Conditioning { support, gap: 1.0 } }
    }
}

/// All directions of A_s, if it is certain that every one counts; `down` is the triangle of its basis. `None` means that it is not
/// certain, not that some direction does not count.
#[inline(never)]
pub fn all_directions(style_up: &Stored<'_>, down: Triangle<'_>) -> Option<Directions> {
    let rank = down.exponent.len();
    let support = borne(down)?;
    let (energy, exponent) = plainly_full(&own_columns(style_up), down)?;
    Some(Directions::plain((Protected::all(rank), energy, exponent), support))
}

/// Finds the directions with the least work, from Gram matrices where they leave no doubt. Otherwise `conditioning` tells whether
/// f32 was exact enough.
pub(super) fn quick(job: &Job<'_>, down: &Basis<f32>, cut: Cut) -> Directions {
    let plain = match cut {
        Cut::All => all_directions(&job.style_up, down.triangle()),
        _ => some_directions(job, down.triangle(), cut),
    };
    plain.unwrap_or_else(|| by_basis(job, down, cut))
}

/// Some directions of A_s, if it is certain which ones the cut leaves; `None` if it is not.
fn some_directions(job: &Job<'_>, down: Triangle<'_>, cut: Cut) -> Option<Directions> {
    let support = borne(down)?;
    let rank = down.exponent.len();
    let down_gram = own_gram(rank, rows::<f64>(&job.style_down));
    let up_gram = own_gram(rank, columns::<f64>(&job.style_up));
    Some(Directions::plain(plainly_cut(&down_gram, &up_gram, rank, cut)?, support))
}

/// The support of a basis without dropped rows, if it is large enough for f32.
fn borne(down: Triangle<'_>) -> Option<f64> {
    Some(support(down.l, &vec![true; down.exponent.len()])).filter(|&support| support >= SUPPORT_GUARD)
}

/// The directions found from a basis of the columns of B_s and the singular values of the core.
pub(super) fn by_basis<T: Real>(job: &Job<'_>, down: &Basis<T>, cut: Cut) -> Directions {
    let rank = down.pivot.len();
    let (l, exponents) = column_triangle(&job.style_up);
    let up = Triangle { l: &l, exponent: &exponents };
    let (small, exponent) = core(up, down.triangle());
    let live: Vec<bool> = down.pivot.iter().map(|&pivot| pivot > 0.0).collect();
    let mut svd = jacobi(&small, rank);
    let least = ROUNDING * largest_term(up, down.triangle(), exponent);
    svd.sigma.iter_mut().filter(|sigma| **sigma <= least).for_each(|sigma| *sigma = 0.0);
    let protected = cut::cut(&svd, &live, cut);
    let lower = |l: &[f64], i: usize| l[i * rank..(i + 1) * rank].iter().any(|&x| x != 0.0);
    let counts: Vec<bool> = (0..rank).map(|i| lower(&l, i) && lower(&down.l, i)).collect();
    let support = support(&down.l, &counts);
    let conditioning = Conditioning::of(support, &protected.sigma, protected.k, protected.lives, cut);
    let energy = protected.sigma.iter().map(|s| s * s).sum();
    Directions { protected, energy, exponent, conditioning }
}

/// Where the terms b_i·a_i cancel each other, a singular value up to this share of the largest term is rounding, not a direction.
/// The share is for f64; in f32 such a style has almost no support, so its job is repeated in f64.
const ROUNDING: f64 = 1.0 / (1_u64 << 43) as f64;

/// The largest ‖b_i‖·‖a_i‖ among the terms that sum to B·A, in units of 2^`exponent`.
fn largest_term(up: Triangle<'_>, down: Triangle<'_>, exponent: i32) -> f64 {
    let rank = up.exponent.len();
    let length = |l: &[f64], i: usize| l[i * rank..(i + 1) * rank].iter().map(|x| x * x).sum::<f64>().sqrt();
    let term = |i: usize| {
        length(up.l, i) * length(down.l, i) * 2f64.powi(up.exponent[i] + down.exponent[i] - exponent)
    };
    (0..rank).map(term).fold(0.0, f64::max)
}

/// The height of a block of B's rows that is processed at once, as a multiple of its number of columns.
const TALL: usize = 8;

/// L and the exponents of a basis of the columns of B, m×r, computed with only a block of B's rows in memory: if Bᵀ = (B₁ᵀ | B₂ᵀ)
/// and B₁ᵀ = L₁·Q₁, the triangle of Bᵀ is that of (L₁ | B₂ᵀ) (Demmel, Grigori, Hoemmen, Langou 2012).
fn column_triangle(up: &Stored<'_>) -> (Vec<f64>, Vec<i32>) {
    let rank = up.cols;
    let (mut l, mut exponents) = (vec![0.0; rank * rank], vec![0; rank]);
    for block in up.blocks(TALL * rank) {
        let rows = loaded::<f64>(&block);
        let before = l.chunks_exact(rank).zip(&exponents);
        let joined = before.enumerate().flat_map(|(at, (l, &exponent))| {
            let scale = 2f64.powi(exponent);
            l.iter().map(move |l| l * scale).chain(rows.iter().skip(at).step_by(rank).copied())
        });
        let found = basis(joined.collect(), Shape { rows: rank, cols: rank + block.rows });
        (l, exponents) = (found.l, found.exponent);
    }
    (l, exponents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtype, transpose};

    #[test]
    fn rows_looked_at_a_few_at_a_time_give_the_basis_of_all() {
        let (rows, rank) = (1003, 6);
        // One column depends on two others, one is tiny and one is zero.
        let values = (0..rows).flat_map(|row| {
            let x = |at| (row * 37 + at * 101 + row * row % 13 * at) as f32 % 29.0 - 14.0;
            [x(1), x(2), x(1) - 2.0 * x(2), 1e-30 * x(3), 0.0, x(4)]
        });
        let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
        let up = Stored { bytes: &bytes, dtype: Dtype::F32, rows, cols: rank };
        assert!(up.rows > 10 * TALL * rank);
        let turned = transpose(&loaded(&up), rows, rank);
        let whole = basis(turned.into_iter().map(f64::from).collect(), Shape { rows: rank, cols: rows });
        let found = column_triangle(&up);
        let triangle = |l: &[f64], exponents: &[i32]| -> Vec<f64> {
            let rows = l.chunks_exact(rank).zip(exponents);
            rows.flat_map(|(row, &e)| row.iter().map(move |l| l * 2f64.powi(e))).collect()
        };
        let (whole, found) = (triangle(&whole.l, &whole.exponent), triangle(&found.0, &found.1));
        for (row, (a, b)) in whole.chunks_exact(rank).zip(found.chunks_exact(rank)).enumerate() {
            let size = a.iter().map(|x| x * x).sum::<f64>().sqrt();
            let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart <= 1e-13 * size, "row {row}: {a:?} and {b:?}");
        }
        assert!(found[2 * rank + 2] == 0.0 && found[3 * rank + 3] != 0.0);
    }
}
