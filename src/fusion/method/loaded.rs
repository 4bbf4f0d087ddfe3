//! Groups with their values: read from the files, distributed to their units, and projected.

use super::engine::Engine;
use super::factors::{Factor, Factors};
use crate::backend::{Batch, Blend, Dtype, Job, Projected, Stored, cpu};
use crate::container::Source;
use crate::error::Result;
use crate::fusion::plan::Plan;
use crate::fusion::plan::outputs::Group;
use crate::fusion::plan::pairing::Unit;
use crate::fusion::plan::pass::Pass;
use crate::fusion::{Pair, Side, Sources, Watch, as_f32, go_on};
use std::rc::Rc;

/// A group with the values of its units.
pub(crate) struct Loaded<'a> {
    /// The index of the group in the plan.
    pub(super) at: usize,
    pub(crate) group: &'a Group,
    pub(crate) units: Vec<LoadedUnit>,
}

/// The factors of a unit and, if both files have it, the results of the backend.
pub(crate) struct LoadedUnit {
    pub(crate) halves: Pair<Option<Factors>>,
    /// The backend's results, one for each result of the pass; empty if only one file has the unit.
    pub(crate) projected: Vec<Projected>,
    /// The Gram matrix BᵀB of the content's lora_up, row-major, if the unit has been projected.
    pub(crate) content_up_gram: Vec<f64>,
}

impl LoadedUnit {
    /// The factors of one file's half.
    pub(crate) fn factors(&self, side: Side) -> Option<&Factors> {
        self.halves.of(side).as_ref()
    }

    /// A_c' in result number `result`, if the backend has made it in F32; only for the content's half.
    pub(crate) fn projected_down(&self, side: Side, result: usize) -> Option<Stored<'_>> {
        let projected = self.projected.get(result).filter(|_| side == Side::Content)?;
        let Factor { rows, cols, .. } = self.factors(side)?.down;
        Some(Stored { bytes: &projected.content_down, dtype: Dtype::F32, rows, cols })
    }

    /// Projects the unit again in f64: A_c' at scale 1.
    pub(crate) fn recompute(&mut self, plan: &Plan, unit: &Unit) {
        let Some(Pair { content, style }) = self.halves.as_ref().both() else { return };
        let job = Job {
            style_down: style.down.stored(),
            style_up: style.up.stored(),
            content_down: content.down.stored(),
            scale: 1.0,
        };
        self.projected = cpu::careful(&job, plan.recipe.cut, &[plan.blend(unit)], Dtype::F32);
    }
}

/// Reads the factors of some equally shaped groups and projects them.
pub(super) async fn load<'a, S: Source>(
    pass: &Pass,
    groups: &[(usize, &'a Group)],
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    watch: &impl Watch,
) -> Result<Vec<Loaded<'a>>> {
    let mut loaded = Vec::with_capacity(groups.len());
    for &(at, group) in groups {
        go_on(watch)?;
        loaded.push(Loaded { at, group, units: read(&group.units, sources).await? });
    }
    for at in 0..groups.first().map_or(0, |(_, group)| group.units.len()) {
        project(pass, &mut loaded, at, engine).await?;
    }
    Ok(loaded)
}

/// Reads every module of some units once, and gives each unit its rows.
pub(crate) async fn read<S: Source>(units: &[Unit], sources: &Sources<'_, S>) -> Result<Vec<LoadedUnit>> {
    let mut read: Vec<(Side, &str, Rc<Factors>)> = Vec::new();
    for unit in units {
        for (side, share) in unit.shares() {
            let stem = share.module.stem.as_str();
            if !read.iter().any(|(other, name, _)| (*other, *name) == (side, stem)) {
                let factors = Factors::read(sources.source(side)?, &share.module, share.rank).await?;
                read.push((side, stem, Rc::new(factors)));
            }
        }
    }
    let of = |side: Side, unit: &Unit| {
        let share = unit.share(side)?;
        let (.., factors) =
            read.iter().find(|(other, stem, _)| (*other, *stem) == (side, share.module.stem.as_str()))?;
        Some(factors.rows(&share.rows))
    };
    let unit = |unit: &Unit| LoadedUnit {
        halves: Pair { content: of(Side::Content, unit), style: of(Side::Style, unit) },
        projected: Vec::new(),
        content_up_gram: Vec::new(),
    };
    Ok(units.iter().map(unit).collect())
}

