//! Modules that cannot be fused: DoRA in both files, modules refused when the file was read, and repeated ones. All are counted.

use super::magnitudes::is_untouched;
use super::pairing::{Pairing, Share, Unit};
use crate::adapter::families::is_text_encoder;
use crate::adapter::{Adapter, Module};
use crate::error::{Code, Error, merge_alike};
use crate::fusion::settings::recipe::Recipe;
use crate::fusion::{Adapters, Pair, Side};
use serde::Serialize;
use std::collections::HashSet;

/// A module that is left out of the result, or a change of a bias or a norm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The file's role.
    #[serde(skip)]
    pub side: Side,
    /// The file's name.
    pub file: String,
    /// The stem of the module, or the name of the tensor.
    pub module: String,
    /// The reason.
    pub why: &'static str,
    /// Number of its tensors.
    pub tensors: usize,
}

const DORA: &str = "DoRA, whose magnitudes depend on the base model's weights; it can be fused without them, as \"direction only\"";
const REPEATED: &str = "a fused layer whose parts are in the file as well";

/// Splits the units into those that remain and the modules that are refused. `barred` are DoRA modules that cannot pass through unchanged.
pub(crate) fn split(
    pairing: &Pairing,
    files: Adapters<'_>,
    recipe: &Recipe,
    barred: &HashSet<(Side, String)>,
) -> (Vec<Unit>, Vec<Refusal>) {
    let of_module = |side: Side, module: &Module, why| {
        let file = files.of(side).map(|adapter| adapter.name.clone()).unwrap_or_default();
        Refusal { side, file, module: module.stem.clone(), why, tensors: module.tensors }
    };
    let mut refusals = at_reading(files);
    refusals.extend(pairing.repeated.iter().map(|(side, module)| of_module(*side, module, REPEATED)));
    let mut dropped: HashSet<(Side, String)> = HashSet::new();
    for (side, share) in depending(pairing, recipe, barred) {
        if dropped.insert((side, share.module.stem.clone())) {
            refusals.push(of_module(side, &share.module, DORA));
        }
    }
    let mut units = pairing.units.clone();
    for unit in &mut units {
        for side in [Side::Content, Side::Style] {
            unit.halves.of_mut(side).take_if(|share| dropped.contains(&(side, share.module.stem.clone())));
        }
    }
    units.retain(|unit| unit.shares().next().is_some());
    (units, refusals)
}

/// What was refused when the files were read.
fn at_reading(files: Adapters<'_>) -> Vec<Refusal> {
    let adapters = files.into_iter().flat_map(|(side, file)| file.into_iter().map(move |one| (side, one)));
    let refused = adapters.flat_map(|(side, adapter)| {
        adapter.refused.iter().map(move |refused| Refusal {
            side,
            file: adapter.name.clone(),
            module: refused.stem.clone(),
            why: refused.why,
            tensors: refused.tensors,
        })
    });
    refused.collect()
}

/// DoRA modules in the result's units that do not stay unchanged, unless only their directions are wanted.
fn depending<'a>(
    pairing: &'a Pairing,
    recipe: &Recipe,
    barred: &HashSet<(Side, String)>,
) -> impl Iterator<Item = (Side, &'a Share)> {
    let units = pairing.units.iter().filter(|unit| !recipe.direction_only && unit.is_part(recipe.result));
    let shares = units.flat_map(|unit| unit.shares().map(move |(side, share)| (unit, side, share)));
    let depending = shares.filter(|(unit, side, share)| {
        let is_barred = || barred.contains(&(*side, share.module.stem.clone()));
        share.module.magnitude.is_some() && (!is_untouched(unit, share, *side, recipe) || is_barred())
    });
    depending.map(|(_, side, share)| (side, share))
}

/// The warning about refused DoRA modules, if any; other refusals are covered by warnings about their file.
pub(crate) fn warning(refusals: &[Refusal]) -> Vec<Error> {
    let of_dora = refusals.iter().filter(|refusal| refusal.why == DORA);
    merge_alike(of_dora.map(|refusal| refused(Code::ModulesRefused, refusal)).collect())
}

/// The error for two files without a common unit.
pub(crate) fn nothing_shared(files: Pair<&Adapter>, refusals: &[Refusal]) -> Error {
    let Pair { content, style } = files;
    if let Some(refusal) = refusals.iter().find(|refusal| refusal.why == DORA) {
        return refused(Code::AdapterKind, refusal);
    }
    let only = |adapter: &Adapter, text: bool| {
        let modules = &adapter.modules;
        !modules.is_empty() && modules.iter().all(|module| is_text_encoder(&module.stem) == text)
    };
    for (text, denoiser) in [(content, style), (style, content)] {
        if only(text, true) && only(denoiser, false) {
            let (text, denoiser) = (&text.name, &denoiser.name);
            let detail = format!(
                "{text:?} has only layers of a text encoder and {denoiser:?} only layers of the denoiser: loaded together they need no fusing."
            );
            return Error::new(Code::NoCommonModules, detail);
        }
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

/// The error for a file all of whose modules were refused.
pub(crate) fn nothing_left(file: &Adapter, refusals: &[Refusal]) -> Error {
    refusals.first().map_or_else(
        || Error::new(Code::NoLora, "There are only vectors in it.").in_file(&file.name),
        |refusal| refused(Code::AdapterKind, refusal),
    )
}

fn refused(code: Code, Refusal { file, module, why, .. }: &Refusal) -> Error {
    Error::new(code, format!("It is {why}.")).in_file(file).at_tensor(module)
}
