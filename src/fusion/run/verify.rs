//! Reads the result back: no file is offered before its bytes have been checked.
//!
//! There are three checks, each of something that the others cannot see. The header is read strictly and must lay out what was
//! planned. Every tensor must have the checksum of what was written, so that the rounding errors accounted for at writing are those
//! of the saved bytes. And for one module of each shape, the update that a loader would compute from the saved file is compared
//! with NP-LoRA, or its overlap, computed again in f64 from the input files.

use super::crew::{Look, Seen};
use super::writer::Written;
use crate::backend::cpu::{self, Columns, PROBES, Signs};
use crate::container::{self, Bytes, Header, Source, Tensor};
use crate::error::{Code, Error, Result};
use crate::fusion::method::accounting::CutOf;
use crate::fusion::method::factors::Factor;
use crate::fusion::method::loaded::{self, LoadedUnit};
use crate::fusion::plan::outputs::{Group, Output};
use crate::fusion::plan::pairing::Unit;
use crate::fusion::plan::{Plan, unplanned};
use crate::fusion::{Side, Sources, float};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3Default;

/// The findings of the check.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Verified {
    /// Modules that were computed again.
    pub recomputed: usize,
    /// The largest difference among these modules, relative to the module's update.
    pub worst: f64,
}

/// Bytes read at a time.
const PIECE: u64 = 8 << 20;

/// The difference tolerated in a recomputed module besides its rounding: the method's bound for the worst-conditioned factors
/// (docs/METHOD.md).
const TOLERANCE: f64 = 1e-4;

/// The norm below which an update changes no weight of any model in any number format.
const NOTHING: f64 = 1e-30;

/// The checks of the finished file with this number, apart from its header.
pub(crate) fn looks(file: usize, plan: &Plan) -> Vec<Look> {
    let mut shapes = HashSet::new();
    // The longest tasks come first, so that nobody has to wait for the last one.
    let fresh = |(at, group): (usize, &Group)| {
        let unit = |unit: &Unit| (unit.out_features(), unit.in_features(), ranks(unit));
        shapes
            .insert(group.units.iter().map(unit).collect::<Vec<_>>())
            .then_some(Look::Repeat { file, group: at })
    };
    let mut looks: Vec<Look> = plan.groups.iter().enumerate().filter_map(fresh).collect();
    let tensors = &plan.layout.tensors;
    let mut at = 0;
    while let Some(first) = tensors.get(at) {
        let fits = |tensor: &Tensor| tensor.end - first.start <= PIECE;
        let length = tensors[at..].iter().take_while(|tensor| fits(tensor)).count().max(1);
        looks.push(Look::Read { file, tensors: at..at + length });
        at += length;
    }
    looks
}

/// Compares what was seen with what was written. Returns the number of bytes that were read for it.
///
/// # Errors
/// `Verify` with the difference found.
pub(crate) fn judge(plan: &Plan, written: &Written, seen: &Seen, verified: &mut Verified) -> Result<u64> {
    match seen {
        Seen::Read { first, checksums, .. } => {
            let tensors = plan.layout.tensors.iter().zip(&written.checksums).skip(*first).zip(checksums);
            let mut bytes = 0;
            for ((tensor, expected), found) in tensors {
                if expected != found {
                    let detail = "Its bytes are not those that were written.".to_owned();
                    return Err(wrong(detail).at_tensor(&tensor.name));
                }
                bytes += tensor.bytes();
            }
            Ok(bytes)
        }
        Seen::Repeated { group: at, difference, .. } => {
            let group = plan.groups.get(*at).ok_or_else(|| unplanned(""))?;
            judge_group(plan, group, written, difference, verified)?;
            Ok(0)
        }
    }
}

