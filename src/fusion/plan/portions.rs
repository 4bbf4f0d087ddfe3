//! How much of a run is done at once: pieces, which are read, written and handed over, and within them batches, which a backend computes.

use super::Plan;
use super::outputs::Group;
use super::pairing::{Share, Unit};
use super::vectors::VectorOutput;
use crate::backend::Dtype;
use crate::container::{Ahead, Source, Tensor};
use crate::error::Result;
use crate::fusion::{Input, Pair, Side, Sources};
use futures_util::future;
use std::collections::BTreeMap;
use std::ops::Range;

/// The smallest number of pieces that even a small result is made in, so that the last workers do not keep the others waiting.
const PIECES: u64 = 32;

/// The number of bytes to read or to write for a group, whichever is larger: a full difference is much larger than its result.
fn bytes(plan: &Plan, group: &Group) -> u64 {
    let read = |share: &Share| share.module.kind.tensors().iter().map(|tensor| tensor.bytes()).sum::<u64>();
    let inputs = group.units.iter().flat_map(Unit::shares).map(|(_, share)| read(share)).sum();
    plan.tensors(group).map(Tensor::bytes).sum::<u64>().max(inputs)
}

/// A task's size in whole pieces of `most` bytes, at least 1: the bytes of its groups times the number of results, rounded down.
pub(crate) fn size(plan: &Plan, groups: &[usize], results: usize, most: u64) -> usize {
    let groups = groups.iter().filter_map(|&at| plan.groups.get(at));
    let bytes = groups.map(|group| bytes(plan, group)).sum::<u64>() * results as u64;
    usize::try_from(bytes / most.max(1)).unwrap_or(usize::MAX).max(1)
}

/// The plan's groups in pieces of at most `most` bytes to read or to write (at least one group each), in the order in which they
/// stand in the result, because what is read and written together then mostly lies together.
pub(crate) fn pieces(plan: &Plan, most: u64) -> Vec<Vec<usize>> {
    let limit = plan.layout.size.div_ceil(PIECES).min(most);
    let place = |group: &Group| {
        let start = plan.tensors(group).map(|tensor| tensor.start).min();
        (start.unwrap_or(u64::MAX), bytes(plan, group))
    };
    let mut order: Vec<(u64, u64, usize)> = Vec::with_capacity(plan.groups.len());
    order.extend(plan.groups.iter().map(place).enumerate().map(|(at, (start, bytes))| (start, bytes, at)));
    crate::order::sort_by(&mut order, Ord::cmp);
    let mut pieces: Vec<(u64, Vec<usize>)> = Vec::new();
    for (_, bytes, at) in order {
        match pieces.last_mut() {
            Some((size, piece)) if *size + bytes <= limit => {
                *size += bytes;
                piece.push(at);
            }
            _ => pieces.push((bytes, vec![at])),
        }
    }
    pieces.into_iter().map(|(_, piece)| piece).collect()
}

/// The parts of both files that have been read in a few large reads.
pub(crate) struct ReadAhead<'a, S>(Pair<Option<Ahead<'a, S>>>);

impl<'a, S: Source> ReadAhead<'a, S> {
    /// Reads these parts of each file.
    ///
    /// # Errors
    /// Those of the sources.
    async fn of(sources: &Sources<'a, S>, parts: impl Fn(Side) -> Vec<Range<u64>>) -> Result<Self> {
        let read = async |side| match parts(side) {
            parts if parts.is_empty() => Ok(None),
            parts => Ahead::read(sources.source(side)?, parts).await.map(Some),
        };
        let (content, style) = future::try_join(read(Side::Content), read(Side::Style)).await?;
        Ok(Self(Pair { content, style }))
    }

    /// Reads the factors of some groups.
    ///
    /// # Errors
    /// Those of the sources.
    pub(crate) async fn factors(plan: &Plan, groups: &[usize], sources: &Sources<'a, S>) -> Result<Self> {
        Self::of(sources, |side| factors(plan, groups, side).collect()).await
    }

    /// Reads everything that some groups of the result are made of: the factors, and DoRA's magnitudes.
    ///
    /// # Errors
    /// Those of the sources.
    pub(crate) async fn modules(plan: &Plan, groups: &[usize], sources: &Sources<'a, S>) -> Result<Self> {
        let outputs = || groups.iter().filter_map(|&at| plan.groups.get(at)).flat_map(|group| &group.outputs);
        let magnitudes = |side| {
            let magnitudes = outputs().filter_map(|output| output.magnitude.as_ref());
            magnitudes.filter(move |(of, _)| *of == side).map(|(_, tensor)| tensor.range())
        };
        Self::of(sources, |side| factors(plan, groups, side).chain(magnitudes(side)).collect()).await
    }

