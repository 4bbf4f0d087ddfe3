//! The accounting of a whole run, as it is shown and saved.

use super::verify::Verified;
use super::writer::Written;
use crate::adapter::Adapter;
use crate::error::{Code, Error};
use crate::fusion::method::accounting::{
    ComputedOn, Cut, CutOf, Fused, ModuleReport, SAME, Squares, all_parallel,
};
use crate::fusion::method::engine::Engine;
use crate::fusion::plan::Plan;
use crate::fusion::plan::fit::Tensors;
use crate::fusion::plan::metadata::trigger_words;
use crate::fusion::plan::pairing::Unit;
use crate::fusion::plan::refusals::Refusal;
use crate::fusion::settings::{ResultChoice, Settings};
use crate::fusion::{Adapters, Pair, ratio};
use crate::order;
use serde::Serialize;

/// An input file of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// The name of the file. Hostile text.
    pub name: String,
    /// The size of the file in bytes.
    pub size: u64,
}

/// The median and the worst value of a figure over modules.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The median: half of the modules are better.
    pub median: f64,
    /// The worst value: the largest, or for what is kept, the smallest.
    pub worst: f64,
    /// The name of the module with the worst value.
    pub worst_module: String,
}

/// The share of energy left in modules that were cut to a rank; `None` where none was cut.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnergyKept {
    /// For modules of the content that had no exact low-rank form.
    pub content: Option<KeptShare>,
    /// For modules of the style that had no exact low-rank form.
    pub style: Option<KeptShare>,
    /// For modules of the result, if a smaller rank was asked for.
    pub result: Option<KeptShare>,
}

/// The share of energy that is left after cutting modules to a rank.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptShare {
    /// The share for all these modules together.
    pub whole: f64,
    /// The median and the worst share over these modules.
    #[serde(flatten)]
    pub spread: Spread,
}

/// What a run did, and how well.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of this crate.
    pub version: &'static str,
    /// The settings as the user made them, without those of blocks that the files do not have.
    pub settings: Settings,
    /// The subject's file.
    pub content: Option<Input>,
    /// The style's file.
    pub style: Option<Input>,
    /// The name of the model family, if it is known: all families that it may be.
    pub family: Option<String>,
    /// The naming of the result.
    pub scheme: Option<&'static str>,
    /// The backend in use at the end of the run.
    pub backend: ComputedOn,
    /// The reason for that backend, in a sentence.
    pub backend_reason: String,
    /// The name of the graphics device, if one was used.
    pub adapter: Option<String>,
    /// The trigger words for prompts with the result, from its files' metadata. Hostile text.
    pub trigger_words: Vec<String>,
    /// Modules of both files.
    pub fused: usize,
    /// Modules that only the subject has.
    pub passed_content: usize,
    /// Modules that only the style has.
    pub passed_style: usize,
    /// Vectors (biases, norms) that were added up.
    pub vectors: usize,
    /// The modules that were left out, and the reasons.
    pub refused: Vec<Refusal>,
    /// What became of the subject's tensors.
    pub content_tensors: Tensors,
    /// What became of the style's tensors.
    pub style_tensors: Tensors,
    /// The largest rank in the result.
    pub rank: usize,
    /// The result's number format.
    pub dtype: String,
    /// The size of the result in bytes.
    pub output_bytes: u64,
    /// SHA-256 of the result's tensors: `sshs_model_hash`; its first twelve digits are AutoV3.
    pub model_hash: String,
    /// Overlap over the modules in which the subject changes something.
    pub overlap: Option<Spread>,
    /// The change that the projection makes against plain addition, over all fused modules together.
    pub change: f64,
    /// The share of the content's energy that is kept, over all fused modules together.
    pub content_kept: f64,
    /// The relative error ‖saved − intended‖/‖intended‖ over all modules of the result.
    pub rounding: Option<Spread>,
    /// The error relative to the projection's change, ‖saved − intended‖/‖change‖, over the modules that it changes.
    pub rounding_of_change: Option<Spread>,
    /// Saved modules that were compared with an independent f64 computation.
    pub recomputed: usize,
    /// The largest difference found in that comparison, relative to the module's update.
    pub recomputed_worst: f64,
    /// The seconds spent on computing and writing.
    pub seconds_fusing: f64,
    /// The seconds spent on reading back.
    pub seconds_verifying: f64,
    /// The energy left in modules that were cut to a rank.
    pub energy_kept: EnergyKept,
    /// The modules that were cut to a rank, with the energy left in each.
    pub cuts: Vec<Cut>,
    /// The fused modules by name.
    pub modules: Vec<ModuleReport>,
    /// Warnings for the user about a run that succeeded.
    pub warnings: Vec<Error>,
}

