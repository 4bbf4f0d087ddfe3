//! NP-LoRA on a whole pair: ΔW = ΔW_s + ΔW_c·(I − β V_k V_kᵀ), unit by unit, written straight into the result.
//!
//! The result of a unit has the factors up = [B_s | B_c] and down = [A_s ; A_c'] (docs/METHOD.md, "Low rank"); the backend computes
//! A_c'. For the overlap, ΔW_c·V_k V_kᵀ, they are up = B_c and down = A_c'. Only one batch of groups is in memory at a time. For
//! the results of a pass, which differ in μ, V_k and A_c V_k are computed only once.
//!
//! The [`factors`] are read and checked; once they are [`loaded`], an [`engine`] projects them (a [`sample`] of a graphics device's
//! results is compared with the CPU's); [`compose`] and [`composer`] build the modules of the result as a [`piece`] of the file,
//! with the [`accounting`] of every module.

pub mod accounting;
pub(crate) mod compose;
pub(crate) mod composer;
pub(crate) mod engine;
pub(crate) mod factors;
pub(crate) mod loaded;
pub mod piece;
mod sample;

use crate::backend::{Blend, Job, cpu};
use crate::container::Source;
use crate::error::Result;
use crate::fusion::plan::outputs::Group;
use crate::fusion::plan::pairing::Unit;
use crate::fusion::plan::pass::Pass;
use crate::fusion::plan::portions::{self, ReadAhead, batches};
use crate::fusion::plan::vectors::VectorOutput;
use crate::fusion::plan::{Plan, magnitudes};
use crate::fusion::{Pair, Side, Sources, Watch, as_f32, go_on, ratio};
use accounting::{Cut, CutOf, Figures, Fused, Passed, Rounding};
use composer::{Columns, Composer};
use engine::Engine;
use factors::{Rounded, Split, read_vector};
use loaded::{Loaded, LoadedUnit, batch_of, job, load};
use piece::Piece;

