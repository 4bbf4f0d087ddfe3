//! Checks that two files are for the same model.

use super::outputs::Group;
use super::pairing::Unit;
use crate::adapter::families::{Family, Scheme, is_text_encoder};
use crate::adapter::{Adapter, Module, ModuleId};
use crate::error::{Code, Error, Result};
use crate::fusion::settings::recipe::Recipe;
use crate::fusion::settings::{ResultChoice, Settings};
use crate::fusion::{Adapters, Pair, Side};
use serde::Serialize;

/// The family of one or two files; `None` if no known family fits.
///
/// # Errors
/// `BaseMismatch` if the files are of different families; `FamilyUnclear` if several fit and the user has not chosen one.
pub(crate) fn family(files: Adapters<'_>, recipe: &Recipe) -> Result<Option<&'static Family>> {
    if let Some(chosen) = recipe.family {
        for adapter in files.present() {
            // Families share text encoders, so these say little if there are other layers.
            let is_text = |module: &&Module| is_text_encoder(&module.stem);
            let denoiser: Vec<&Module> = adapter.modules.iter().filter(|module| !is_text(module)).collect();
            let modules = if denoiser.is_empty() { adapter.modules.iter().collect() } else { denoiser };
            let known = modules.iter().filter(|module| {
                let size = (module.out_features, module.in_features);
                chosen.place(&module.stem, size).is_some()
            });
            if 2 * known.count() < modules.len() {
                let detail = format!("It is not for {}, which was chosen.", chosen.name());
                return Err(Error::new(Code::BaseMismatch, detail).in_file(&adapter.name));
            }
        }
        return Ok(Some(chosen));
    }
    let known = known(files);
    match common(&known)?.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let detail = format!("The layers of these files fit {}.", names(several));
            let error = Error::new(Code::FamilyUnclear, detail);
            Err(match known.first() {
                Some((adapter, _)) => error.in_file(&adapter.name),
                None => error,
            })
        }
    }
}

/// All families that fit the files, the best known first, if the choice makes no difference to the tensors.
pub(crate) fn fitting(files: Adapters<'_>, recipe: &Recipe) -> Vec<&'static Family> {
    recipe.family.map_or_else(|| shared(&known(files)).unwrap_or_default(), |chosen| vec![chosen])
}

/// The families that the user may choose from; empty if the files settle it, fit no known family, or do not fit each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FamilyChoice {
    /// The names of the families.
    pub names: Vec<&'static str>,
    /// Whether the user must choose, because the choice makes a difference to the result's tensors.
    pub must: bool,
}

impl FamilyChoice {
    /// The choice that files leave.
    pub fn of(files: Adapters<'_>) -> Self {
        let known = known(files);
        let fitting = shared(&known).unwrap_or_default();
        if fitting.len() < 2 {
            return Self::default();
        }
        let must = common(&known).is_ok_and(|several| several.len() > 1);
        Self { names: fitting.into_iter().map(Family::name).collect(), must }
    }
}

type Known<'a> = (&'a Adapter, &'a [&'static Family]);

