//! Changes of biases and norms: added up in proportion to the strengths. The method says nothing of them.
//!
//! A bias follows its module, wherever the rows of that land. A norm is in no table: it is named after the known layers
//! beside it, and where that does not tell its name in the result's naming, it is left out by name. Under the name of another
//! naming it would keep some loaders from loading anything.

use super::outputs;
use super::pairing::{Side, identity, place};
use super::recipe::Recipe;
use super::refusals::Refusal;
use crate::adapter::families::{Family, Place, Prefix, Scheme};
use crate::adapter::roles::{BIAS_OF_LORA, VectorKind};
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

/// All vectors of the result, and those that have no name in it.
///
/// # Errors
/// `ShapeMismatch` if the same vector has two lengths.
pub(super) fn plan(
    content: Option<&Adapter>,
    style: Option<&Adapter>,
    family: Option<&Family>,
    scheme: Option<&Scheme>,
    recipe: &Recipe,
) -> Result<(Vec<VectorOutput>, Vec<Refusal>)> {
    let strays = Strays::of([content, style].into_iter().flatten(), family);
    let (mut outputs, mut places, mut nameless) = (Vec::new(), Places::default(), Vec::new());
    for (side, adapter) in [(Side::Style, style), (Side::Content, content)] {
        let vectors =
            adapter.into_iter().flat_map(|adapter| adapter.vectors.iter().map(move |v| (adapter, v)));
        for (adapter, vector) in vectors {
            let module = module_of(adapter, vector).filter(|_| vector.spelling.scaled);
            let scale = module.map_or(1.0, |module| module.scale(recipe.scale(side)).0);
            let followed =
                follows(adapter, vector, family).and_then(|known| landings(&known, vector, family, scheme));
            let landings = match followed {
                Some(landings) => landings,
                None => match strays.landing(vector, family, scheme) {
                    Some(landing) => vec![landing],
                    None => {
                        let (file, module) = (adapter.name.clone(), vector.tensor.name.clone());
                        nameless.push(Refusal { side, file, module, why: NAMELESS, tensors: 1 });
                        continue;
                    }
                },
            };
            for Landing { id, name, length, from, to } in landings {
                let weight = recipe.strength(side, family, &id) * scale;
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
    Ok((outputs, nameless))
}

const NAMELESS: &str = "a change of a bias or a norm that has no name in the result's naming";

/// The module that a vector stands beside.
fn module_of<'a>(adapter: &'a Adapter, vector: &Vector) -> Option<&'a Module> {
    // Modules stand in the order of their stems; there may be tens of thousands of both.
    let at = adapter.modules.binary_search_by(|module| module.stem.as_str().cmp(&vector.stem)).ok()?;
    adapter.modules.get(at)
}

/// Where values of a vector land.
struct Landing {
    id: ModuleId,
    /// The result's tensor, and its length.
    name: String,
    length: usize,
    from: Range<usize>,
    to: usize,
}

/// The known module whose bias a vector is.
fn follows(adapter: &Adapter, vector: &Vector, family: Option<&Family>) -> Option<Place> {
    if vector.spelling.kind != VectorKind::Bias {
        return None;
    }
    let inputs = module_of(adapter, vector)
        .map(|module| module.in_features)
        .or_else(|| Some(family?.resolve(&vector.stem)?.in_features))?;
    place(family, &vector.stem, (vector.length, inputs))
}

/// Where the bias of a known module lands. `None`: the result names some of its layers in no way.
fn landings(
    known: &Place,
    vector: &Vector,
    family: Option<&Family>,
    scheme: Option<&Scheme>,
) -> Option<Vec<Landing>> {
    let suffix = suffix(Part::Bias { of_norm: false }, scheme?.prefix).unwrap_or(vector.spelling.suffix);
    let mut landings = Vec::new();
    for piece in &known.parts {
        let target = outputs::target(&piece.id, family, scheme)?;
        let (name, length, to) = (format!("{}{suffix}", target.stem), target.out_features, target.rows.start);
        let Range { start, end } = piece.rows;
        let half = (end - start) / 2;
        let mut land = |from: Range<usize>, to| {
            let (id, name) = (piece.id.clone(), name.clone());
            landings.push(Landing { id, name, length, from, to });
        };
        if piece.halves_swapped == target.halves_swapped {
            land(start..end, to);
        } else {
            land(start + half..end, to);
            land(start..start + half, to + (end - start - half));
        }
    }
    Some(landings)
}

/// What of a layer a vector changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Weight,
    Bias { of_norm: bool },
}

/// How a prefix's programs call a vector: ComfyUI's own files have full differences, and LyCORIS tells norms apart. None:
/// there is no such name.
fn suffix(part: Part, prefix: Prefix) -> Option<&'static str> {
    match (prefix, part) {
        (Prefix::Comfy, Part::Weight) => Some(".diff"),
        (Prefix::Kohya, Part::Weight) => Some(".w_norm"),
        (Prefix::Kohya, Part::Bias { of_norm: true }) => Some(".b_norm"),
        (Prefix::Comfy | Prefix::Kohya, Part::Bias { .. }) => Some(".diff_b"),
        (Prefix::Component, Part::Bias { of_norm: false }) => Some(BIAS_OF_LORA),
        (Prefix::Component, _) => None,
    }
}

/// Layers of vectors that follow no known module, as both files name them.
#[derive(Default)]
struct Strays {
    layers: Vec<Stray>,
    places: Places,
}

#[derive(Default)]
struct Stray {
    /// Its names, the content's first.
    stems: Vec<String>,
    is_norm: bool,
    /// Endings of its weight and its bias, as they are met first.
    suffixes: [Option<&'static str>; 2],
}

impl Strays {
    fn of<'a>(adapters: impl Iterator<Item = &'a Adapter>, family: Option<&Family>) -> Self {
        let mut strays = Self::default();
        for vector in adapters.flat_map(|adapter| &adapter.vectors) {
            let id = identity(family, &vector.stem);
            let stray = strays.places.entry(&mut strays.layers, id.as_str(), Stray::default);
            if !stray.stems.contains(&vector.stem) {
                stray.stems.push(vector.stem.clone());
            }
            let kind = vector.spelling.kind;
            stray.is_norm |= kind != VectorKind::Bias;
            stray.suffixes[usize::from(kind != VectorKind::NormWeight)].get_or_insert(vector.spelling.suffix);
        }
        strays
    }

    /// Where a vector lands that follows no known module. `None`: it has no name in the result's naming.
    fn landing(&self, vector: &Vector, family: Option<&Family>, scheme: Option<&Scheme>) -> Option<Landing> {
        let id = identity(family, &vector.stem);
        let stray = self.layers.get(self.places.get(id.as_str())?)?;
        let part = match vector.spelling.kind {
            VectorKind::NormWeight => Part::Weight,
            _ => Part::Bias { of_norm: stray.is_norm },
        };
        let (stem, suffix) = match family.zip(scheme) {
            Some((family, scheme)) => (
                family.name_beside(stray.stems.iter().map(String::as_str), scheme)?,
                suffix(part, scheme.prefix),
            ),
            None => (stray.stems.first()?.clone(), None),
        };
        let own = stray.suffixes[usize::from(part != Part::Weight)];
        let name = format!("{stem}{}", suffix.or(own).unwrap_or(vector.spelling.suffix));
        Some(Landing { id, name, length: vector.length, from: 0..vector.length, to: 0 })
    }
}
