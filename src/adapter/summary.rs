//! What a file is, in the words of its user, from its header and alphas alone.

use super::{Adapter, families};
use crate::error::Error;
use serde::Serialize;
use std::collections::BTreeMap;

/// How many modules have this value.
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
    /// File name.
    pub name: String,
    /// File size in bytes.
    pub size: u64,
    /// "LoRA", or "LoRA with conv layers".
    pub kind: &'static str,
    /// The most common spelling.
    pub scheme: &'static str,
    /// The model family, where notes or names tell it.
    pub family: Option<String>,
    /// The base model as the metadata names it.
    pub base_model: Option<String>,
    /// The title or output name in the metadata.
    pub title: Option<String>,
    /// Words that the metadata says trigger the LoRA.
    pub trigger_words: Vec<String>,
    /// Ranks, the most common first.
    pub ranks: Vec<Share<usize>>,
    /// Alphas, the most common first; `None` where no alpha is stored (scale 1).
    pub alphas: Vec<Share<Option<f64>>>,
    /// Number formats, the most common first.
    pub dtypes: Vec<Share<String>>,
    /// All LoRA modules.
    pub modules: usize,
    /// Those of text encoders.
    pub text_encoder_modules: usize,
    /// Tensors that belong to no module.
    pub extra_tensors: usize,
    /// What to know although the file is accepted.
    pub warnings: Vec<Error>,
}

impl Adapter {
    /// Describes the file.
    pub fn summary(&self) -> Summary {
        let modules = || self.modules.values();
        let noted = |keys: &[&str]| {
            keys.iter()
                .find_map(|key| self.metadata.get(*key))
                .filter(|text| !text.trim().is_empty())
                .cloned()
        };
        let conv =
            modules().any(|module| module.input_dims().get(1..).is_some_and(|k| k.iter().any(|&d| d > 1)));
        Summary {
            name: self.name.clone(),
            size: self.size,
            kind: if conv { "LoRA with conv layers" } else { "LoRA" },
            scheme: shares(modules().map(|module| module.spelling.name))
                .first()
                .map_or("", |share| share.value),
            family: families::family(
                &self.metadata,
                modules().map(|module| (module.stem.as_str(), module.out_features, module.in_features)),
            ),
            base_model: noted(&["ss_base_model_version", "modelspec.architecture"]),
            title: noted(&["modelspec.title", "ss_output_name"]),
            trigger_words: self.trigger_words(),
            ranks: shares(modules().map(|module| module.rank)),
            alphas: shares(modules().map(|module| module.alpha)),
            dtypes: shares(modules().map(|module| format!("{:?}", module.down.dtype))),
            modules: self.modules.len(),
            text_encoder_modules: self.modules.keys().filter(|id| id.is_text_encoder()).count(),
            extra_tensors: self.extra.len(),
            warnings: self.warnings.clone(),
        }
    }

    /// The trigger phrase if the file has one, else the words that stand in (nearly) every caption of its training set.
    fn trigger_words(&self) -> Vec<String> {
        if let Some(phrase) = self.metadata.get("modelspec.trigger_phrase") {
            return phrase
                .split(',')
                .map(|word| word.trim().to_owned())
                .filter(|word| !word.is_empty())
                .collect();
        }
        let frequencies = self
            .metadata
            .get("ss_tag_frequency")
            .and_then(|json| serde_json::from_str::<BTreeMap<String, BTreeMap<String, f64>>>(json).ok());
        let mut counts: Vec<(String, f64)> =
            frequencies.into_iter().flatten().flat_map(|(_, tags)| tags.into_iter()).collect();
        counts.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let most = counts.first().map_or(0.0, |(_, count)| *count);
        counts
            .into_iter()
            .take_while(|(_, count)| *count >= 0.9 * most)
            .take(8)
            .map(|(tag, _)| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty())
            .collect()
    }
}

/// Counts equal values, the most common first (ties in order of appearance).
fn shares<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<Share<T>> {
    let mut counted: Vec<Share<T>> = Vec::new();
    for value in values {
        match counted.iter_mut().find(|share| share.value == value) {
            Some(share) => share.modules += 1,
            None => counted.push(Share { value, modules: 1 }),
        }
    }
    counted.sort_by_key(|share| std::cmp::Reverse(share.modules));
    counted
}
