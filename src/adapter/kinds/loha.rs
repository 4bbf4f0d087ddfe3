//! LoHa (LyCORIS; FedPara, Hyeon-Woo et al. 2022): ΔW = (a₁·b₁)∘(a₂·b₂), which is exactly of rank r₁·r₂ or less.

use super::lora::through_core;
use super::{MAX_RANK, Parts, Product, Sizes, Values, flat, matrix, needed, same_rank, size, wrong};
use crate::adapter::roles::Part;
use crate::backend::truncate::{Operator, truncate};
use crate::container::Tensor;
use crate::error::Result;
use nalgebra::DMatrix;

/// a `[out, r]`, b `[r, in·kh·kw]`; with Tucker cores a `[r, out]`, b `[r, in]`, t `[r, r, kh, kw]`.
#[derive(Clone, Debug)]
pub struct LoHa {
    a: [Tensor; 2],
    b: [Tensor; 2],
    cores: Option<[Tensor; 2]>,
}

impl LoHa {
    pub(super) fn of(parts: &Parts) -> Result<(Self, Sizes)> {
        let any = parts.others().next().map(|(_, tensor)| tensor);
        let get = |part: Part, what: &str| needed(parts.get(part), what, any);
        let a = [get(Part::HadaW1A, "hada_w1_a")?, get(Part::HadaW2A, "hada_w2_a")?];
        let b = [get(Part::HadaW1B, "hada_w1_b")?, get(Part::HadaW2B, "hada_w2_b")?];
        let cores = match (parts.get(Part::HadaT1), parts.get(Part::HadaT2)) {
            (None, None) => None,
            (first, second) => Some([needed(first, "hada_t1", any)?, needed(second, "hada_t2", any)?]),
        };
        let mut ranks = [0; 2];
        let (mut out, mut dims) = (0, Vec::new());
        for i in 0..2 {
            let ((a_rows, a_cols), (b_rows, b_cols, kernel)) = (flat(a[i])?, matrix(b[i])?);
            let (own_out, own_dims) = match cores {
                None => {
                    ranks[i] = same_rank(b[i], b_rows, a_cols)?;
                    (a_rows, [&[b_cols], kernel].concat())
                }
                Some(cores) => {
                    flat(b[i])?;
                    let (p, q, kernel) = matrix(cores[i])?;
                    ranks[i] = same_rank(cores[i], p, a_rows)?;
                    same_rank(cores[i], q, b_rows)?;
                    (a_cols, [&[b_cols], kernel].concat())
                }
            };
            if i == 1 && (own_out, &own_dims) != (out, &dims) {
                return Err(wrong(a[i], "both halves must have the layer's size"));
            }
            (out, dims) = (own_out, own_dims);
        }
        let inputs = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).unwrap_or(u64::MAX);
        let (out_features, in_features) = (size(out, a[0])?, size(inputs, b[0])?);
        let (first, second) = (size(ranks[0], b[0])?, size(ranks[1], b[1])?);
        let rank = first.saturating_mul(second);
        let is_cut = rank > MAX_RANK;
        let rank = if is_cut { rank.min(out_features).min(in_features) } else { rank };
        let owned = |pair: [&Tensor; 2]| pair.map(Clone::clone);
        let kind = Self { a: owned(a), b: owned(b), cores: cores.map(owned) };
        Ok((kind, Sizes { out_features, dims, rank, is_cut, alpha_rank: Some(first) }))
    }

    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        self.a.iter().chain(&self.b).chain(self.cores.iter().flatten()).collect()
    }

    pub(super) fn product(&self, values: &[Values], rank: usize) -> Product {
        let halves = match values {
            [a1, a2, b1, b2] => Halves { a: [a1.clone(), a2.clone()], b: [b1.clone(), b2.clone()] },
            [a1, a2, b1, b2, t1, t2] => Halves {
                a: [a1.transpose(), a2.transpose()],
                b: [through_core(t1, b1), through_core(t2, b2)],
            },
            _ => return Product::exact(DMatrix::zeros(1, 1), DMatrix::zeros(1, 1)),
        };
        if halves.rank() <= MAX_RANK {
            let (up, down) = halves.factors();
            return Product::exact(down, up);
        }
        let whole = halves.norm_squared();
        Product::cut(truncate(&halves, rank), whole)
    }
}

/// (a₁·b₁)∘(a₂·b₂).
struct Halves {
    a: [DMatrix<f32>; 2],
    b: [DMatrix<f32>; 2],
}

impl Halves {
    fn rank(&self) -> usize {
        self.a[0].ncols().saturating_mul(self.a[1].ncols())
    }

    /// B[o, (p, q)] = a₁[o, p]·a₂[o, q] and A[(p, q), i] = b₁[p, i]·b₂[q, i].
    fn factors(&self) -> (DMatrix<f32>, DMatrix<f32>) {
        let second = self.a[1].ncols();
        let up = DMatrix::from_fn(self.a[0].nrows(), self.rank(), |o, pq| {
            self.a[0][(o, pq / second)] * self.a[1][(o, pq % second)]
        });
        let down = DMatrix::from_fn(self.rank(), self.b[0].ncols(), |pq, i| {
            self.b[0][(pq / second, i)] * self.b[1][(pq % second, i)]
        });
        (up, down)
    }

    /// Σ over rows of the sums of squares, a few rows at a time.
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

/// Rows of the dense matrix that are in memory at a time.
const STRIP: usize = 256;

impl Halves {
    fn strip(&self, from: usize, rows: usize) -> DMatrix<f32> {
        (self.a[0].rows(from, rows) * &self.b[0]).component_mul(&(self.a[1].rows(from, rows) * &self.b[1]))
    }

    fn strips(&self) -> impl Iterator<Item = (usize, DMatrix<f32>)> + '_ {
        let m = self.a[0].nrows();
        (0..m).step_by(STRIP).map(move |from| (from, self.strip(from, STRIP.min(m - from))))
    }
}

impl Operator for Halves {
    fn shape(&self) -> (usize, usize) {
        (self.a[0].nrows(), self.b[0].ncols())
    }

    fn times(&self, x: &DMatrix<f32>) -> DMatrix<f32> {
        let mut result = DMatrix::zeros(self.shape().0, x.ncols());
        for (from, strip) in self.strips() {
            result.rows_mut(from, strip.nrows()).copy_from(&(strip * x));
        }
        result
    }

    fn transposed_times(&self, x: &DMatrix<f32>) -> DMatrix<f32> {
        let mut result = DMatrix::zeros(self.shape().1, x.ncols());
        for (from, strip) in self.strips() {
            result += strip.tr_mul(&x.rows(from, strip.nrows()));
        }
        result
    }
}
