//! Changes of biases and norms: added up in proportion to the strengths. The method says nothing of them.

use super::outputs;
use super::pairing::{Side, place};
use super::settings::Recipe;
use crate::adapter::families::{Family, Scheme};
use crate::adapter::roles::VectorKind;
use crate::adapter::{Adapter, Module, ModuleId, Vector};
use crate::backend::Dtype;
use crate::container::{Tensor, TensorSpec};
use crate::error::{Code, Error, Result};
use crate::order::{self, Places};
use std::ops::Range;

/// A vector of the result.
#[derive(Clone, Debug)]
pub struct VectorOutput {
    /// Its tensor's name.
    pub name: String,
    /// Number of values.
    pub length: usize,
    /// What is added up.
    pub terms: Vec<Term>,
}

/// A piece of a vector of one file.
#[derive(Clone, Debug)]
pub struct Term {
    /// Whose it is.
    pub side: Side,
    /// The file's tensor.
    pub tensor: Tensor,
    /// strength · scale.
    pub weight: f64,
    /// Which of its values.
    pub from: Range<usize>,
    /// The value of the result they begin at.
    pub to: usize,
}

impl VectorOutput {
    pub(super) fn spec(&self, dtype: Dtype) -> TensorSpec {
        TensorSpec { name: self.name.clone(), dtype, shape: vec![self.length as u64] }
    }
}

/// All vectors of the result.
///
/// # Errors
/// `ShapeMismatch` if the same vector has two lengths.
pub(super) fn plan(
    content: Option<&Adapter>,
    style: Option<&Adapter>,
    family: Option<&Family>,
    scheme: Option<&Scheme>,
    recipe: &Recipe,
) -> Result<Vec<VectorOutput>> {
    let (mut outputs, mut places) = (Vec::new(), Places::default());
    for (side, adapter) in [(Side::Style, style), (Side::Content, content)] {
        let vectors =
            adapter.into_iter().flat_map(|adapter| adapter.vectors.iter().map(move |v| (adapter, v)));
        for (adapter, vector) in vectors {
            let module = module_of(adapter, vector).filter(|_| vector.spelling.scaled);
            let scale = module.map_or(1.0, |module| module.scale(recipe.scale(side)).0);
            for landing in landings(adapter, vector, family, scheme) {
                let Landing { id, stem, suffix, length, from, to } = landing;
                let weight = recipe.strength(side, family, &id) * scale;
                let name = format!("{stem}{suffix}");
                let output = places.entry(&mut outputs, &name, || VectorOutput {
                    name: name.clone(),
                    length,
                    terms: Vec::new(),
                });
                if output.length != length {
                    let detail = format!("It has {length} values here, {} in the other file.", output.length);
                    let error = Error::new(Code::ShapeMismatch, detail);
                    return Err(error.in_file(&adapter.name).at_tensor(&vector.tensor.name));
                }
                output.terms.push(Term { side, tensor: vector.tensor.clone(), weight, from, to });
            }
        }
    }
    order::sort_by(&mut outputs, |a, b| a.name.cmp(&b.name));
    Ok(outputs)
}

/// The module that a vector stands beside.
fn module_of<'a>(adapter: &'a Adapter, vector: &Vector) -> Option<&'a Module> {
    // Modules stand in the order of their stems; there may be tens of thousands of both.
    let at = adapter.modules.binary_search_by(|module| module.stem.as_str().cmp(&vector.stem)).ok()?;
    adapter.modules.get(at)
}

struct Landing {
    id: ModuleId,
    stem: String,
    suffix: &'static str,
    length: usize,
    from: Range<usize>,
    to: usize,
}

/// Where the values of a vector land. A bias follows its module; a norm is in no table and keeps its name.
fn landings(
    adapter: &Adapter,
    vector: &Vector,
    family: Option<&Family>,
    scheme: Option<&Scheme>,
) -> Vec<Landing> {
    let inputs = module_of(adapter, vector)
        .map(|module| module.in_features)
        .or_else(|| family.and_then(|family| family.resolve(&vector.stem)).map(|place| place.in_features));
    let known = inputs.and_then(|inputs| place(family, &vector.stem, (vector.length, inputs)));
    let own = vec![Landing {
        id: ModuleId::of(&vector.stem),
        stem: vector.stem.clone(),
        suffix: vector.spelling.suffix,
        length: vector.length,
        from: 0..vector.length,
        to: 0,
    }];
    let (Some(known), VectorKind::Bias) = (known, vector.spelling.kind) else { return own };
    let peft = scheme.and_then(Scheme::spelling).is_some_and(|spelling| !spelling.writes_alpha);
    let suffix = if peft { ".lora_B.bias" } else { ".diff_b" };
    let mut landings = Vec::new();
    for piece in known.parts {
        let Some(target) = outputs::target(&piece.id, family, scheme) else { return own };
        let (stem, length, to) = (target.stem, target.out_features, target.rows.start);
        let Range { start, end } = piece.rows;
        let half = (end - start) / 2;
        let mut land = |from: Range<usize>, to| {
            let (id, stem) = (piece.id.clone(), stem.clone());
            landings.push(Landing { id, stem, suffix, length, from, to });
        };
        if piece.halves_swapped == target.halves_swapped {
            land(start..end, to);
        } else {
            land(start + half..end, to);
            land(start..start + half, to + (end - start - half));
        }
    }
    landings
}
