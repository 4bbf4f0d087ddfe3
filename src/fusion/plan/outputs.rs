//! How the units of a pair are written: in which naming, and as which modules of the result.

use super::layer_names::LayerNames;
use super::pairing::Unit;
use crate::adapter::ModuleId;
use crate::adapter::families::{Family, Prefix, Scheme, Target, moved};
use crate::adapter::roles::{ALPHA, DORA_SCALE, MAGNITUDE_VECTOR, SPELLINGS, Spelling};
use crate::container::Tensor;
use crate::error::{Code, Error, Result};
use crate::fusion::Side;
use crate::fusion::settings::recipe::Recipe;
use crate::order::Places;
use std::ops::Range;

/// A module of the result.
#[derive(Clone, Debug)]
pub struct Output {
    /// The names of the module's tensors.
    pub names: Names,
    /// The number of out features, m.
    pub out_features: usize,
    /// The input's dimensions as written: `[in]`, or `[in, kh, kw]` for a convolution.
    pub dims: Vec<u64>,
    /// The rank of the module without padding.
    pub own_rank: usize,
    /// The rank of the module as written.
    pub rank: usize,
    /// The blocks of the module, in the order of the rows of lora_down.
    pub blocks: Vec<Block>,
    /// DoRA's magnitudes, if the module passes through unchanged.
    pub magnitude: Option<(Side, Tensor)>,
}

/// One half of a unit within a module of the result.
#[derive(Clone, Debug)]
pub struct Block {
    /// The index of the unit in the group.
    pub unit: usize,
    /// The file that the half is from.
    pub side: Side,
    /// The rank r of the half.
    pub rank: usize,
    /// Ranges of rows in the unit's lora_up, each with the row of the result's lora_up at which it begins.
    pub rows: Vec<(Range<usize>, usize)>,
}

/// Names of one module's tensors in the result.
#[derive(Clone, Debug)]
pub struct Names {
    /// The stem of the module.
    pub stem: String,
    /// The name of lora_down.
    pub down: String,
    /// The name of lora_up.
    pub up: String,
    /// The name of alpha, in spellings that have one.
    pub alpha: Option<String>,
    /// The ending of the magnitudes' name, if the module has any: that of LyCORIS, which ComfyUI shares, or that of PEFT.
    pub magnitude: &'static str,
}

/// Units and the modules of the result that they form, usually one of each; a fused qkv paired with a split one gives three units
/// in one module, or one unit in three.
#[derive(Clone, Debug)]
pub struct Group {
    /// The units, which are fused one by one.
    pub units: Vec<Unit>,
    /// The modules of the result, which are written once all units are fused.
    pub outputs: Vec<Output>,
    /// The scale alpha/rank that a loader computes for these modules; 1 if no alpha is written.
    pub loader_scale: f64,
}

impl Names {
    fn new(stem: &str, spelling: &Spelling, scheme: Option<&Scheme>) -> Self {
        let is_peft = scheme.map_or(!spelling.writes_alpha, |scheme| scheme.prefix == Prefix::Component);
        Self {
            stem: stem.to_owned(),
            down: format!("{stem}{}", spelling.down),
            up: format!("{stem}{}", spelling.up),
            alpha: spelling.writes_alpha.then(|| format!("{stem}{ALPHA}")),
            magnitude: if is_peft { MAGNITUDE_VECTOR } else { DORA_SCALE },
        }
    }
}

