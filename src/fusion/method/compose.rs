//! Builds modules of the result from the halves of their units: as words, or as matrices that are cut to a rank.

use super::RoundedHalf;
use super::composer::Columns;
use super::loaded::{Loaded, LoadedUnit};
use crate::backend::matrix::{self, Matrix};
use crate::backend::truncate;
use crate::backend::{Dtype, cpu};
use crate::container::Bytes;
use crate::error::{Code, Error, Result};
use crate::fusion::plan::outputs::{Block, Output};
use crate::fusion::{Pair, Side};

/// The rows of a module's lora_down and the columns of its lora_up, block by block.
type Words<'a> = (Vec<&'a [u8]>, Vec<Columns<'a>>);

/// The words of a module in result number `result` of its pass.
///
/// # Errors
/// `Internal` if a planned part was not made.
pub(crate) fn words<'a>(
    output: &'a Output,
    rounded: &'a [Pair<RoundedHalf>],
    units: &'a [LoadedUnit],
    result: usize,
) -> Result<Words<'a>> {
    let of_block = |block: &'a Block| {
        let (unit, values) = rounded.get(block.unit).zip(units.get(block.unit))?;
        let RoundedHalf { down, up, .. } = unit.of(block.side);
        let projected = values.projected.get(result).filter(|_| block.side == Side::Content);
        let down =
            down.as_ref().map(|down| &*down.bytes).or_else(|| Some(projected?.content_down.as_slice()));
        let (words, cols) = (&*up.as_ref()?.bytes, values.factors(block.side)?.up.cols);
        let columns = Columns { words, cols, rows: &block.rows };
        Some((down?, columns))
    };
    let blocks = output.blocks.iter().map(|block| of_block(block).ok_or_else(|| unmade(output)));
    Ok(blocks.collect::<Result<Vec<_>>>()?.into_iter().unzip())
}

/// The error for a missing block: without it, the block would silently be all zeros.
fn unmade(output: &Output) -> Error {
    Error::new(Code::Internal, "A part of the module was not made.").at_tensor(&output.names.stem)
}

/// The factors of a module in f32, with all scales included.
pub(crate) struct Matrices {
    down: Matrix,
    up: Matrix,
}

/// A module cut to a rank, in the result's format.
pub(crate) struct Compressed {
    /// The lora_down, k×n.
    pub(crate) down: Bytes,
    /// The lora_up, m×k.
    pub(crate) up: Bytes,
    /// The rank, k.
    pub(crate) rank: usize,
    /// The energy that is left and the energy before the cut.
    pub(crate) energy: [f64; 2],
    /// The relative error ‖saved − cut‖/‖cut‖ from rounding, an upper bound.
    pub(crate) rounding: f64,
}

/// The factors of a module before they are cut to a rank, in result number `result` of its pass.
///
/// # Errors
/// `OutputRange` where a strength makes a value infinite; `Internal` as for [`words`].
pub(crate) fn matrices(output: &Output, loaded: &Loaded<'_>, result: usize) -> Result<Matrices> {
    let inputs = output.dims.iter().product::<u64>();
    let inputs = usize::try_from(inputs).unwrap_or(0);
    let rank = output.blocks.iter().map(|block| block.rank).sum();
    let mut matrices =
        Matrices { down: Matrix::zeros(rank, inputs), up: Matrix::zeros(output.out_features, rank) };
    let mut at = 0;
    for block in &output.blocks {
        let (down, factor, up) = halves(block, loaded, result).ok_or_else(|| unmade(output))?;
        matrix::place(&mut matrices.down, at, 0, &down, &(0..block.rank), factor);
        for (from, to) in &block.rows {
            matrix::place(&mut matrices.up, *to, at, &up, from, 1.0);
        }
        at += block.rank;
    }
    // A strength can push a value beyond the range of f32, and no decomposition ends on values that are not finite.
    if matrix::is_finite(&matrices.down) && matrix::is_finite(&matrices.up) {
        return Ok(matrices);
    }
    Err(Error::new(Code::OutputRange, "A value is too large for F32.").at_tensor(&output.names.stem))
}

/// The rows of lora_down that belong to a block, their scale, and its columns of lora_up.
fn halves(block: &Block, loaded: &Loaded<'_>, result: usize) -> Option<(Matrix, f32, Matrix)> {
    let (unit, values) = (loaded.group.units.get(block.unit)?, loaded.units.get(block.unit)?);
    let share = unit.share(block.side)?;
    let factors = values.factors(block.side)?;
    let (down, factor) = match values.projected_down(block.side, result) {
        // The backend has already applied the scale.
        Some(projected) => (cpu::decode(&projected, false), 1.0),
        None => (factors.down.values(), crate::fusion::as_f32(share.weight)),
    };
    let up = matrix::from_rows(factors.up.rows, factors.up.cols, &factors.up.values());
    Some((matrix::from_rows(factors.down.rows, factors.down.cols, &down), factor, up))
}

impl Matrices {
    pub(crate) fn singular_values(&self) -> Vec<f64> {
        truncate::singular_values(&self.down, &self.up)
    }

    /// Cuts the factors to the output's rank and rounds them; the loader's scale is split evenly between both.
    pub(crate) fn compressed(&self, output: &Output, loader_scale: f64, dtype: Dtype) -> Compressed {
        let low = truncate::compress(&self.down, &self.up, output.rank.min(output.own_rank));
        let rank = low.down.nrows();
        let scale = loader_scale.abs().sqrt().recip();
        let (down, up) = (matrix::by_rows(&low.down), matrix::by_rows(&low.up));
        let [(saved_down, down_error), (saved_up, up_error)] =
            [&down, &up].map(|of| cpu::rounded(of, scale, dtype));
        let error = |error: &[f32], of: &Matrix| matrix::from_rows(of.nrows(), of.ncols(), error);
        let (down_error, up_error) = (error(&down_error, &low.down), error(&up_error, &low.up));
        let energy = truncate::energy(&low.sigma, rank);
        let whole = energy[0].sqrt();
        let apart = (matrix::norm_of_product(&low.up, &down_error)
            + matrix::norm_of_product(&up_error, &low.down))
            / scale;
        Compressed {
            down: saved_down.into(),
            up: saved_up.into(),
            rank,
            energy,
            rounding: if whole > 0.0 { apart / whole } else { 0.0 },
        }
    }
}
