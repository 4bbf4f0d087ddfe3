//! Adapter kinds: each turns its tensors into exact low-rank factors, or, where the update has none, into the best of a
//! given rank. Shapes are checked here; the values come later.
//!
//! A new kind is a file here, its tensors in `roles.rs` ([`Part`] and its endings), and a variant of [`Kind`]; the compiler
//! asks for the rest.

pub mod diff;
pub mod loha;
pub mod lokr;
pub mod lora;

use super::roles::Part;
use crate::backend::matrix::Matrix;
use crate::backend::products::Product;
use crate::container::Tensor;
use crate::error::{Code, Error, Result};
use safetensors::Dtype;

pub(super) use diff::Diff;
pub(super) use loha::LoHa;
pub(super) use lokr::LoKr;
pub(super) use lora::Lora;

/// The tensors of one module by what they are to it.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// lora_down.
    pub down: Option<Tensor>,
    /// lora_up.
    pub up: Option<Tensor>,
    /// Everything else that has values, in the order of [`Part`].
    pub(super) others: Vec<(Part, Tensor)>,
}

impl Parts {
    /// Takes a tensor that is neither lora_down nor lora_up; the one that it had before.
    pub fn put(&mut self, part: Part, tensor: Tensor) -> Option<Tensor> {
        match self.others.binary_search_by(|(other, _)| other.cmp(&part)) {
            Ok(at) => Some(std::mem::replace(&mut self.others[at].1, tensor)),
            Err(at) => {
                self.others.insert(at, (part, tensor));
                None
            }
        }
    }

    /// A tensor that is neither lora_down nor lora_up.
    pub fn get(&self, part: Part) -> Option<&Tensor> {
        self.others().find(|(other, _)| *other == part).map(|(_, tensor)| tensor)
    }

    /// All of them.
    pub fn others(&self) -> impl Iterator<Item = &(Part, Tensor)> {
        self.others.iter()
    }

    /// Every tensor.
    pub fn all(&self) -> impl Iterator<Item = &Tensor> {
        self.down.iter().chain(&self.up).chain(self.others().map(|(_, tensor)| tensor))
    }
}

/// What a module's tensors make together.
#[derive(Clone, Debug)]
pub enum Kind {
    /// up·down, also with a Tucker core between them.
    Lora(Lora),
    /// (a₁·b₁)∘(a₂·b₂).
    LoHa(LoHa),
    /// w₁⊗w₂.
    LoKr(LoKr),
    /// The whole update, dense.
    Diff(Diff),
}

/// A kind without its tensors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KindTag {
    Lora,
    LoHa,
    LoKr,
    Diff,
}

impl KindTag {
    /// The kind that has such a tensor.
    fn of(part: Part) -> Self {
        match part {
            Part::Mid => Self::Lora,
            Part::HadaW1A | Part::HadaW1B | Part::HadaW2A | Part::HadaW2B | Part::HadaT1 | Part::HadaT2 => {
                Self::LoHa
            }
            Part::LokrW1
            | Part::LokrW1A
            | Part::LokrW1B
            | Part::LokrW2
            | Part::LokrW2A
            | Part::LokrW2B
            | Part::LokrT2 => Self::LoKr,
            Part::Diff => Self::Diff,
        }
    }
}

/// A module's sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// m.
    pub out_features: usize,
    /// The input's dimensions as stored: `[in]` or `[in, kh, kw]`. Some kinds store convolutions flattened.
    pub dims: Vec<u64>,
    /// Rank of the exact factors, or of the whole matrix where there are none.
    pub rank: usize,
    /// Whether the factors of that rank would be too many to be of use: they are cut to a smaller rank.
    pub is_cut: bool,
    /// What alpha is divided by; none where this kind has no scale.
    pub alpha_rank: Option<usize>,
    /// Values of the largest matrix that is made on the way from the tensors to the factors; 0 where there is none, or it is
    /// certain to be smaller than they are.
    pub between: u64,
}

/// Other values than those of [`Kind::tensors`] make nothing, and zeros in their place would go unnoticed.
fn unmatched() -> Error {
    Error::new(Code::Internal, "A module was given the values of other tensors than its own.")
}

impl Kind {
    /// What these tensors make, and its sizes. None if there is nothing but vectors.
    ///
    /// # Errors
    /// `PairMissing`, `RankZero`, `RankMismatch`, `LoraShape`, `DtypeUnsupported`, each naming the tensor.
    pub fn of(parts: &Parts) -> Result<Option<(Self, Sizes)>> {
        for tensor in parts.all() {
            if !FACTOR_DTYPES.contains(&tensor.dtype) {
                let detail = format!("It is stored as {:?}.", tensor.dtype);
                return Err(Error::new(Code::DtypeUnsupported, detail).at_tensor(&tensor.name));
            }
        }
        let factors = parts.down.iter().chain(&parts.up).map(|_| KindTag::Lora);
        let mut kinds = factors.chain(parts.others().map(|(part, _)| KindTag::of(*part)));
        let Some(kind) = kinds.next() else { return Ok(None) };
        if kinds.any(|other| other != kind) {
            let name = parts.others().next().map_or("", |(_, tensor)| &tensor.name);
            let detail = "The module has tensors of two kinds of adapter.";
            return Err(Error::new(Code::LoraShape, detail).at_tensor(name));
        }
        Ok(Some(match kind {
            KindTag::Lora => Lora::of(parts).map(|(kind, sizes)| (Self::Lora(kind), sizes))?,
            KindTag::LoHa => LoHa::of(parts).map(|(kind, sizes)| (Self::LoHa(kind), sizes))?,
            KindTag::LoKr => LoKr::of(parts).map(|(kind, sizes)| (Self::LoKr(kind), sizes))?,
            KindTag::Diff => Diff::of(parts).map(|(kind, sizes)| (Self::Diff(kind), sizes))?,
        }))
    }