fn judge_group(
    plan: &Plan,
    group: &Group,
    written: &Written,
    difference: &Difference,
    verified: &mut Verified,
) -> Result<()> {
    // (relative, absolute)
    let rounding_of = |unit: &Unit| {
        let name = unit.name();
        let (fused, passed) = (&written.modules, &written.passed);
        let of_fused = fused.binary_search_by(|fused| fused.figures.name.as_str().cmp(&name));
        let of_passed = || passed.binary_search_by(|passed| passed.name.as_str().cmp(&name));
        match of_fused {
            Ok(at) => fused.get(at).map(|fused| (fused.figures.rounding, fused.error)),
            Err(_) => passed.get(of_passed().ok()?).map(|passed| (passed.rounding, passed.error)),
        }
    };
    let roundings = group.units.iter().filter_map(rounding_of);
    // Cuts are sorted by name, like the two lists above.
    let cuts = group.outputs.iter().flat_map(|output| {
        let stem = output.names.stem.as_str();
        let first = written.cuts.partition_point(|cut| cut.module.as_str() < stem);
        written.cuts.get(first..).unwrap_or_default().iter().take_while(move |cut| cut.module == stem)
    });
    let cuts: Vec<_> = cuts.filter(|cut| cut.of == CutOf::Result).collect();
    let lost = cuts.iter().map(|cut| (1.0 - cut.kept).max(0.0)).fold(0.0, f64::max).sqrt();
    let &Difference { apart, inputs, directions, across, size, whole } = difference;
    // A module that is cut to a rank is rounded as a whole.
    let rounding = if plan.recipe.is_exact() {
        roundings.map(|(_, absolute)| absolute * absolute).sum::<f64>().sqrt() / whole
    } else {
        roundings.map(|(relative, _)| relative).fold(0.0, f64::max)
    };
    // The difference is estimated from a few directions, so it may be several times the rounding error.
    let unit_roundoff = container::roundoff(plan.dtype);
    let inputs = if plan.recipe.is_exact() { inputs } else { inputs.max(directions) };
    let rounding = (8.0 * rounding.max(unit_roundoff)).max(2.0 * unit_roundoff * directions);
    let tolerated = TOLERANCE * inputs.max(1.0) + rounding;
    let kept = cuts.iter().map(|cut| cut.kept).fold(1.0, f64::min);
    let module = group.outputs.first().map_or("", |output| output.names.stem.as_str());
    // The best approximation of a rank is orthogonal to its remainder, in every column, up to what is tolerated relative to its own
    // size; a wrong one is not, and a missing one has no size.
    let orthogonal = tolerated * size.sqrt().max(1.0);
    if lost > 0.0 && (across > orthogonal || size < kept / 8.0 - tolerated) {
        let detail =
            format!("It is not the best of its rank: {across:.1e} of it lies across what is left out.");
        return Err(wrong(detail).at_tensor(module));
    }
    if apart > tolerated + 3.0 * lost {
        let detail = format!("Its update is {apart:.1e} away from what it should be.");
        return Err(wrong(detail).at_tensor(module));
    }
    verified.recomputed += 1;
    if lost == 0.0 {
        verified.worst = verified.worst.max(apart);
    }
    Ok(())
}

fn ranks(unit: &Unit) -> [usize; 2] {
    [Side::Style, Side::Content].map(|side| unit.share(side).map_or(0, |share| share.rank))
}

pub(crate) async fn check_header<R: Source>(plan: &Plan, result: &R) -> Result<()> {
    let header = Header::read(result).await.map_err(|error| match error.code {
        Code::Write => error,
        _ => wrong(error.to_string()),
    })?;
    let start = whole(result, 0..header.data_start).await?;
    let planned = start == plan.layout.header && header.tensors == plan.layout.tensors;
    if planned { Ok(()) } else { Err(wrong("Its header is not the one that was planned.".to_owned())) }
}

fn wrong(detail: String) -> Error {
    Error::new(Code::Verify, detail)
}

/// All bytes of `range` in the result.
async fn whole<R: Source>(result: &R, range: Range<u64>) -> Result<Bytes> {
    let bytes = result.read(range.clone()).await?;
    let is_whole = bytes.len() as u64 == range.end - range.start;
    if is_whole { Ok(bytes) } else { Err(wrong("It is shorter than it should be.".to_owned())) }
}

