//! The metadata that describes the result, under the keys that other programs read.

use super::Plan;
use crate::adapter::Adapter;
use crate::adapter::families::{self, Family, NETWORK};
use crate::container::Layout;
use crate::error::{Code, Error, Result};
use crate::fusion::settings::mu;
use crate::fusion::settings::saved::{self, key};
use crate::fusion::settings::{CutChoice, RankLayout, Recompress, ResultChoice, Settings};
use crate::fusion::{Adapters, float};
use crate::json;
use std::collections::BTreeMap;

/// Keys that are carried over unchanged from the content, or from the style if the content lacks them.
const CARRIED: [&str; 6] = [
    "ss_v2",
    "ss_base_model_version",
    "modelspec.architecture",
    "modelspec.implementation",
    "modelspec.resolution",
    "modelspec.prediction_type",
];

/// Whether a value is one of the few that its key allows, so that it does not reveal where the file comes from.
fn is_closed(key: &str, value: &str) -> bool {
    match key {
        "ss_v2" => ["True", "False"].contains(&value),
        "modelspec.prediction_type" => ["epsilon", "v"].contains(&value),
        "modelspec.resolution" => {
            let is_side =
                |side: &str| matches!(side.len(), 1..=5) && side.bytes().all(|b| b.is_ascii_digit());
            value.split_once('x').is_some_and(|(width, height)| is_side(width) && is_side(height))
        }
        "ss_base_model_version" | "modelspec.architecture" => families::is_name_of_model(value),
        _ => false,
    }
}

/// The key under which A1111 and Forge look for the hash of a LoRA's tensors, whose value is known only once they are written.
const MODEL_HASH: &str = "sshs_model_hash";

