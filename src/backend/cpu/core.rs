//! Twin of `shaders/core.wgsl`: the small matrix that has the style's singular values.

use super::triangle::Triangle;

/// The core, r×r: `core[p][j] = Σ_i up.l[i][p] · 2^(up.exponent[i] + down.exponent[i] − E) · down.l[i][j]`. Also returns E, the
/// largest of these exponent sums over rows that are zero in neither factor.
///
/// With B_sᵀ = 2^e_B·L_B·Q_B and A_s = 2^e_A·L_A·Q_A: B_s·A_s = Q_Bᵀ·(2^E·core)·Q_A.
pub fn core(up: Triangle<'_>, down: Triangle<'_>) -> (Vec<f64>, i32) {
    let r = up.exponent.len();
    let zero = |l: &[f64], i: usize| l[i * r..(i + 1) * r].iter().all(|&x| x == 0.0);
    let rows: Vec<(usize, i32)> = (0..r)
        .filter(|&i| !zero(up.l, i) && !zero(down.l, i))
        .map(|i| (i, up.exponent[i] + down.exponent[i]))
        .collect();
    let most = rows.iter().map(|&(_, e)| e).max().unwrap_or(0);
    let mut core = vec![0.0; r * r];
    for (i, exponent) in rows {
        let scale = 2f64.powi(exponent - most);
        for p in 0..=i {
            let factor = up.l[i * r + p] * scale;
            for j in 0..=i {
                core[p * r + j] += factor * down.l[i * r + j];
            }
        }
    }
    (core, most)
}
