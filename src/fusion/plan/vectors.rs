//! Changes of biases and norms, and of weights that are not layers: they are added in proportion to the strengths. The method says
//! nothing about them.
//!
//! A bias follows its module, wherever the module's rows land. A norm is in no table, so it is named after the known layers beside
//! it; if that does not tell its name in the result's naming, it is left out and reported by name. Under a stem of another naming
//! it would keep some loaders from loading anything. PEFT has no endings for norms, so they keep their own there.

use super::layer_names::LayerNames;
use super::outputs::{Group, Names};
use super::refusals::Refusal;
use crate::adapter::families::{Place, Prefix, Scheme, moved};
use crate::adapter::roles::{BIAS_OF_LORA, VectorKind};
use crate::adapter::{Adapter, Module, ModuleId, Vector};
use crate::backend::Dtype;
use crate::container::{Tensor, TensorSpec};
use crate::error::{Code, Error, Result};
use crate::fusion::settings::recipe::Recipe;
use crate::fusion::{Adapters, Side};
use crate::order::{self, Places};
use std::ops::Range;

/// A vector of the result.
#[derive(Clone, Debug)]
pub struct VectorOutput {
    /// The name of the vector's tensor.
    pub name: String,
    /// Number of values.
    pub length: usize,
    /// The shape, mostly just `[length]`.
    pub shape: Vec<u64>,
    /// The terms that are added up.
    pub terms: Vec<Term>,
}

/// A part of one file's vector that enters the result.
#[derive(Clone, Debug)]
pub struct Term {
    /// The file that the vector is from.
    pub side: Side,
    /// The file's tensor.
    pub tensor: Tensor,
    /// The full weight, strength · scale.
    pub weight: f64,
    /// The range of the tensor's values that is used.
    pub from: Range<usize>,
    /// The index in the result's vector at which these values begin.
    pub to: usize,
}

impl VectorOutput {
    pub(crate) fn spec(&self, dtype: Dtype) -> TensorSpec {
        TensorSpec { name: self.name.clone(), dtype, shape: self.shape.clone() }
    }
}

/// All vectors of the result, and the refusals of those that have no name in it.
///
/// # Errors
/// `ShapeMismatch` if the same vector has two lengths; `SpellingMix` if one file has it under two names.
pub(crate) fn plan(
    files: Adapters<'_>,
    names: &LayerNames,
    scheme: Option<&Scheme>,
    recipe: &Recipe,
    groups: &[Group],
) -> Result<(Vec<VectorOutput>, Vec<Refusal>)> {
    let strays = Strays::of(files, names, scheme);
    let homes = Homes::of(groups);
    let layers = groups.iter().flat_map(|group| &group.units).flat_map(|unit| &unit.layers);
    let modules: Places = layers.map(|(id, _)| (id.as_str().to_owned(), 0)).collect();
    let (mut outputs, mut places, mut nameless) = (Vec::new(), Places::default(), Vec::new());
    for (side, adapter) in [(Side::Style, files.style), (Side::Content, files.content)] {
        let vectors =
            adapter.into_iter().flat_map(|adapter| adapter.vectors.iter().map(move |v| (adapter, v)));
        for (adapter, vector) in vectors {
            let module = module_of(adapter, vector).filter(|_| vector.spelling.scaled);
            let scale = module.map_or(1.0, |module| module.scale(recipe.scale(side)).0);
            let followed =
                follows(adapter, vector, names).and_then(|place| landings(&place, vector, names, scheme));
            let alone = || {
                let home = homes.landing(side, vector, scheme, strays.suffix(vector, names));
                home.or_else(|| strays.landing(vector, names, scheme)).map(|landing| vec![landing])
            };
            let mut refuse = |why| {
                let (file, module) = (adapter.name.clone(), vector.tensor.name.clone());
                nameless.push(Refusal { side, file, module, why, tensors: 1 });
            };
            let Some(landings) = followed.or_else(alone) else {
                refuse(NAMELESS);
                continue;
            };
            // For a single weight, loaders take either a difference or factors.
            let is_module = |landing: &Landing| modules.get(landing.id.as_str()).is_some();
            if vector.spelling.kind == VectorKind::Weight && landings.iter().any(is_module) {
                refuse(BESIDE_FACTORS);
                continue;
            }
            for Landing { id, name, length, from, to } in landings {
                let weight = recipe.strength(side, names.family, &id) * scale;
                let shape = if length == vector.length { vector.shape() } else { vec![length as u64] };
                let output = places.entry(&mut outputs, &name, || VectorOutput {
                    name: name.clone(),
                    length,
                    shape: shape.clone(),
                    terms: Vec::new(),
                });
                let wrong = |code, detail| {
                    Err(Error::new(code, detail).in_file(&adapter.name).at_tensor(&vector.tensor.name))
                };
                let own = output.terms.iter().find(|term| term.side == side && term.to == to);
                if let Some(other) = own {
                    return wrong(Code::SpellingMix, format!("{:?} is the same vector.", other.tensor.name));
                }
                // A weight beside the layers may have another size in versions of a model that share all layers (text and image to video).
                if solid(&output.shape) != solid(&shape) && vector.spelling.kind == VectorKind::Weight {
                    refuse(OTHER_SIZE);
                    continue;
                }
                if output.length != length {
                    let detail = format!("It has {length} values here, {} in the other file.", output.length);
                    return wrong(Code::ShapeMismatch, detail);
                }
                output.terms.push(Term { side, tensor: vector.tensor.clone(), weight, from, to });
            }
        }
    }
    order::sort_by(&mut outputs, |a, b| a.name.cmp(&b.name));
    Ok((outputs, nameless))
}

