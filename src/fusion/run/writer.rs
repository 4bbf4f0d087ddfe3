//! Puts the pieces of the result into the file, in the order of its bytes, and keeps account of them.

use super::hashing::Hashing;
use crate::container::Sink;
use crate::error::{Code, Error, Result};
use crate::fusion::Progress;
use crate::fusion::method::accounting::{Cut, Fused, Passed};
use crate::fusion::method::piece::{Parcel, Piece};
use crate::fusion::plan::{Plan, unplanned};
use std::collections::BTreeMap;
use std::ops::Range;

/// Everything that was written, for the report and for the check of the saved bytes.
#[derive(Debug)]
pub(crate) struct Written {
    /// Checksums (XXH3) of the tensors, in the order of the layout.
    pub checksums: Vec<u64>,
    /// The accounting of fused units.
    pub modules: Vec<Fused>,
    /// The accounting of units that only one file has.
    pub passed: Vec<Passed>,
    /// The modules that were cut to a rank.
    pub cuts: Vec<Cut>,
    /// Units whose factors share the scale in an unusual way.
    pub rescaled: Vec<String>,
    /// SHA-256 of the tensors (everything behind the header), in hexadecimal: `sshs_model_hash`, AutoV3.
    pub model_hash: String,
}

/// The most bytes that are taken out of a parcel at once: bytes from another worker are copied into this one's memory.
const AT_ONCE: usize = 4 << 20;

/// A result under construction. Its header is written last, because it contains the hash of all the rest.
pub(crate) struct Writer<'a, K, H> {
    plan: &'a Plan,
    sink: &'a mut K,
    hash: H,
    /// The position up to which everything is written.
    written: u64,
    /// Bytes further on, by position: pieces arrive in any order.
    waiting: BTreeMap<u64, (Parcel, Range<usize>)>,
    checksums: Vec<Option<u64>>,
    modules: Vec<Fused>,
    passed: Vec<Passed>,
    cuts: Vec<Cut>,
    rescaled: Vec<String>,
}

impl<'a, K: Sink, H: Hashing> Writer<'a, K, H> {
    pub(crate) fn new(plan: &'a Plan, sink: &'a mut K, hash: H) -> Self {
        Self {
            plan,
            sink,
            hash,
            written: plan.layout.header.len() as u64,
            waiting: BTreeMap::new(),
            checksums: vec![None; plan.layout.tensors.len()],
            modules: Vec::new(),
            passed: Vec::new(),
            cuts: Vec::new(),
            rescaled: Vec::new(),
        }
    }

    /// Writes a piece and counts it in `progress`.
    ///
    /// # Errors
    /// Those of the sink; `Internal` if the piece does not belong to the plan.
    pub(crate) async fn take(&mut self, piece: Piece, progress: &mut Progress) -> Result<()> {
        let tensors = &self.plan.layout.tensors;
        let mut at = 0;
        for tensors_in_a_row in piece.tensors.chunk_by(|a, b| a.at.checked_add(1) == Some(b.at)) {
            let mut length = 0;
            for part in tensors_in_a_row {
                let Some(tensor) = tensors.get(part.at) else { return Err(unplanned("")) };
                if tensor.bytes() != part.length as u64 || self.checksums[part.at].is_some() {
                    return Err(unplanned(&tensor.name));
                }
                self.checksums[part.at] = Some(part.checksum);
                length += part.length;
            }
            let first = tensors_in_a_row.first().and_then(|part| tensors.get(part.at));
            let run = at..at + length;
            let Some(first) = first.filter(|_| run.end <= piece.bytes.length()) else {
                return Err(unplanned(""));
            };
            at = run.end;
            progress.bytes_done += length as u64;
            if run.is_empty() {
                continue;
            }
            self.waiting.insert(first.start, (piece.bytes.clone(), run));
            while let Some((parcel, run)) = self.waiting.remove(&self.written) {
                self.write(&parcel, run).await?;
            }
        }
        if at != piece.bytes.length() {
            return Err(unplanned(""));
        }
        progress.modules_done += piece.outputs;
        progress.module = piece.last;
        self.modules.extend(piece.modules);
        self.passed.extend(piece.passed);
        self.cuts.extend(piece.cuts);
        self.rescaled.extend(piece.rescaled);
        Ok(())
    }

    async fn write(&mut self, parcel: &Parcel, run: Range<usize>) -> Result<()> {
        for from in run.clone().step_by(AT_ONCE) {
            let part = from..run.end.min(from + AT_ONCE);
            let bytes = parcel.part(part).ok_or_else(|| unplanned(""))?;
            self.hash.update(&bytes).await?;
            self.sink.write(self.written, &bytes).await?;
            self.written += bytes.len() as u64;
        }
        Ok(())
    }

    /// The account of everything that was written.
    ///
    /// # Errors
    /// `Internal` if something is missing; those of the hash.
    pub(crate) async fn finish(mut self) -> Result<Written> {
        let missing = || Error::new(Code::Internal, "A planned tensor was not written.");
        crate::order::sort_by(&mut self.modules, |a, b| a.figures.name.cmp(&b.figures.name));
        crate::order::sort_by(&mut self.passed, |a, b| a.name.cmp(&b.name));
        crate::order::sort_by(&mut self.cuts, |a, b| a.module.cmp(&b.module));
        crate::order::sort_by(&mut self.rescaled, Ord::cmp);
        Ok(Written {
            checksums: self.checksums.into_iter().collect::<Option<Vec<u64>>>().ok_or_else(missing)?,
            modules: self.modules,
            passed: self.passed,
            cuts: self.cuts,
            rescaled: self.rescaled,
            model_hash: self.hash.finish().await?,
        })
    }
}
