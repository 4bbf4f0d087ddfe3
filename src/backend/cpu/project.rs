//! Twin of `shaders/project.wgsl`: takes the protected directions out of the content.

use super::gram::gram;
use super::outer::{HALF, Strips, WIDE, outer};
use super::real::Real;

/// Columns that are laid out as strips at once.
const BLOCK: usize = 16 * WIDE;

/// C = A_c·Qᵀ (r_c×r, returned) and A_c ← A_c − β·(C·P)·Q (r_c×n). V = (W_k)ᵀ·Q is never formed: P = W_k·W_kᵀ.
pub fn project<T: Real>(content: &mut [T], q: &[T], projector: &[f64], n: usize, beta: f64) -> Vec<f64> {
    let along = gram(content, q, n);
    let r = q.len() / n.max(1);
    if beta == 0.0 || projector.iter().all(|&p| p == 0.0) {
        return along;
    }
    // P is symmetric, so that its rows are its columns.
    let inside = |row: &[f64], p: &[f64]| T::of(row.iter().zip(p).map(|(c, p)| c * p).sum());
    let removed: Vec<T> = along
        .chunks_exact(r)
        .flat_map(|row| projector.chunks_exact(r).map(move |p| inside(row, p)))
        .collect();
    let (removed, beta) = (Strips::of_rows(&removed, r, 0..r), T::of(beta));
    for from in (0..n).step_by(BLOCK) {
        let strips = Strips::of_columns(q, n, from..n.min(from + BLOCK));
        for (q, from) in strips.iter().zip((from..n).step_by(WIDE)) {
            for (removed, rows) in removed.iter().zip(content.chunks_mut(WIDE * n)) {
                for (rows, parts) in rows.chunks_mut(HALF * n).zip(outer(removed, q)) {
                    for (row, parts) in rows.chunks_exact_mut(n).zip(parts) {
                        row[from..].iter_mut().zip(parts).for_each(|(x, part)| *x -= beta * part);
                    }
                }
            }
        }
    }
    along
}
