//! The style's singular values from f64 Gram matrices of its factors, where those tell a cut beyond doubt. Bases in f32 do
//! not where singular values are as close together as they are at high ranks, and bases in f64 take far longer.

use super::core::core;
use super::cut::{Protected, cut};
use super::jacobi::jacobi;
use super::real;
use super::triangle::{Triangle, cholesky};
use crate::{Cut, RANK_TOLERANCE};

/// Of a row of length 1, at least this must be left of its square once the rows before it are taken out.
const LEAST: f64 = 1e-10;
/// What comes of Gram matrices is squares of singular values, with errors of at most some 1e-13 of [`most`]. Squares this
/// share of it apart are told apart, and the spaces of both to a millionth.
const CLEAR: f64 = 1e-7;
/// So far the energies of k directions and of one fewer have to be from what is wanted.
const ENERGY: f64 = 1e-9;

/// What is protected, ‖B_s·A_s‖² in units of 2^(2·exponent), and that exponent, if k and the space are beyond doubt.
/// `down_gram` is A_s·A_sᵀ and `up_gram` B_sᵀ·B_s, r×r. None does not say that there is any doubt.
pub(super) fn plainly_cut(
    down_gram: &[f64],
    up_gram: &[f64],
    r: usize,
    wanted: Cut,
) -> Option<(Protected, f64, i32)> {
    if r == 0 || wanted == Cut::Count(0) {
        return None;
    }
    let (down, up) = (Factor::of(down_gram, r)?, Factor::of(up_gram, r)?);
    let (core, exponent) = core(up.triangle(), down.triangle());
    let protected = cut(&jacobi(&core, r), &vec![true; r], wanted);
    let k = protected.k;
    let squares: Vec<f64> = protected.sigma.iter().map(|s| s * s).collect();
    let square = |at: usize| squares.get(at).copied().unwrap_or(0.0);
    let (energy, most) = (squares.iter().sum::<f64>(), most(&down, &up, exponent));
    let apart = k > 0 && square(k - 1) - square(k) > CLEAR * most;
    // Whether the next one is there at all must not be in doubt either.
    let next = (square(k) / square(0)).sqrt() / RANK_TOLERANCE;
    let undecided = match wanted {
        // What all of them reach is no boundary.
        Cut::Energy(share) => [k.checked_sub(1), (k < r).then_some(k)].into_iter().flatten().any(|k| {
            let reached = squares.iter().take(k).sum::<f64>();
            (reached - share * energy).abs() < ENERGY * energy.max(most)
        }),
        _ => false,
    };
    (apart && !(0.25..=1.0).contains(&next) && !undecided).then_some((protected, energy, exponent))
}

/// Σ_i ‖column i of B_s‖²·‖row i of A_s‖², which no σ² exceeds by more than a factor of r.
fn most(down: &Factor, up: &Factor, exponent: i32) -> f64 {
    let both = down.lengths.iter().zip(&up.lengths).zip(down.exponents.iter().zip(&up.exponents));
    both.map(|((a, b), (e, f))| (a * b * 2f64.powi(e + f - exponent)).powi(2)).sum()
}

/// diag(2^exponent)·L, with L·Lᵀ the Gram matrix of a factor's rows (of lora_up's columns).
struct Factor {
    l: Vec<f64>,
    exponents: Vec<i32>,
    /// Of the rows of L.
    lengths: Vec<f64>,
}

impl Factor {
    /// None where a row is nothing, or nothing without the others.
    fn of(gram: &[f64], r: usize) -> Option<Self> {
        let mut lengths: Vec<f64> = (0..r).map(|i| gram[i * r + i].sqrt()).collect();
        if !lengths.iter().all(|length| length.is_normal()) {
            return None;
        }
        let unit: Vec<f64> = (0..r * r).map(|at| gram[at] / lengths[at / r] / lengths[at % r]).collect();
        let mut l = cholesky(&unit, r, LEAST)?;
        let exponents: Vec<i32> = lengths.iter().map(|&length| real::exponent(&[length])).collect();
        for ((row, length), &exponent) in l.chunks_exact_mut(r).zip(&mut lengths).zip(&exponents) {
            *length *= 2f64.powi(-exponent);
            row.iter_mut().for_each(|x| *x *= *length);
        }
        Some(Self { l, exponents, lengths })
    }

    fn triangle(&self) -> Triangle<'_> {
        Triangle { l: &self.l, exponent: &self.exponents }
    }
}
