//! Reads a pair and a file piece by piece, and adds up their inner products.

use super::comparison::{Comparison, Findings};
use super::matching::{Common, Matching};
use super::sums::Sums;
use crate::adapter::Adapter;
use crate::adapter::scale::ScaleChoice;
use crate::backend::cpu::{self, Third};
use crate::container::{Ahead, Source, Tensor};
use crate::error::{Code, Error, Result};
use crate::fusion::method::factors::Factors;
use crate::fusion::method::loaded::{self, LoadedUnit};
use crate::fusion::plan::Plan;
use crate::fusion::plan::pairing::{Share, Unit};
use crate::fusion::plan::portions::{self, ReadAhead};
use crate::fusion::settings::saved::{SavedRecipe, SavedSource};
use crate::fusion::{Input, Pair, Progress, Settings, Side, Sources, Stage, Watch, go_on};
use std::ops::Range;

/// The number of bytes that are read of a pair at once; the page is not heard until a piece is done.
const PIECE: u64 = 1 << 20;

/// The settings that a comparison depends on, as [`Settings`] spells them: they say what the two files are, and which of the
/// style's directions are protected.
pub const COUNTING: [&str; 6] = ["cut", "contentScale", "styleScale", "family", "denseRank", "directionOnly"];

/// Compares a file with the pair that it may have been made of. Only the settings in [`COUNTING`] matter.
///
/// # Errors
/// Those of planning ([`Plan::new`]) and of the sources; `NotOfPair`, `SpellingMix` of the file;
/// `NonFinite`, `OutputRange`, `Aborted`.
pub async fn compare<S: Source>(
    sources: &Sources<'_, S>,
    settings: &Settings,
    file: Input<'_, S>,
    watch: &mut impl Watch,
) -> Result<Comparison> {
    let Some(both) = sources.adapters().both() else {
        return Err(Error::new(Code::Settings, "Choose subject and style first."));
    };
    let plan = Plan::new(both.map(Some), &settings.clone().of_fusion())?;
    let matching = Matching::of(&plan, both, file.adapter)?;
    let comparing = Comparing { plan: &plan, matching: &matching, file };
    let mut findings = Findings {
        skipped: matching.skipped,
        vectors: file.adapter.vectors.len(),
        cut: file.adapter.modules.iter().filter(|module| module.is_cut).count(),
        recipe: recipe(both, file.adapter),
        ..Findings::default()
    };
    let total = plan.units().count() + matching.outside.len();
    let mut progress = Progress { modules_total: total, ..Progress::nothing(Stage::Compare) };
    watch.progress(&progress);

    let mut found: Vec<Vec<(&Unit, bool, Sums)>> = vec![Vec::new(); plan.groups.len()];
    for piece in portions::pieces(&plan, PIECE) {
        go_on(watch)?;
        let read = ReadAhead::factors(&plan, &piece, sources).await?;
        let sources = read.of_files(sources);
        let own = comparing.ahead(&piece).await?;
        for at in piece {
            let (Some(group), Some(commons)) = (plan.groups.get(at), matching.groups.get(at)) else {
                continue;
            };
            go_on(watch)?;
            let loaded = loaded::read(&group.units, &sources).await?;
            for ((unit, values), common) in group.units.iter().zip(&loaded).zip(commons) {
                progress.modules_done += 1;
                let Some(common) = common else { continue };
                let sums = comparing.unit(unit, values, common, &own).await?;
                found[at].push((unit, !common.is_empty(), sums));
            }
            watch.progress(&progress);
        }
    }
    findings.units = found.concat();
    for (module, rows) in &matching.outside {
        go_on(watch)?;
        let Some(unit) = matching.modules.get(*module) else { continue };
        let energy = comparing.outside(unit, rows).await?;
        // Rows of a fused layer that neither file has are zeros, not part of the file.
        if energy > 0.0 {
            findings.outside.push((unit.name(), energy));
        }
        progress.modules_done += 1;
        watch.progress(&progress);
    }
    Ok(Comparison::of(&plan, findings))
}

