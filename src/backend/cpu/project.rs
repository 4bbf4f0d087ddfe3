//! Twin of `shaders/project.wgsl`: weighs the content against its part along the protected directions.

use super::outer::{HALF, Strips, WIDE, outer};
use super::real::Real;
use crate::Blend;

/// Columns that are laid out as strips at once.
const BLOCK: usize = 16 * WIDE;

/// A_c ← keep·A_c + inside·(C·P)·Q (r_c×n), where C = A_c·Qᵀ (r_c×r) is the same for every blend. V = (W_k)ᵀ·Q is never
/// formed: P = W_k·W_kᵀ.
pub fn project<T: Real>(
    content: &mut [T],
    along: &[f64],
    q: &[T],
    projector: &[f64],
    n: usize,
    blend: Blend,
) {
    let r = q.len() / n.max(1);
    // Addition is to be exact: then not even a negative zero may change.
    if blend.keep == 1.0 && (blend.inside == 0.0 || projector.iter().all(|&p| p == 0.0)) {
        return;
    }
    // P is symmetric, so that its rows are its columns.
    let inside = |row: &[f64], p: &[f64]| T::of(row.iter().zip(p).map(|(c, p)| c * p).sum());
    let coefficients: Vec<T> = along
        .chunks_exact(r)
        .flat_map(|row| projector.chunks_exact(r).map(move |p| inside(row, p)))
        .collect();
    let coefficients = Strips::of_rows(&coefficients, r, 0..r);
    let [keep, added] = [blend.keep, blend.inside].map(|weight| T::of(<f32 as Real>::of(weight).into()));
    for from in (0..n).step_by(BLOCK) {
        let strips = Strips::of_columns(q, n, from..n.min(from + BLOCK));
        for (q, from) in strips.iter().zip((from..n).step_by(WIDE)) {
            for (coefficients, rows) in coefficients.iter().zip(content.chunks_mut(WIDE * n)) {
                for (rows, parts) in rows.chunks_mut(HALF * n).zip(outer(coefficients, q)) {
                    for (row, parts) in rows.chunks_exact_mut(n).zip(parts) {
                        row[from..].iter_mut().zip(parts).for_each(|(x, part)| *x = keep * *x + added * part);
                    }
                }
            }
        }
    }
}