/// The files with recognised families, and those families.
fn known(files: Adapters<'_>) -> Vec<Known<'_>> {
    let known = files.present().map(|adapter| (adapter, adapter.family.families()));
    known.filter(|(_, families)| !families.is_empty()).collect()
}

/// The families that all files can be of; empty if there is no file. Of families that make no difference to these files, only the
/// best known remains.
fn common(known: &[Known<'_>]) -> Result<Vec<&'static Family>> {
    let several = shared(known)?;
    let stems =
        || known.iter().flat_map(|(adapter, _)| adapter.modules.iter().map(|module| module.stem.as_str()));
    match several[..] {
        [best, ref others @ ..]
            if others.iter().all(|other| {
                best.is_written_alike(other) && stems().all(|stem| best.is_alike(other, stem))
            }) =>
        {
            Ok(vec![best])
        }
        _ => Ok(several),
    }
}

fn shared(known: &[Known<'_>]) -> Result<Vec<&'static Family>> {
    match known {
        [] => Ok(Vec::new()),
        [(_, only)] => Ok(only.to_vec()),
        [(first, of_first), (second, of_second), ..] => {
            let both: Vec<_> = of_first.iter().filter(|family| of_second.contains(family)).copied().collect();
            if both.is_empty() {
                let detail = format!(
                    "{:?} is for {}, {:?} for {}.",
                    first.name,
                    names(of_first),
                    second.name,
                    names(of_second)
                );
                return Err(Error::new(Code::BaseMismatch, detail).in_file(&second.name));
            }
            Ok(both)
        }
    }
}

/// The names of families joined by "or": "SD 1.5", or "SD 1.5 or SD 2".
pub(crate) fn names(families: &[&Family]) -> String {
    families.iter().map(|family| family.name()).collect::<Vec<_>>().join(" or ")
}

/// Refuses two files for different noise stages: Wan 2.2 LoRAs come in two files with the same layers, for the noisy and the clean
/// half of the steps, which must never be fused with each other.
///
/// # Errors
/// `NoiseStage`.
pub(crate) fn check_stages(files: Adapters<'_>) -> Result<()> {
    let Some((first, second)) = stages(files, true) else { return Ok(()) };
    let detail =
        format!("The subject is for the {first}-noise steps, the style for the {second}-noise ones.");
    let style = files.style.map_or("", |style| &style.name);
    Err(Error::new(Code::NoiseStage, detail).in_file(style))
}

/// The stages of subject and style, if their names say that they differ. Many such files say only "high" or "HN", but "high" may
/// also mean contrast, so only "high noise" is `sure`.
fn stages(files: Adapters<'_>, sure: bool) -> Option<(&'static str, &'static str)> {
    let of_name = |name: &String| {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
        let is_sure = |stage: &str| letters.contains(&format!("{stage}noise"));
        let says = |stage: &str, short: &str| is_sure(stage) || words().any(|w| w == stage || w == short);
        let stage = match (says("high", "hn"), says("low", "ln")) {
            (true, false) => "high",
            (false, true) => "low",
            _ => return None,
        };
        (!sure || is_sure(stage)).then_some(stage)
    };
    let stage = |adapter: &Adapter| adapter.names().iter().find_map(of_name);
    let Pair { content, style } = files.both()?;
    let stages = (stage(content)?, stage(style)?);
    (stages.0 != stages.1).then_some(stages)
}

/// Refuses a module whose rows are in another order than its model's: it would be fused with the wrong rows.
///
/// # Errors
/// `LoraShape`.
pub(crate) fn check_rows(files: Adapters<'_>, family: Option<&Family>) -> Result<()> {
    let Some(family) = family else { return Ok(()) };
    for adapter in files.present() {
        let such = |module: &&Module| module.spelling.is_raw() && family.is_interleaved(&module.stem);
        if let Some(module) = adapter.modules.iter().find(such) {
            let detail = "Its rows are those of q, k and v of one head after the other, as DiffSynth-Studio has them: \
                          it can be fused once it is exported for ComfyUI or diffusers.";
            return Err(Error::new(Code::LoraShape, detail).in_file(&adapter.name).at_tensor(&module.stem));
        }
    }
    Ok(())
}

/// The warnings about a pair that is accepted.
pub(crate) fn warnings(
    files: Adapters<'_>,
    named: Option<(&Family, &Scheme)>,
    (groups, outside): (&[Group], &[Unit]),
    recipe: &Recipe,
) -> Vec<Error> {
    let mut warnings = Vec::new();
    let bases = files.map(|adapter| adapter?.metadata.get("ss_base_model_version"));
    if let Some(Pair { content, style }) = bases.both().filter(|bases| bases.content != bases.style) {
        let detail = format!("The subject's is {content:?}, the style's {style:?}.");
        warnings.push(Error::new(Code::BaseDiffers, detail));
    }
    if let (Some((family, _)), Some((first, second))) = (named, stages(files, false))
        && family.has_stages()
    {
        let detail = format!("The subject's says {first}, the style's {second}.");
        warnings.push(Error::new(Code::StagesUnclear, detail));
    }
    for adapter in files.present() {
        if let Some(word) = distilled(adapter) {
            warnings.push(
                Error::new(Code::Distilled, format!("Its name has {word:?} in it.")).in_file(&adapter.name),
            );
        }
    }
    let outputs = groups.iter().flat_map(|group| &group.outputs);
    let partial: Vec<&str> = outputs
        .filter(|output| {
            // Both files may fill the same rows.
            let mut rows: Vec<(usize, usize)> = Vec::new();
            for (from, to) in output.blocks.iter().flat_map(|block| &block.rows) {
                if !rows.iter().any(|(other, _)| other == to) {
                    rows.push((*to, from.len()));
                }
            }
            rows.iter().map(|(_, length)| length).sum::<usize>() < output.out_features
        })
        .map(|output| output.names.stem.as_str())
        .collect();
    // Parts that only one file has do not belong to an overlap.
    if let Some(first) = partial.first().filter(|_| recipe.result == ResultChoice::Fusion) {
        let detail = format!("In all: {}.", partial.len());
        warnings.push(Error::new(Code::PartsMissing, detail).at_tensor(*first));
    }
    if files.both().is_some() && named.is_none() {
        warnings.extend(unmatched(groups.iter().flat_map(|group| &group.units).chain(outside)));
    }
    if let Some((family, scheme)) = named {
        // A control LoRA has a wider version of a layer that the family has.
        let has = |id: &ModuleId, size: (usize, usize)| {
            let layer = family.target(id, scheme);
            layer.is_some_and(|layer| (layer.rows.len(), layer.in_features) == size)
        };
        let unknown =
            |unit: &Unit| unit.layers.iter().any(|(id, rows)| !has(id, (*rows, unit.in_features())));
        let unread = |unit: &Unit| unit.layers.iter().any(|(id, _)| !family.is_read(id, scheme));
        warnings.extend(counted(Code::UnknownModules, groups, unknown));
        warnings.extend(counted(Code::Unread, groups, unread));
    }
    warnings
}

/// The settings without those of blocks that the result does not have (for example from a recipe for other files), and a warning
/// that names one of these blocks.
pub(crate) fn in_force(
    mut settings: Settings,
    family: Option<&Family>,
    groups: &[Group],
) -> (Settings, Option<Error>) {
    // Most settings have none for blocks, and finding a layer's block takes time. An overlap ignores them, and may lack the layers
    // of some blocks.
    if settings.blocks.is_empty() || settings.result == ResultChoice::Overlap {
        return (settings, None);
    }
    let layers = groups.iter().flat_map(|group| &group.units).filter_map(|unit| unit.layers.first());
    let labels: Vec<String> = layers.filter_map(|(id, _)| Some(family?.block(id)?.label)).collect();
    let mut unknown: Option<Error> = None;
    for (label, own) in std::mem::take(&mut settings.blocks) {
        if labels.contains(&label) {
            settings.blocks.insert(label, own);
        } else {
            unknown.get_or_insert_with(|| {
                Error::new(Code::NoBlock, format!("One of those that they lack is {label:?}."))
            });
        }
    }
    (settings, unknown)
}

/// A warning if layers of a model in no table may go by two names.
fn unmatched<'a>(units: impl Iterator<Item = &'a Unit>) -> Option<Error> {
    let mut alone: [Option<&str>; 2] = [None; 2];
    for unit in units.filter(|unit| unit.pair().is_none()) {
        for (side, share) in unit.shares() {
            let stem = share.module.stem.as_str();
            if !is_text_encoder(stem) {
                alone[usize::from(side == Side::Style)].get_or_insert(stem);
            }
        }
    }
    let [content, style] = alone;
    let detail = format!("Such as {:?} and {:?}.", content?, style?);
    Some(Error::new(Code::NamesDiffer, detail))
}

/// A warning about the files' modules with such a layer: their number and the first of them.
fn counted(code: Code, groups: &[Group], is_such: impl Fn(&Unit) -> bool) -> Option<Error> {
    let such = groups.iter().flat_map(|group| &group.units).filter(|unit| is_such(unit));
    let stems: Vec<&str> =
        such.flat_map(|unit| unit.shares().map(|(_, share)| share.module.stem.as_str())).collect();
    let detail = format!("In all: {}.", stems.len());
    stems.first().map(|first| Error::new(code, detail).at_tensor(*first))
}

/// Words in the names of LoRAs that change the number of steps rather than the picture; below, names of models that contain such
/// words and do not count.
const DISTILLED: [&str; 9] = [
    "-lcm-",
    "-turbo-",
    "-lightning-",
    "-hyper-sd",
    "-hyper-flux",
    "-hypersd",
    "-dmd2-",
    "-lightx2v-",
    "-causvid-",
];
const MODELS: [&str; 5] = ["image-turbo", "zimage-turbo", "sdxl-turbo", "sd-turbo", "large-turbo"];

fn distilled(adapter: &Adapter) -> Option<&'static str> {
    let plain = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let names = adapter
        .names()
        .into_iter()
        .map(|name| MODELS.iter().fold(format!("-{}-", plain(&name)), |name, model| name.replace(model, "")));
    let names: Vec<String> = names.collect();
    let word = DISTILLED.into_iter().find(|word| names.iter().any(|name| name.contains(word)));
    word.map(|word| word.trim_matches('-'))
}