/// The placeholder for that hash, as long as a SHA-256 in hexadecimal.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The `__metadata__` of the result.
///
/// Metadata that would be untrue of the result is left out (hashes, thumbnails, PEFT's `lora_adapter_metadata`, which diffusers
/// uses for scaling), as is anything that reveals its makers' machines (dataset folders). There is no date: the same inputs give
/// the same bytes.
pub(crate) fn of_result(plan: &Plan, files: Adapters<'_>) -> BTreeMap<String, String> {
    let settings = &plan.settings;
    // Notes are often copied from file to file: those naming another family than the layers do are not carried over, nor those on
    // which the files disagree, nor free texts if the sources are to stay unnamed.
    let trusted = |adapter: &&Adapter| {
        plan.layer_names.family.is_none_or(|family| families::is_noted(&adapter.metadata, family))
    };
    let carried = |key: &str| {
        let mut values = files.present().filter(trusted).filter_map(|adapter| adapter.metadata.get(key));
        let first = values.next()?;
        let is_open = settings.keep_sources || is_closed(key, first);
        (is_open && values.all(|value| value == first)).then(|| first.clone())
    };
    let mut metadata = BTreeMap::new();
    for key in CARRIED {
        if let Some(value) = carried(key) {
            metadata.insert(key.to_owned(), value);
        }
    }
    // If several families fit, the notes of the best known one might not be true.
    if let [family] = plan.fitting[..] {
        for (key, value) in family.default_notes() {
            metadata.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    let title = |adapter: &Adapter| {
        adapter
            .title()
            .unwrap_or_else(|| adapter.name.strip_suffix(".safetensors").unwrap_or(&adapter.name))
            .to_owned()
    };
    let titles: Vec<String> = files.present().map(title).collect();
    let words = trigger_words(settings, files);
    let writes_alpha = plan.outputs().any(|output| output.names.alpha.is_some());
    let mut own = vec![
        ("format", "pt".to_owned()),
        ("ss_network_module", plan.layer_names.family.map_or(NETWORK, Family::network).to_owned()),
        ("ss_network_dim", plan.rank.to_string()),
        ("ss_network_alpha", if writes_alpha { plan.alpha } else { float(plan.rank) }.to_string()),
        ("ss_output_name", settings.output_name.clone()),
        (MODEL_HASH, NO_HASH.to_owned()),
        ("modelspec.sai_model_spec", "1.0.0".to_owned()),
        (key::TITLE, settings.output_name.clone()),
        ("modelspec.trigger_phrase", words.join(", ")),
        ("ss_tag_frequency", tags(&words)),
        (key::VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        (key::RECIPE, recipe(settings)),
    ];
    if settings.keep_sources {
        let names = files.map(|adapter| adapter.map(|adapter| adapter.name.clone()).unwrap_or_default());
        own.extend([
            ("modelspec.merged_from", titles.join(", ")),
            (key::CONTENT, names.content),
            (key::STYLE, names.style),
        ]);
    }
    own.push(("modelspec.description", description(settings, &titles)));
    for (key, value) in own {
        if !value.is_empty() {
            metadata.insert(key.to_owned(), value);
        }
    }
    metadata
}

/// The trigger words for prompts with the result: those of its files, each once.
pub(crate) fn trigger_words(settings: &Settings, files: Adapters<'_>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    // An overlap is loaded beside its files, which bring their own trigger words.
    let prompted = files.present().filter(|_| settings.result == ResultChoice::Fusion);
    for word in prompted.flat_map(|adapter| &adapter.trigger_words) {
        if !words.contains(word) {
            words.push(word.clone());
        }
    }
    words
}

/// The trigger words in the form of kohya's table of tags, from which A1111 and Forge offer them for prompts. The tables of the
/// sources, with all else that was in their captions and the names of folders, are not carried over.
fn tags(words: &[String]) -> String {
    let tags: Vec<String> = words.iter().map(|word| json::text(word) + ":1").collect();
    if tags.is_empty() { String::new() } else { format!("{{\"trigger words\":{{{}}}}}", tags.join(",")) }
}

/// Writes the hash of the tensors in place of its placeholder.
///
/// # Errors
/// `Internal` if there is no placeholder.
pub(crate) fn fill_hash(layout: &mut Layout, hash: &str) -> Result<()> {
    if layout.fill(MODEL_HASH, NO_HASH, hash) {
        return Ok(());
    }
    Err(Error::new(Code::Internal, "The header has no place for the hash."))
}

/// Settings to leave out of the recipe: those without effect on this kind of result, and those that a reader assumes by default.
fn idle(result: ResultChoice) -> &'static [&'static str] {
    match result {
        ResultChoice::Fusion => &["result"],
        ResultChoice::Overlap => {
            &["mu", "contentStrength", "styleStrength", "contentTextStrength", "styleTextStrength", "blocks"]
        }
    }
}

/// The settings as JSON without those of the page, as needed to make the file again.
fn recipe(settings: &Settings) -> String {
    let idle = idle(settings.result);
    saved::text(settings, |key| !["outputName", "keepSources"].contains(&key) && !idle.contains(&key))
}

fn description(settings: &Settings, titles: &[String]) -> String {
    let own = settings.blocks.values().filter(|block| block.mu.is_some()).count();
    let weighted =
        settings.blocks.values().filter(|block| (block.content, block.style) != (1.0, 1.0)).count();
    let weighted = if weighted > 0 { format!(" ({weighted} blocks have their own)") } else { String::new() };
    let mu = match own {
        0 => mu::text(settings.mu),
        _ => format!("{} ({own} blocks have their own)", mu::text(settings.mu)),
    };
    let directions = match settings.cut {
        CutChoice::All => "all directions".to_owned(),
        CutChoice::Count { count } => format!("{count} directions"),
        CutChoice::Energy { share } => format!("directions with {share} of the energy"),
    };
    let layout = match settings.layout {
        RankLayout::Compatible => "one rank",
        RankLayout::Compact => "mixed ranks",
    };
    let rank = match settings.recompress {
        Recompress::Exact => "exact".to_owned(),
        Recompress::Rank { rank } => format!("cut to rank {rank}"),
        Recompress::Energy { share } => format!("cut to {share} of the energy"),
    };
    let (subject, look) = match titles {
        [subject, look] if settings.keep_sources => (subject.as_str(), look.as_str()),
        [only] if settings.keep_sources => return format!("{only}, converted; {rank}, {layout}."),
        [_] => return format!("Converted; {rank}, {layout}."),
        _ => ("A subject", "a style"),
    };
    if settings.result == ResultChoice::Overlap {
        return format!(
            "{subject} where it overlaps with {look}, by itself (NP-LoRA, arXiv 2511.11051), {directions}: load both, and this at -mu/(1+mu) times the first one's strength; {rank}, {layout}."
        );
    }
    format!(
        "{subject} in the style of {look}: fused with NP-LoRA (arXiv 2511.11051), mu {mu}, {directions}, subject strength {}, style strength {}{weighted}; {rank}, {layout}.",
        settings.content_strength, settings.style_strength
    )
}
