//! The style's singular values from f64 Gram matrices of its factors, if those decide a cut beyond doubt. At high ranks singular
//! values lie too close together for bases in f32, and bases in f64 take far longer.

use super::core::core;
use super::cut::{Protected, cut};
use super::jacobi::jacobi;
use super::real;
use super::triangle::{Triangle, cholesky};
use crate::{Cut, RANK_TOLERANCE};

/// The smallest share of a unit row's squared length that must remain once the rows before it are taken out.
const LEAST: f64 = 1e-10;
/// The smallest distance, as a share of [`most`], at which squared singular values and their spaces can be told apart (to a
/// millionth): Gram matrices give the squares with errors of at most some 1e-13 of it.
const CLEAR: f64 = 1e-7;
/// The smallest distance from the wanted energy, relative to the whole, that the energies of k and of k − 1 directions must have.
const ENERGY: f64 = 1e-9;

/// The protected directions, ‖B_s·A_s‖² in units of 2^(2·exponent), and that exponent, if k and the space are beyond doubt.
/// `down_gram` is A_s·A_sᵀ and `up_gram` is B_sᵀ·B_s, r×r each. `None` means only that they are not certain here.
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
    // There must be no doubt either whether the next direction exists at all.
    let next = (square(k) / square(0)).sqrt() / RANK_TOLERANCE;
    let undecided = match wanted {
        // A share that all directions together just reach is no boundary.
        Cut::Energy(share) => [k.checked_sub(1), (k < r).then_some(k)].into_iter().flatten().any(|k| {
            let reached = squares.iter().take(k).sum::<f64>();
            (reached - share * energy).abs() < ENERGY * energy.max(most)
        }),
        _ => false,
    };
    (apart && !(0.25..=1.0).contains(&next) && !undecided).then_some((protected, energy, exponent))
}

/// The sum Σ_i ‖column i of B_s‖²·‖row i of A_s‖², which no σ² exceeds by more than a factor of r.
fn most(down: &Factor, up: &Factor, exponent: i32) -> f64 {
    let both = down.lengths.iter().zip(&up.lengths).zip(down.exponents.iter().zip(&up.exponents));
    both.map(|((a, b), (e, f))| (a * b * 2f64.powi(e + f - exponent)).powi(2)).sum()
}

/// A factor as diag(2^exponent)·L, where L·Lᵀ is the Gram matrix of its rows (for a lora_up, of its columns).
struct Factor {
    l: Vec<f64>,
    exponents: Vec<i32>,
    /// The lengths of the rows of L.
    lengths: Vec<f64>,
}

impl Factor {
    /// The factor with this Gram matrix; `None` if a row is zero or depends on the others.
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
