//! Small lower triangular matrices.

/// A triangular factor with the powers of two that were taken out of its rows.
#[derive(Clone, Copy, Debug)]
pub struct Triangle<'a> {
    /// The matrix L, r×r, lower triangular.
    pub l: &'a [f64],
    /// The power of two of each row.
    pub exponent: &'a [i32],
}

/// The Cholesky factor L, r×r, with L·Lᵀ = G; `None` if no more than `least` is left of a row's square.
pub(super) fn cholesky(g: &[f64], r: usize, least: f64) -> Option<Vec<f64>> {
    let mut l = vec![0.0; r * r];
    for i in 0..r {
        for j in 0..i {
            let known: f64 = (0..j).map(|k| l[i * r + k] * l[j * r + k]).sum();
            l[i * r + j] = (g[i * r + j] - known) / l[j * r + j];
        }
        let square = g[i * r + i] - l[i * r..i * r + i].iter().map(|x| x * x).sum::<f64>();
        // The comparison also fails if `square` is not a number.
        l[i * r + i] = (square > least).then(|| square.sqrt())?;
    }
    Some(l)
}

/// The inverse L⁻¹, r×r.
pub(super) fn inverse(l: &[f64], r: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; r * r];
    for i in 0..r {
        let (above, rest) = inverse.split_at_mut(i * r);
        let row = &mut rest[..r];
        row[i] = 1.0;
        for (above, factor) in above.chunks_exact(r).zip(&l[i * r..]) {
            row.iter_mut().zip(above).for_each(|(x, above)| *x -= factor * above);
        }
        row.iter_mut().for_each(|x| *x /= l[i * r + i]);
    }
    inverse
}

/// How well rows bear their basis, for A = L·Q: 1 if they are orthogonal, 0 if a row that counts was dropped. Row i of Q is Σ_j
/// x_ij·a_j with a_j the rows scaled to length 1, so their rounding errors grow by ‖x_i‖; the support is the reciprocal of the
/// largest ‖x_i‖ among rows that count. It is at most the smallest pivot, and less where small pivots build on each other.
#[inline(never)]
pub fn support(l: &[f64], counts: &[bool]) -> f64 {
    let r = counts.len();
    let mut unit = l.to_vec();
    let mut dropped = false;
    for (i, row) in unit.chunks_exact_mut(r.max(1)).enumerate() {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        // The comparison also fails if the value is not a number.
        if row[i] > 0.0 {
            row.iter_mut().for_each(|x| *x /= length);
        } else {
            dropped |= counts[i];
            row.fill(0.0);
            row[i] = 1.0;
        }
    }
    if dropped {
        return 0.0;
    }
    let squares = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>();
    let rows = inverse(&unit, r);
    let counted = rows.chunks_exact(r.max(1)).zip(counts).filter(|(_, counts)| **counts);
    counted.map(|(row, _)| squares(row)).fold(1.0, f64::max).sqrt().recip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pivots_that_build_on_each_other_bear_less_than_each() {
        let d = 0.1f64;
        let c = (1.0 - d * d).sqrt();
        // Each row nearly equals the one before it.
        let chain = [1.0, 0.0, 0.0, c, d, 0.0, 0.0, c, d];
        assert!(support(&chain, &[true; 3]) < 1.1 * d * d);
        assert!((support(&[5.0, 0.0, 0.0, 0.25], &[true; 2]) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn rows_that_do_not_count_may_be_missing() {
        let second_dropped = [2.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 3.0];
        assert_eq!(support(&second_dropped, &[true; 3]), 0.0);
        assert_eq!(support(&second_dropped, &[true, false, true]), 1.0);
        assert_eq!(support(&[], &[]), 1.0);
    }
}
