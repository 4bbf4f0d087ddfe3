//! Twin of `shaders/jacobi.wgsl`: singular values and right singular vectors of a small matrix.

use super::gram::dot;

/// U·Σ = core·W.
#[derive(Clone, Debug)]
pub struct Svd {
    /// Singular values, one a column of W, not sorted.
    pub sigma: Vec<f64>,
    /// W, r×r; its columns are the right singular vectors.
    pub w: Vec<f64>,
}

/// Two columns count as orthogonal if their cosine is at most this.
const ORTHOGONAL: f64 = 1e-15;
/// Convergence is quadratic: ten sweeps are many.
const SWEEPS: usize = 40;

/// One-sided Jacobi (Hestenes 1958; Demmel and Veselić 1992): rotates pairs of columns until all are orthogonal.
pub fn jacobi(core: &[f64], rank: usize) -> Svd {
    // Columns as rows, each followed by its column of W: one rotation moves both.
    let width = 2 * rank;
    let mut columns = vec![0.0; rank * width];
    for j in 0..rank {
        for i in 0..rank {
            columns[j * width + i] = core[i * rank + j];
        }
        columns[j * width + rank + j] = 1.0;
    }
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..rank {
            for q in p + 1..rank {
                let (head, tail) = columns.split_at_mut(q * width);
                rotated |= rotate(&mut head[p * width..(p + 1) * width], &mut tail[..width], rank);
            }
        }
        if !rotated {
            break;
        }
    }
    let sigma = columns.chunks_exact(width.max(1)).map(|c| dot(&c[..rank], &c[..rank]).sqrt()).collect();
    let w = (0..rank * rank).map(|at| columns[(at % rank) * width + rank + at / rank]).collect();
    Svd { sigma, w }
}

/// Where values stand once they are in descending order; equal ones stay in theirs. There are hundreds at most.
pub fn descending(values: &[f64]) -> Vec<usize> {
    let mut order = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        let to = order.partition_point(|&before: &usize| values[before].total_cmp(value).is_ge());
        order.insert(to, at);
    }
    order
}

/// Makes the first `rank` entries of two columns orthogonal; whether it had to.
fn rotate(x: &mut [f64], y: &mut [f64], rank: usize) -> bool {
    let (a, b) = (dot(&x[..rank], &x[..rank]), dot(&y[..rank], &y[..rank]));
    let c = dot(&x[..rank], &y[..rank]);
    if c == 0.0 || c.abs() <= ORTHOGONAL * (a * b).sqrt() {
        return false;
    }
    let zeta = (b - a) / (2.0 * c);
    // Roots are the same to the bit everywhere, which a library's functions are not. Large squares need no 1.
    let root = if zeta.abs() < 1e100 { (zeta * zeta + 1.0).sqrt() } else { zeta.abs() };
    let tangent = zeta.signum() / (zeta.abs() + root);
    let cosine = (tangent * tangent + 1.0).sqrt().recip();
    let sine = cosine * tangent;
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
    true
}