/// Projects the unit at index `at` of each of some equally shaped groups.
async fn project(pass: &Pass, loaded: &mut [Loaded<'_>], at: usize, engine: &mut Engine) -> Result<()> {
    let plan = &pass.lead;
    let jobs: Vec<(usize, Job<'_>, Vec<Blend>)> = loaded
        .iter()
        .enumerate()
        .filter_map(|(index, loaded)| job(pass, loaded, at).map(|(job, blends)| (index, job, blends)))
        .collect();
    let mut results: Vec<(usize, Vec<Projected>, Vec<f64>)> = Vec::new();
    // β differs between modules if a block has a μ of its own or no style.
    for blends in distinct(jobs.iter().map(|(_, _, blends)| blends.as_slice())) {
        let chosen = || jobs.iter().filter(|(_, _, own)| own == blends);
        let batch: Vec<Job<'_>> = chosen().map(|(_, job, _)| job.clone()).collect();
        let projected = engine.project(&batch_of(plan, &batch, blends)).await?;
        for ((index, job, _), mut projected) in chosen().zip(projected) {
            let content = loaded.get(*index).and_then(|loaded| loaded.units.get(at)?.factors(Side::Content));
            let Some(up) = content.map(|content| content.up.stored()) else { continue };
            let shares = loaded.get(*index).and_then(|loaded| loaded.group.units.get(at)?.pair());
            let Some(weights) = shares.map(|shares| shares.map(|share| share.weight)) else { continue };
            let gram = cpu::own_columns(&up);
            let cancels = projected.first().is_some_and(|first| cancels(&gram, &first.content_gram, up.cols));
            let is_doubtful =
                |(&blend, of): (&Blend, &Projected)| cancels || hardly_left(&gram, weights, blend, of);
            // Each result by itself, so that it does not depend on what else the run makes.
            let doubtful: Vec<usize> = (0..blends.len())
                .filter(|&at| blends.get(at).zip(projected.get(at)).is_some_and(is_doubtful))
                .collect();
            if !doubtful.is_empty() {
                let of: Vec<Blend> = doubtful.iter().filter_map(|&at| blends.get(at).copied()).collect();
                let careful = cpu::careful(job, plan.recipe.cut, &of, output_of(plan));
                for (at, careful) in doubtful.into_iter().zip(careful) {
                    projected[at] = careful;
                }
            }
            results.push((*index, projected, gram));
        }
    }
    for (index, projected, content_up_gram) in results {
        if let Some(unit) = loaded.get_mut(index).and_then(|loaded| loaded.units.get_mut(at)) {
            (unit.projected, unit.content_up_gram) = (projected, content_up_gram);
        }
    }
    Ok(())
}

/// Whether an update is much smaller than the terms that it is the sum of (one column times one row for each rank), so that its
/// norm is a small difference of large numbers, as for one LoRA minus another. Computed from BᵀB and A·Aᵀ.
fn cancels(up_gram: &[f64], down_gram: &[f64], rank: usize) -> bool {
    /// The limit for the ratio of squared norms: rounding in f32, some 10⁻⁷ of the terms, is then less than 10⁻⁴ of the sum.
    const SMALL: f64 = 1e-3;
    let products = || up_gram.iter().zip(down_gram).map(|(up, down)| up * down);
    products().sum::<f64>() < SMALL * products().step_by(rank + 1).sum::<f64>()
}

/// Whether so little is left of the content, and the style adds so little to it, that rounding in f32 would show in the sum: it is
/// relative to the content as it was. `up_gram` is the content's BᵀB, `weights` are strength · scale.
fn hardly_left(up_gram: &[f64], weights: Pair<f64>, blend: Blend, of: &Projected) -> bool {
    /// The limit for the ratio of squared norms: rounding, some 3·10⁻⁷ of the content, is then less than 10⁻⁶ of the sum.
    const LITTLE: f64 = 0.1;
    let Blend { keep, added } = blend;
    let energy = |gram: &[f64]| up_gram.iter().zip(gram).map(|(up, down)| up * down).sum::<f64>();
    let content = energy(&of.content_gram);
    let left = keep * keep * content + added * (2.0 * keep + added) * energy(&of.overlap_gram);
    let (of_content, of_style) = (weights.content * weights.content, weights.style * weights.style);
    // The overlap by itself is a product, in which nothing cancels.
    keep != 0.0 && of_content * left + of_style * of.style_energy < LITTLE * of_content * content
}

/// The job of a backend for a unit that both files have, and the blend of the content in each result of the pass.
pub(super) fn job<'a>(pass: &Pass, loaded: &'a Loaded<'_>, at: usize) -> Option<(Job<'a>, Vec<Blend>)> {
    let (unit, values) = (loaded.group.units.get(at)?, loaded.units.get(at)?);
    let of_content = unit.pair()?.content;
    let Pair { content, style } = values.halves.as_ref().both()?;
    // A result that is cut to a rank afterwards is scaled as a whole.
    let loader_scale = if pass.lead.recipe.is_exact() { loaded.group.loader_scale } else { 1.0 };
    let job = Job {
        style_down: style.down.stored(),
        style_up: style.up.stored(),
        content_down: content.down.stored(),
        scale: as_f32(content.split(of_content.weight / loader_scale, output_of(&pass.lead), true).down),
    };
    Some((job, pass.plans().map(|plan| plan.blend(unit)).collect()))
}

/// A batch of jobs of one shape for a backend.
pub(super) fn batch_of<'a>(plan: &Plan, jobs: &'a [Job<'a>], blends: &'a [Blend]) -> Batch<'a> {
    Batch { jobs, cut: plan.recipe.cut, blends, output: output_of(plan) }
}

/// The format in which the backend is to return A_c'.
fn output_of(plan: &Plan) -> Dtype {
    if plan.recipe.is_exact() { plan.dtype } else { Dtype::F32 }
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct: Vec<T> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}
