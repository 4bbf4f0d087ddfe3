//! Finds which of a file's modules hold the layers of a pair's units, however the file names and splits them.

use crate::adapter::{Adapter, ModuleId};
use crate::backend::products::MAX_RANK;
use crate::error::{Code, Error, Result};
use crate::fusion::plan::Plan;
use crate::fusion::plan::model;
use crate::fusion::plan::pairing::{self, Share, Unit};
use crate::fusion::{Pair, Side};
use crate::order::Places;
use std::ops::Range;

/// The highest rank of a module that is compared: the cost grows with the square of the file's rank and the cube of the style's.
const MAX_FILE_RANK: usize = 4 * MAX_RANK;

/// Rows that a module of the file and a unit of the pair have in common, each in the order of its own layers.
#[derive(Clone, Debug)]
pub(super) struct Common {
    /// The index of the module in [`Matching::modules`].
    pub(super) module: usize,
    /// The rows of the file's module.
    pub(super) own: Vec<Range<usize>>,
    /// The rows of the pair's unit.
    pub(super) of_unit: Vec<Range<usize>>,
}

/// The matches between a file and the units of a plan.
#[derive(Debug)]
pub(super) struct Matching {
    /// The modules of the file.
    pub(super) modules: Vec<Unit>,
    /// For every unit of each of the plan's groups what the file has of it; none where that cannot be compared.
    pub(super) groups: Vec<Vec<Option<Vec<Common>>>>,
    /// The modules, or rows of modules, that the pair does not have.
    pub(super) outside: Vec<(usize, Vec<Range<usize>>)>,
    /// The number of the file's modules that cannot be compared.
    pub(super) skipped: usize,
}

/// The place of a layer in the file.
struct Held {
    module: usize,
    rows: Range<usize>,
    used: bool,
}

impl Matching {
    /// # Errors
    /// `NotOfPair` if the file is for another model or has no layer of the pair; `SpellingMix`.
    pub(super) fn of(plan: &Plan, pair: Pair<&Adapter>, file: &Adapter) -> Result<Self> {
        check_family(plan, file)?;
        let modules =
            pairing::pair(Pair { content: Some(file), style: None }, &plan.layer_names, &plan.recipe)?.units;
        let (mut held, mut places) = (Vec::new(), Places::default());
        for (module, unit) in modules.iter().enumerate() {
            for (id, rows) in layers(unit) {
                places.insert(id.as_str(), held.len());
                held.push(Held { module, rows, used: false });
            }
        }
        let can = |unit: &Unit| unit.shares().all(|(side, share)| is_comparable(plan, side, share));
        let can_file = |at: usize| {
            modules
                .get(at)
                .and_then(Unit::of_file)
                .is_some_and(|share| is_comparable(plan, Side::Content, share))
        };
        let mut met = 0;
        let mut of_unit = |unit: &Unit| {
            let mut common: Vec<Common> = Vec::new();
            for (id, rows) in layers(unit) {
                let Some(found) = places.get(id.as_str()).and_then(|at| held.get_mut(at)) else { continue };
                let inputs = modules.get(found.module).map(Unit::in_features);
                if found.rows.len() != rows.len() || inputs != Some(unit.in_features()) {
                    continue;
                }
                found.used = true;
                met += 1;
                match common.iter_mut().find(|common| common.module == found.module) {
                    Some(common) => {
                        common.own.push(found.rows.clone());
                        common.of_unit.push(rows);
                    }
                    None => common.push(Common {
                        module: found.module,
                        own: vec![found.rows.clone()],
                        of_unit: vec![rows],
                    }),
                }
            }
            let comparable = can(unit) && common.iter().all(|common| can_file(common.module));
            comparable.then_some(common)
        };
        let groups: Vec<Vec<_>> =
            plan.groups.iter().map(|group| group.units.iter().map(&mut of_unit).collect()).collect();
        if met == 0 {
            return Err(nothing_shared(pair, file));
        }
        let refused = refused(plan);
        let mut outside: Vec<(usize, Vec<Range<usize>>)> = Vec::new();
        let mut skipped = file.refused.len() + groups.iter().flatten().filter(|unit| unit.is_none()).count();
        for (module, unit) in modules.iter().enumerate() {
            let is_left = |id: &ModuleId| {
                places.get(id.as_str()).and_then(|at| held.get(at)).is_some_and(|held| !held.used)
            };
            let left: Vec<_> = layers(unit).into_iter().filter(|(id, _)| is_left(id)).collect();
            if left.is_empty() {
                continue;
            }
            let is_refused = |(id, _): &(&ModuleId, _)| refused.get(id.as_str()).is_some();
            if !can_file(module) || left.iter().any(is_refused) {
                skipped += 1;
            } else {
                outside.push((module, left.into_iter().map(|(_, rows)| rows).collect()));
            }
        }
        Ok(Self { modules, groups, outside, skipped })
    }
}

impl Unit {
    /// The module of the file, in a plan for a single file.
    pub(super) fn of_file(&self) -> Option<&Share> {
        self.share(Side::Content)
    }
}

/// The layers of a unit with their rows in the unit's order.
fn layers(unit: &Unit) -> Vec<(&ModuleId, Range<usize>)> {
    let mut from = 0;
    let mut placed = Vec::with_capacity(unit.layers.len());
    for (id, rows) in &unit.layers {
        placed.push((id, from..from + rows));
        from += rows;
    }
    placed
}

/// Whether a half can be compared. Without DoRA's magnitudes, an update is not what its file means.
fn is_comparable(plan: &Plan, side: Side, share: &Share) -> bool {
    let most = if side == Side::Style { MAX_RANK } else { MAX_FILE_RANK };
    (plan.recipe.direction_only || share.module.magnitude.is_none()) && share.rank <= most
}

/// The layers that the pair has only in a form that cannot be fused.
fn refused(plan: &Plan) -> Places {
    let mut layers = Places::default();
    for refusal in &plan.refusals {
        let place = plan.layer_names.resolve(&refusal.module);
        let own = plan.layer_names.id(&refusal.module);
        let parts = place.into_iter().flat_map(|place| place.parts).map(|part| part.id);
        parts.chain([own]).for_each(|id| {
            layers.insert(id.as_str(), 0);
        });
    }
    layers
}

fn check_family(plan: &Plan, file: &Adapter) -> Result<()> {
    let of_file = file.family.families();
    let Some(family) = plan.layer_names.family.filter(|family| !of_file.contains(family)) else {
        return Ok(());
    };
    if of_file.is_empty() {
        return Ok(());
    }
    let detail = format!("It is for {}, the pair for {}.", model::names(of_file), family.name());
    Err(Error::new(Code::NotOfPair, detail).in_file(&file.name))
}

fn nothing_shared(pair: Pair<&Adapter>, file: &Adapter) -> Error {
    let example = |adapter: &Adapter| adapter.modules.first().map(|m| m.stem.clone()).unwrap_or_default();
    let detail =
        format!("It has modules such as {:?}, the pair such as {:?}.", example(file), example(pair.content));
    Error::new(Code::NotOfPair, detail).in_file(&file.name)
}
