//! The number format of the result, unless the user chooses one.

use super::outputs::Group;
use super::pairing::Unit;
use super::vectors::VectorOutput;
use crate::backend::Dtype;
use crate::fusion::settings::recipe::Recipe;

/// The number formats of the input values that enter the result.
#[derive(Default)]
pub(super) struct Formats {
    f16: bool,
    bf16: bool,
    f32: bool,
}

impl Formats {
    pub(super) fn of(groups: &[Group], vectors: &[VectorOutput], recipe: &Recipe) -> Self {
        let mut formats = Self::default();
        let shares = groups.iter().flat_map(|group| &group.units).flat_map(Unit::shares);
        let written = shares.filter(|(side, _)| recipe.writes(*side));
        let factors = written.flat_map(|(_, share)| share.module.kind.tensors());
        let magnitudes =
            groups.iter().flat_map(|g| &g.outputs).filter_map(|o| o.magnitude.as_ref().map(|m| &m.1));
        let terms = vectors.iter().flat_map(|vector| &vector.terms).map(|term| &term.tensor);
        for tensor in factors.chain(magnitudes).chain(terms) {
            match tensor.dtype {
                Dtype::F32 | Dtype::F64 => formats.f32 = true,
                Dtype::BF16 => formats.bf16 = true,
                _ => formats.f16 = true, // F16, and F8 whose two formats F16 contains
            }
        }
        formats
    }

    /// The narrowest format that holds all values exactly, as they are read: F64 has been rounded to F32 by then.
    pub(super) fn narrowest(&self) -> Dtype {
        match (self.f16, self.bf16, self.f32) {
            (true, false, false) => Dtype::F16,
            (false, true, false) => Dtype::BF16,
            _ => Dtype::F32,
        }
    }

    /// Whether no input's own format holds the values of all inputs.
    pub(super) fn differ(&self) -> bool {
        self.f16 && self.bf16 && !self.f32
    }
}