/// The checksums of some tensors of the result. Equal checksums also show that the values are finite, because those written were.
///
/// # Errors
/// `Verify`; those of the source.
pub(crate) async fn read<R: Source>(plan: &Plan, tensors: Range<usize>, result: &R) -> Result<Vec<u64>> {
    let tensors = plan.layout.tensors.get(tensors).unwrap_or_default();
    let (Some(first), Some(last)) = (tensors.first(), tensors.last()) else { return Ok(Vec::new()) };
    let mut checksums = Vec::with_capacity(tensors.len());
    let (mut piece, mut at) = (Bytes::new(), first.start);
    for tensor in tensors {
        let mut checksum = Xxh3Default::new();
        let mut position = tensor.start;
        loop {
            let within = |position: u64| usize::try_from(position - at).unwrap_or(usize::MAX);
            let held = piece.get(within(position)..).unwrap_or_default();
            let part = held.get(..within(tensor.end) - within(position)).unwrap_or(held);
            checksum.update(part);
            position += part.len() as u64;
            if position == tensor.end {
                break;
            }
            let end = last.end.min(position + PIECE);
            piece = whole(result, position..end).await?;
            at = position;
        }
        checksums.push(checksum.digest());
    }
    Ok(checksums)
}

/// The differences between the saved and the intended update of a group's modules, relative to the intended one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The difference ‖saved − intended‖/‖intended‖.
    apart: f64,
    /// The size of the updates that the intended one is made of, in the same units: where the projection removes nearly all of a
    /// large one, or they cancel each other, the error of f32 is in proportion to them.
    inputs: f64,
    /// The size of all single directions of these updates: they too may cancel each other, but their rounding errors do not, and
    /// decomposing an update works with all of them.
    directions: f64,
    /// The inner product |⟨saved, intended − saved⟩|/‖intended‖², which is zero for the best approximation of a rank.
    across: f64,
    /// The size ‖saved‖²/‖intended‖²; 1 if the intended update is zero.
    size: f64,
    /// The norm ‖intended‖.
    whole: f64,
}

