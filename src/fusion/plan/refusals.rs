//! Modules that cannot be fused: DoRA in both files, what was refused at reading, what is said twice. All are counted.

use super::outputs::{Group, Output};
use super::pairing::{Pairing, Share, Unit};
use crate::adapter::Adapter;
use crate::adapter::scale::ScaleChoice;
use crate::container::Tensor;
use crate::error::{Code, Error};
use crate::fusion::Side;
use crate::fusion::settings::ResultChoice;
use crate::fusion::settings::recipe::Recipe;
use crate::order::Places;
use serde::Serialize;
use std::collections::HashSet;

/// A module that is left out of the result, or a change of a bias or a norm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Whose it is.
    #[serde(skip)]
    pub side: Side,
    /// The file.
    pub file: String,
    /// The module's stem, or the tensor's name.
    pub module: String,
    /// Why.
    pub why: &'static str,
    /// Number of its tensors.
    pub tensors: usize,
}

const DORA: &str = "DoRA, whose magnitudes depend on the base model's weights; it can be fused without them, as \"direction only\"";
const REPEATED: &str = "a fused layer whose parts are in the file as well";

/// The units that are left, and the modules that are not.
pub(crate) fn sort_out(
    pairing: &Pairing,
    content: Option<&Adapter>,
    style: Option<&Adapter>,
    recipe: &Recipe,
    barred: &HashSet<(Side, String)>,
) -> (Vec<Unit>, Vec<Refusal>) {
    let file = |side: Side| if side == Side::Content { content } else { style };
    let name = |side: Side| file(side).map(|adapter| adapter.name.clone()).unwrap_or_default();
    let mut refusals: Vec<Refusal> = Vec::new();
    for side in [Side::Content, Side::Style] {
        refusals.extend(file(side).into_iter().flat_map(|adapter| &adapter.refused).map(|refused| Refusal {
            side,
            file: name(side),
            module: refused.stem.clone(),
            why: refused.why,
            tensors: refused.tensors,
        }));
    }
    let mut refuse = |side: Side, module: &crate::adapter::Module, why| {
        let (module, tensors) = (module.stem.clone(), module.tensors);
        refusals.push(Refusal { side, file: name(side), module, why, tensors });
    };
    for (side, module) in &pairing.repeated {
        refuse(*side, module, REPEATED);
    }
    let mut dropped: HashSet<(Side, String)> = HashSet::new();
    if !recipe.direction_only {
        // What only one file has is no part of an overlap, whatever it is.
        let is_part = |unit: &&Unit| recipe.result == ResultChoice::Fusion || unit.pair().is_some();
        for unit in pairing.units.iter().filter(is_part) {
            let depending = |(side, share): &(Side, &Share)| {
                let is_barred = || barred.contains(&(*side, share.module.stem.clone()));
                share.module.magnitude.is_some() && (!is_untouched(unit, share, *side, recipe) || is_barred())
            };
            for (side, share) in unit.shares().filter(depending) {
                if dropped.insert((side, share.module.stem.clone())) {
                    refuse(side, &share.module, DORA);
                }
            }
        }
    }
    let keeps = |side: Side, share: &Option<Share>| {
        share.as_ref().is_none_or(|share| !dropped.contains(&(side, share.module.stem.clone())))
    };
    let mut units = pairing.units.clone();
    for unit in &mut units {
        if !keeps(Side::Content, &unit.content) {
            unit.content = None;
        }
        if !keeps(Side::Style, &unit.style) {
            unit.style = None;
        }
    }
    units.retain(|unit| unit.shares().next().is_some());
    (units, refusals)
}

/// Whether nothing is done to a share but passing it through.
fn is_untouched(unit: &Unit, share: &Share, side: Side, recipe: &Recipe) -> bool {
    unit.pair().is_none()
        && share.strength == 1.0
        && recipe.scale(side) == ScaleChoice::Auto
        && recipe.keep.is_none()
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

/// A word on DoRA modules that are fused all the same.
pub(crate) fn without_magnitudes(groups: &[Group]) -> Option<Error> {
    let modules = left_behind(groups);
    let (_, first) = modules.iter().min()?;
    Some(Error::new(Code::DirectionOnly, format!("There are {}.", modules.len())).at_tensor(first))
}

/// Gives DoRA modules that pass through their magnitudes: those that become one module of the result, row by row.
pub(crate) fn carry_magnitudes(groups: &mut [Group], recipe: &Recipe) {
    for group in groups {
        let ([unit], [output]) = (group.units.as_slice(), group.outputs.as_mut_slice()) else { continue };
        let mut shares = unit.shares();
        let (Some((side, share)), None) = (shares.next(), shares.next()) else { continue };
        let rows = output.blocks.first().map(|block| block.rows.as_slice());
        let in_order = rows == Some(&[(0..share.module.out_features, 0)]);
        let Some(tensor) = &share.module.magnitude else { continue };
        if is_untouched(unit, share, side, recipe) && in_order && can_say(output, tensor) {
            output.magnitude = Some((side, tensor.clone()));
        }
    }
}

/// PEFT has magnitudes of rows only.
fn can_say(output: &Output, tensor: &Tensor) -> bool {
    let of_rows = tensor.shape.first() == Some(&(output.out_features as u64));
    of_rows || output.names.alpha.is_some()
}

/// kohya's and LyCORIS' name, or PEFT's.
pub(crate) fn magnitude_name(output: &Output) -> String {
    let suffix = if output.names.alpha.is_some() { ".dora_scale" } else { ".lora_magnitude_vector" };
    format!("{}{suffix}", output.names.stem)
}

/// PEFT keeps a vector, LyCORIS a column (or a row, where the norms are those of columns).
pub(crate) fn magnitude_shape(output: &Output, tensor: &Tensor) -> Vec<u64> {
    match (output.names.alpha.is_some(), tensor.shape.as_slice()) {
        (true, [rows]) => [vec![*rows, 1], vec![1; output.dims.len().saturating_sub(1)]].concat(),
        (false, [rows, rest @ ..]) if output.dims.len() == 1 && rest.iter().all(|&d| d == 1) => vec![*rows],
        (_, shape) => shape.to_vec(),
    }
}

/// Two files without a common unit.
pub(crate) fn nothing_shared(content: &Adapter, style: &Adapter, refusals: &[Refusal]) -> Error {
    if refusals.iter().any(|refusal| refusal.why == DORA) {
        return nothing_left(content, refusals);
    }
    let example = |adapter: &Adapter| {
        adapter.modules.first().map_or(("", String::new()), |m| (m.spelling.name, m.stem.clone()))
    };
    let ((content_scheme, content_stem), (style_scheme, style_stem)) = (example(content), example(style));
    Error::new(
        Code::NoCommonModules,
        format!(
            "{:?} ({content_scheme}) has {} modules such as {content_stem:?}; {:?} ({style_scheme}) has {} such as {style_stem:?}.",
            content.name,
            content.modules.len(),
            style.name,
            style.modules.len()
        ),
    )
}

/// Files of which every module was refused.
pub(crate) fn nothing_left(file: &Adapter, refusals: &[Refusal]) -> Error {
    match refusals.first() {
        Some(first) => Error::new(Code::AdapterKind, format!("It is {}.", first.why))
            .in_file(&first.file)
            .at_tensor(&first.module),
        None => Error::new(Code::NoLora, "There are only vectors in it.").in_file(&file.name),
    }
}
