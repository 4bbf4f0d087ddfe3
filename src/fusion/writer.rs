//! Puts the tensors of the result at their places and keeps count.

use super::outputs::Output;
use super::plan::{Plan, as_f32, unplanned};
use super::{Progress, Stage, Watch};
use crate::container::{self, Sink};
use crate::error::{Code, Error, Result};
use std::collections::HashMap;
use std::ops::Range;

/// A result under construction.
pub(super) struct Writer<'a, K, W> {
    plan: &'a Plan,
    sink: &'a mut K,
    watch: &'a mut W,
    checksums: Vec<Option<u32>>,
    places: HashMap<&'a str, usize>,
    progress: Progress,
}

/// Columns of a module's lora_up: the words of a block row by row, their number of columns, and where each row goes.
pub(super) struct Columns<'a> {
    pub(super) words: &'a [u8],
    pub(super) cols: usize,
    /// Rows of `words`, and the row of the module they begin at.
    pub(super) rows: &'a [(Range<usize>, usize)],
}

impl<'a, K: Sink, W: Watch> Writer<'a, K, W> {
    /// Writes the header and all alphas, which are one value for the whole file.
    pub(super) async fn begin(plan: &'a Plan, sink: &'a mut K, watch: &'a mut W) -> Result<Self> {
        let tensors = &plan.layout.tensors;
        let mut writer = Self {
            plan,
            sink,
            watch,
            checksums: vec![None; tensors.len()],
            places: tensors.iter().enumerate().map(|(at, tensor)| (tensor.name.as_str(), at)).collect(),
            progress: Progress {
                stage: Stage::Fuse,
                modules_done: 0,
                modules_total: plan.outputs().count(),
                bytes_done: plan.layout.header.len() as u64,
                bytes_total: plan.layout.size,
                module: String::new(),
            },
        };
        writer.sink.write(0, &plan.layout.header).await?;
        let word = as_f32(plan.alpha).to_le_bytes();
        let mut alphas: Vec<usize> = plan
            .outputs()
            .filter_map(|output| writer.places.get(output.names.alpha.as_deref()?).copied())
            .collect();
        alphas.sort_unstable();
        // Neighbours go out as one piece: there may be thousands.
        for run in alphas.chunk_by(|a, b| a + 1 == *b) {
            let Some(first) = run.first() else { continue };
            for &at in run {
                writer.checksums[at] = Some(container::crc32(&word));
            }
            let bytes = word.repeat(run.len());
            writer.progress.bytes_done += bytes.len() as u64;
            writer.sink.write(tensors[*first].start, &bytes).await?;
        }
        Ok(writer)
    }

    /// # Errors
    /// `Aborted` if the user has cancelled.
    pub(super) fn check_cancelled(&self) -> Result<()> {
        if self.watch.cancelled() { Err(Error::new(Code::Aborted, "")) } else { Ok(()) }
    }

    /// Writes one module: `downs` are blocks of rows, `ups` blocks of columns, in the same order; what is missing to
    /// the planned rank is padded with zeros, and so are the rows that no block has.
    pub(super) async fn module(
        &mut self,
        output: &Output,
        downs: &[&[u8]],
        ups: &[Columns<'_>],
    ) -> Result<()> {
        let mut down = downs.concat();
        let size = |name: &str| {
            let tensor = self.plan.layout.find(name);
            tensor.and_then(|tensor| usize::try_from(tensor.bytes()).ok()).unwrap_or(0)
        };
        down.resize(size(&output.names.down), 0);
        let word = self.plan.dtype.bitsize() / 8;
        let mut up = vec![0; size(&output.names.up)];
        let row = output.rank * word;
        let mut column = 0;
        for block in ups {
            let width = block.cols * word;
            for (from, to) in block.rows {
                let (Some(target), Some(source)) = (
                    up.get_mut(to * row..(to + from.len()) * row),
                    block.words.get(from.start * width..from.end * width),
                ) else {
                    return Err(unplanned(&output.names.up));
                };
                for (target, source) in target.chunks_exact_mut(row).zip(source.chunks_exact(width)) {
                    target[column..column + width].copy_from_slice(source);
                }
            }
            column += width;
        }
        self.tensor(&output.names.down, &down).await?;
        self.tensor(&output.names.up, &up).await?;
        self.progress.modules_done += 1;
        self.progress.bytes_done += (down.len() + up.len()) as u64;
        output.names.stem.clone_into(&mut self.progress.module);
        self.watch.progress(&self.progress);
        Ok(())
    }

    /// Writes one tensor.
    ///
    /// # Errors
    /// `OutputRange` if a value was too large for the format; those of the sink.
    pub(super) async fn tensor(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let Some(&at) = self.places.get(name) else { return Err(unplanned(name)) };
        // A value too large for the format has become infinite: say so instead of writing it.
        if let Some(value) = container::first_non_finite(self.plan.dtype, bytes) {
            let detail = format!("Value {value} is too large for {}.", self.plan.dtype);
            return Err(Error::new(Code::OutputRange, detail).at_tensor(name));
        }
        self.checksums[at] = Some(container::crc32(bytes));
        self.sink.write(self.plan.layout.tensors[at].start, bytes).await
    }

    /// The checksums of all tensors.
    ///
    /// # Errors
    /// `Internal` if one was not written.
    pub(super) fn finish(self) -> Result<Vec<u32>> {
        let missing = || Error::new(Code::Internal, "A planned tensor was not written.");
        self.checksums.into_iter().collect::<Option<Vec<u32>>>().ok_or_else(missing)
    }
}
