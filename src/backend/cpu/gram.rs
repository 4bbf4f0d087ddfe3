//! Twin of `shaders/gram.wgsl`: inner products of rows.

use super::real::Real;

/// Sums of at most this many products are made in T; sums of those in f64, so that the error does not grow with n.
const CHUNK: usize = 512;
/// Independent partial sums: what a vector register can hold.
const LANES: usize = 8;

/// X·Yᵀ for X p×n and Y q×n, p×q, row-major.
pub(super) fn gram<T: Real>(x: &[T], y: &[T], n: usize) -> Vec<f64> {
    let rows = |matrix| <[T]>::chunks_exact(matrix, n.max(1));
    rows(x).flat_map(|a| rows(y).map(move |b| dot(a, b))).collect()
}

/// Σ x_i·y_i.
pub(super) fn dot<T: Real>(x: &[T], y: &[T]) -> f64 {
    x.chunks(CHUNK).zip(y.chunks(CHUNK)).map(|(x, y)| dot_chunk(x, y).wide()).sum()
}

fn dot_chunk<T: Real>(x: &[T], y: &[T]) -> T {
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let mut sums = [T::zero(); LANES];
    for (x, y) in x.iter().zip(y) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest = x_rest.iter().zip(y_rest).fold(T::zero(), |sum, (&x, &y)| sum + x * y);
    sums.into_iter().fold(rest, |sum, lane| sum + lane)
}

/// x += factor·y.
pub(super) fn add_scaled<T: Real>(x: &mut [T], factor: T, y: &[T]) {
    x.iter_mut().zip(y).for_each(|(x, &y)| *x += factor * y);
}
