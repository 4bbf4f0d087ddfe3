//! LoKr (LyCORIS; KronA, Edalati et al. 2022): ΔW = w₁⊗w₂, either of them whole or a product.

use super::{Parts, Sizes, flat, matrix, needed, product, same_rank, size, unmatched, wrong};
use crate::adapter::roles::Part;
use crate::backend::matrix::{Matrix, transposed};
use crate::backend::products::{self, MAX_RANK, Product, kronecker, through_core};
use crate::container::Tensor;
use crate::error::Result;

/// One factor of the Kronecker product.
#[derive(Clone, Debug)]
enum Half {
    Whole(Tensor),
    /// w = a·b.
    Product(Tensor, Tensor),
    /// w = aᵀ through a core `[r, r, kh, kw]` to b, with a `[r, k]` and b `[r, n]`.
    Core(Tensor, Tensor, Tensor),
}

/// The two factors of a LoKr: w₁ is l×m, w₂ is k×n (with a kernel, flattened behind n), and the layer is l·k×m·n. All sizes are
/// read off the shapes, because the trainer's rule for choosing them has changed over time.
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

    /// The sizes of the factor: (rows, columns without the kernel, kernel, rank if it is a product).
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

    /// The factor as (left, right) with w = left·right; a whole factor has no left.
    fn values(&self, values: &[Matrix]) -> Result<products::Half> {
        match values {
            [a, b, core] => Ok((Some(transposed(a)), through_core(core, b))),
            [a, b] => Ok((Some(a.clone()), b.clone())),
            [whole] => Ok((None, whole.clone())),
            _ => Err(unmatched()),
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
        let dims = [&[product(&[m, n])], kernel.as_slice()].concat();
        let (out_features, in_features) = (size(product(&[l, k]), any)?, size(product(&dims), any)?);
        let small = size(l.min(m), any)?;
        let alpha_rank = second_rank.or(first_rank).map(|rank| size(rank, any)).transpose()?;
        let second_limit =
            second_rank.unwrap_or(u64::MAX).min(k).min(product(&[&[n], kernel.as_slice()].concat()));
        let exact = small.saturating_mul(second_rank.map_or(Ok(usize::MAX), |r| size(r, any))?);
        let is_cut = exact > MAX_RANK;
        let rank = if is_cut {
            small.saturating_mul(size(second_limit, any)?).min(out_features).min(in_features)
        } else {
            exact
        };
        let between = match &kind.second {
            Half::Core(_, _, core) => product(&[&[core.shape[0], n], kernel.as_slice()].concat()),
            Half::Whole(_) | Half::Product(..) => 0,
        };
        Ok((kind, Sizes { out_features, dims, rank, is_cut, alpha_rank, between }))
    }

    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        [self.first.tensors(), self.second.tensors()].concat()
    }

    pub(super) fn product(&self, values: &[Matrix], rank: usize) -> Result<Product> {
        let (first, second) = values.split_at(self.first.tensors().len().min(values.len()));
        Ok(kronecker(self.first.values(first)?, self.second.values(second)?, rank))
    }
}
