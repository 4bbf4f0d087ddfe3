//! One module's LoRA pair: where its factors lie, its shape, rank and scale.

use super::families::ModuleId;
use super::roles::Spelling;
use crate::container::Tensor;
use crate::error::{Code, Error, Result};
use safetensors::Dtype;

/// A module of a LoRA file: ΔW = scale · up · down at strength 1.
#[derive(Clone, Debug)]
pub struct Module {
    /// What both files of a pair must agree on to be talking of the same layer.
    pub id: ModuleId,
    /// The stem as the file spells it.
    pub stem: String,
    /// How the file names its factors.
    pub spelling: &'static Spelling,
    /// A, r×n (linear: `[r, in]`; conv: `[r, in, kh, kw]`).
    pub down: Tensor,
    /// B, m×r (linear: `[out, r]`; conv: `[out, r, 1, 1]`).
    pub up: Tensor,
    /// The stored alpha, if there is one.
    pub alpha: Option<f64>,
    /// r.
    pub rank: usize,
    /// m.
    pub out_features: usize,
    /// n, the flattened in·kh·kw.
    pub in_features: usize,
}

impl Module {
    /// Checks the shapes of the two factors against each other.
    ///
    /// # Errors
    /// `RankZero`, `RankMismatch`, `LoraShape`, `DtypeUnsupported`, each naming the tensor.
    pub fn new(
        id: ModuleId,
        stem: &str,
        spelling: &'static Spelling,
        down: Tensor,
        up: Tensor,
        alpha: Option<f64>,
    ) -> Result<Self> {
        let no_lora = |tensor: &Tensor, why: &str| {
            Error::new(Code::LoraShape, format!("Its shape is {:?}: {why}.", tensor.shape))
                .at_tensor(&tensor.name)
        };
        for tensor in [&down, &up] {
            if !FACTOR_DTYPES.contains(&tensor.dtype) {
                return Err(Error::new(
                    Code::DtypeUnsupported,
                    format!("It is stored as {:?}.", tensor.dtype),
                )
                .at_tensor(&tensor.name));
            }
        }
        if !matches!(down.shape.len(), 2..=5) {
            return Err(no_lora(&down, "lora_down has two dimensions, or more for a convolution"));
        }
        if up.shape.len() < 2 || up.shape[2..].iter().any(|&d| d != 1) {
            return Err(no_lora(&up, "lora_up is out×rank, with trailing ones for a convolution"));
        }
        let rank = down.shape[0];
        if rank == 0 || up.shape[1] == 0 {
            return Err(Error::new(Code::RankZero, "").at_tensor(&down.name));
        }
        if up.shape[1] != rank {
            let ranks = format!("lora_down has rank {rank}, lora_up has {}.", up.shape[1]);
            return Err(Error::new(Code::RankMismatch, ranks).at_tensor(&down.name));
        }
        let in_features: u64 = down.shape[1..].iter().product();
        if in_features == 0 || up.shape[0] == 0 {
            return Err(no_lora(&down, "a layer cannot be empty"));
        }
        let size = |value: u64, tensor: &Tensor| {
            usize::try_from(value)
                .ok()
                .filter(|&v| v <= MAX_FEATURES)
                .ok_or_else(|| no_lora(tensor, "no layer is that large"))
        };
        Ok(Self {
            rank: size(rank, &down)?,
            out_features: size(up.shape[0], &up)?,
            in_features: size(in_features, &down)?,
            id,
            stem: stem.to_owned(),
            spelling,
            down,
            up,
            alpha,
        })
    }

    /// s = alpha/rank; without alpha, or with alpha 0 (which trainers write for "the rank"), 1. formats.md §1.1, §5.
    pub fn scale(&self) -> f64 {
        match self.alpha {
            None | Some(0.0) => 1.0,
            #[allow(clippy::cast_precision_loss, reason = "ranks are small")]
            Some(alpha) => alpha / self.rank as f64,
        }
    }

    /// The layer's input dimensions, `[in]` or `[in, kh, kw]`.
    pub fn input_dims(&self) -> &[u64] {
        &self.down.shape[1..]
    }
}

/// Formats a factor may be stored in; F8 is widened to F16 on reading.
pub const FACTOR_DTYPES: [Dtype; 5] = [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F8_E4M3, Dtype::F8_E5M2];

/// More than any layer of any model has, and small enough that sizes of one module fit 32 bits.
const MAX_FEATURES: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::roles::SPELLINGS;

    fn tensor(name: &str, shape: &[u64]) -> Tensor {
        Tensor { name: name.into(), dtype: Dtype::F16, shape: shape.to_vec(), start: 0, end: 0 }
    }

    fn module(down: &[u64], up: &[u64], alpha: Option<f64>) -> Result<Module> {
        Module::new(ModuleId::of("m"), "m", &SPELLINGS[0], tensor("m.down", down), tensor("m.up", up), alpha)
    }

    #[test]
    fn shapes_that_are_no_lora_are_refused() {
        let code = |down: &[u64], up: &[u64]| module(down, up, None).unwrap_err().code;
        assert_eq!(code(&[0, 8], &[8, 0]), Code::RankZero);
        assert_eq!(code(&[4, 8], &[8, 5]), Code::RankMismatch);
        assert_eq!(code(&[4], &[8, 4]), Code::LoraShape);
        assert_eq!(code(&[4, 8], &[8, 4, 3, 3]), Code::LoraShape);
        assert_eq!(code(&[4, 0], &[8, 4]), Code::LoraShape);
        assert_eq!(code(&[4, u64::from(u32::MAX)], &[8, 4]), Code::LoraShape);
    }

    #[test]
    fn convolutions_flatten_their_input() {
        let module = module(&[4, 8, 3, 3], &[16, 4, 1, 1], Some(2.0)).unwrap();
        assert_eq!((module.rank, module.out_features, module.in_features), (4, 16, 72));
        assert_eq!(module.scale(), 0.5);
    }

    #[test]
    fn scale_rules() {
        let scale = |alpha| module(&[4, 8], &[8, 4], alpha).unwrap().scale();
        assert_eq!(scale(None), 1.0);
        assert_eq!(scale(Some(0.0)), 1.0);
        assert_eq!(scale(Some(-4.0)), -1.0);
        assert_eq!(scale(Some(8.0)), 2.0);
    }
}