/// Estimates how far the saved update of a group's modules is from the intended one: ‖(saved − intended)·X‖/‖intended·X‖ for a few
/// random columns X estimates the ratio of the Frobenius norms without building either matrix.
///
/// # Errors
/// `Verify` if a number is not finite; those of the sources.
pub(crate) async fn repeat<R: Source, S: Source>(
    plan: &Plan,
    group: usize,
    result: &R,
    sources: &Sources<'_, S>,
) -> Result<Difference> {
    let Some(group) = plan.groups.get(group) else { return Err(unplanned("")) };
    let mut units = loaded::read(&group.units, sources).await?;
    group.units.iter().zip(&mut units).for_each(|(unit, values)| values.recompute(plan, unit));
    let columns = group.units.first().map_or(0, Unit::in_features);
    let mut signs = Signs::new();
    let probes: Columns = (0..columns).map(|_| std::array::from_fn(|_| f64::from(signs.draw()))).collect();
    let (mut apart, mut size, mut inputs) = (0.0, 0.0, 0.0);
    let (mut directions, mut across, mut own) = (0.0, 0.0, 0.0);
    for (unit, values) in group.units.iter().zip(&units) {
        for (side, share) in unit.shares().filter(|(side, _)| plan.recipe.writes(*side)) {
            let Some(half) = values.factors(side) else { continue };
            let along = cpu::times(&half.down.stored(), &probes);
            let weight = share.weight * share.weight;
            inputs += weight * squared(&cpu::times(&half.up.stored(), &along));
            let of_columns = along.iter().zip(cpu::column_squares(&half.up.stored()));
            directions += weight * of_columns.map(|(x, square)| square * squared(&[*x])).sum::<f64>();
        }
    }
    for output in &group.outputs {
        let is = Saved::read(plan, output, result).await?.times(&probes);
        let mut should: Columns = vec![[0.0; PROBES]; output.out_features];
        for block in &output.blocks {
            let (Some(unit), Some(values)) = (group.units.get(block.unit), units.get(block.unit)) else {
                continue;
            };
            let product = intended(unit, values, block.side, &probes);
            for (from, to) in &block.rows {
                let target = should.iter_mut().skip(*to);
                let parts = product.iter().skip(from.start).take(from.len());
                target.zip(parts).for_each(|(t, p)| t.iter_mut().zip(p).for_each(|(t, p)| *t += p));
            }
        }
        for (is, should) in is.iter().flatten().zip(should.iter().flatten()) {
            apart += (is - should).powi(2);
            across += is * (should - is);
            own += is * is;
            size += should.powi(2);
        }
    }
    // Arithmetic in f32 cannot tell smaller updates from zero.
    let whole = (f64::max(size, NOTHING * NOTHING) / float(PROBES)).sqrt();
    let relative = |square: f64| (square / f64::max(size, NOTHING * NOTHING)).sqrt();
    let [apart, inputs, directions] = [apart, inputs, directions].map(relative);
    let across = across.abs() / f64::max(size, NOTHING * NOTHING);
    let size = if size < NOTHING * NOTHING { 1.0 } else { own / size };
    if [apart, inputs, directions, across, size].iter().all(|figure| figure.is_finite()) {
        return Ok(Difference { apart, inputs, directions, across, size, whole });
    }
    let module = group.outputs.first().map_or("", |output| output.names.stem.as_str());
    Err(wrong("Its update is no number.".to_owned()).at_tensor(module))
}

/// The product of one half of a unit with some columns.
fn intended(unit: &Unit, values: &LoadedUnit, side: Side, probes: &[[f64; PROBES]]) -> Columns {
    let (Some(factors), Some(share)) = (values.factors(side), unit.share(side)) else { return Vec::new() };
    let down = values.projected_down(side, 0).unwrap_or_else(|| factors.down.stored());
    scaled(cpu::times(&factors.up.stored(), &cpu::times(&down, probes)), share.weight)
}

fn scaled(mut columns: Columns, by: f64) -> Columns {
    columns.iter_mut().flatten().for_each(|value| *value *= by);
    columns
}

/// The sum of the squares of all values.
fn squared(columns: &[[f64; PROBES]]) -> f64 {
    columns.iter().flatten().map(|value| value * value).sum()
}

/// A module of the result as a loader reads it.
struct Saved {
    down: Factor,
    up: Factor,
    scale: f64,
}

impl Saved {
    async fn read<R: Source>(plan: &Plan, output: &Output, result: &R) -> Result<Self> {
        let tensor =
            |name: &str| plan.layout.find(name).ok_or_else(|| wrong(format!("{name:?} is missing.")));
        let factor = async |name: &str, rows: usize| {
            let tensor = tensor(name)?;
            let bytes = whole(result, tensor.range()).await?;
            let cols = usize::try_from(tensor.values()).unwrap_or(0) / rows.max(1);
            Ok::<_, Error>(Factor::of_words(bytes, plan.dtype, rows, cols))
        };
        let scale = match output.names.alpha.as_deref() {
            Some(name) => {
                let alpha = tensor(name)?;
                let word = whole(result, alpha.range()).await?;
                container::scalar(alpha.dtype, &word).unwrap_or(f64::NAN) / float(output.rank)
            }
            None => 1.0,
        };
        Ok(Self {
            down: factor(&output.names.down, output.rank).await?,
            up: factor(&output.names.up, output.out_features).await?,
            scale,
        })
    }

    fn times(&self, probes: &[[f64; PROBES]]) -> Columns {
        scaled(cpu::times(&self.up.stored(), &cpu::times(&self.down.stored(), probes)), self.scale)
    }
}
