//! Which layers the two files share: from spelled modules to units, the pieces that are fused as a whole.
//!
//! A module of a file may hold several canonical layers (a fused qkv), and the two files may be split differently. A unit is the
//! set of layers that one module of the content and one of the style have in common. Two fused qkv stay one unit, as the paper
//! projects each LoRA matrix as it is; a fused one paired with a split one gives a unit for every part, each with directions of its
//! own.

use super::layer_names::LayerNames;
use crate::adapter::families::{Piece, moved};
use crate::adapter::{Adapter, Module, ModuleId};
use crate::error::{Code, Error, Result};
use crate::fusion::settings::ResultChoice;
use crate::fusion::settings::recipe::Recipe;
use crate::fusion::{Adapters, Pair, Side};
use crate::order::{self, Places};
use std::ops::Range;
use std::rc::Rc;

/// A layer and the number of its rows.
pub(crate) type Layer = (ModuleId, usize);

/// The indices of the modules that hold a layer, in the content and in the style.
type Holders = (Option<usize>, Option<usize>);

/// One file's half of a unit.
#[derive(Clone, Debug)]
pub struct Share {
    /// The module as its file has it.
    pub module: Rc<Module>,
    /// The rows of its lora_up that belong to the unit, in the unit's order.
    pub rows: Vec<Range<usize>>,
    /// The full weight of the update, strength · scale.
    pub weight: f64,
    /// The strength alone.
    pub strength: f64,
    /// The rank r of its factors.
    pub rank: usize,
}

/// Layers that are fused in one piece.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The layers in the order of their rows, with the number of their rows.
    pub layers: Vec<Layer>,
    /// The half of each file that has the unit.
    pub halves: Pair<Option<Share>>,
}

impl Unit {
    /// The error for a unit whose numbers are too large to be accounted for.
    pub(crate) fn too_large(&self) -> Error {
        Error::new(Code::OutputRange, "The module's numbers are too large.").at_tensor(self.name())
    }

    /// Whether the unit is in the result: units that only one file has never belong to an overlap.
    pub(crate) fn is_part(&self, result: ResultChoice) -> bool {
        result == ResultChoice::Fusion || self.pair().is_some()
    }

    /// Both halves, if both files have the unit, so that the method applies to it.
    pub fn pair(&self) -> Option<Pair<&Share>> {
        self.halves.as_ref().both()
    }

    /// The halves with their sides, in the order of their rows in the result.
    pub fn shares(&self) -> impl Iterator<Item = (Side, &Share)> {
        [Side::Style, Side::Content].into_iter().filter_map(|side| Some((side, self.share(side)?)))
    }

    /// One file's half.
    pub fn share(&self, side: Side) -> Option<&Share> {
        self.halves.of(side).as_ref()
    }

    /// The number of out features, m.
    pub fn out_features(&self) -> usize {
        self.layers.iter().map(|(_, rows)| rows).sum()
    }

    /// The number of in features, n.
    pub fn in_features(&self) -> usize {
        self.shares().next().map_or(0, |(_, share)| share.module.in_features)
    }

    /// The unit's name for users: the first layer, and the last parts of the others (`….attn.to_q + to_k + to_v`).
    pub fn name(&self) -> String {
        let mut name = self.layers.first().map(|(id, _)| id.to_string()).unwrap_or_default();
        for (id, _) in self.layers.iter().skip(1) {
            name.push_str(" + ");
            name.push_str(id.as_str().rsplit('.').next().unwrap_or_default());
        }
        name
    }
}

/// The result of pairing two files.
#[derive(Debug)]
pub(crate) struct Pairing {
    /// All units, in the order of their first layers.
    pub units: Vec<Unit>,
    /// Modules whose layers other modules of the same file already contain, and which are left out.
    pub repeated: Vec<(Side, Rc<Module>)>,
}

/// A module with the canonical layers that it holds.
struct Placed {
    module: Rc<Module>,
    parts: Vec<Piece>,
}

impl Placed {
    fn of(module: &Module, names: &LayerNames) -> Self {
        let size = (module.out_features, module.in_features);
        let parts = names.place(&module.stem, size).map_or_else(
            || {
                // A layer of another size than the family's is still that layer, unless the name stands for several.
                let named = names.resolve(&module.stem).map(|place| place.parts);
                let (id, halves_swapped) = match named.as_deref() {
                    Some([only]) => (only.id.clone(), only.halves_swapped),
                    _ => (names.id(&module.stem), false),
                };
                vec![Piece { id, rows: 0..module.out_features, halves_swapped }]
            },
            |place| place.parts,
        );
        Self { module: Rc::new(module.clone()), parts }
    }

