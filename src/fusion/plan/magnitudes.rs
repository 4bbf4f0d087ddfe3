//! DoRA's magnitudes. They depend on the base model's weights, so they stay with a module only if it passes through unchanged.

use super::outputs::{Group, Output};
use super::pairing::{Share, Unit};
use crate::adapter::families::Scheme;
use crate::adapter::roles::DORA_SCALE;
use crate::adapter::scale::ScaleChoice;
use crate::container::Tensor;
use crate::error::{Code, Error};
use crate::fusion::Side;
use crate::fusion::settings::recipe::Recipe;
use crate::order::Places;
use std::collections::HashSet;

/// Whether a file's half of a unit passes through unchanged.
pub(super) fn is_untouched(unit: &Unit, share: &Share, side: Side, recipe: &Recipe) -> bool {
    unit.pair().is_none()
        && share.strength == 1.0
        && recipe.scale(side) == ScaleChoice::Auto
        && recipe.is_exact()
        && share.rows.as_slice() == std::slice::from_ref(&(0..share.module.out_features))
}

/// DoRA modules that would be written without their magnitudes.
pub(crate) fn left_behind(groups: &[Group]) -> HashSet<(Side, String)> {
    let carried: Places = groups
        .iter()
        .flat_map(|group| &group.outputs)
        .filter_map(|output| output.magnitude.as_ref().map(|(_, tensor)| (tensor.name.clone(), 0)))
        .collect();
    let shares = groups.iter().flat_map(|group| &group.units).flat_map(Unit::shares);
    shares
        .filter(|(_, share)| share.module.magnitude.as_ref().is_some_and(|m| carried.get(&m.name).is_none()))
        .map(|(side, share)| (side, share.module.stem.clone()))
        .collect()
}

/// A warning about DoRA modules that are fused without their magnitudes; `None` if there are none.
pub(crate) fn left_out(groups: &[Group]) -> Option<Error> {
    let modules = left_behind(groups);
    let (_, first) = modules.iter().min()?;
    Some(Error::new(Code::DirectionOnly, format!("In all: {}.", modules.len())).at_tensor(first))
}

/// Lets DoRA modules that pass through keep their magnitudes, if they become a single module of the result, row by row.
pub(crate) fn carry(groups: &mut [Group], recipe: &Recipe, scheme: Option<&Scheme>) {
    for group in groups {
        let ([unit], [output]) = (group.units.as_slice(), group.outputs.as_mut_slice()) else { continue };
        let mut shares = unit.shares();
        let (Some((side, share)), None) = (shares.next(), shares.next()) else { continue };
        let rows = output.blocks.first().map(|block| block.rows.as_slice());
        let in_order = rows == Some(&[(0..share.module.out_features, 0)]);
        let Some(tensor) = &share.module.magnitude else { continue };
        // For a model in no table, the magnitudes keep the ending that they have in its file, because readers of such files expect it.
        if scheme.is_none() && tensor.name.ends_with(DORA_SCALE) {
            output.names.magnitude = DORA_SCALE;
        }
        if is_untouched(unit, share, side, recipe) && in_order && can_say(output, tensor) {
            output.magnitude = Some((side, tensor.clone()));
        }
    }
}

/// Whether the result's spelling can express the magnitudes: PEFT has magnitudes of rows only.
fn can_say(output: &Output, tensor: &Tensor) -> bool {
    let of_rows = tensor.shape.first() == Some(&(output.out_features as u64));
    of_rows || is_of_lycoris(output)
}

fn is_of_lycoris(output: &Output) -> bool {
    output.names.magnitude == DORA_SCALE
}

/// The name of the magnitudes' tensor.
pub(crate) fn name(output: &Output) -> String {
    format!("{}{}", output.names.stem, output.names.magnitude)
}

/// The shape of the magnitudes' tensor: PEFT keeps a vector, LyCORIS a column (or a row, if the norms are those of columns).
pub(crate) fn shape(output: &Output, tensor: &Tensor) -> Vec<u64> {
    match (is_of_lycoris(output), tensor.shape.as_slice()) {
        (true, [rows]) => [vec![*rows, 1], vec![1; output.dims.len().saturating_sub(1)]].concat(),
        (false, [rows, rest @ ..]) if output.dims.len() == 1 && rest.iter().all(|&d| d == 1) => vec![*rows],
        (_, shape) => shape.to_vec(),
    }
}