impl Report {
    /// Puts the accounting together. `seconds` are those of fusing and of verifying.
    pub(crate) fn new(
        plan: &Plan,
        files: Adapters<'_>,
        engine: &Engine,
        written: Written,
        verified: Verified,
        seconds: [f64; 2],
    ) -> Self {
        let Written { modules: fused, passed, cuts, rescaled, model_hash, .. } = written;
        let total = |part: fn(&Squares) -> f64| fused.iter().map(|m| part(&m.squares)).sum::<f64>();
        let (whole, added) = (total(|s| s.content), total(|s| s.sum));
        let (changed, removed) = (total(|s| s.change), total(|s| s.removed));
        let input = |adapter: &Adapter| Input { name: adapter.name.clone(), size: adapter.size };
        let Pair { content, style } = files;
        let mut warnings: Vec<Error> = files.present().flat_map(|adapter| adapter.warnings.clone()).collect();
        warnings.extend(plan.warnings.iter().cloned());
        warnings.extend(engine.failure().cloned());
        warnings.extend(warnings_of(plan, files, &fused, &cuts));
        warnings.extend(outgrown(&rescaled));
        let modules: Vec<ModuleReport> = fused.into_iter().map(|Fused { figures, .. }| figures).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            settings: plan.settings.clone(),
            content: content.map(input),
            style: style.map(input),
            family: plan.family(),
            scheme: plan.scheme.map(|scheme| scheme.name),
            backend: engine.backend(),
            backend_reason: engine.reason().to_owned(),
            adapter: engine.adapter().map(str::to_owned),
            trigger_words: trigger_words(&plan.settings, files),
            fused: plan.units().filter(|unit| unit.pair().is_some()).count(),
            passed_content: plan.units().filter(|unit| unit.halves.style.is_none()).count(),
            passed_style: plan.units().filter(|unit| unit.halves.content.is_none()).count(),
            vectors: plan.vectors.len(),
            refused: plan.refusals.clone(),
            content_tensors: plan.content_tensors,
            style_tensors: plan.style_tensors,
            rank: plan.rank,
            dtype: plan.dtype.to_string(),
            output_bytes: plan.layout.size,
            model_hash,
            // Modules without content have no overlap.
            overlap: spread(modules.iter().filter(|m| m.content_norm > 0.0).map(|m| (m.overlap, &*m.name))),
            change: ratio(changed, added).sqrt(),
            content_kept: 1.0 - ratio(removed, whole),
            rounding: spread(
                (modules.iter().map(|m| (m.rounding, &*m.name)))
                    .chain(passed.iter().map(|m| (m.rounding, &*m.name))),
            ),
            rounding_of_change: spread(
                modules.iter().filter_map(|m| Some((m.rounding_of_change?, &*m.name))),
            ),
            recomputed: verified.recomputed,
            recomputed_worst: verified.worst,
            seconds_fusing: seconds[0],
            seconds_verifying: seconds[1],
            energy_kept: EnergyKept::of(&cuts),
            cuts,
            modules,
            warnings,
        }
    }
}

impl EnergyKept {
    fn of(cuts: &[Cut]) -> Self {
        let of = |part: CutOf| {
            let of_part = || cuts.iter().filter(|cut| cut.of == part);
            let total = |part: fn(&Cut) -> f64| of_part().map(part).sum::<f64>();
            let (left, all) = (total(|cut| cut.kept * cut.energy), total(|cut| cut.energy));
            // Where a rank suffices for everything, nothing is cut.
            if part == CutOf::Result && of_part().all(|cut| cut.kept > WHOLE) {
                return None;
            }
            // Sorted by what is lost, the worst module comes last.
            let lost = spread(of_part().map(|cut| (-cut.kept, &*cut.module)))?;
            Some(KeptShare {
                whole: if all > 0.0 { left / all } else { 1.0 },
                spread: Spread { median: -lost.median, worst: -lost.worst, ..lost },
            })
        };
        Self { content: of(CutOf::Content), style: of(CutOf::Style), result: of(CutOf::Result) }
    }
}

/// If more energy than this is left of a module, nothing is lost but rounding.
const WHOLE: f64 = 1.0 - 1e-9;

