//! Low-rank factors of updates that are stored in other forms: exact ones, or the best of a given rank.

use crate::jacobi::descending;
use crate::matrix::{Matrix, energy, norm_of_product};
use crate::truncate::{LowRank, Operator, truncate};
use nalgebra::DMatrix;

/// The highest rank that counts as low, which is also the highest that a graphics device takes.
pub const MAX_RANK: usize = 256;

/// The factors of an update: exact, or the best of a given rank.
#[derive(Debug)]
pub struct Product {
    /// The down factor A, r×n.
    pub down: Matrix,
    /// The up factor B, m×r.
    pub up: Matrix,
    /// The energy ‖ΔW‖² that was kept and that of the whole update; `None` if the factors are exact.
    pub energy: Option<(f64, f64)>,
}

impl Product {
    /// The exact product B·A.
    pub fn exact(down: Matrix, up: Matrix) -> Self {
        Self { down, up, energy: None }
    }

    fn cut(low: LowRank, whole: f64) -> Self {
        let kept: f64 = low.sigma.iter().take(low.down.nrows()).map(|s| s * s).sum();
        Self { down: low.down, up: low.up, energy: Some((kept.min(whole), whole)) }
    }
}

/// A dense matrix, cut to a rank.
#[inline(never)]
pub fn dense(matrix: &Matrix, rank: usize) -> Product {
    Product::cut(truncate(matrix, rank), energy(matrix))
}

/// A core multiplied into lora_down: A'[p, (i, k)] = Σ_q core[p, (q, k)]·down[q, i] for a core of r×(r·kernel) and down r×in.
#[inline(never)]
pub fn through_core(core: &Matrix, down: &Matrix) -> Matrix {
    let (r, inputs) = (down.nrows(), down.ncols());
    let kernel = core.ncols() / r.max(1);
    let mut result = DMatrix::zeros(core.nrows(), inputs * kernel);
    for k in 0..kernel {
        let at_k = DMatrix::from_fn(core.nrows(), r, |p, q| core[(p, q * kernel + k)]) * down;
        for i in 0..inputs {
            result.set_column(i * kernel + k, &at_k.column(i));
        }
    }
    result
}

/// The factors of a LoHa, (a₁·b₁)∘(a₂·b₂): exact up to [`MAX_RANK`], else cut to `rank`.
#[inline(never)]
pub fn hadamard(a: [Matrix; 2], b: [Matrix; 2], rank: usize) -> Product {
    let halves = Halves { a, b };
    if halves.rank() <= MAX_RANK {
        let (up, down) = halves.factors();
        return Product::exact(down, up);
    }
    let whole = halves.norm_squared();
    Product::cut(truncate(&halves, rank), whole)
}

/// One factor of a Kronecker product: left·right, or right alone.
pub type Half = (Option<Matrix>, Matrix);

/// The factors of a LoKr, w₁⊗w₂: exact up to [`MAX_RANK`] if w₂ is a product of two factors, else cut to `rank`.
#[inline(never)]
pub fn kronecker(first: Half, second: Half, rank: usize) -> Product {
    let (rows, cols) = (first.0.as_ref().unwrap_or(&first.1).nrows(), first.1.ncols());
    let small = rows.min(cols);
    match second {
        (Some(left), right) if small.saturating_mul(left.ncols()) <= MAX_RANK => {
            // w₁ is written as U·V with a unit matrix on its smaller side, so that the product is (U⊗left)·(V⊗right).
            let (w1, unit) = (multiplied(first), DMatrix::identity(small, small));
            let (u, v) = if cols <= rows { (w1, unit) } else { (unit, w1) };
            Product::exact(v.kronecker(&right), u.kronecker(&left))
        }
        second => {
            // The singular values of w₁⊗w₂ are all products of those of w₁ and w₂, so its strongest directions come from their
            // strongest ones.
            let ((first, of_first), (second, of_second)) = (strong(first, rank), strong(second, rank));
            Product::cut(strongest(&first, &second, rank), of_first * of_second)
        }
    }
}

fn multiplied((left, right): Half) -> Matrix {
    match left {
        Some(left) => left * right,
        None => right,
    }
}

/// The strongest `rank` directions of one factor, and its ‖w‖². The factor is multiplied out only if that does not make it larger.
fn strong(half: Half, rank: usize) -> (LowRank, f64) {
    match half {
        (Some(left), right) if left.ncols() < left.nrows().min(right.ncols()) => {
            let norm = norm_of_product(&left, &right);
            (truncate(&Chain { left, right }, rank), norm * norm)
        }
        half => {
            let matrix = multiplied(half);
            (truncate(&matrix, rank), energy(&matrix))
        }
    }
}

