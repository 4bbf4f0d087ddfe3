//! The description of a file in the words of its user, from its header and alphas alone.

use super::families::Detected;
use super::scale::{ScaleChoice, ScaleSource};
use super::{Adapter, families};
use crate::error::Error;
use crate::json;
use crate::order::{self, Places};
use serde::Serialize;

/// A value, and the number of modules that have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share<T> {
    /// The value.
    pub value: T,
    /// Number of modules.
    pub modules: usize,
}

/// A description of one LoRA file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The name of the file.
    pub name: String,
    /// File size in bytes.
    pub size: u64,
    /// Kinds of adapter, the most common first: "LoRA", "LoCon", "LoHa" …
    pub kinds: Vec<Share<&'static str>>,
    /// The naming of the file as users choose it for a result, or, if the file follows none of these namings, the name of its
    /// factors' spelling.
    pub scheme: &'static str,
    /// The model family, where metadata or layer names tell it.
    pub family: Option<String>,
    /// The families that fit the file's layers equally well, if the metadata does not decide.
    pub families: Vec<&'static str>,
    /// The base model as the metadata names it.
    pub base_model: Option<String>,
    /// The model that the LoRA was trained on, by its file name or location. Hostile text.
    pub trained_on: Option<String>,
    /// The files that the LoRA was merged from, as the merging program noted them. Hostile text.
    pub merged_from: Option<String>,
    /// The title or output name in the metadata.
    pub title: Option<String>,
    /// The trigger words named in the metadata.
    pub trigger_words: Vec<String>,
    /// The ranks of the modules, the most common first.
    pub ranks: Vec<Share<usize>>,
    /// The alphas of the modules, the most common first; `None` where no alpha is stored (scale 1).
    pub alphas: Vec<Share<Option<f64>>>,
    /// The scales of the modules' products at strength 1 and their sources, the most common first.
    pub scales: Vec<Share<Scale>>,
    /// The number formats of the tensors, the most common first.
    pub dtypes: Vec<Share<String>>,
    /// All LoRA modules.
    pub modules: usize,
    /// The number of LoRA modules that belong to text encoders.
    pub text_encoder_modules: usize,
    /// The number of changes of biases and norms, and of weights that are not layers.
    pub vectors: usize,
    /// Modules without an exact low-rank form, which are cut to a rank.
    pub cut: usize,
    /// Modules with DoRA's magnitudes.
    pub magnitudes: usize,
    /// Modules that cannot be fused.
    pub refused: usize,
    /// Warnings for the user about a file that is accepted.
    pub warnings: Vec<Error>,
}

/// A scale and its source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scale {
    /// The scale, alpha/rank.
    pub value: f64,
    /// Where alpha was found.
    pub source: ScaleSource,
}

impl Adapter {
    /// Describes the file.
    pub fn summary(&self) -> Summary {
        let modules = || self.modules.iter();
        let noted = |keys: &[&str]| {
            let mut texts = keys.iter().filter_map(|key| self.metadata.get(*key));
            texts.find(|text| !text.trim().is_empty()).cloned()
        };
        Summary {
            name: self.name.clone(),
            size: self.size,
            kinds: shares(modules().map(|module| module.kind_name())),
            scheme: self.scheme(),
            family: families::family(
                &self.family,
                &self.metadata,
                modules().map(|module| module.stem.as_str()),
            ),
            families: match &self.family {
                Detected::Ambiguous(families) => families.iter().map(|family| family.name()).collect(),
                Detected::Is(_) | Detected::Unknown => Vec::new(),
            },
            base_model: noted(&["ss_base_model_version", "modelspec.architecture"]),
            trained_on: noted(&["ss_sd_model_name"]),
            merged_from: noted(&["modelspec.merged_from"]),
            title: self.title().map(str::to_owned),
            trigger_words: self.trigger_words.clone(),
            ranks: shares(modules().map(|module| module.rank)),
            alphas: shares(modules().map(|module| module.alpha.map(|alpha| alpha.value))),
            scales: shares(modules().map(|module| {
                let (value, source) = module.scale(ScaleChoice::Auto);
                Scale { value, source }
            })),
            dtypes: shares(
                modules()
                    .flat_map(|module| module.kind.tensors())
                    .map(|tensor| format!("{:?}", tensor.dtype)),
            ),
            modules: self.modules.len(),
            text_encoder_modules: modules().filter(|m| families::is_text_encoder(&m.stem)).count(),
            vectors: self.vectors.len(),
            cut: modules().filter(|module| module.is_cut).count(),
            magnitudes: modules().filter(|module| module.magnitude.is_some()).count(),
            refused: self.refused.len(),
            warnings: self.warnings.clone(),
        }
    }
}

impl Adapter {
    /// The scheme of the family that the modules are written in; where none is, the spelling of the first of them.
    fn scheme(&self) -> &'static str {
        let family = self.family.families().first();
        let scheme = |module: &super::Module| family?.scheme_of(&module.stem, module.spelling);
        let spelling = || self.modules.first().map_or("", |module| module.spelling.name);
        self.modules.iter().find_map(scheme).map_or_else(spelling, |scheme| scheme.name)
    }
}

/// Counts equal values, the most common first (ties in order of appearance).
fn shares<T: Serialize>(values: impl Iterator<Item = T>) -> Vec<Share<T>> {
    let mut places = Places::default();
    let mut counted: Vec<Share<T>> = Vec::new();
    for value in values {
        let key = json::text(&value);
        places.entry(&mut counted, &key, || Share { value, modules: 0 }).modules += 1;
    }
    order::sort_by(&mut counted, |a, b| b.modules.cmp(&a.modules));
    counted
}
