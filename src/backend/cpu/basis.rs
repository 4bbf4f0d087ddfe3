//! Twin of `shaders/basis.wgsl`: an orthonormal basis of a factor's row space, dropping rows that depend on earlier ones.

use super::gram::dot;
use super::real::{self, Real};
use super::triangle::Triangle;
use crate::Shape;

/// The decomposition A = diag(2^exponent)·L·Q. Row i of Q is zero where row i of A depends on the rows before it.
#[derive(Clone, Debug)]
pub struct Basis<T> {
    /// Q, r×n: orthonormal rows, or zero rows.
    pub q: Vec<T>,
    /// L, r×r, lower triangular.
    pub l: Vec<f64>,
    /// Power of two taken out of each row.
    pub exponent: Vec<i32>,
    /// The residual of each row relative to the row's own norm; 0 where the row was dropped.
    pub pivot: Vec<f64>,
}

impl<T> Basis<T> {
    pub(super) fn triangle(&self) -> Triangle<'_> {
        Triangle { l: &self.l, exponent: &self.exponent }
    }
}

/// A row of which at least this share remains needs no second round: what the first round leaves along the earlier rows is its
/// rounding error divided by that share. The shader always does a second round, and is as exact.
const ENOUGH: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// Computes the basis by classical Gram-Schmidt, repeated for rows from which the first round took much ("twice is enough": Giraud,
/// Langou, Rozložník 2005; for when once is enough: Daniel, Gragg, Kaufman, Stewart 1976). Takes A, r×n, in place.
pub fn basis<T: Real>(mut a: Vec<T>, shape: Shape) -> Basis<T> {
    let Shape { rows, cols } = shape;
    let mut l = vec![0.0; rows * rows];
    let (mut exponents, mut pivots) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for i in 0..rows {
        let (before, rest) = a.split_at_mut(i * cols);
        let row = &mut rest[..cols];
        let exponent = real::exponent(row);
        real::scale(row, -exponent);
        let own = dot(row, row).sqrt();
        let mut left = own;
        for _ in 0..2 {
            let along: Vec<f64> = before.chunks_exact(cols).map(|q| dot(q, row)).collect();
            take_out(row, before, &along);
            l[i * rows..].iter_mut().zip(along).for_each(|(l, c)| *l += c);
            left = dot(row, row).sqrt();
            if left >= ENOUGH * own {
                break;
            }
        }
        if left > T::DEPENDENT * own {
            l[i * rows + i] = left;
            let scale = T::of(left.recip());
            row.iter_mut().for_each(|x| *x *= scale);
            pivots.push(left / own);
        } else {
            row.fill(T::ZERO);
            pivots.push(0.0);
        }
        exponents.push(exponent);
    }
    Basis { q: a, l, exponent: exponents, pivot: pivots }
}

/// Subtracts the part along Q: row −= Σ_j along[j]·q_j, four rows of Q at a time so that the row is loaded and stored less often.
fn take_out<T: Real>(row: &mut [T], q: &[T], along: &[f64]) {
    let cols = row.len();
    for (q, along) in q.chunks(4 * cols).zip(along.chunks(4)) {
        match *along {
            [a, b, c, d] => {
                let [a, b, c, d] = [a, b, c, d].map(T::of);
                let (first, second) = q.split_at(2 * cols);
                let ((q_a, q_b), (q_c, q_d)) = (first.split_at(cols), second.split_at(cols));
                let both = q_a.iter().zip(q_b).zip(q_c.iter().zip(q_d));
                for (x, ((&q_a, &q_b), (&q_c, &q_d))) in row.iter_mut().zip(both) {
                    *x = *x - a * q_a - b * q_b - c * q_c - d * q_d;
                }
            }
            _ => {
                for (q, &c) in q.chunks_exact(cols).zip(along) {
                    let c = T::of(c);
                    row.iter_mut().zip(q).for_each(|(x, &q)| *x -= c * q);
                }
            }
        }
    }
}
