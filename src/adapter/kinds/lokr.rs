//! LoKr (LyCORIS; KronA, Edalati et al. 2022): ΔW = w₁⊗w₂, either of them whole or a product.

use super::lora::through_core;
use super::{MAX_RANK, Parts, Product, Sizes, Values, flat, matrix, needed, same_rank, size, wrong};
use crate::adapter::roles::Part;
use crate::backend::truncate::{LowRank, truncate};
use crate::container::Tensor;
use crate::error::Result;
use crate::order;
use nalgebra::DMatrix;

/// One factor of the Kronecker product.
#[derive(Clone, Debug)]
enum Half {
    Whole(Tensor),
    /// a·b.
    Product(Tensor, Tensor),
    /// aᵀ through a core `[r, r, kh, kw]` to b: a `[r, k]`, b `[r, n]`.
    Core(Tensor, Tensor, Tensor),
}

/// w₁ is l×m, w₂ is k×n (with a kernel, flattened behind n); the layer is l·k×m·n. All sizes are read off the shapes:
/// the trainer's rule for factorising them has changed over time.
#[derive(Clone, Debug)]
pub struct LoKr {
    first: Half,
    second: Half,
}

impl Half {
    fn of(parts: &Parts, whole: Part, a: Part, b: Part, core: Option<Part>) -> Result<Self> {
        let get = |part: Part| parts.get(part);
        let any = parts.others().next().map(|(_, tensor)| tensor);
        if let Some(whole) = get(whole) {
            return Ok(Self::Whole(whole.clone()));
        }
        let (a, b) = (needed(get(a), "lokr_w…_a", any)?, needed(get(b), "lokr_w…_b", any)?);
        Ok(match core.and_then(get) {
            Some(core) => Self::Core(a.clone(), b.clone(), core.clone()),
            None => Self::Product(a.clone(), b.clone()),
        })
    }

    /// (rows, columns without the kernel, kernel, rank if it is a product).
    fn sizes(&self) -> Result<(u64, u64, Vec<u64>, Option<u64>)> {
        match self {
            Self::Whole(whole) => {
                let (rows, cols, kernel) = matrix(whole)?;
                Ok((rows, cols, kernel.to_vec(), None))
            }
            Self::Product(a, b) => {
                let ((rows, inner), (rank, cols, kernel)) = (flat(a)?, matrix(b)?);
                Ok((rows, cols, kernel.to_vec(), Some(same_rank(b, rank, inner)?)))
            }
            Self::Core(a, b, core) => {
                let ((rank, rows), (inner, cols)) = (flat(a)?, flat(b)?);
                let (p, q, kernel) = matrix(core)?;
                same_rank(core, q, inner)?;
                Ok((rows, cols, kernel.to_vec(), Some(same_rank(core, p, rank)?)))
            }
        }
    }

    fn tensors(&self) -> Vec<&Tensor> {
        match self {
            Self::Whole(whole) => vec![whole],
            Self::Product(a, b) => vec![a, b],
            Self::Core(a, b, core) => vec![a, b, core],
        }
    }

    /// (left, right) with w = left·right; a whole one has no left.
    fn values(&self, values: &[Values]) -> (Option<DMatrix<f32>>, DMatrix<f32>) {
        match values {
            [a, b, core] => (Some(a.transpose()), through_core(core, b)),
            [a, b] => (Some(a.clone()), b.clone()),
            [whole] => (None, whole.clone()),
            _ => (None, DMatrix::zeros(1, 1)),
        }
    }
}

impl LoKr {
    pub(super) fn of(parts: &Parts) -> Result<(Self, Sizes)> {
        let first = Half::of(parts, Part::LokrW1, Part::LokrW1A, Part::LokrW1B, None)?;
        let second = Half::of(parts, Part::LokrW2, Part::LokrW2A, Part::LokrW2B, Some(Part::LokrT2))?;
        let ((l, m, ones, first_rank), (k, n, kernel, second_rank)) = (first.sizes()?, second.sizes()?);
        let kind = Self { first, second };
        let any = kind.tensors()[0];
        if ones.iter().any(|&d| d != 1) {
            return Err(wrong(any, "the first factor has no kernel"));
        }
        let product =
            |sizes: &[u64]| sizes.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).unwrap_or(u64::MAX);
        let dims = [&[product(&[m, n])], kernel.as_slice()].concat();
        let (out_features, in_features) = (size(product(&[l, k]), any)?, size(product(&dims), any)?);
        let small = size(l.min(m), any)?;
        let alpha_rank = second_rank.or(first_rank).map(|rank| size(rank, any)).transpose()?;
        let second_limit =
            second_rank.unwrap_or(u64::MAX).min(k).min(product(&[&[n], kernel.as_slice()].concat()));
        let exact = small.saturating_mul(second_rank.map_or(Ok(usize::MAX), |r| size(r, any))?);
        let is_cut = exact > MAX_RANK;
        let rank = if is_cut { small.saturating_mul(size(second_limit, any)?) } else { exact };
        Ok((
            kind,
            Sizes {
                out_features,
                dims,
                rank: rank.min(if is_cut { out_features.min(in_features) } else { rank }),
                is_cut,
                alpha_rank,
            },
        ))
    }

    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        [self.first.tensors(), self.second.tensors()].concat()
    }

    pub(super) fn product(&self, values: &[Values], rank: usize) -> Product {
        let (first, second) = values.split_at(self.first.tensors().len().min(values.len()));
        let w1 = match self.first.values(first) {
            (Some(left), right) => left * right,
            (None, whole) => whole,
        };
        let (left, right) = self.second.values(second);
        let small = w1.nrows().min(w1.ncols());
        match left {
            Some(left) if small.saturating_mul(left.ncols()) <= MAX_RANK => {
                // w₁ = U·V with the smaller side's unit matrix: (U⊗left)·(V⊗right).
                let (u, v) = if w1.ncols() <= w1.nrows() {
                    (w1.clone(), DMatrix::identity(small, small))
                } else {
                    (DMatrix::identity(small, small), w1.clone())
                };
                Product::exact(v.kronecker(&right), u.kronecker(&left))
            }
            left => {
                let energy = |x: &DMatrix<f32>| x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
                let w2 = match left {
                    Some(left) => left * right,
                    None => right,
                };
                let whole = energy(&w1) * energy(&w2);
                // The SVD of w₁⊗w₂ is made of all products of theirs: the strongest are among the strongest of each.
                let (first, second) = (truncate(&w1, small), truncate(&w2, rank));
                Product::cut(strongest(&first, &second, rank), whole)
            }
        }
    }
}

/// The strongest `rank` directions of a Kronecker product of two decomposed matrices.
fn strongest(first: &LowRank, second: &LowRank, rank: usize) -> LowRank {
    let (p, q) = (first.down.nrows(), second.down.nrows());
    let mut pairs: Vec<(f64, usize, usize)> =
        (0..p).flat_map(|i| (0..q).map(move |j| (first.sigma[i] * second.sigma[j], i, j))).collect();
    order::sort_by(&mut pairs, |a, b| b.0.total_cmp(&a.0));
    pairs.truncate(rank);
    let down: Vec<_> =
        pairs.iter().map(|&(_, i, j)| first.down.row(i).kronecker(&second.down.row(j))).collect();
    let up: Vec<_> =
        pairs.iter().map(|&(_, i, j)| first.up.column(i).kronecker(&second.up.column(j))).collect();
    LowRank {
        down: DMatrix::from_rows(&down),
        up: DMatrix::from_columns(&up),
        sigma: pairs.iter().map(|pair| pair.0).collect(),
    }
}