/// The naming of the result: the user's choice, or else the one that most programs load completely. If that would stack parts which
/// a file keeps apart, which multiplies the rank, a naming without fused layers that programs load as well is preferred.
///
/// # Errors
/// `Settings` if the family has no such naming.
pub(crate) fn scheme(
    units: &[Unit],
    family: Option<&Family>,
    recipe: &Recipe,
) -> Result<Option<&'static Scheme>> {
    let Some(family) = family else {
        return match recipe.scheme {
            None => Ok(None),
            Some(_) => Err(Error::new(
                Code::Settings,
                "The naming can only be changed for model families that are known.",
            )),
        };
    };
    if let Some(chosen) = recipe.scheme {
        // Found by its name, because kohya's scheme has two ids, of which a family has one.
        let known = family.schemes().find(|scheme| scheme.name == chosen.name);
        let unknown = || {
            let ids: Vec<_> = family.schemes().map(|scheme| scheme.id).collect();
            format!("{} files are not named as {:?}, only as {}.", family.name(), chosen.id, ids.join(", "))
        };
        return known.map(Some).ok_or_else(|| Error::new(Code::Settings, unknown()));
    }
    let whole = |scheme: &&Scheme| {
        units.iter().all(|unit| {
            let targets: Vec<_> =
                unit.layers.iter().filter_map(|(id, _)| family.target(id, scheme)).collect();
            let rows =
                |stem: &str| targets.iter().filter(|t| t.stem == stem).map(|t| t.rows.len()).sum::<usize>();
            targets.iter().all(|target| rows(&target.stem) == target.out_features)
        })
    };
    let is_read = |scheme: &&Scheme| {
        units.iter().flat_map(|unit| &unit.layers).all(|(id, _)| family.is_read(id, scheme))
    };
    let default = family.schemes().find(is_read).unwrap_or(family.default_scheme());
    let stacked = !whole(&default);
    Ok(family.split_scheme().filter(|split| stacked && is_read(split)).or(Some(default)))
}

/// The place of a unit's layer in a module of the result.
struct Landing {
    unit: usize,
    /// The layer's rows within the unit.
    rows: Range<usize>,
    target: Option<Target>,
    /// Whether the two halves of its rows are in the opposite order there.
    halves_swapped: bool,
    /// Whether the module, and so its factors, are named in the result's naming.
    is_renamed: bool,
}

/// Groups units with the modules of the result that they form. `own_rank` and `rank` of the modules are the sums over their blocks.
pub(crate) fn groups(
    units: Vec<Unit>,
    names: &LayerNames,
    scheme: Option<&Scheme>,
    recipe: &Recipe,
) -> Vec<Group> {
    // Modules of the result by stem, in the order of their first layers.
    let (mut modules, mut places): (Vec<(String, Vec<Landing>)>, _) = (Vec::new(), Places::default());
    for (at, unit) in units.iter().enumerate() {
        let mut row = 0;
        for (id, rows) in &unit.layers {
            let range = row..row + rows;
            row = range.end;
            // A layer of another size than the family's keeps its name.
            let fits =
                |target: &Target| (target.rows.len(), target.in_features) == (*rows, unit.in_features());
            let target = names.target(id, scheme).filter(fits);
            let Kept { stem, halves_swapped, is_renamed } = match &target {
                Some(target) => Kept {
                    stem: target.stem.clone(),
                    halves_swapped: target.halves_swapped,
                    is_renamed: true,
                },
                None => Kept::of(unit, id, names, scheme),
            };
            let (_, landings) = places.entry(&mut modules, &stem, || (stem.clone(), Vec::new()));
            landings.push(Landing { unit: at, rows: range, target, halves_swapped, is_renamed });
        }
    }
    let mut groups = Groups::new(units.len());
    for (_, landings) in &modules {
        groups.join(landings.iter().map(|landing| landing.unit));
    }
    // Units and modules, by the first unit of their group.
    let mut made: Vec<(Vec<usize>, Vec<Output>)> = units.iter().map(|_| Default::default()).collect();
    for at in 0..units.len() {
        made[groups.root(at)].0.push(at);
    }
    for (stem, landings) in modules {
        let Some(first) = landings.first() else { continue };
        let (members, outputs) = &mut made[groups.root(first.unit)];
        outputs.push(output(&stem, &landings, &units, members, (names, scheme), recipe));
    }
    let mut units: Vec<Option<Unit>> = units.into_iter().map(Some).collect();
    let mut take = |members: Vec<usize>| members.into_iter().filter_map(|at| units[at].take()).collect();
    made.into_iter()
        .filter(|(members, _)| !members.is_empty())
        .map(|(members, outputs)| Group { units: take(members), outputs, loader_scale: 1.0 })
        .collect()
}

