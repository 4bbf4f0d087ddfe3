//! Twin of `shaders/project.wgsl`: takes the protected directions out of the content.

use super::gram::gram;
use super::real::Real;
use nalgebra::DMatrixView;
use nalgebra::DMatrixViewMut;

/// C = A_c·Qᵀ (r_c×r, returned) and A_c ← A_c − β·(C·P)·Q (r_c×n). V = (W_k)ᵀ·Q is never formed: P = W_k·W_kᵀ.
pub fn project<T: Real>(content: &mut [T], q: &[T], projector: &[f64], n: usize, beta: f64) -> Vec<f64> {
    let along = gram(content, q, n);
    let (r, r_c) = (q.len() / n.max(1), content.len() / n.max(1));
    if beta == 0.0 || projector.iter().all(|&p| p == 0.0) {
        return along;
    }
    let mut removed = Vec::with_capacity(r_c * r);
    for row in along.chunks_exact(r) {
        removed.extend(
            (0..r).map(|j| {
                T::of(row.iter().zip(projector.iter().skip(j).step_by(r)).map(|(c, p)| c * p).sum())
            }),
        );
    }
    // Row-major r×n is column-major n×r, so this is Aᵀ ← Aᵀ − β·Qᵀ·(C·P)ᵀ.
    let (q, removed) = (DMatrixView::from_slice(q, n, r), DMatrixView::from_slice(&removed, r, r_c));
    DMatrixViewMut::from_slice(content, n, r_c).gemm(T::of(-beta), &q, &removed, T::one());
    along
}
