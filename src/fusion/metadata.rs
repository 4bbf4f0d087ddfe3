//! What the result says about itself, in the keys that other programs read (formats.md §4.6).

use super::settings::{CutChoice, RankLayout, Settings};
use crate::adapter::Adapter;
use std::collections::BTreeMap;

/// Keys that are carried over as they are, if the content has them, else from the style.
const CARRIED: [&str; 6] = [
    "ss_v2",
    "ss_base_model_version",
    "modelspec.architecture",
    "modelspec.implementation",
    "modelspec.resolution",
    "modelspec.prediction_type",
];

/// The `__metadata__` of the result. `rank` and `alpha` are those of the file as a whole.
///
/// Nothing is carried that would be untrue of the result (hashes, thumbnails, PEFT's `lora_adapter_metadata`, which
/// diffusers uses for scaling) or that tells of its makers' machines (dataset folders). There is no date: the same
/// inputs give the same bytes.
pub(super) fn of_result(
    content: &Adapter,
    style: &Adapter,
    settings: &Settings,
    rank: usize,
    alpha: f64,
) -> BTreeMap<String, String> {
    let mut metadata: BTreeMap<String, String> = CARRIED
        .iter()
        .filter_map(|&key| {
            let value = content.metadata.get(key).or_else(|| style.metadata.get(key))?;
            Some((key.to_owned(), value.clone()))
        })
        .collect();
    let flux = content.summary().family.is_some_and(|family| family.starts_with("FLUX.1"));
    let title = |adapter: &Adapter| {
        let named = ["modelspec.title", "ss_output_name"].iter().find_map(|key| adapter.metadata.get(*key));
        named.cloned().unwrap_or_else(|| adapter.name.trim_end_matches(".safetensors").to_owned())
    };
    let (subject, look) = (title(content), title(style));
    let words: Vec<String> =
        [content, style].iter().flat_map(|adapter| adapter.summary().trigger_words).collect();
    let mu = if settings.mu.is_infinite() { "infinity".to_owned() } else { settings.mu.to_string() };
    let directions = match settings.cut {
        CutChoice::All => "all".to_owned(),
        CutChoice::Count { count } => count.to_string(),
        CutChoice::Energy { share } => format!("energy {share}"),
    };
    let layout = match settings.layout {
        RankLayout::Compatible => "compatible",
        RankLayout::Compact => "compact",
    };
    let description = format!(
        "{subject} in the style of {look}: fused with NP-LoRA (arXiv 2511.11051), mu {mu}, subject strength {}, style strength {}.",
        settings.content_strength, settings.style_strength
    );
    let own = [
        ("format", "pt".to_owned()),
        ("ss_network_module", if flux { "networks.lora_flux" } else { "networks.lora" }.to_owned()),
        ("ss_network_dim", rank.to_string()),
        ("ss_network_alpha", alpha.to_string()),
        ("ss_output_name", settings.output_name.clone()),
        ("modelspec.sai_model_spec", "1.0.0".to_owned()),
        ("modelspec.title", settings.output_name.clone()),
        ("modelspec.merged_from", format!("{subject}, {look}")),
        ("modelspec.description", description),
        ("modelspec.trigger_phrase", words.join(", ")),
        ("np_lora.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("np_lora.content", content.name.clone()),
        ("np_lora.style", style.name.clone()),
        ("np_lora.mu", mu),
        ("np_lora.content_strength", settings.content_strength.to_string()),
        ("np_lora.style_strength", settings.style_strength.to_string()),
        ("np_lora.directions", directions),
        ("np_lora.layout", layout.to_owned()),
    ];
    metadata.extend(
        own.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value)),
    );
    metadata
}
