//! Twin of `shaders/project.wgsl`: weighs the content against its part along the protected directions.

use super::outer::{HALF, Strips, WIDE, outer};
use super::real::Real;
use crate::Blend;
use std::ops::Range;

/// The projection of the content: A_c ← keep·A_c + added·(C·P)·Q, where C = A_c·Qᵀ (r_c×r) is the same for every blend. V =
/// (W_k)ᵀ·Q is never formed, because P = W_k·W_kᵀ is enough.
#[derive(Debug)]
pub struct Projection<'a, T> {
    /// The orthonormal basis Q, r×n.
    q: &'a [T],
    n: usize,
    /// The product C·P; `None` if nothing changes.
    coefficients: Option<Strips<T>>,
    keep: T,
    added: T,
}

impl<'a, T: Real> Projection<'a, T> {
    /// Prepares the projection from `along` (C, r_c×r), `projector` (P, r×r) and `q` (Q, r×n).
    pub fn new(along: &[f64], q: &'a [T], projector: &[f64], n: usize, blend: Blend) -> Self {
        let r = (q.len() / n.max(1)).max(1);
        // P is symmetric, so that its rows are its columns.
        let inside = |row: &[f64], p: &[f64]| T::of(row.iter().zip(p).map(|(c, p)| c * p).sum());
        let coefficients = || -> Vec<T> {
            let rows = along.chunks_exact(r);
            rows.flat_map(|row| projector.chunks_exact(r).map(move |p| inside(row, p))).collect()
        };
        // Plain addition must be exact, so that not even a negative zero may change.
        let nothing = blend.keep == 1.0 && (blend.added == 0.0 || projector.iter().all(|&p| p == 0.0));
        let [keep, added] = [blend.keep, blend.added].map(T::of);
        Self {
            q,
            n,
            coefficients: (!nothing).then(|| Strips::of_rows(&coefficients(), r, 0..r)),
            keep,
            added,
        }
    }

    /// Projects some columns of the content, r_c×(number of columns), in place.
    pub fn apply(&self, content: &mut [T], columns: &Range<usize>) {
        let Some(coefficients) = &self.coefficients else { return };
        let width = columns.len();
        let (keep, added) = (self.keep, self.added);
        let strips = Strips::of_columns(self.q, self.n, columns.clone());
        for (q, from) in strips.iter().zip((0..width).step_by(WIDE)) {
            for (coefficients, rows) in coefficients.iter().zip(content.chunks_mut(WIDE * width)) {
                for (rows, parts) in rows.chunks_mut(HALF * width).zip(outer(coefficients, q)) {
                    for (row, parts) in rows.chunks_exact_mut(width).zip(parts) {
                        row[from..].iter_mut().zip(parts).for_each(|(x, part)| *x = keep * *x + added * part);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panels::panels;

    #[test]
    fn some_columns_at_a_time_give_the_bits_of_all() {
        let (rows, r, n) = (9, 3, 300);
        let values = |count: usize, seed: f32| -> Vec<f32> {
            (0u16..).take(count).map(|at| (f32::from(at) * seed).sin()).collect()
        };
        let (content, q) = (values(rows * n, 0.37), values(r * n, 0.71));
        let along: Vec<f64> = values(rows * r, 0.13).into_iter().map(f64::from).collect();
        let projector = [0.5, 0.1, 0.0, 0.1, 0.25, 0.2, 0.0, 0.2, 1.0];
        for blend in [Blend::without(0.3), Blend::OVERLAP, Blend::without(0.0)] {
            let projection = Projection::new(&along, &q, &projector, n, blend);
            let mut whole = content.clone();
            projection.apply(&mut whole, &(0..n));
            assert_eq!(whole == content, blend.added == 0.0);
            for columns in panels(n) {
                let of = |x: &[f32]| -> Vec<f32> {
                    x.chunks_exact(n).flat_map(|row| &row[columns.clone()]).copied().collect()
                };
                let mut part = of(&content);
                projection.apply(&mut part, &columns);
                assert_eq!(part, of(&whole));
            }
        }
    }
}
