//! Plain LoRA and LoCon: ΔW = up·down, and with a Tucker core `lora_mid` (LyCORIS `use_tucker`, formerly `use_cp`).

use super::{Parts, Sizes, matrix, needed, product, same_rank, size, unmatched, wrong};
use crate::adapter::roles::Part;
use crate::backend::matrix::Matrix;
use crate::backend::products::{Product, through_core};
use crate::container::Tensor;
use crate::error::Result;

/// The factors of a plain LoRA: lora_down r×n and lora_up m×r, or with a Tucker core lora_down r×in, core r×r×kh×kw and lora_up m×r.
#[derive(Clone, Debug)]
pub struct Lora {
    /// lora_down (A): `[r, in]` for a linear layer, `[r, in, kh, kw]` for a convolution.
    pub down: Tensor,
    /// lora_up (B): `[out, r]`, with trailing ones for a convolution.
    pub up: Tensor,
    /// The Tucker core, `[r, r, kh, kw]`.
    pub mid: Option<Tensor>,
}

impl Lora {
    pub(super) fn of(parts: &Parts) -> Result<(Self, Sizes)> {
        let (down, up) = (parts.down.as_ref(), parts.up.as_ref());
        let (down, up) = (needed(down, "lora_down", up)?, needed(up, "lora_up", down)?);
        let (rank, input, kernel) = matrix(down)?;
        let (out, columns, ones) = matrix(up)?;
        if ones.iter().any(|&d| d != 1) {
            return Err(wrong(up, "lora_up is out×rank, with trailing ones for a convolution"));
        }
        same_rank(down, rank, columns)?;
        let mid = parts.get(Part::Mid);
        let dims = match mid {
            None => [&[input], kernel].concat(),
            Some(mid) => {
                let (a, b, kernel) = matrix(mid)?;
                if kernel.is_empty() || down.shape[2..].iter().any(|&d| d != 1) {
                    return Err(wrong(mid, "a Tucker core is rank×rank×kernel between 1×1 factors"));
                }
                same_rank(mid, a, rank)?;
                same_rank(mid, b, rank)?;
                [&[input], kernel].concat()
            }
        };
        size(product(&dims), down)?;
        let rank = size(rank, down)?;
        let (out_features, alpha_rank) = (size(out, up)?, Some(rank));
        let sizes = Sizes { out_features, dims, rank, is_cut: false, alpha_rank, between: 0 };
        Ok((Self { down: down.clone(), up: up.clone(), mid: mid.cloned() }, sizes))
    }

    pub(super) fn name(&self) -> &'static str {
        match &self.mid {
            Some(_) => "LoCon (Tucker)",
            None if self.down.shape[2..].iter().any(|&d| d > 1) => "LoCon",
            None => "LoRA",
        }
    }

    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        [&self.down, &self.up].into_iter().chain(&self.mid).collect()
    }

    /// The product with its core multiplied into lora_down: A'[p, (i, h, w)] = Σ_q mid[p, q, h, w]·down[q, i]; B is unchanged.
    pub(super) fn product(&self, values: &[Matrix]) -> Result<Product> {
        match values {
            [down, up, mid] => Ok(Product::exact(through_core(mid, down), up.clone())),
            [down, up] => Ok(Product::exact(down.clone(), up.clone())),
            _ => Err(unmatched()),
        }
    }
}