    /// What users call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lora(kind) => kind.name(),
            Self::LoHa(_) => "LoHa",
            Self::LoKr(_) => "LoKr",
            Self::Diff(_) => "full difference",
        }
    }

    /// lora_down and lora_up, where they are all there is: they need no arithmetic, and keep their bits.
    pub fn plain(&self) -> Option<(&Tensor, &Tensor)> {
        match self {
            Self::Lora(Lora { down, up, mid: None }) => Some((down, up)),
            _ => None,
        }
    }

    /// The tensors that [`Kind::product`] wants the values of, in this order.
    pub fn tensors(&self) -> Vec<&Tensor> {
        match self {
            Self::Lora(kind) => kind.tensors(),
            Self::LoHa(kind) => kind.tensors(),
            Self::LoKr(kind) => kind.tensors(),
            Self::Diff(kind) => vec![&kind.diff],
        }
    }

    /// The update's factors from the values of [`Kind::tensors`], each as the matrix of its first and its other
    /// dimensions; `rank` where they must be cut to one.
    ///
    /// # Errors
    /// `Internal` if there are more or fewer of them.
    pub fn product(&self, values: &[Matrix], rank: usize) -> Result<Product> {
        match self {
            Self::Lora(kind) => kind.product(values),
            Self::LoHa(kind) => kind.product(values, rank),
            Self::LoKr(kind) => kind.product(values, rank),
            Self::Diff(_) => diff::product(values, rank),
        }
    }
}

/// Formats a factor may be stored in; the last three are converted on reading.
pub(super) const FACTOR_DTYPES: [Dtype; 6] =
    [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F8_E4M3, Dtype::F8_E5M2, Dtype::F64];

/// More than any layer of any model has, and small enough that sizes of one module fit 32 bits.
pub(super) const MAX_FEATURES: u64 = 1 << 22;

fn wrong(tensor: &Tensor, why: &str) -> Error {
    Error::new(Code::LoraShape, format!("Its shape is {:?}: {why}.", tensor.shape)).at_tensor(&tensor.name)
}

/// A dimension of a layer.
fn size(value: u64, tensor: &Tensor) -> Result<usize> {
    if value == 0 {
        return Err(wrong(tensor, "a layer cannot be empty"));
    }
    usize::try_from(value)
        .ok()
        .filter(|_| value <= MAX_FEATURES)
        .ok_or_else(|| wrong(tensor, "no layer is that large"))
}

/// As much as there is where it is too much.
fn product(dims: &[u64]) -> u64 {
    dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).unwrap_or(u64::MAX)
}

/// A tensor's dimensions, at least two of them.
fn matrix(tensor: &Tensor) -> Result<(u64, u64, &[u64])> {
    match tensor.shape.as_slice() {
        [rows, cols, kernel @ ..] if kernel.len() <= 3 => Ok((*rows, *cols, kernel)),
        _ => Err(wrong(tensor, "it must have two dimensions, or more for a convolution")),
    }
}

/// A matrix that is stored with trailing ones at most.
fn flat(tensor: &Tensor) -> Result<(u64, u64)> {
    let (rows, cols, kernel) = matrix(tensor)?;
    if kernel.iter().any(|&d| d != 1) {
        return Err(wrong(tensor, "this one has no kernel"));
    }
    Ok((rows, cols))
}

/// `tensor`, whose absence leaves `present` alone.
fn needed<'a>(tensor: Option<&'a Tensor>, what: &str, present: Option<&Tensor>) -> Result<&'a Tensor> {
    tensor.ok_or_else(|| {
        let error = Error::new(Code::PairMissing, format!("There is no {what:?} for it."));
        match present {
            Some(present) => error.at_tensor(&present.name),
            None => error,
        }
    })
}

/// Two sizes that must agree.
fn same_rank(tensor: &Tensor, is: u64, should: u64) -> Result<u64> {
    if is == 0 || should == 0 {
        return Err(Error::new(Code::RankZero, "").at_tensor(&tensor.name));
    }
    if is == should {
        return Ok(is);
    }
    let detail = format!("It has rank {is}, the other half has {should}.");
    Err(Error::new(Code::RankMismatch, detail).at_tensor(&tensor.name))
}