const NAMELESS: &str = "a change of a bias, a norm or a weight that has no name in the result's naming";
const OTHER_SIZE: &str = "a full difference of another size than in the other file";
const BESIDE_FACTORS: &str = "a full difference of what is changed by factors as well";

/// A shape without dimensions of 1.
fn solid(shape: &[u64]) -> Vec<u64> {
    shape.iter().copied().filter(|&size| size != 1).collect()
}

/// The module with the same stem as a vector.
fn module_of<'a>(adapter: &'a Adapter, vector: &Vector) -> Option<&'a Module> {
    // Modules are sorted by stem, so a binary search suffices; there may be tens of thousands of both.
    let at = adapter.modules.binary_search_by(|module| module.stem.as_str().cmp(&vector.stem)).ok()?;
    adapter.modules.get(at)
}

/// The place in the result where values of a vector land.
struct Landing {
    id: ModuleId,
    /// The name and the length of the result's tensor.
    name: String,
    length: usize,
    from: Range<usize>,
    to: usize,
}

/// The place of the known module whose bias a vector is.
fn follows(adapter: &Adapter, vector: &Vector, names: &LayerNames) -> Option<Place> {
    if vector.spelling.kind != VectorKind::Bias {
        return None;
    }
    let inputs = module_of(adapter, vector)
        .map(|module| module.in_features)
        .or_else(|| Some(names.resolve(&vector.stem)?.in_features))?;
    names.place(&vector.stem, (vector.length, inputs))
}

/// Where the bias of a known module lands. `None` if the result has no name for some of its layers.
fn landings(
    place: &Place,
    vector: &Vector,
    names: &LayerNames,
    scheme: Option<&Scheme>,
) -> Option<Vec<Landing>> {
    let suffix = suffix(Part::Bias { of_norm: false }, scheme?.prefix).unwrap_or(vector.spelling.suffix);
    let mut landings = Vec::new();
    for piece in &place.parts {
        let target = names.target(&piece.id, scheme)?;
        let (name, length, to) = (format!("{}{suffix}", target.stem), target.out_features, target.rows.start);
        let turned = piece.halves_swapped != target.halves_swapped;
        landings.extend(moved(&piece.rows, to, turned).into_iter().map(|(from, to)| {
            let (id, name) = (piece.id.clone(), name.clone());
            Landing { id, name, length, from, to }
        }));
    }
    Some(landings)
}

/// The part of a layer that a vector changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Weight { of_norm: bool },
    Bias { of_norm: bool },
}

/// The ending that a prefix's programs give a vector: ComfyUI's own files use full differences, and LyCORIS marks norms. `None` if
/// there is no such ending.
fn suffix(part: Part, prefix: Prefix) -> Option<&'static str> {
    match (prefix, part) {
        (Prefix::Comfy | Prefix::Kohya, Part::Weight { of_norm: false })
        | (Prefix::Comfy, Part::Weight { .. }) => Some(".diff"),
        (Prefix::Kohya, Part::Weight { .. }) => Some(".w_norm"),
        (Prefix::Kohya, Part::Bias { of_norm: true }) => Some(".b_norm"),
        (Prefix::Comfy | Prefix::Kohya, Part::Bias { .. }) => Some(".diff_b"),
        (Prefix::Component, Part::Bias { of_norm: false }) => Some(BIAS_OF_LORA),
        (Prefix::Component, _) => None,
    }
}

/// Modules whose rows all land in a single module of the result, by the names that their files give them.
struct Homes<'a> {
    homes: Vec<Option<(&'a ModuleId, &'a Names)>>,
    places: Places,
}

impl<'a> Homes<'a> {
    fn of(groups: &'a [Group]) -> Self {
        let mut found = Self { homes: Vec::new(), places: Places::default() };
        for group in groups {
            for output in &group.outputs {
                let units =
                    output.blocks.iter().filter_map(|block| Some((block.side, group.units.get(block.unit)?)));
                for (side, unit) in units {
                    let (Some(share), [(id, _)]) = (unit.share(side), unit.layers.as_slice()) else {
                        continue;
                    };
                    let name = Self::key(side, &share.module.stem);
                    let mut is_new = false;
                    let home = found.places.entry(&mut found.homes, &name, || {
                        is_new = true;
                        Some((id, &output.names))
                    });
                    // A module whose rows land in two modules of the result has no home.
                    *home = home.filter(|_| is_new);
                }
            }
        }
        found
    }