/// The matrix left·right, applied from right to left without being multiplied out.
struct Chain {
    left: Matrix,
    right: Matrix,
}

impl Operator for Chain {
    fn shape(&self) -> (usize, usize) {
        (self.left.nrows(), self.right.ncols())
    }

    fn times(&self, x: &Matrix) -> Matrix {
        &self.left * (&self.right * x)
    }

    fn transposed_times(&self, x: &Matrix) -> Matrix {
        self.right.tr_mul(&self.left.tr_mul(x))
    }
}

/// The strongest `rank` directions of a Kronecker product of two decomposed matrices.
fn strongest(first: &LowRank, second: &LowRank, rank: usize) -> LowRank {
    let (p, q) = (first.down.nrows(), second.down.nrows());
    // At least (i + 1)·(j + 1) pairs are no weaker than the pair (i, j), itself included.
    let among: Vec<(usize, usize)> =
        (0..p).flat_map(|i| (0..q.min(rank / (i + 1))).map(move |j| (i, j))).collect();
    let sigma: Vec<f64> = among.iter().map(|&(i, j)| first.sigma[i] * second.sigma[j]).collect();
    let strongest: Vec<usize> = descending(&sigma).into_iter().take(rank).collect();
    let pairs = || strongest.iter().map(|&at| among[at]);
    let down: Vec<_> = pairs().map(|(i, j)| first.down.row(i).kronecker(&second.down.row(j))).collect();
    let up: Vec<_> = pairs().map(|(i, j)| first.up.column(i).kronecker(&second.up.column(j))).collect();
    LowRank {
        down: DMatrix::from_rows(&down),
        up: DMatrix::from_columns(&up),
        sigma: strongest.iter().map(|&at| sigma[at]).collect(),
    }
}

/// The two halves of a LoHa, (a₁·b₁)∘(a₂·b₂).
struct Halves {
    a: [Matrix; 2],
    b: [Matrix; 2],
}

impl Halves {
    fn rank(&self) -> usize {
        self.a[0].ncols().saturating_mul(self.a[1].ncols())
    }

    /// The exact factors: B[o, (p, q)] = a₁[o, p]·a₂[o, q] and A[(p, q), i] = b₁[p, i]·b₂[q, i].
    fn factors(&self) -> (Matrix, Matrix) {
        let second = self.a[1].ncols();
        let up = DMatrix::from_fn(self.a[0].nrows(), self.rank(), |o, pq| {
            self.a[0][(o, pq / second)] * self.a[1][(o, pq % second)]
        });
        let down = DMatrix::from_fn(self.rank(), self.b[0].ncols(), |pq, i| {
            self.b[0][(pq / second, i)] * self.b[1][(pq % second, i)]
        });
        (up, down)
    }

    /// The squared norm ‖ΔW‖², summed a few rows at a time.
    fn norm_squared(&self) -> f64 {
        let rows = self.a[0].nrows();
        (0..rows)
            .map(|o| {
                let row = (self.a[0].row(o) * &self.b[0]).component_mul(&(self.a[1].row(o) * &self.b[1]));
                row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>()
            })
            .sum()
    }
}

/// The number of values of the dense matrix that are in memory at a time, unless a single row has more.
const STRIP: usize = 1 << 22;

impl Halves {
    fn strip(&self, from: usize, rows: usize) -> Matrix {
        (self.a[0].rows(from, rows) * &self.b[0]).component_mul(&(self.a[1].rows(from, rows) * &self.b[1]))
    }

    fn strips(&self) -> impl Iterator<Item = (usize, Matrix)> + '_ {
        let (m, n) = self.shape();
        let rows = (STRIP / n.max(1)).max(1);
        (0..m).step_by(rows).map(move |from| (from, self.strip(from, rows.min(m - from))))
    }
}

impl Operator for Halves {
    fn shape(&self) -> (usize, usize) {
        (self.a[0].nrows(), self.b[0].ncols())
    }

    fn times(&self, x: &Matrix) -> Matrix {
        let mut result = DMatrix::zeros(self.shape().0, x.ncols());
        for (from, strip) in self.strips() {
            result.rows_mut(from, strip.nrows()).copy_from(&(strip * x));
        }
        result
    }

    fn transposed_times(&self, x: &Matrix) -> Matrix {
        let mut result = DMatrix::zeros(self.shape().1, x.ncols());
        for (from, strip) in self.strips() {
            result += strip.tr_mul(&x.rows(from, strip.nrows()));
        }
        result
    }
}
