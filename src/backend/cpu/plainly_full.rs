//! Whether a style certainly has all of its directions, so that neither a basis of B_s nor singular values are needed.

use super::gram::gram;
use super::triangle::{Triangle, cholesky, inverse};
use crate::RANK_TOLERANCE;

/// The largest squared norm of an inverse that is trusted. Gram matrices square the condition number, and their entries are right
/// to some 1e-7; anything beyond is left to the basis of B_s, which works on B_s itself.
const AMPLIFIED: f64 = 1e4;
/// The range of squared column norms for which f32 products neither overflow nor become subnormal.
const RANGE: std::ops::Range<f64> = 1e-24..1e24;
/// Singular values this far above the rank tolerance are beyond doubt.
const CLEAR: f64 = 64.0 * RANK_TOLERANCE;

/// ‖B_s·A_s‖² in units of 2^(2·exponent), and that exponent, if every singular value of B_s·A_s is certainly above the rank
/// tolerance. `up_gram` is B_sᵀ·B_s, r×r; `down` is the triangle of the basis of A_s, of which no row was dropped. `None` does not
/// mean that a singular value is below the tolerance.
///
/// With B_s = Q_B·L_Bᵀ and A_s = L_A·Q_A: σ_1 ≤ ‖L_Bᵀ·L_A‖ and σ_r ≥ 1/‖(L_Bᵀ·L_A)⁻¹‖, in Frobenius norms.
pub(super) fn plainly_full(up_gram: &[f64], down: Triangle<'_>) -> Option<(f64, i32)> {
    let r = down.exponent.len();
    let lengths: Vec<f64> = (0..r).map(|i| up_gram[i * r + i]).collect();
    if !lengths.iter().all(|square| RANGE.contains(square)) {
        return None;
    }
    let exponent = down.exponent.iter().copied().max()?;
    // Scales the columns of B_s to length 1; their lengths move to the rows of A_s.
    let normal: Vec<f64> =
        (0..r * r).map(|at| up_gram[at] / (lengths[at / r] * lengths[at % r]).sqrt()).collect();
    let up_inverse = inverse(&cholesky(&normal, r, AMPLIFIED.recip())?, r);
    if up_inverse.iter().map(|x| x * x).sum::<f64>() > AMPLIFIED {
        return None;
    }
    let mut down_l = down.l.to_vec();
    for ((row, length), e) in down_l.chunks_exact_mut(r).zip(&lengths).zip(down.exponent) {
        let size = length.sqrt() * 2f64.powi(e - exponent);
        row.iter_mut().for_each(|x| *x *= size);
    }
    // ‖B·A‖² = tr(BᵀB · AAᵀ); (L_Bᵀ·L_A)⁻¹ = L_A⁻¹·L_B⁻ᵀ.
    let energy: f64 = gram(&down_l, &down_l, r).iter().zip(&normal).map(|(a, b)| a * b).sum();
    let inverse: f64 = gram(&inverse(&down_l, r), &up_inverse, r).iter().map(|x| x * x).sum();
    ((energy * inverse).sqrt() * CLEAR < 1.0).then_some((energy, exponent))
}