/// If less energy than this is left in a module, the user is told.
const ENERGY_KEPT: f64 = 0.99;

/// An overlap below this cannot be told from none: the bound of the method, squared.
const NO_OVERLAP: f64 = 1e-12;

/// An overlap above this is hardly chance.
const PARALLEL: f64 = 0.9;

/// The warnings about the fused modules.
fn warnings_of(plan: &Plan, files: Adapters<'_>, fused: &[Fused], cuts: &[Cut]) -> Vec<Error> {
    let total = |part: fn(&Squares) -> f64| fused.iter().map(|m| part(&m.squares)).sum::<f64>();
    let (whole, inside) = (total(|s| s.content), total(|s| s.inside));
    let mut warnings = Vec::new();
    if !fused.is_empty() {
        let ineffective = |role, adapter: Option<&Adapter>, energy| {
            adapter.and_then(|adapter| ineffective(role, adapter, energy, fused.len()))
        };
        warnings.extend(ineffective("subject", files.content, whole));
        warnings.extend(ineffective("style", files.style, total(|s| s.style)));
    }
    if plan.recipe.result == ResultChoice::Overlap && inside <= NO_OVERLAP * whole {
        warnings.push(Error::new(Code::NoOverlap, ""));
    }
    let weakened = cuts.iter().filter(|cut| cut.kept < ENERGY_KEPT);
    if let Some(worst) = weakened.min_by(|a, b| a.kept.total_cmp(&b.kept)) {
        let detail =
            format!("The {} keeps {:.1} % there, the least of all.", worst.of.word(), 100.0 * worst.kept);
        warnings.push(Error::new(Code::EnergyCut, detail).at_tensor(&worst.module));
    }
    let share = ratio(inside, whole);
    if files.both().is_some_and(|both| both.content.size == both.style.size) && is_same(plan, fused) {
        warnings.push(Error::new(Code::SameFile, ""));
    } else if total(|s| s.change) > 0.0 && share > PARALLEL {
        let detail = format!("{:.0} % of the subject lies in the style's directions.", 100.0 * share);
        warnings.push(Error::new(Code::Parallel, detail));
    }
    warnings
}

/// A warning if the values of some units were too large for the result's format, so that their scale was split otherwise.
fn outgrown(rescaled: &[String]) -> Option<Error> {
    let detail = format!("In all: {}.", rescaled.len());
    rescaled.first().map(|first| Error::new(Code::Rescaled, detail).at_tensor(first))
}

/// Whether both updates are the same up to the sign and size of the strengths. An update that is a multiple of the other is not the same.
fn is_same(plan: &Plan, fused: &[Fused]) -> bool {
    let pairs = fused.iter().map(|Fused { squares, .. }| (squares.inner, [squares.content, squares.style]));
    let is_as_large = |unit: &Unit| {
        let Some(Pair { content, style }) = unit.pair() else { return true };
        let name = unit.name();
        let at = fused.binary_search_by(|fused| fused.figures.name.as_str().cmp(&name));
        let Some(Fused { squares, .. }) = at.ok().and_then(|at| fused.get(at)) else { return false };
        let crossed = [squares.content * style.strength.powi(2), squares.style * content.strength.powi(2)];
        (crossed[0] - crossed[1]).abs() <= SAME * crossed[0]
    };
    all_parallel(pairs) && plan.units().all(is_as_large)
}

/// A warning if a file's shared modules, at its strength, change nothing.
fn ineffective(role: &str, adapter: &Adapter, energy: f64, modules: usize) -> Option<Error> {
    let detail = format!("The {role}'s {modules} shared modules add up to nothing.");
    (energy == 0.0).then(|| Error::new(Code::ZeroEffect, detail).in_file(&adapter.name))
}

/// The median and the worst of some figures, each with its module's name; `None` if there are none.
fn spread<'a>(figures: impl Iterator<Item = (f64, &'a str)>) -> Option<Spread> {
    let mut figures: Vec<(f64, &str)> = figures.collect();
    order::sort_by(&mut figures, |a, b| a.0.total_cmp(&b.0));
    let (worst, name) = *figures.last()?;
    let middle = [figures.len() / 2, (figures.len() - 1) / 2]
        .map(|at| figures.get(at).map_or(worst, |(figure, _)| *figure));
    let median = middle.iter().sum::<f64>() / 2.0;
    Some(Spread { median, worst, worst_module: name.to_owned() })
}
