//! Adapter kinds: each turns its tensors into exact low-rank factors, or, where the update has none, into the best factors of a
//! given rank. Only shapes are checked here; values are read later.
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

/// The tensors of one module, by their roles.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The lora_down tensor.
    pub down: Option<Tensor>,
    /// The lora_up tensor.
    pub up: Option<Tensor>,
    /// All other tensors that hold values, in the order of [`Part`].
    pub(super) others: Vec<(Part, Tensor)>,
}

impl Parts {
    /// Adds a tensor that is neither lora_down nor lora_up. Returns the tensor that had this role before, if any.
    pub fn put(&mut self, part: Part, tensor: Tensor) -> Option<Tensor> {
        match self.others.binary_search_by(|(other, _)| other.cmp(&part)) {
            Ok(at) => Some(std::mem::replace(&mut self.others[at].1, tensor)),
            Err(at) => {
                self.others.insert(at, (part, tensor));
                None
            }
        }
    }

    /// The tensor with this role, which is neither lora_down nor lora_up.
    pub fn get(&self, part: Part) -> Option<&Tensor> {
        self.others().find(|(other, _)| *other == part).map(|(_, tensor)| tensor)
    }

    /// All tensors that are neither lora_down nor lora_up.
    pub fn others(&self) -> impl Iterator<Item = &(Part, Tensor)> {
        self.others.iter()
    }

    /// All tensors of the module.
    pub fn all(&self) -> impl Iterator<Item = &Tensor> {
        self.down.iter().chain(&self.up).chain(self.others().map(|(_, tensor)| tensor))
    }
}

/// The adapter kind that a module's tensors form.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Plain LoRA: up·down, optionally with a Tucker core between them.
    Lora(Lora),
    /// LoHa: (a₁·b₁)∘(a₂·b₂).
    LoHa(LoHa),
    /// LoKr: w₁⊗w₂.
    LoKr(LoKr),
    /// A full difference: the whole update as a dense tensor.
    Diff(Diff),
}

/// An adapter kind without its tensors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KindTag {
    Lora,
    LoHa,
    LoKr,
    Diff,
}

impl KindTag {
    /// The kind that uses tensors with this role.
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
    /// The number of out features, m.
    pub out_features: usize,
    /// The input's dimensions as stored: `[in]` or `[in, kh, kw]`. Some kinds store convolutions flattened.
    pub dims: Vec<u64>,
    /// The rank of the exact factors, or the full rank of the matrix where there are none.
    pub rank: usize,
    /// Whether the exact factors would be too large to be useful, so that the module is cut to a smaller rank.
    pub is_cut: bool,
    /// The number that alpha is divided by; `None` if this kind has no scale.
    pub alpha_rank: Option<usize>,
    /// The number of values in the largest intermediate matrix between the tensors and the factors; 0 if there is none, or if it is
    /// certainly smaller than the factors.
    pub between: u64,
}

/// The error for values that do not match [`Kind::tensors`]: zeros in their place would go unnoticed.
fn unmatched() -> Error {
    Error::new(Code::Internal, "A module was given the values of other tensors than its own.")
}

impl Kind {
    /// The kind that these tensors form, and its sizes. `None` if there are only vectors.
    ///
    /// # Errors
    /// `PairMissing`, `RankZero`, `RankMismatch`, `LoraShape`, `DtypeUnsupported`, each naming the tensor.
    pub fn of(parts: &Parts) -> Result<Option<(Self, Sizes)>> {
        for tensor in parts.all() {
            check_dtype(tensor)?;
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

    /// The kind's name for users.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lora(kind) => kind.name(),
            Self::LoHa(_) => "LoHa",
            Self::LoKr(_) => "LoKr",
            Self::Diff(_) => "full difference",
        }
    }

    /// lora_down and lora_up if the module has no other factors: they need no arithmetic and keep their bits.
    pub fn plain(&self) -> Option<(&Tensor, &Tensor)> {
        match self {
            Self::Lora(Lora { down, up, mid: None }) => Some((down, up)),
            _ => None,
        }
    }

    /// The tensors whose values [`Kind::product`] takes, in this order.
    pub fn tensors(&self) -> Vec<&Tensor> {
        match self {
            Self::Lora(kind) => kind.tensors(),
            Self::LoHa(kind) => kind.tensors(),
            Self::LoKr(kind) => kind.tensors(),
            Self::Diff(kind) => vec![&kind.diff],
        }
    }

    /// The update's factors from the values of [`Kind::tensors`], each given as a matrix of its first dimension by all others;
    /// `rank` applies where the factors must be cut.
    ///
    /// # Errors
    /// `Internal` if there are more or fewer values than tensors.
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
const FACTOR_DTYPES: [Dtype; 6] =
    [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F8_E4M3, Dtype::F8_E5M2, Dtype::F64];

/// Checks that a tensor's values are stored as numbers that can be read.
///
/// # Errors
/// `DtypeUnsupported` naming the tensor.
pub(super) fn check_dtype(tensor: &Tensor) -> Result<()> {
    if FACTOR_DTYPES.contains(&tensor.dtype) {
        return Ok(());
    }
    let detail = format!("It is stored as {:?}.", tensor.dtype);
    Err(Error::new(Code::DtypeUnsupported, detail).at_tensor(&tensor.name))
}

/// The most features that a layer may have: more than any model's layers have, and small enough that the sizes of one module fit in
/// 32 bits.
pub(super) const MAX_FEATURES: u64 = 1 << 22;

fn wrong(tensor: &Tensor, why: &str) -> Error {
    Error::new(Code::LoraShape, format!("Its shape is {:?}: {why}.", tensor.shape)).at_tensor(&tensor.name)
}

/// A dimension of a layer as a `usize`, checked to be neither zero nor too large.
fn size(value: u64, tensor: &Tensor) -> Result<usize> {
    if value == 0 {
        return Err(wrong(tensor, "a layer cannot be empty"));
    }
    usize::try_from(value)
        .ok()
        .filter(|_| value <= MAX_FEATURES)
        .ok_or_else(|| wrong(tensor, "no layer is that large"))
}

/// The product of the dimensions; `u64::MAX` if it overflows.
fn product(dims: &[u64]) -> u64 {
    dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).unwrap_or(u64::MAX)
}

/// A tensor's rows, columns and kernel dimensions; the tensor must have at least two dimensions.
fn matrix(tensor: &Tensor) -> Result<(u64, u64, &[u64])> {
    match tensor.shape.as_slice() {
        [rows, cols, kernel @ ..] if kernel.len() <= 3 => Ok((*rows, *cols, kernel)),
        _ => Err(wrong(tensor, "it must have two dimensions, or more for a convolution")),
    }
}

/// The rows and columns of a tensor that has no other dimensions except trailing ones.
fn flat(tensor: &Tensor) -> Result<(u64, u64)> {
    let (rows, cols, kernel) = matrix(tensor)?;
    if kernel.iter().any(|&d| d != 1) {
        return Err(wrong(tensor, "this one has no kernel"));
    }
    Ok((rows, cols))
}

/// The tensor, or an error that names the tensor left without its counterpart.
fn needed<'a>(tensor: Option<&'a Tensor>, what: &str, present: Option<&Tensor>) -> Result<&'a Tensor> {
    tensor.ok_or_else(|| {
        let error = Error::new(Code::PairMissing, format!("There is no {what:?} for it."));
        match present {
            Some(present) => error.at_tensor(&present.name),
            None => error,
        }
    })
}

/// Checks that two ranks agree and are not zero, and returns the rank.
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
