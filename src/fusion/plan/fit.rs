//! How two files fit together and what the result will be, in the words of the user, without any arithmetic.

use super::Plan;
use super::pairing::Unit;
use super::refusals::Refusal;
use super::vectors::VectorOutput;
use crate::adapter::families::{Block, Family, LoadedBy, Scheme};
use crate::adapter::{Adapter, ModuleId};
use crate::error::Error;
use crate::fusion::Side;
use crate::fusion::settings::ResultChoice;
use crate::fusion::settings::presets::{self, Preset};
use crate::fusion::settings::recipe::Recipe;
use crate::order::{self, Places};
use serde::Serialize;

/// What becomes of the tensors of one file; the other numbers add up to the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tensors {
    /// All tensors in the file.
    pub total: usize,
    /// Tensors of modules and vectors that are fused.
    pub fused: usize,
    /// Tensors of modules and vectors that pass through.
    pub passed: usize,
    /// Tensors of modules and vectors outside the overlap, if the result is the overlap.
    pub outside: usize,
    /// Tensors of modules that are refused, and of vectors without a name in the result.
    pub refused: usize,
    /// Tensors that belong to no module.
    pub left_out: usize,
}

/// A block of the model, and the number of the result's modules in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlockFit {
    /// The block's name for users.
    pub label: String,
    /// The number of the pair's units in the block.
    pub modules: usize,
}

/// A naming that the result may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemeChoice {
    /// The identifier of the naming in settings.
    pub id: &'static str,
    /// The name of the naming for users.
    pub name: &'static str,
    /// What programs load of a result with this naming, as far as it is known.
    pub loaded_by: Vec<LoadedBy>,
}

/// How two files fit together and what the result will be, before any arithmetic.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// Modules of both files.
    pub shared: Vec<String>,
    /// Modules that only the content has.
    pub content_only: Vec<String>,
    /// Modules that only the style has.
    pub style_only: Vec<String>,
    /// Vectors (biases, norms) that are added up.
    pub vectors: usize,
    /// The name of the model family, if it is known: all families that it may be.
    pub family: Option<String>,
    /// The naming of the result.
    pub scheme: Option<SchemeChoice>,
    /// All namings that the result could have.
    pub schemes: Vec<SchemeChoice>,
    /// Blocks of the model that the result touches, in order.
    pub blocks: Vec<BlockFit>,
    /// Choices of blocks that are usual for the family.
    pub presets: Vec<Preset>,
    /// For every usual way to write block strengths as a list of numbers: the indices in `blocks` that each number applies to.
    pub orders: Vec<Vec<Vec<usize>>>,
    /// Modules in the result.
    pub output_modules: usize,
    /// Modules of both files that are cut to a rank because they have no exact low-rank form.
    pub cut: usize,
    /// The largest rank in the result; an upper bound if ranks are decided by energy.
    pub rank: usize,
    /// The result's number format.
    pub dtype: String,
    /// Whether the format is F32 only because the formats of the files differ.
    pub widened: bool,
    /// The size of the result in bytes; an upper bound if ranks are decided by energy.
    pub output_bytes: u64,
    /// What becomes of the content's tensors.
    pub content_tensors: Tensors,
    /// What becomes of the style's tensors.
    pub style_tensors: Tensors,
    /// Modules that are left out.
    pub refused: Vec<Refusal>,
    /// Warnings for the user about a pair that is accepted.
    pub warnings: Vec<Error>,
}

/// What programs load, as far as the answer is the same for every family that fits.
fn loaded_by(plan: &Plan, by: impl Fn(&Family) -> Vec<LoadedBy>) -> Vec<LoadedBy> {
    let mut known = plan.layer_names.family.map(&by).unwrap_or_default();
    for other in plan.fitting.iter().skip(1) {
        let others = by(other);
        known.retain(|one| others.contains(one));
    }
    known
}

