//! LoHa (LyCORIS; FedPara, Hyeon-Woo et al. 2022): ΔW = (a₁·b₁)∘(a₂·b₂), which is exactly of rank r₁·r₂ or less.

use super::{Parts, Sizes, flat, matrix, needed, product, same_rank, size, unmatched, wrong};
use crate::adapter::roles::Part;
use crate::backend::matrix::{Matrix, transposed};
use crate::backend::products::{MAX_RANK, Product, hadamard, through_core};
use crate::container::Tensor;
use crate::error::Result;

/// The factors of a LoHa: a `[out, r]` and b `[r, in·kh·kw]`, or with Tucker cores a `[r, out]`, b `[r, in]` and t `[r, r, kh, kw]`.
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
        let (out_features, in_features) = (size(out, a[0])?, size(product(&dims), b[0])?);
        let (first, second) = (size(ranks[0], b[0])?, size(ranks[1], b[1])?);
        let rank = first.saturating_mul(second);
        let is_cut = rank > MAX_RANK;
        let rank = if is_cut { rank.min(out_features).min(in_features) } else { rank };
        let owned = |pair: [&Tensor; 2]| pair.map(Clone::clone);
        let kind = Self { a: owned(a), b: owned(b), cores: cores.map(owned) };
        let inputs = in_features as u64;
        let between = if kind.cores.is_some() { ranks[0].max(ranks[1]).saturating_mul(inputs) } else { 0 };
        Ok((kind, Sizes { out_features, dims, rank, is_cut, alpha_rank: Some(first), between }))
    }

    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        self.a.iter().chain(&self.b).chain(self.cores.iter().flatten()).collect()
    }

    pub(super) fn product(&self, values: &[Matrix], rank: usize) -> Result<Product> {
        match values {
            [a1, a2, b1, b2] => Ok(hadamard([a1.clone(), a2.clone()], [b1.clone(), b2.clone()], rank)),
            [a1, a2, b1, b2, t1, t2] => {
                let b = [through_core(t1, b1), through_core(t2, b2)];
                Ok(hadamard([transposed(a1), transposed(a2)], b, rank))
            }
            _ => Err(unmatched()),
        }
    }
}