/// The name of a layer in the result that has no target in the naming.
struct Kept {
    stem: String,
    /// Whether the halves of the layer's rows are swapped under that name.
    halves_swapped: bool,
    /// Whether the name nevertheless belongs to the result's naming.
    is_renamed: bool,
}

impl Kept {
    /// The name of a layer: one in no table gets the naming's prefix if that can be told; otherwise it keeps its name, that of the
    /// content if both files have it.
    fn of(unit: &Unit, id: &ModuleId, names: &LayerNames, scheme: Option<&Scheme>) -> Self {
        let own = |stem: String| Self { stem, halves_swapped: false, is_renamed: false };
        let Some((family, scheme)) = names.family.zip(scheme) else {
            let share = names.side(unit).and_then(|side| Some((side, unit.share(side)?)));
            return own(
                share.map_or_else(|| id.to_string(), |(side, share)| names.stem(side, &share.module.stem))
            );
        };
        let stems = || unit.halves.as_ref().present().map(|share| share.module.stem.as_str());
        let Some(stem) = stems().next() else { return own(id.to_string()) };
        if let Some(place) = family.resolve(stem) {
            let halves_swapped = matches!(place.parts.as_slice(), [only] if only.halves_swapped);
            return Self { halves_swapped, ..own(stem.to_owned()) };
        }
        family
            .name_beside(stems(), scheme)
            .map_or_else(|| own(stem.to_owned()), |stem| Self { is_renamed: true, ..own(stem) })
    }
}

fn output(
    stem: &str,
    landings: &[Landing],
    units: &[Unit],
    members: &[usize],
    (names, scheme): (&LayerNames, Option<&Scheme>),
    recipe: &Recipe,
) -> Output {
    let shares = || landings.iter().flat_map(|landing| units[landing.unit].shares().map(|(_, share)| share));
    let target = landings.iter().find_map(|landing| landing.target.as_ref());
    let spelled = || landings.last().and_then(|landing| names.spelling(&units[landing.unit]));
    let is_renamed = landings.iter().any(|landing| landing.is_renamed);
    let spelling = scheme.filter(|_| is_renamed).and_then(Scheme::spelling).or_else(spelled);
    // If one file stores a 1×1 convolution as a matrix and the other as a convolution, the convolution loads everywhere.
    let stored = || shares().map(|share| share.module.dims.clone()).max_by_key(Vec::len).unwrap_or_default();
    let dims = match target {
        Some(Target { in_channels, kernel: Some([kh, kw]), .. }) => {
            [*in_channels, *kh, *kw].map(|d| d as u64).to_vec()
        }
        Some(target) => vec![target.in_features as u64],
        None => stored(),
    };
    let own = landings.first().map_or(0, |landing| units[landing.unit].out_features());
    let mut blocks: Vec<Block> = Vec::new();
    for landing in landings {
        let to = landing.target.as_ref().map_or(0, |target| target.rows.start);
        let rows = moved(&landing.rows, to, landing.halves_swapped);
        for (side, share) in units[landing.unit].shares().filter(|(side, _)| recipe.writes(*side)) {
            let unit = members.iter().position(|&member| member == landing.unit).unwrap_or(0);
            match blocks.iter_mut().find(|block| (block.unit, block.side) == (unit, side)) {
                Some(block) => block.rows.extend(rows.iter().cloned()),
                None => blocks.push(Block { unit, side, rank: share.rank, rows: rows.clone() }),
            }
        }
    }
    let rank = blocks.iter().map(|block| block.rank).sum();
    Output {
        names: Names::new(stem, spelling.unwrap_or(&SPELLINGS[0]), scheme.filter(|_| is_renamed)),
        out_features: target.map_or(own, |target| target.out_features),
        dims,
        own_rank: rank,
        rank,
        blocks,
        magnitude: None,
    }
}

/// Sets of units that share a module of the result (union-find).
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&self, mut at: usize) -> usize {
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, members: impl Iterator<Item = usize>) {
        let members: Vec<usize> = members.map(|at| self.root(at)).collect();
        let first = members.iter().copied().min().unwrap_or(0);
        members.into_iter().for_each(|member| self.0[member] = first);
    }
}