    /// Rows of the module that make up a layer, in the canonical order.
    fn rows(&self, id: &ModuleId) -> Vec<Range<usize>> {
        let Some(part) = self.parts.iter().find(|part| part.id == *id) else { return Vec::new() };
        moved(&part.rows, 0, part.halves_swapped).into_iter().map(|(rows, _)| rows).collect()
    }
}

/// The modules of a file, with each layer held only once.
#[derive(Default)]
struct Holding {
    modules: Vec<Placed>,
    /// Modules all of whose layers are held by other modules of the file.
    repeated: Vec<Rc<Module>>,
    /// The index of the module that holds each layer.
    by_layer: Places,
}

impl Holding {
    /// # Errors
    /// `SpellingMix` if the file has one layer under two names.
    fn of(adapter: Option<&Adapter>, names: &LayerNames) -> Result<Self> {
        let Some(adapter) = adapter else { return Ok(Self::default()) };
        let placed = adapter.modules.iter().map(|module| Placed::of(module, names));
        let placed: Vec<Placed> = placed.collect();
        // Some files contain a fused layer as well as its parts (Z-Image); the parts suffice.
        let single: Places = placed
            .iter()
            .filter(|placed| placed.parts.len() == 1)
            .map(|placed| (placed.parts[0].id.as_str().to_owned(), 0))
            .collect();
        let is_said_by_parts = |placed: &Placed| {
            placed.parts.len() > 1 && placed.parts.iter().all(|part| single.get(part.id.as_str()).is_some())
        };
        let (again, modules): (Vec<Placed>, Vec<Placed>) = placed.into_iter().partition(is_said_by_parts);
        let mut by_layer = Places::default();
        for (at, placed) in modules.iter().enumerate() {
            for part in &placed.parts {
                if let Some(other) = by_layer.insert(part.id.as_str(), at).and_then(|at| modules.get(at)) {
                    let detail =
                        format!("{:?} and {:?} are the same layer.", other.module.stem, placed.module.stem);
                    return Err(Error::new(Code::SpellingMix, detail)
                        .in_file(&adapter.name)
                        .at_tensor(&placed.module.stem));
                }
            }
        }
        Ok(Self { modules, repeated: again.into_iter().map(|placed| placed.module).collect(), by_layer })
    }

    /// The index of the module that holds a layer.
    fn place(&self, id: &ModuleId) -> Option<usize> {
        self.by_layer.get(id.as_str())
    }

    fn parts(&self) -> impl Iterator<Item = &Piece> {
        self.modules.iter().flat_map(|placed| &placed.parts)
    }

    /// What the module at index `at` has of some layers.
    fn share(
        &self,
        side: Side,
        at: Option<usize>,
        layers: &[Layer],
        (names, recipe): (&LayerNames, &Recipe),
    ) -> Option<Share> {
        let placed = self.modules.get(at?)?;
        let strength = recipe.strength(side, names.family, &layers.first()?.0);
        let (scale, _) = placed.module.scale(recipe.scale(side));
        Some(Share {
            module: Rc::clone(&placed.module),
            rows: joined(layers.iter().flat_map(|(id, _)| placed.rows(id))),
            weight: strength * scale,
            strength,
            rank: placed.module.rank_within(recipe.dense_rank),
        })
    }
}

