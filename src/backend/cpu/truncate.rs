//! Truncated SVD: of a low-rank product through its small Gram matrices, and of a large matrix through a sketch.
//!
//! It runs only on the CPU, because it is needed only for results of a lower rank and for adapter kinds without an exact low-rank
//! form. The small decompositions are in f64; a sketch's products are in f32.

use crate::gram::{gram, own_gram};
use crate::gram_svd::{Own, inverse};
use crate::outer::Strips;
use crate::panels::PANEL;
use crate::real::Real;
use crate::signs::Signs;
use nalgebra::DMatrix;

/// A matrix up·down with its singular values split evenly (√σ) between both factors.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// The down factor, k×n.
    pub down: DMatrix<f32>,
    /// The up factor, m×k.
    pub up: DMatrix<f32>,
    /// All singular values of the product, in descending order; the first k are kept.
    pub sigma: Vec<f64>,
}

/// The sum of σ² over the first k singular values, and over all of them.
pub fn energy(sigma: &[f64], k: usize) -> [f64; 2] {
    [&sigma[..k.min(sigma.len())], sigma].map(|part| part.iter().map(|s| s * s).sum::<f64>())
}

fn own(down: &DMatrix<f32>, up: &DMatrix<f32>) -> Own {
    let (r, m) = (down.nrows(), up.nrows());
    // Stored by columns, A is Aᵀ row by row, and B is Bᵀ.
    let up: Vec<f64> = up.iter().map(|&x| x.into()).collect();
    let of_down = down.as_slice().chunks(PANEL * r.max(1)).map(|columns| {
        let columns: Vec<f64> = columns.iter().map(|&x| x.into()).collect();
        Strips::of_columns(&columns, r, 0..r)
    });
    let matrix = |values: &[f64]| DMatrix::from_row_slice(r, r, values);
    Own { down: matrix(&own_gram(r, of_down)), up: matrix(&gram(&up, &up, m)) }
}

/// The singular values of up·down (m×r times r×n), in descending order.
#[inline(never)]
pub fn singular_values(down: &DMatrix<f32>, up: &DMatrix<f32>) -> Vec<f64> {
    own(down, up).decomposed().sigma
}

/// The best approximation of up·down (m×r times r×n) with `rank` directions, at least 1 and at most r.
#[inline(never)]
pub fn compress(down: &DMatrix<f32>, up: &DMatrix<f32>, rank: usize) -> LowRank {
    let decomposed = own(down, up).decomposed();
    let k = rank.clamp(1, decomposed.sigma.len().max(1));
    let halves: Vec<f64> = decomposed.sigma.iter().take(k).map(|s| s.sqrt()).collect();
    let (left, right) = (decomposed.left(), &decomposed.right);
    let left = DMatrix::from_fn(left.nrows(), k, |i, j| left[(i, j)] * inverse(halves[j]));
    let right = DMatrix::from_fn(k, right.nrows(), |i, j| halves[i] * right[(j, i)]);
    LowRank {
        down: (right * down.map(f64::from)).map(f32::of),
        up: (up.map(f64::from) * left).map(f32::of),
        sigma: decomposed.sigma,
    }
}

/// A large matrix, known only by its products with other matrices.
pub trait Operator {
    /// The shape (m, n).
    fn shape(&self) -> (usize, usize);
    /// The product W·X.
    fn times(&self, x: &DMatrix<f32>) -> DMatrix<f32>;
    /// The product Wᵀ·X.
    fn transposed_times(&self, x: &DMatrix<f32>) -> DMatrix<f32>;
}

impl Operator for DMatrix<f32> {
    fn shape(&self) -> (usize, usize) {
        Self::shape(self)
    }

    fn times(&self, x: &DMatrix<f32>) -> DMatrix<f32> {
        self * x
    }

    fn transposed_times(&self, x: &DMatrix<f32>) -> DMatrix<f32> {
        self.tr_mul(x)
    }
}

/// Columns beyond the wanted rank, and rounds of W·Wᵀ: Halko, Martinsson and Tropp 2011, §4.
const OVERSAMPLE: usize = 16;
const ROUNDS: usize = 3;

/// The strongest `rank` directions of a large matrix, from a random sketch of its range.
#[inline(never)]
pub fn truncate(matrix: &dyn Operator, rank: usize) -> LowRank {
    let (m, n) = matrix.shape();
    let width = (rank + OVERSAMPLE).min(m).min(n).max(1);
    let mut signs = Signs::new();
    let sketch = DMatrix::from_fn(n, width, |_, _| signs.draw());
    let mut range = orthonormal(matrix.times(&sketch));
    for _ in 0..ROUNDS {
        range = orthonormal(matrix.times(&orthonormal(matrix.transposed_times(&range))));
    }
    let within = matrix.transposed_times(&range).transpose();
    compress(&within, &range, rank.min(m).min(n))
}

