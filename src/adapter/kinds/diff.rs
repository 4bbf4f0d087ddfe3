//! A full weight difference (`.diff`): dense, so it is cut to a rank.

use super::{Parts, Sizes, matrix, needed, size, unmatched};
use crate::adapter::roles::Part;
use crate::backend::matrix::Matrix;
use crate::backend::products::{Product, dense};
use crate::container::Tensor;
use crate::error::Result;

/// The update itself as one tensor, `[out, in]` or `[out, in, kh, kw]`. It has no scale.
#[derive(Clone, Debug)]
pub struct Diff {
    /// The tensor that holds the update.
    pub diff: Tensor,
}

impl Diff {
    pub(super) fn of(parts: &Parts) -> Result<(Self, Sizes)> {
        let diff = needed(parts.get(Part::Diff), "diff", None)?;
        let (out, input, kernel) = matrix(diff)?;
        let dims = [&[input], kernel].concat();
        let (out_features, in_features) = (size(out, diff)?, size(super::product(&dims), diff)?);
        let rank = out_features.min(in_features);
        Ok((
            Self { diff: diff.clone() },
            Sizes { out_features, dims, rank, is_cut: true, alpha_rank: None, between: 0 },
        ))
    }
}

pub(super) fn product(values: &[Matrix], rank: usize) -> Result<Product> {
    match values {
        [matrix] => Ok(dense(matrix, rank)),
        _ => Err(unmatched()),
    }
}