/// Pairs the modules of one or two files.
///
/// # Errors
/// `SpellingMix` if a file has one layer under two names; `ShapeMismatch` naming the first layer whose sizes differ.
pub(crate) fn pair(files: Adapters<'_>, names: &LayerNames, recipe: &Recipe) -> Result<Pairing> {
    let of_content = Holding::of(files.content, names)?;
    let of_style = Holding::of(files.style, names)?;
    for (file, own, other) in [(files.content, &of_content, &of_style), (files.style, &of_style, &of_content)]
    {
        let Some(file) = file else { continue };
        check_names(file, &own.modules, names, |id| Some(&other.modules.get(other.place(id)?)?.module))?;
    }

    // Layers grouped by the pair of modules that hold them. Rows are in the order of the content's module, or else the style's.
    let more = of_style.parts().filter(|part| of_content.place(&part.id).is_none());
    let mut held: Vec<(Holders, Layer)> = of_content
        .parts()
        .chain(more)
        .map(|Piece { id, rows, .. }| ((of_content.place(id), of_style.place(id)), (id.clone(), rows.len())))
        .collect();
    order::sort_by(&mut held, |a, b| a.0.cmp(&b.0));
    let mut units = Vec::new();
    for group in held.chunk_by(|a, b| a.0 == b.0) {
        let Some(&((c, s), _)) = group.first() else { continue };
        let layers: Vec<Layer> = group.iter().map(|(_, layer)| layer.clone()).collect();
        let halves = Pair {
            content: of_content.share(Side::Content, c, &layers, (names, recipe)),
            style: of_style.share(Side::Style, s, &layers, (names, recipe)),
        };
        units.push(Unit { layers, halves });
    }
    first_of(units.iter().filter_map(|unit| other_sizes(unit, files)))?;
    // Of q, k and v this puts k first, which does no harm: diffusers 0.35 split stacked modules whose blocks are in the order of
    // their rows, and applied those that are padded several times too strongly.
    order::sort_by(&mut units, |a: &Unit, b| {
        a.layers.first().map(|l| &l.0).cmp(&b.layers.first().map(|l| &l.0))
    });
    let again = |side, modules: Vec<Rc<Module>>| modules.into_iter().map(move |module| (side, module));
    let of_content = again(Side::Content, of_content.repeated);
    let repeated = of_content.chain(again(Side::Style, of_style.repeated)).collect();
    Ok(Pairing { units, repeated })
}

/// Neighbouring ranges merged into one.
fn joined(ranges: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

/// Refuses a module that has the name of one of the other file's layers but not its size: if it were taken for another layer, both
/// would get the same name in the result.
fn check_names<'a>(
    file: &Adapter,
    modules: &[Placed],
    names: &LayerNames,
    other: impl Fn(&ModuleId) -> Option<&'a Rc<Module>>,
) -> Result<()> {
    first_of(modules.iter().filter_map(|Placed { module, .. }| {
        let size = (module.out_features, module.in_features);
        if names.place(&module.stem, size).is_some() {
            return None;
        }
        let named = names.resolve(&module.stem)?;
        let alike =
            |theirs: &Rc<Module>| named.parts.len() == 1 && (theirs.out_features, theirs.in_features) == size;
        let theirs = named.parts.iter().find_map(|part| other(&part.id)).filter(|theirs| !alike(theirs))?;
        let detail = format!(
            "It is {}×{} there, and {}×{} in the other file.",
            size.0, size.1, theirs.out_features, theirs.in_features
        );
        Some(Error::new(Code::ShapeMismatch, detail).in_file(&file.name).at_tensor(&module.stem))
    }))
}

/// The first of some errors of one kind, which says how many more there are: one odd layer is something else than another model.
fn first_of(mut errors: impl Iterator<Item = Error>) -> Result<()> {
    let Some(mut first) = errors.next() else { return Ok(()) };
    let more = errors.count();
    if more > 0 {
        first.detail += &format!(" So it is with {more} more.");
    }
    Err(first)
}

/// The dimensions without trailing ones.
fn trimmed(mut dims: &[u64]) -> &[u64] {
    while let [rest @ .., 1] = dims {
        dims = rest;
    }
    dims
}

/// An error if the two files have different sizes for a unit.
fn other_sizes(unit: &Unit, files: Adapters<'_>) -> Option<Error> {
    let (shares, Pair { content, style }) = unit.pair().zip(files.both())?;
    let size =
        |share: &Share| (share.rows.iter().map(|rows| rows.len()).sum::<usize>(), share.module.in_features);
    let (sizes, kernels) = (shares.map(size), shares.map(|share| share.module.dims.as_slice()));
    // Convolutions with the same number of inputs still differ if their kernels differ; but some files store them flattened.
    let alike = kernels.content.len() == 1
        || kernels.style.len() == 1
        || trimmed(kernels.content) == trimmed(kernels.style);
    if sizes.content == sizes.style && alike {
        return None;
    }
    let shape = |(rows, _): (usize, usize), kernel: &[u64]| {
        kernel.iter().fold(rows.to_string(), |shape, side| format!("{shape}×{side}"))
    };
    let detail = format!(
        "It is {} in {:?} and {} in {:?}.",
        shape(sizes.content, kernels.content),
        content.name,
        shape(sizes.style, kernels.style),
        style.name
    );
    Some(
        Error::new(Code::ShapeMismatch, detail).in_file(&content.name).at_tensor(&shares.content.module.stem),
    )
}