impl Fit {
    pub(crate) fn of(plan: &Plan) -> Self {
        let names = |wanted: fn(&Unit) -> bool| -> Vec<String> {
            plan.units().chain(&plan.outside).filter(|unit| wanted(unit)).map(Unit::name).collect()
        };
        let schemes = plan.layer_names.family.into_iter().flat_map(Family::schemes);
        let layers: Vec<&ModuleId> = plan.units().flat_map(|unit| &unit.layers).map(|(id, _)| id).collect();
        let plain = plan.vectors.is_empty() && plan.outputs().all(|output| output.magnitude.is_none());
        let choice = |scheme: &'static Scheme| SchemeChoice {
            id: scheme.id,
            name: scheme.name,
            loaded_by: loaded_by(plan, |family| family.loaded_by(scheme, &layers, plain)),
        };
        let mut blocks: Vec<Block> = plan.units().filter_map(|unit| plan.block(unit)).collect();
        order::sort_by(&mut blocks, Ord::cmp);
        let mut labels = blocks.clone();
        labels.dedup();
        Self {
            shared: names(|unit| unit.pair().is_some()),
            content_only: names(|unit| unit.halves.style.is_none()),
            style_only: names(|unit| unit.halves.content.is_none()),
            vectors: plan.vectors.len(),
            family: plan.family(),
            scheme: plan.scheme.map(choice),
            schemes: schemes.map(choice).collect(),
            blocks: counted(&blocks),
            presets: presets::presets(plan.layer_names.family, &labels),
            orders: presets::orders(plan.layer_names.family, &labels),
            output_modules: plan.outputs().count(),
            cut: cut(plan),
            rank: plan.rank,
            dtype: plan.dtype.to_string(),
            widened: plan.widened,
            output_bytes: plan.layout.size,
            content_tensors: plan.content_tensors,
            style_tensors: plan.style_tensors,
            refused: plan.refusals.clone(),
            warnings: plan.warnings.clone(),
        }
    }
}

/// The number of modules that are cut; a fused module that is split into several units counts once.
fn cut(plan: &Plan) -> usize {
    let shares = plan.units().flat_map(Unit::shares);
    let cut = shares.filter(|(_, share)| share.rank < share.module.rank);
    let mut modules: Vec<(Side, &str)> = cut.map(|(side, share)| (side, &*share.module.stem)).collect();
    order::sort_by(&mut modules, Ord::cmp);
    modules.dedup();
    modules.len()
}

fn counted(blocks: &[Block]) -> Vec<BlockFit> {
    let fit = |alike: &[Block]| Some(BlockFit { label: alike.first()?.label.clone(), modules: alike.len() });
    blocks.chunk_by(|a, b| a == b).filter_map(fit).collect()
}

/// Counts what becomes of the tensors of one file.
pub(crate) fn count<'a>(
    side: Side,
    adapter: Option<&Adapter>,
    units: impl Iterator<Item = &'a Unit>,
    vectors: &[VectorOutput],
    refusals: &[Refusal],
    recipe: &Recipe,
) -> Tensors {
    let Some(adapter) = adapter else { return Tensors::default() };
    // A module counts as fused if any of its layers is.
    let (mut modules, mut places) = (Vec::new(), Places::default());
    for unit in units {
        if let Some(share) = unit.share(side) {
            let (_, fused) = places.entry(&mut modules, &share.module.stem, || (share.module.tensors, false));
            *fused |= unit.pair().is_some();
        }
    }
    let own = |vectors: &mut dyn Iterator<Item = &VectorOutput>| -> Places {
        let terms = vectors.flat_map(|vector| &vector.terms).filter(|term| term.side == side);
        terms.map(|term| (term.tensor.name.clone(), 0)).collect()
    };
    let of_both = |vector: &&VectorOutput| vector.terms.iter().any(|term| term.side != side);
    let (both, written) = (own(&mut vectors.iter().filter(of_both)), own(&mut vectors.iter()));
    let is_part = |name: &str| recipe.result == ResultChoice::Overlap || written.get(name).is_some();
    let of = |fused: bool| {
        let modules = modules.iter().filter(|(_, is)| *is == fused).map(|(tensors, _)| tensors);
        let vectors = adapter.vectors.iter().map(|vector| vector.tensor.name.as_str());
        let vectors = vectors.filter(|name| is_part(name) && both.get(name).is_some() == fused);
        modules.sum::<usize>() + vectors.count()
    };
    let (passed, outside) = match recipe.result {
        ResultChoice::Fusion => (of(false), 0),
        ResultChoice::Overlap => (0, of(false)),
    };
    Tensors {
        total: adapter.tensors,
        fused: of(true),
        passed,
        outside,
        refused: refusals.iter().filter(|refusal| refusal.side == side).map(|refusal| refusal.tensors).sum(),
        left_out: adapter.extra.len(),
    }
}