/// Has the engine find out which backend is faster, on the first modules of a pass that both files have.
///
/// # Errors
/// Those of the sources; `NonFinite`, `Aborted`.
pub(crate) async fn try_out<S: Source>(
    pass: &Pass,
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    workers: usize,
    watch: &impl Watch,
) -> Result<()> {
    let plan = &pass.lead;
    let shared: Vec<(usize, &Group)> = (0..)
        .zip(&plan.groups)
        .filter(|(_, group)| matches!(group.units.as_slice(), [unit] if unit.pair().is_some()))
        .collect();
    let Some(batch) = batches(&shared, engine.batch_bytes()).into_iter().next() else { return Ok(()) };
    let mut loaded = Vec::with_capacity(batch.len());
    for (at, group) in batch.into_iter().take(engine::TRIAL) {
        go_on(watch)?;
        loaded.push(Loaded { at, group, units: loaded::read(&group.units, sources).await? });
    }
    let (jobs, blends): (Vec<Job<'_>>, Vec<Vec<Blend>>) =
        loaded.iter().filter_map(|loaded| job(pass, loaded, 0)).unzip();
    let Some(blends) = blends.first() else { return Ok(()) };
    engine.try_out(&batch_of(plan, &jobs, blends), workers, watch).await
}

/// Fuses some groups, giving a piece for each result of the pass.
///
/// # Errors
/// Those of the sources; `NonFinite`, `OutputRange`, `Aborted`.
pub(crate) async fn fuse<S: Source>(
    pass: &Pass,
    groups: &[usize],
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    watch: &impl Watch,
) -> Result<Vec<Piece>> {
    let mut composers: Vec<Composer<'_>> = pass.plans().map(|plan| Composer::new(plan, groups)).collect();
    let groups: Vec<(usize, &Group)> =
        groups.iter().filter_map(|&at| Some((at, pass.lead.groups.get(at)?))).collect();
    for batch in batches(&groups, engine.batch_bytes()) {
        for loaded in load(pass, &batch, sources, engine, watch).await? {
            if pass.lead.recipe.is_exact() {
                write_exact(pass, &loaded, &mut composers, watch)?;
            } else {
                write_compressed(pass, &loaded, &mut composers, watch)?;
            }
            write_magnitudes(&pass.lead, loaded.group, sources, &mut composers).await?;
            composers.iter_mut().for_each(|composer| composer.cuts(cuts_of(&loaded)));
        }
    }
    Ok(composers.into_iter().map(Composer::finish).collect())
}

/// Finds the ranks that keep the wanted share of the energy in every module of some groups, in order, for each result of the pass.
///
/// # Errors
/// Those of [`fuse`].
pub(crate) async fn measure<S: Source>(
    pass: &Pass,
    groups: &[usize],
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    watch: &impl Watch,
) -> Result<Vec<Vec<usize>>> {
    let mut ranks = vec![Vec::with_capacity(groups.len()); pass.count()];
    for (at, group) in groups.iter().filter_map(|&at| Some((at, pass.lead.groups.get(at)?))) {
        for loaded in load(pass, &[(at, group)], sources, engine, watch).await? {
            for (result, ranks) in ranks.iter_mut().enumerate() {
                for output in &group.outputs {
                    go_on(watch)?;
                    let sigma = compose::matrices(output, &loaded, result)?.singular_values();
                    ranks.push(cpu::count(&sigma, pass.lead.recipe.result_cut));
                }
            }
        }
    }
    Ok(ranks)
}

/// A unit's half in the result's format, as it is written; parts that the backend has already encoded are absent.
#[derive(Default)]
pub(crate) struct RoundedHalf {
    pub(crate) down: Option<Rounded>,
    pub(crate) up: Option<Rounded>,
    /// Whether the excess of one factor was moved to the other; see [`Split::moved`].
    pub(crate) moved: bool,
}

fn round(plan: &Plan, unit: &Unit, values: &LoadedUnit, loader_scale: f64) -> Pair<RoundedHalf> {
    let dtype = plan.dtype;
    // `passed` accounts for units that only one file has.
    let accounted = unit.pair().is_some();
    let half = |side: Side| {
        let (share, factors) =
            unit.share(side).zip(values.factors(side)).filter(|_| plan.recipe.writes(side))?;
        let is_projected = side == Side::Content && !values.projected.is_empty();
        let split = factors.split(share.weight / loader_scale, dtype, is_projected);
        Some(RoundedHalf {
            down: (!is_projected).then(|| factors.rounded_down(split.down, dtype, accounted)),
            up: Some(factors.rounded_up(split.up, dtype, accounted)),
            moved: split.moved,
        })
    };
    Pair { content: Side::Content, style: Side::Style }.map(|side| half(side).unwrap_or_default())
}

/// For each result of a pass: its number, its plan, its composer, and the group as that plan lays it out.
fn results<'a, 'b>(
    pass: &'a Pass,
    loaded: &Loaded<'_>,
    composers: &'b mut [Composer<'a>],
) -> impl Iterator<Item = (usize, &'a Plan, &'a Group, &'b mut Composer<'a>)> {
    let at = loaded.at;
    let own = move |(number, (plan, composer)): (usize, (&'a Plan, _))| {
        Some((number, plan, plan.groups.get(at)?, composer))
    };
    pass.plans().zip(composers).enumerate().filter_map(own)
}

fn write_exact<'a>(
    pass: &'a Pass,
    loaded: &Loaded<'_>,
    composers: &mut [Composer<'a>],
    watch: &impl Watch,
) -> Result<()> {
    let Loaded { group, units, .. } = loaded;
    // Everything except A_c' is the same in every result.
    let rounded: Vec<Pair<RoundedHalf>> = group
        .units
        .iter()
        .zip(units)
        .map(|(unit, values)| round(&pass.lead, unit, values, group.loader_scale))
        .collect();
    let passing = group.units.iter().zip(units).filter(|(unit, _)| unit.pair().is_none());
    let passing = passing.map(|(unit, values)| passed(&pass.lead, group, unit, values));
    let passing: Vec<Passed> = passing.collect::<Result<_>>()?;
    for (result, plan, group, composer) in results(pass, loaded, composers) {
        go_on(watch)?;
        for output in &group.outputs {
            let (downs, ups) = compose::words(output, &rounded, units, result)?;
            composer.module(output, &downs, &ups)?;
        }
        for ((unit, values), rounded) in group.units.iter().zip(units).zip(&rounded) {
            fn error(rounded: &Option<Rounded>) -> Option<&[f64]> {
                rounded.as_ref()?.error_gram.as_deref()
            }
            let rounding = Rounding::Parts {
                style_down: error(&rounded.style.down),
                style_up: error(&rounded.style.up),
                content_up: error(&rounded.content.up),
            };
            composer.account(figures(plan, group, (unit, values, result), rounding)?);
        }
        composer.passed(passing.iter().cloned());
        let moved = group
            .units
            .iter()
            .zip(&rounded)
            .filter(|(_, Pair { content, style })| content.moved || style.moved);
        composer.rescaled(moved.map(|(unit, _)| unit.name()));
    }
    Ok(())
}

/// The accounting of a unit that only one file has.
///
/// # Errors
/// `OutputRange` if the numbers are too large to be accounted for.
fn passed(plan: &Plan, group: &Group, unit: &Unit, values: &LoadedUnit) -> Result<Passed> {
    let half = unit.shares().find_map(|(side, share)| Some((share, values.factors(side)?)));
    let [error, whole] = half.map_or([0.0, 0.0], |(share, factors)| {
        let Split { up, down, .. } = factors.split(share.weight / group.loader_scale, plan.dtype, false);
        factors.rounding([down, up], plan.dtype).map(|norm| group.loader_scale.abs() * norm)
    });
    let rounding = ratio(error, whole);
    if rounding.is_finite() && error.is_finite() {
        return Ok(Passed { name: unit.name(), rounding, error });
    }
    Err(unit.too_large())
}

fn write_compressed<'a>(
    pass: &'a Pass,
    loaded: &Loaded<'_>,
    composers: &mut [Composer<'a>],
    watch: &impl Watch,
) -> Result<()> {
    for (result, plan, group, composer) in results(pass, loaded, composers) {
        let mut worst: f64 = 0.0;
        for output in &group.outputs {
            go_on(watch)?;
            let matrices = compose::matrices(output, loaded, result)?;
            let compressed = matrices.compressed(output, group.loader_scale, plan.dtype);
            let module = output.names.stem.clone();
            composer.cuts([Cut::of(module, CutOf::Result, compressed.energy)]);
            worst = worst.max(compressed.rounding);
            let rows = [(0..output.out_features, 0)];
            let up = Columns { words: &compressed.up, cols: compressed.rank, rows: &rows };
            composer.module(output, &[&compressed.down], &[up])?;
        }
        for (unit, values) in group.units.iter().zip(&loaded.units) {
            composer.account(figures(plan, group, (unit, values, result), Rounding::Relative(worst))?);
            let lone =
                unit.pair().is_none().then(|| Passed { name: unit.name(), rounding: worst, error: 0.0 });
            composer.passed(lone);
        }
    }
    Ok(())
}

/// The accounting of a unit in result number `result` of its pass, if both files have the unit.
///
/// # Errors
/// `OutputRange` if the numbers are too large to be accounted for.
fn figures(
    plan: &Plan,
    group: &Group,
    (unit, values, result): (&Unit, &LoadedUnit, usize),
    rounding: Rounding<'_>,
) -> Result<Option<Fused>> {
    let halves = values.halves.as_ref().both().zip(values.projected.get(result));
    let Some((shares, (factors, projected))) = unit.pair().zip(halves) else { return Ok(None) };
    let figures = Figures {
        blend: plan.blend(unit),
        with_style: plan.recipe.writes(Side::Style),
        scales: shares.map(|share| share.weight),
        opposed: shares.content.strength * shares.style.strength < 0.0,
        loader_scale: if plan.recipe.is_exact() { group.loader_scale } else { 1.0 },
        dtype: plan.dtype,
        factors,
        content_up_gram: &values.content_up_gram,
        projected,
        rounding,
    };
    let account = figures.account(&unit.name(), plan.block(unit).map(|block| block.label));
    if account.is_finite() {
        return Ok(Some(account));
    }
    Err(unit.too_large())
}

/// The modules of the files that were cut to a rank when they were read.
fn cuts_of(loaded: &Loaded<'_>) -> Vec<Cut> {
    let mut cuts: Vec<Cut> = Vec::new();
    for (unit, values) in loaded.group.units.iter().zip(&loaded.units) {
        for (side, share) in unit.shares() {
            let Some(energy) = values.factors(side).and_then(|factors| factors.energy) else { continue };
            let cut = Cut::of(share.module.stem.clone(), side.into(), energy);
            if !cuts.contains(&cut) {
                cuts.push(cut);
            }
        }
    }
    cuts
}

/// Writes DoRA's magnitudes of modules that pass through.
async fn write_magnitudes<S: Source>(
    plan: &Plan,
    group: &Group,
    sources: &Sources<'_, S>,
    composers: &mut [Composer<'_>],
) -> Result<()> {
    for output in &group.outputs {
        let Some((side, tensor)) = &output.magnitude else { continue };
        let values = read_vector(sources.source(*side)?, tensor).await?;
        let name = magnitudes::name(output);
        let (words, _) = cpu::encode(&values, 1.0, plan.dtype);
        composers.iter_mut().try_for_each(|composer| composer.tensor(&name, &words))?;
    }
    Ok(())
}

/// Makes the small tensors of each result of the pass: the vectors, and the alphas, which have one value for the whole file.
///
/// # Errors
/// Those of [`fuse`].
pub(crate) async fn small<S: Source>(
    pass: &Pass,
    sources: &Sources<'_, S>,
    watch: &impl Watch,
) -> Result<Vec<Piece>> {
    let mut composers: Vec<Composer<'_>> = pass.plans().map(|plan| Composer::new(plan, &[])).collect();
    for (plan, composer) in pass.plans().zip(&mut composers) {
        let word = as_f32(plan.alpha).to_le_bytes();
        for name in plan.outputs().filter_map(|output| output.names.alpha.as_deref()) {
            composer.tensor(name, &word)?;
        }
    }
    for vectors in portions::vectors(&pass.lead) {
        go_on(watch)?;
        let read = ReadAhead::vectors(vectors, sources).await?;
        for vector in vectors {
            let values = sum(vector, &read.of_files(sources)).await?;
            let (words, _) = cpu::encode(&values, 1.0, pass.lead.dtype);
            composers.iter_mut().try_for_each(|composer| composer.tensor(&vector.name, &words))?;
        }
    }
    Ok(composers.into_iter().map(Composer::finish).collect())
}

/// The sum of a vector's weighted terms.
async fn sum<S: Source>(vector: &VectorOutput, sources: &Sources<'_, S>) -> Result<Vec<f32>> {
    let mut sum = vec![0.0f32; vector.length];
    for term in &vector.terms {
        let values = read_vector(sources.source(term.side)?, &term.tensor).await?;
        let values = values.get(term.from.clone()).unwrap_or_default();
        for (sum, value) in sum.iter_mut().skip(term.to).zip(values) {
            *sum = as_f32(f64::from(*sum) + term.weight * f64::from(*value));
        }
    }
    Ok(sum)
}