    fn key(side: Side, stem: &str) -> String {
        format!("{side:?} {stem}")
    }

    /// Where a bias lands beside its module, whatever that is called in the result. `own` is its ending if the naming has none, the
    /// same for both files because it is one bias.
    fn landing(
        &self,
        side: Side,
        vector: &Vector,
        scheme: Option<&Scheme>,
        own: &'static str,
    ) -> Option<Landing> {
        if vector.spelling.kind != VectorKind::Bias {
            return None;
        }
        let at = self.places.get(&Self::key(side, &vector.stem))?;
        let (id, names) = (*self.homes.get(at)?)?;
        let of_scheme = scheme.and_then(|scheme| suffix(Part::Bias { of_norm: false }, scheme.prefix));
        let of_kohya = names.alpha.as_ref().map(|_| ".diff_b");
        let suffix = of_scheme.or(of_kohya).unwrap_or(own);
        let (length, name) = (vector.length, format!("{}{suffix}", names.stem));
        Some(Landing { id: id.clone(), name, length, from: 0..length, to: 0 })
    }
}

fn is_weight(kind: VectorKind) -> bool {
    matches!(kind, VectorKind::NormWeight | VectorKind::Weight)
}

/// The layers of norms, and of biases that belong to no module, by the identity that both files share.
#[derive(Default)]
struct Strays {
    layers: Vec<Stray>,
    places: Places,
}

#[derive(Default)]
struct Stray {
    /// The name of the layer in the content's file, or else in the style's; and a name with dots.
    stems: [Option<String>; 2],
    /// The stem of the layer in the result; `None` if it has no name there.
    stem: Option<String>,
    is_norm: bool,
    /// The endings of the layer's weight and bias, as first met.
    suffixes: [Option<&'static str>; 2],
}

impl Stray {
    /// The ending that the first file with a vector of this kind uses for this layer.
    fn suffix(&self, vector: &Vector) -> &'static str {
        self.suffixes[slot(vector.spelling.kind)].unwrap_or(vector.spelling.suffix)
    }
}

/// The index of an ending of this kind among a layer's endings.
fn slot(kind: VectorKind) -> usize {
    usize::from(!is_weight(kind))
}

impl Strays {
    fn of(files: Adapters<'_>, names: &LayerNames, scheme: Option<&Scheme>) -> Self {
        let mut strays = Self::default();
        let vectors =
            files.into_iter().flat_map(|(side, adapter)| adapter.into_iter().map(move |one| (side, one)));
        for (side, vector) in vectors.flat_map(|(side, one)| one.vectors.iter().map(move |v| (side, v))) {
            let id = names.id(&vector.stem);
            let stray = strays.places.entry(&mut strays.layers, id.as_str(), Stray::default);
            let [first, dotted] = &mut stray.stems;
            first.get_or_insert_with(|| names.stem(side, &vector.stem));
            if vector.stem.contains('.') {
                dotted.get_or_insert_with(|| vector.stem.clone());
            }
            let kind = vector.spelling.kind;
            stray.is_norm |= matches!(kind, VectorKind::NormWeight | VectorKind::NormBias);
            stray.suffixes[slot(kind)].get_or_insert(vector.spelling.suffix);
        }
        for stray in &mut strays.layers {
            let stems = || stray.stems.iter().flatten().map(String::as_str);
            stray.stem = match names.family.zip(scheme) {
                Some((family, scheme)) if stems().any(|stem| family.beside(stem).is_some()) => {
                    family.name_beside(stems(), scheme)
                }
                _ => stray.stems[0].clone(),
            };
        }
        strays
    }

    /// The ending that the first file with a vector of this kind uses for the vector's layer.
    fn suffix(&self, vector: &Vector, names: &LayerNames) -> &'static str {
        let stray = self.places.get(names.id(&vector.stem).as_str()).and_then(|at| self.layers.get(at));
        stray.map_or(vector.spelling.suffix, |stray| stray.suffix(vector))
    }

    /// Where a vector lands that follows no known module. `None`: it has no name in the result's naming.
    fn landing(&self, vector: &Vector, names: &LayerNames, scheme: Option<&Scheme>) -> Option<Landing> {
        let id = names.id(&vector.stem);
        let stray = self.layers.get(self.places.get(id.as_str())?)?;
        // diffusers loads nothing of a file that contains a norm or such a weight, and no other program reads its naming of what is
        // not a layer.
        let of_diffusers = scheme.is_some_and(|scheme| scheme.prefix == Prefix::Component);
        if vector.spelling.kind == VectorKind::Weight && of_diffusers {
            return None;
        }
        let of_norm = stray.is_norm;
        let part =
            if is_weight(vector.spelling.kind) { Part::Weight { of_norm } } else { Part::Bias { of_norm } };
        let of_scheme = scheme.and_then(|scheme| suffix(part, scheme.prefix));
        let suffix = of_scheme.unwrap_or_else(|| stray.suffix(vector));
        let name = format!("{}{suffix}", stray.stem.as_ref()?);
        Some(Landing { id, name, length: vector.length, from: 0..vector.length, to: 0 })
    }
}
