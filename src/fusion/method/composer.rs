//! Puts modules of the result together, tensor by tensor, with their checksums.

use super::accounting::{Cut, Fused, Passed};
use super::piece::{Parcel, Piece, PieceTensor};
use crate::container::{self, Bytes, Tensor};
use crate::error::{Code, Error, Result};
use crate::fusion::plan::outputs::Output;
use crate::fusion::plan::{Plan, unplanned};
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// A piece under construction.
pub(crate) struct Composer<'a> {
    plan: &'a Plan,
    piece: Piece,
    /// The piece's bytes, of which the first `made` are done.
    bytes: Vec<u8>,
    made: usize,
    /// The number of bytes that the piece will have, as far as it is known beforehand.
    whole: usize,
}

/// Columns of a module's lora_up: the words of a block row by row, their number of columns, and where each row goes.
pub(crate) struct Columns<'a> {
    pub(crate) words: &'a [u8],
    pub(crate) cols: usize,
    /// Ranges of rows in `words`, each with the module's row at which it begins.
    pub(crate) rows: &'a [(Range<usize>, usize)],
}

impl<'a> Composer<'a> {
    /// Begins a piece for the modules of these groups.
    pub(crate) fn new(plan: &'a Plan, groups: &[usize]) -> Self {
        let tensors =
            groups.iter().filter_map(|&at| plan.groups.get(at)).flat_map(|group| plan.tensors(group));
        let length = tensors.map(Tensor::bytes).sum::<u64>();
        let whole = usize::try_from(length).unwrap_or(0);
        Self { plan, piece: Piece::default(), bytes: Vec::new(), made: 0, whole }
    }

    /// Adds one module: `downs` are blocks of rows, `ups` blocks of columns, in the same order; what is missing to the
    /// planned rank is padded with zeros, and so are the rows that no block has.
    ///
    /// # Errors
    /// `OutputRange` if a value is too large for the format.
    pub(crate) fn module(&mut self, output: &Output, downs: &[&[u8]], ups: &[Columns<'_>]) -> Result<()> {
        let word = self.plan.dtype.bitsize() / 8;
        self.tensor_of(&output.names.down, |down| {
            let mut rest = down;
            for block in downs {
                let (target, behind) = rest.split_at_mut_checked(block.len())?;
                target.copy_from_slice(block);
                rest = behind;
            }
            Some(())
        })?;
        let row = output.rank * word;
        self.tensor_of(&output.names.up, |up| {
            let mut column = 0;
            for block in ups {
                let width = block.cols * word;
                for (from, to) in block.rows {
                    let target = up.get_mut(to * row..(to + from.len()) * row)?;
                    let source = block.words.get(from.start * width..from.end * width)?;
                    for (target, source) in target.chunks_exact_mut(row).zip(source.chunks_exact(width)) {
                        target.get_mut(column..column + width)?.copy_from_slice(source);
                    }
                }
                column += width;
            }
            Some(())
        })?;
        self.piece.outputs += 1;
        self.piece.last.clone_from(&output.names.stem);
        Ok(())
    }

    /// Adds one tensor.
    ///
    /// # Errors
    /// Those of [`Self::module`].
    pub(crate) fn tensor(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.tensor_of(name, |tensor| {
            if tensor.len() != bytes.len() {
                return None;
            }
            tensor.copy_from_slice(bytes);
            Some(())
        })
    }

    /// Adds the tensor that `fill` writes into zeros; if `fill` fails, the plan is at fault.
    fn tensor_of(&mut self, name: &str, fill: impl FnOnce(&mut [u8]) -> Option<()>) -> Result<()> {
        let layout = &self.plan.layout;
        let place = layout.place(name).and_then(|at| Some((at, layout.tensors.get(at)?)));
        let Some((at, tensor)) = place else { return Err(unplanned(name)) };
        let length = usize::try_from(tensor.bytes()).map_err(|_| unplanned(name))?;
        // All memory that will be needed is reserved at once: a growing vector is held twice meanwhile, and wasm memory never
        // shrinks. It is zeroed at once, because extending a vector writes zeros one by one in code that is compiled for size. Only
        // small tensors are not known beforehand.
        if self.bytes.is_empty() {
            self.bytes = vec![0; self.whole.max(length)];
        } else if self.made + length > self.bytes.len() {
            self.bytes.resize(self.made + length, 0);
        }
        let bytes = &mut self.bytes[self.made..self.made + length];
        fill(bytes).ok_or_else(|| unplanned(name))?;
        // A value too large for the format has become infinite; it is reported instead of written.
        if let Some(bad) = container::non_finite(tensor.dtype, bytes) {
            let detail = format!("Value number {} is too large for {}.", bad.first, tensor.dtype);
            return Err(Error::new(Code::OutputRange, detail).at_tensor(name));
        }
        self.piece.tensors.push(PieceTensor { at, length, checksum: xxh3_64(bytes) });
        self.made += length;
        Ok(())
    }

    /// Adds the accounting of a unit that both files have.
    pub(crate) fn account(&mut self, module: Option<Fused>) {
        self.piece.modules.extend(module);
    }

    /// Adds the accounting of units that only one file has.
    pub(crate) fn passed(&mut self, modules: impl IntoIterator<Item = Passed>) {
        self.piece.passed.extend(modules);
    }

    /// Adds modules that were cut to a rank.
    pub(crate) fn cuts(&mut self, cuts: impl IntoIterator<Item = Cut>) {
        self.piece.cuts.extend(cuts);
    }

    /// Adds units whose scale was moved between the factors because one would have been too large for the format.
    pub(crate) fn rescaled(&mut self, units: impl IntoIterator<Item = String>) {
        self.piece.rescaled.extend(units);
    }

    pub(crate) fn finish(mut self) -> Piece {
        self.bytes.truncate(self.made);
        self.piece.bytes = Parcel::new(Bytes::from(self.bytes));
        self.piece
    }
}
