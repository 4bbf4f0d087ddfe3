//! The singular values of one module: those of both files and of the result.

use super::measured::{Measured, measurable};
use crate::backend::cpu;
use crate::backend::matrix::{self, Matrix};
use crate::backend::products::MAX_RANK;
use crate::backend::truncate;
use crate::backend::{Dtype, Stored};
use crate::container::Source;
use crate::error::{Code, Error, Result};
use crate::fusion::method::factors::Factors;
use crate::fusion::method::loaded;
use crate::fusion::plan::Plan;
use crate::fusion::{Pair, Settings, Sources, as_f32};
use serde::Serialize;

/// One module at the chosen settings. Singular values are in descending order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spectra {
    /// The layer, or the layers of a fused module.
    pub name: String,
    /// The singular values of ΔW_c.
    pub content: Vec<f64>,
    /// The singular values of ΔW_s.
    pub style: Vec<f64>,
    /// The singular values of ΔW_s + ΔW_c·(I − β V_k V_kᵀ); empty if both ranks together are so high that it would take long.
    pub fused: Vec<f64>,
    /// The number of protected directions, k.
    pub protected: usize,
    /// The norm ‖ΔW_c·v_i‖ along each protected direction.
    pub along: Vec<f64>,
    /// The cosines of the principal angles between the two row spaces.
    pub cosines: Vec<f64>,
}

/// Reads and decomposes a module that both files have, by its name.
///
/// # Errors
/// Those of planning and of the sources; `NonFinite`; `Settings` if there is no such module; `OutputRange` where a
/// strength makes a value infinite.
pub async fn spectra<S: Source>(
    sources: &Sources<'_, S>,
    settings: &Settings,
    name: &str,
) -> Result<Spectra> {
    let plan = Plan::new(sources.adapters(), settings)?;
    let mut units = plan.units().filter(|unit| measurable(unit).is_some());
    let missing = || Error::new(Code::Settings, "There is no such module.");
    let unit = units.find(|unit| unit.name() == name).ok_or_else(missing)?;
    let read = loaded::read(std::slice::from_ref(unit), sources).await?;
    let mut loaded = read.into_iter().next().ok_or_else(missing)?;
    loaded.recompute(&plan, unit);
    let weights = unit.pair().ok_or_else(missing)?.map(|share| share.weight);
    let (Some(factors), Some(projected)) = (loaded.halves.both(), loaded.projected.first()) else {
        return Err(missing());
    };
    let measured = Measured::of(&factors);
    let k = cpu::count(&measured.style_sigma, plan.recipe.cut);
    let scaled = |values: &[f64], by: f64| values.iter().map(|value| value * by.abs()).collect::<Vec<_>>();
    let (down, up) = fused(&factors, weights, &projected.content_down);
    if !matrix::is_finite(&down) || !matrix::is_finite(&up) {
        return Err(Error::new(Code::OutputRange, "A value is too large for F32.").at_tensor(unit.name()));
    }
    let roots: Vec<f64> = measured.content_along.iter().take(k).map(|square| square.sqrt()).collect();
    Ok(Spectra {
        name: unit.name(),
        content: scaled(&measured.content_sigma, weights.content),
        style: scaled(&measured.style_sigma, weights.style),
        fused: if down.nrows() <= MAX_RANK { truncate::singular_values(&down, &up) } else { Vec::new() },
        protected: k,
        along: scaled(&roots, weights.content),
        cosines: measured.cosines,
    })
}

/// The factors of the fused module: down [w_s·A_s ; w_c·A_c'] and up [B_s | B_c].
fn fused(Pair { content, style }: &Pair<Factors>, weights: Pair<f64>, projected: &[u8]) -> (Matrix, Matrix) {
    let (r_s, r_c, n) = (style.down.rows, content.down.rows, style.down.cols);
    let mut down = Matrix::zeros(r_s + r_c, n);
    let mut up = Matrix::zeros(style.up.rows, r_s + r_c);
    let projected = Stored { bytes: projected, dtype: Dtype::F32, rows: r_c, cols: n };
    let projected = matrix::from_rows(r_c, n, &cpu::decode(&projected, false));
    let own = matrix::from_rows(r_s, n, &style.down.values());
    matrix::place(&mut down, 0, 0, &own, &(0..r_s), as_f32(weights.style));
    matrix::place(&mut down, r_s, 0, &projected, &(0..r_c), as_f32(weights.content));
    for (at, half) in [(0, style), (r_s, content)] {
        let values = matrix::from_rows(half.up.rows, half.up.cols, &half.up.values());
        matrix::place(&mut up, 0, at, &values, &(0..half.up.rows), 1.0);
    }
    (down, up)
}