/// An orthonormal basis of the column space.
fn orthonormal(matrix: DMatrix<f32>) -> DMatrix<f32> {
    matrix.map(f64::from).qr().q().map(f32::of)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Random values between -1 and 1, the same on every machine.
    pub(crate) fn random(rows: usize, cols: usize, seed: u64) -> DMatrix<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        DMatrix::from_fn(rows, cols, |_, _| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            #[allow(clippy::cast_precision_loss, reason = "40 bits are enough")]
            let unit = (state >> 24) as f32 / (1u64 << 40) as f32;
            unit - 0.5
        })
    }

    fn sorted_values(matrix: &DMatrix<f64>) -> Vec<f64> {
        let squares = matrix.tr_mul(matrix).symmetric_eigen().eigenvalues;
        let mut values: Vec<f64> = squares.iter().map(|s| s.max(0.0).sqrt()).collect();
        values.sort_by(|x, y| y.total_cmp(x));
        values
    }

    /// The best error of rank k and the error of `low`, both relative to the matrix.
    fn errors(dense: &DMatrix<f64>, low: &LowRank, k: usize) -> (f64, f64) {
        let sigma = sorted_values(dense);
        let best = sigma[k.min(sigma.len())..].iter().map(|s| s * s).sum::<f64>().sqrt();
        let product = low.up.map(f64::from) * low.down.map(f64::from);
        ((best) / dense.norm(), (dense - product).norm() / dense.norm())
    }

    #[test]
    fn a_product_is_compressed_as_well_as_can_be() {
        for (m, r, n, k) in [(40, 12, 60, 5), (20, 30, 25, 7), (9, 4, 9, 4), (5, 8, 3, 2)] {
            let (up, down) = (random(m, r, 1), random(r, n, 2));
            let dense = up.map(f64::from) * down.map(f64::from);
            let low = compress(&down, &up, k);
            let (best, is) = errors(&dense, &low, k);
            assert!(is <= best + 1e-6, "{m}×{r}×{n} to {k}: {is:.2e}, best {best:.2e}");
            let sigma = sorted_values(&dense);
            for (a, b) in low.sigma.iter().zip(&sigma) {
                assert!((a - b).abs() <= 1e-6 * sigma[0]);
            }
            assert_eq!(low.down.shape(), (k, n));
            let (u, d) = (low.up.norm(), low.down.norm());
            assert!((u - d).abs() <= 1e-4 * u, "balanced");
        }
    }

    #[test]
    fn dependent_and_zero_factors_are_no_trouble() {
        let mut down = random(6, 30, 3);
        for at in 0..30 {
            down[(4, at)] = down[(1, at)];
            down[(5, at)] = 0.0;
        }
        let up = random(20, 6, 4);
        let dense = up.map(f64::from) * down.map(f64::from);
        let (_, is) = errors(&dense, &compress(&down, &up, 6), 6);
        assert!(is < 1e-6, "{is:.2e}");
        let zero = compress(&DMatrix::zeros(3, 8), &up.columns(0, 3).into_owned(), 0);
        assert_eq!(zero.down.shape(), (1, 8));
        assert!(zero.down.iter().chain(zero.up.iter()).all(|&x| x == 0.0));
    }

    #[test]
    fn a_direction_with_a_huge_and_a_tiny_half_drowns_no_other() {
        for (huge, tiny) in [(1e16, 0.0), (1e16, 1e-16), (0.0, 1e30), (1e-30, 1e30)] {
            let (mut up, mut down) = (random(20, 6, 11), random(6, 30, 12));
            up.column_mut(2).scale_mut(huge);
            down.row_mut(2).scale_mut(tiny);
            let dense = up.map(f64::from) * down.map(f64::from);
            let (_, is) = errors(&dense, &compress(&down, &up, 6), 6);
            assert!(is < 1e-6, "{huge:e} {tiny:e}: {is:.2e}");
        }
    }

    #[test]
    fn energies_are_those_of_the_first_and_of_all() {
        let sigma = [3.0, 2.0, 1.0, 0.0];
        assert_eq!(energy(&sigma, 2), [13.0, 14.0]);
        assert_eq!(energy(&sigma, 9), [14.0, 14.0]);
    }

    #[test]
    fn a_sketch_finds_the_strong_directions() {
        // Singular values that fall off slowly are the hard case for a sketch.
        let (m, n, k) = (60, 80, 10);
        let mut dense = DMatrix::<f32>::zeros(m, n);
        for i in 0..m {
            #[allow(clippy::cast_precision_loss, reason = "small")]
            let strength = 0.95f32.powf(i as f32);
            dense += random(m, 1, 100 + i as u64) * random(1, n, 500 + i as u64) * strength;
        }
        let low = truncate(&dense, k);
        let (best, is) = errors(&dense.map(f64::from), &low, k);
        assert!(is <= 1.01 * best, "{is:.4} {best:.4}");
        let exact = random(m, 6, 7) * random(6, n, 8);
        let (_, is) = errors(&exact.map(f64::from), &truncate(&exact, 6), 6);
        assert!(is < 1e-6, "{is:.2e}");
    }
}