/// The settings with which the file claims to have been made, if it names files with these names in these roles. For a conversion,
/// for other files or for swapped roles they would mean something else.
fn recipe(of: Pair<&Adapter>, file: &Adapter) -> Option<Settings> {
    let saved = SavedRecipe::within(&file.metadata)?.ok()?;
    let is = |source: Option<SavedSource>, adapter: &Adapter| {
        source.is_some_and(|source| source.name == adapter.name)
    };
    let is_told =
        of.content.name != of.style.name && is(saved.content, of.content) && is(saved.style, of.style);
    is_told.then_some(saved.settings)
}

struct Comparing<'a, S> {
    plan: &'a Plan,
    matching: &'a Matching,
    file: Input<'a, S>,
}

impl<'a, S: Source> Comparing<'a, S> {
    /// Reads what the file has of some groups, in few large reads.
    async fn ahead(&self, groups: &[usize]) -> Result<Ahead<'a, S>> {
        let groups = groups.iter().filter_map(|&at| self.matching.groups.get(at));
        let common = groups.flatten().flatten().flatten();
        let modules = common.filter_map(|common| self.matching.modules.get(common.module)?.of_file());
        let tensors = modules.flat_map(|share| share.module.kind.tensors()).map(Tensor::range);
        Ahead::read(self.file.source, tensors.collect()).await
    }

    async fn unit<R: Source>(
        &self,
        unit: &Unit,
        values: &LoadedUnit,
        common: &[Common],
        source: &R,
    ) -> Result<Sums> {
        let mut pieces: Vec<(Factors, Pair<Option<Factors>>, f64)> = Vec::new();
        for Common { module, own, of_unit } in common {
            let Some((share, scale)) = self.module(*module) else { continue };
            let file = read(source, share).await?.rows(own);
            let half = |factors: &Option<Factors>| factors.as_ref().map(|factors| factors.rows(of_unit));
            pieces.push((file, values.halves.each_ref().map(half), scale));
        }
        let updates = values.halves.as_ref().map(|half| half.map(Factors::update));
        let scale = |side: Side| {
            unit.share(side).map_or(1.0, |share| share.module.scale(self.plan.recipe.scale(side)).0)
        };
        let (of_content, of_style) = (scale(Side::Content), scale(Side::Style));
        let thirds = pieces.iter().map(|(file, halves, scale)| {
            let ups = halves.as_ref().map(|half| half.map(|half| half.up.stored()));
            Third { update: file.update(), scale: *scale, content_up: ups.content, style_up: ups.style }
        });
        let thirds: Vec<Third<'_>> = thirds.collect();
        let products =
            cpu::liken(updates.content.as_ref(), updates.style.as_ref(), &thirds, self.plan.recipe.cut);
        let sums = Sums::of(&products, of_content, of_style);
        if sums.is_finite() {
            return Ok(sums);
        }
        Err(unit.too_large())
    }

    /// The energy ‖F‖² of modules or rows that only the file has.
    async fn outside(&self, unit: &Unit, rows: &[Range<usize>]) -> Result<f64> {
        let Some((share, scale)) = unit.of_file().map(|share| (share, self.scale(share))) else {
            return Ok(0.0);
        };
        let file = read(self.file.source, share).await?.rows(rows);
        let third = Third { update: file.update(), scale, content_up: None, style_up: None };
        let energy = cpu::liken(None, None, &[third], self.plan.recipe.cut).third;
        if energy.is_finite() {
            return Ok(energy);
        }
        Err(unit.too_large())
    }

    fn module(&self, at: usize) -> Option<(&'a Share, f64)> {
        let share = self.matching.modules.get(at)?.of_file()?;
        Some((share, self.scale(share)))
    }

    /// The scale of the file's module, as the file itself says: the user's choices for the pair do not apply to it.
    fn scale(&self, share: &Share) -> f64 {
        share.module.scale(ScaleChoice::Auto).0
    }
}

/// Reads a module of the file, with its rows in the order of its layers.
async fn read<S: Source>(source: &S, share: &Share) -> Result<Factors> {
    Ok(Factors::read(source, &share.module, share.rank).await?.rows(&share.rows))
}
