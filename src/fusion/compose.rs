//! Modules of the result from the halves of their units: as words, or as matrices that are cut to a rank.

use super::composer::Columns;
use super::factors::rounded;
use super::method::{Loaded, LoadedUnit, RoundedUnit};
use super::outputs::{Block, Output};
use super::pairing::Side;
use crate::backend::truncate::{self, Keep};
use crate::backend::{Dtype, Stored, cpu};
use crate::error::{Code, Error, Result};
use nalgebra::DMatrix;
use std::ops::Range;

/// Rows of lora_down and columns of lora_up of a module, block by block.
pub(super) fn words<'a>(
    output: &'a Output,
    rounded: &'a [RoundedUnit],
    units: &[LoadedUnit],
) -> (Vec<&'a [u8]>, Vec<Columns<'a>>) {
    let (mut downs, mut ups) = (Vec::new(), Vec::new());
    for block in &output.blocks {
        let Some((unit, values)) = rounded.get(block.unit).zip(units.get(block.unit)) else { continue };
        let (down, up, factors) = match block.side {
            Side::Style => (&unit.style_down, &unit.style_up, &values.style),
            Side::Content => (&unit.content_down, &unit.content_up, &values.content),
        };
        let (Some(down), Some(up), Some(factors)) = (down, up, factors) else { continue };
        downs.push(down.bytes.as_slice());
        ups.push(columns(&up.bytes, factors.up.cols, &block.rows));
    }
    (downs, ups)
}

/// Columns of a lora_up whose words are `cols` to a row.
pub(super) fn columns<'a>(words: &'a [u8], cols: usize, rows: &'a [(Range<usize>, usize)]) -> Columns<'a> {
    Columns { words, cols, rows }
}

/// A module's factors in f32, with all scales in them.
pub(super) struct Matrices {
    down: DMatrix<f32>,
    up: DMatrix<f32>,
}

/// A module cut to a rank, in the result's format.
pub(super) struct Compressed {
    /// k×n.
    pub(super) down: Vec<u8>,
    /// m×k.
    pub(super) up: Vec<u8>,
    /// k.
    pub(super) rank: usize,
    /// The share of the energy that is left.
    pub(super) kept: f64,
    /// ‖saved − cut‖/‖cut‖, an upper bound.
    pub(super) rounding: f64,
}

/// The factors of a module before they are cut to a rank.
///
/// # Errors
/// `OutputRange` where a strength makes a value infinite.
pub(super) fn matrices(output: &Output, loaded: &Loaded<'_>) -> Result<Matrices> {
    let inputs = output.dims.iter().product::<u64>();
    let inputs = usize::try_from(inputs).unwrap_or(0);
    let rank = output.blocks.iter().map(|block| block.rank).sum();
    let mut matrices =
        Matrices { down: DMatrix::zeros(rank, inputs), up: DMatrix::zeros(output.out_features, rank) };
    let mut at = 0;
    for block in &output.blocks {
        if let Some((down, up)) = halves(block, loaded) {
            matrices.down.rows_mut(at, block.rank).copy_from(&down);
            for (from, to) in &block.rows {
                let target = &mut matrices.up.view_mut((*to, at), (from.len(), block.rank));
                target.copy_from(&up.rows(from.start, from.len()));
            }
        }
        at += block.rank;
    }
    // A strength can push a value over the end of f32, and no decomposition ends on what is not finite.
    if matrices.down.iter().chain(matrices.up.iter()).all(|value| value.is_finite()) {
        return Ok(matrices);
    }
    Err(Error::new(Code::OutputRange, "A value is too large for F32.").at_tensor(&output.names.stem))
}

/// A block's rows of lora_down, scaled, and its columns of lora_up.
fn halves(block: &Block, loaded: &Loaded<'_>) -> Option<(DMatrix<f32>, DMatrix<f32>)> {
    let (unit, values) = (loaded.group.units.get(block.unit)?, loaded.units.get(block.unit)?);
    let share = unit.share(block.side)?;
    let factors = match block.side {
        Side::Style => values.style.as_ref()?,
        Side::Content => values.content.as_ref()?,
    };
    let (rows, cols) = (factors.down.rows, factors.down.cols);
    let down = match (&values.projected, block.side) {
        // The backend has scaled it already.
        (Some(projected), Side::Content) => {
            let stored = Stored { bytes: &projected.content_down, dtype: Dtype::F32, rows, cols };
            DMatrix::from_row_slice(rows, cols, &cpu::decode(&stored, 0, false))
        }
        _ => DMatrix::from_row_slice(rows, cols, &factors.down.values()) * super::plan::as_f32(share.weight),
    };
    Some((down, DMatrix::from_row_slice(factors.up.rows, factors.up.cols, &factors.up.values())))
}

impl Matrices {
    pub(super) fn singular_values(&self) -> Vec<f64> {
        truncate::singular_values(&self.down, &self.up)
    }

    /// Cut to the output's rank and rounded; the loader's scale is split evenly between both factors.
    pub(super) fn compressed(&self, output: &Output, loader_scale: f64, dtype: Dtype) -> Compressed {
        let low = truncate::compress(&self.down, &self.up, Keep::Rank(output.rank.min(output.own_rank)));
        let rank = low.down.nrows();
        let scale = loader_scale.abs().sqrt().recip();
        let by_rows = |matrix: &DMatrix<f32>| matrix.transpose().as_slice().to_vec();
        let (down, up) = (by_rows(&low.down), by_rows(&low.up));
        let (saved_down, saved_up) = (rounded(&down, scale, dtype), rounded(&up, scale, dtype));
        let error = |error: Option<Vec<f32>>, rows, cols| {
            error.map_or_else(
                || DMatrix::zeros(rows, cols),
                |error| DMatrix::from_row_slice(rows, cols, &error),
            )
        };
        let down_error = error(saved_down.error, rank, low.down.ncols()).map(f64::from);
        let up_error = error(saved_up.error, low.up.nrows(), rank).map(f64::from);
        let (wide_down, wide_up) = (low.down.map(f64::from), low.up.map(f64::from));
        // ‖X·Y‖² = tr(XᵀX·YYᵀ).
        let product =
            |x: &DMatrix<f64>, y: &DMatrix<f64>| (x.tr_mul(x)).dot(&(y * y.transpose())).max(0.0).sqrt();
        let whole = low.sigma.iter().take(rank).map(|s| s * s).sum::<f64>().sqrt();
        let apart = (product(&wide_up, &down_error) + product(&up_error, &wide_down)) / scale;
        Compressed {
            down: saved_down.bytes,
            up: saved_up.bytes,
            rank,
            kept: truncate::kept(&low.sigma, rank),
            rounding: if whole > 0.0 { apart / whole } else { 0.0 },
        }
    }
}
