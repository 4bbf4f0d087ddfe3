//! Twin of `shaders/basis.wgsl`: an orthonormal basis of a factor's row space, with the decision which rows are new.

use super::gram::{add_scaled, dot};
use super::real::{self, Real};
use crate::Shape;

/// A = diag(2^exponent)·L·Q. Row i of Q is zero where row i of A depends on the rows before it.
#[derive(Clone, Debug)]
pub struct Basis<T> {
    /// Q, r×n.
    pub q: Vec<T>,
    /// L, r×r, lower triangular.
    pub l: Vec<f64>,
    /// Power of two taken out of each row.
    pub exponent: Vec<i32>,
    /// Residual of each row relative to its own norm; 0 where the row was dropped.
    pub pivot: Vec<f64>,
}

/// Classical Gram-Schmidt, always twice ("twice is enough": Giraud, Langou, Rozložník 2005). Takes A, r×n, in place.
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
        for _ in 0..2 {
            let along: Vec<f64> = before.chunks_exact(cols).map(|q| dot(q, row)).collect();
            for (j, (q, &c)) in before.chunks_exact(cols).zip(&along).enumerate() {
                add_scaled(row, T::of(-c), q);
                l[i * rows + j] += c;
            }
        }
        let left = dot(row, row).sqrt();
        if left > T::DEPENDENT * own {
            l[i * rows + i] = left;
            let scale = T::of(left.recip());
            row.iter_mut().for_each(|x| *x *= scale);
            pivots.push(left / own);
        } else {
            row.fill(T::zero());
            pivots.push(0.0);
        }
        exponents.push(exponent);
    }
    Basis { q: a, l, exponent: exponents, pivot: pivots }
}