    /// Reads the tensors that some vectors are summed from.
    ///
    /// # Errors
    /// Those of the sources.
    pub(crate) async fn vectors(vectors: &[VectorOutput], sources: &Sources<'a, S>) -> Result<Self> {
        let terms = || vectors.iter().flat_map(|vector| &vector.terms);
        let of = |side| terms().filter(move |term| term.side == side).map(|term| term.tensor.range());
        Self::of(sources, |side| of(side).collect()).await
    }

    /// The files, with these parts already read.
    pub(crate) fn of_files<'b>(&'b self, files: &Sources<'b, S>) -> Sources<'b, Ahead<'a, S>> {
        files
            .zip(self.0.as_ref())
            .map(|(file, source)| Some(Input { adapter: file?.adapter, source: source? }))
    }
}

/// The ranges of a file's factors for some groups.
fn factors(plan: &Plan, groups: &[usize], side: Side) -> impl Iterator<Item = Range<u64>> {
    let groups = groups.iter().filter_map(|&at| plan.groups.get(at));
    let shares = groups.flat_map(|group| &group.units).flat_map(Unit::shares);
    let mine = shares.filter(move |(of, _)| *of == side);
    mine.flat_map(|(_, share)| share.module.kind.tensors()).map(Tensor::range)
}

/// The most vectors, and the most bytes of them, that are read together: vectors are small, and the gaps between them are read as well.
const VECTORS: usize = 64;
const VECTOR_BYTES: u64 = 4 << 20;

/// The vectors of a plan, split into runs that are read together.
pub(crate) fn vectors(plan: &Plan) -> Vec<&[VectorOutput]> {
    let mut together = Vec::new();
    let mut rest = plan.vectors.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |vector: &&VectorOutput| {
            bytes += vector.terms.iter().map(|term| term.tensor.bytes()).sum::<u64>();
            bytes <= VECTOR_BYTES
        };
        let count = rest.iter().take(VECTORS).take_while(fits).count().max(1);
        let (some, others) = rest.split_at(count);
        together.push(some);
        rest = others;
    }
    together
}

/// Groups of the same shape and format with their indices, in batches of at most `limit` bytes of input (at least one group each).
pub(crate) fn batches<'a>(groups: &[(usize, &'a Group)], limit: usize) -> Vec<Vec<(usize, &'a Group)>> {
    let mut alike: Vec<Vec<(usize, &'a Group)>> = Vec::new();
    let mut place: BTreeMap<_, usize> = BTreeMap::new();
    for &(number, group) in groups {
        let key: Vec<_> = group.units.iter().map(shape).collect();
        let at = *place.entry(key).or_insert_with(|| {
            alike.push(Vec::new());
            alike.len() - 1
        });
        alike[at].push((number, group));
    }
    // Kinds that are more than two factors grow when they are read.
    let cost = |share: &Share| {
        let tensors = share.module.kind.tensors();
        let stored = tensors.iter().map(|tensor| tensor.bytes()).sum::<u64>();
        let made =
            (share.module.out_features + share.module.in_features).saturating_mul(4 * share.rank) as u64;
        if share.module.kind.plain().is_some() { stored } else { stored.max(made) }
    };
    let bytes = |group: &Group| {
        group.units.iter().flat_map(Unit::shares).map(|(_, share)| cost(share)).sum::<u64>().max(1)
    };
    alike
        .iter()
        .flat_map(|groups| {
            let each = groups.first().map_or(1, |(_, group)| usize::try_from(bytes(group)).unwrap_or(limit));
            groups.chunks((limit / each).max(1))
        })
        .map(<[_]>::to_vec)
        .collect()
}

/// What must be equal within a batch: (m, n, and for each side the rank and the formats of the two factors).
type Shape = (usize, usize, Pair<Option<(usize, Option<Dtype>, Option<Dtype>)>>);

fn shape(unit: &Unit) -> Shape {
    let half = |share: &Share| {
        let plain = share.module.kind.plain();
        (share.rank, plain.map(|(down, _)| down.dtype), plain.map(|(_, up)| up.dtype))
    };
    (unit.out_features(), unit.in_features(), unit.halves.as_ref().map(|share| share.map(half)))
}
