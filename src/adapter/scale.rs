//! The scale of a module's product before strength: alpha/rank, wherever alpha is kept.
//!
//! kohya's trainers store an alpha tensor beside every module. PEFT keeps alpha in `adapter_config.json`, which a single
//! file loses; diffusers repeats it in the metadata as `lora_adapter_metadata`, SimpleTuner as plain metadata keys.
//! The order of precedence is tensor, configuration, metadata, and where there is none of them loaders apply 1.

use super::CONFIG_BYTES;
use super::families::denoiser_parts;
use super::roles::without_wrappers;
use crate::error::{Code, Error, Result};
use crate::json::Choice;
use crate::order::Places;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Where a module's scale comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ScaleSource {
    /// Alpha was read from the module's alpha tensor.
    Tensor,
    /// Alpha was read from `adapter_config.json`.
    Config,
    /// Alpha was read from the file's metadata.
    Metadata,
    /// Nothing says what alpha is, so the scale is 1.
    Unknown,
    /// This kind of adapter has no scale: 1.
    Fixed,
    /// The user chose the scale.
    User,
}

/// The user's choice of scale for one file, in case the file is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Choice", into = "Choice")]
pub enum ScaleChoice {
    /// Use the scale that the file says.
    #[default]
    Auto,
    /// Use alpha/rank with this alpha for every module.
    Alpha {
        /// The alpha, any finite number.
        alpha: f64,
    },
    /// Use the file's alpha (or the rank if it says none), divided by √rank instead of the rank (rsLoRA).
    RankStabilised,
}

impl TryFrom<Choice> for ScaleChoice {
    type Error = String;

    fn try_from(choice: Choice) -> Result<Self, String> {
        match (choice.kind.as_str(), choice.alpha) {
            ("auto", _) => Ok(Self::Auto),
            ("alpha", Some(alpha)) => Ok(Self::Alpha { alpha }),
            ("rankStabilised", _) => Ok(Self::RankStabilised),
            _ => Err(choice.unknown()),
        }
    }
}

impl From<ScaleChoice> for Choice {
    fn from(scale: ScaleChoice) -> Self {
        match scale {
            ScaleChoice::Auto => Self::of("auto"),
            ScaleChoice::Alpha { alpha } => Self { alpha: Some(alpha), ..Self::of("alpha") },
            ScaleChoice::RankStabilised => Self::of("rankStabilised"),
        }
    }
}

/// A module's alpha, and the number that it is divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alpha {
    /// The value of alpha.
    pub value: f64,
    /// Whether the scale is alpha/√rank (rsLoRA, Kalajdzievski 2023) instead of alpha/rank.
    pub rank_stabilised: bool,
    /// Where alpha was found.
    pub source: ScaleSource,
    /// The rank that PEFT divides by, if the configuration says it and the tensors need not: that of a LoKr whose factors are both whole.
    pub rank: Option<usize>,
}

impl Alpha {
    /// An alpha read from a tensor.
    pub fn stored(value: f64) -> Self {
        Self { value, rank_stabilised: false, source: ScaleSource::Tensor, rank: None }
    }

    /// The scale of a module of this rank. An alpha of 0 stands for the rank, as in sd-scripts.
    pub fn scale(&self, rank: usize) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "ranks are small")]
        let rank = rank as f64;
        let alpha = if self.value == 0.0 { rank } else { self.value };
        if self.rank_stabilised { alpha / rank.sqrt() } else { alpha / rank }
    }
}

/// What configurations and metadata say about alphas, apart from the alpha tensors.
#[derive(Clone, Debug, Default)]
pub struct Scaling {
    configs: Vec<Config>,
}

/// One of PEFT's LoraConfig objects.
#[derive(Clone, Debug)]
struct Config {
    /// The component, such as "transformer", "unet" or "text_encoder"; empty if the configuration applies to every module.
    component: String,
    alpha: Option<f64>,
    alphas: ByPattern,
    /// The rank; only read for a LoKr.
    rank: Option<f64>,
    ranks: ByPattern,
    rank_stabilised: bool,
    /// Patterns of raw parameters with a LoRA, which is not a plain product.
    target_parameters: Patterns,
    /// How the factors were initialised, if that initialisation was subtracted from the base model.
    initial: Option<String>,
    source: ScaleSource,
}

impl Scaling {
    /// Reads the metadata and, if one came with the file, the text of an `adapter_config.json`.
    ///
    /// # Errors
    /// `Config` if the configuration cannot be read; `Alpha` for patterns in the metadata that are not understood, and for more of
    /// them than any configuration has. Metadata that cannot be read is ignored.
    pub fn new(metadata: &BTreeMap<String, String>, config: Option<&str>) -> Result<Self> {
        let mut configs = Vec::new();
        if let Some(text) = config {
            // Editors may put a byte order mark at the beginning.
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let value: Value =
                serde_json::from_str(text).map_err(|error| Error::new(Code::Config, error.to_string()))?;
            let fields =
                value.as_object().ok_or_else(|| Error::new(Code::Config, "It is no JSON object."))?;
            let kind = fields.get("peft_type").and_then(Value::as_str).unwrap_or("LORA");
            // PEFT's LoHa and LoKr call alpha by another name.
            let alpha = match kind {
                "LORA" => "lora_alpha",
                "LOHA" | "LOKR" => "alpha",
                _ => return Err(Error::new(Code::Config, format!("Its peft_type is {kind:?}."))),
            };
            if !fields.contains_key(alpha) {
                return Err(Error::new(Code::Config, format!("It has no {alpha:?}.")));
            }
            let field = |field: &str| match field {
                "lora_alpha" => fields.get(alpha),
                // For the other kinds, the tensors tell the rank.
                "r" | "rank_pattern" if kind != "LOKR" => None,
                field => fields.get(field),
            };
            configs.push(Config::of("", ScaleSource::Config, &field)?);
        }
        // A configuration that came with the file applies to all its modules.
        let told = if config.is_none() { of_metadata(metadata)? } else { Map::new() };
        for component in COMPONENTS {
            let field = |field: &str| match field {
                // diffusers loads no LoKr, and for all other kinds the tensors tell the rank.
                "r" | "rank_pattern" => None,
                field => told.get(&key(component, field)),
            };
            if field("lora_alpha").is_some() {
                configs.push(Config::of(component, ScaleSource::Metadata, &field)?);
            }
        }
        Ok(Self { configs })
    }

    /// The alpha of a module, if a configuration covers the module.
    pub fn alpha(&self, stem: &str) -> Option<Alpha> {
        let (config, path) = self.configs.iter().find_map(|config| Some((config, config.path(stem)?)))?;
        let value = config.alphas.get(path).or(config.alpha)?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "above 0, and no rank is near 2⁶⁴"
        )]
        let rank =
            config.ranks.get(path).or(config.rank).filter(|rank| *rank >= 1.0).map(|rank| rank as usize);
        Some(Alpha { value, rank_stabilised: config.rank_stabilised, source: config.source, rank })
    }

    /// How the factors were initialised (`init_lora_weights`), if that was subtracted from the base model: the file is then a
    /// difference from a model other than the usual one. PEFT can convert such factors on saving, and then no longer names the
    /// method.
    pub fn initial(&self) -> Option<&str> {
        self.configs.iter().find_map(|config| config.initial.as_deref())
    }

    /// Whether the module's factors belong to a raw parameter (PEFT's `target_parameters`).
    pub fn targets_parameter(&self, stem: &str) -> bool {
        stem.contains(".base_layer")
            || self.configs.iter().any(|config| {
                config.path(stem).is_some_and(|path| config.target_parameters.first(path).is_some())
            })
    }
}

/// The components whose names metadata keys begin with, the longest first; the empty one stands for a file with a single component.
const COMPONENTS: [&str; 6] = ["text_encoder_2", "text_encoder_3", "text_encoder", "transformer", "unet", ""];

/// The fields that are read for each component.
const FIELDS: [&str; 5] =
    ["lora_alpha", "alpha_pattern", "use_rslora", "target_parameters", "init_lora_weights"];

/// Beginnings of the values of PEFT's `init_lora_weights` that change the base model; `pissa_niter_16`, for example, matches the first.
const CHANGING: [&str; 5] = ["pissa", "olora", "corda", "loftq", "lora_ga"];

fn key(component: &str, field: &str) -> String {
    if component.is_empty() { field.to_owned() } else { format!("{component}.{field}") }
}

/// The fields of all components. Fields of the whole configuration take precedence over those that stand in the metadata by themselves.
///
/// # Errors
/// `Alpha` if there is more of it than any configuration has: it may fill the header, and takes many times its size when it is parsed.
fn of_metadata(metadata: &BTreeMap<String, String>) -> Result<Map<String, Value>> {
    const WHOLE: &str = "lora_adapter_metadata";
    let single: Vec<String> =
        COMPONENTS.iter().flat_map(|component| FIELDS.map(|field| key(component, field))).collect();
    let texts = single.iter().map(String::as_str).chain([WHOLE]).filter_map(|key| metadata.get(key));
    let bytes: u64 = texts.map(|text| text.len() as u64).sum();
    if bytes > CONFIG_BYTES {
        let detail = format!("Its metadata has {bytes} bytes of alphas: no configuration is that large.");
        return Err(Error::new(Code::Alpha, detail));
    }
    let whole = metadata.get(WHOLE).and_then(|text| serde_json::from_str(text).ok());
    let mut fields: Map<String, Value> = whole.unwrap_or_default();
    for key in single {
        let value = metadata.get(&key).and_then(|text| serde_json::from_str(text).ok());
        if let (false, Some(value)) = (fields.contains_key(&key), value) {
            fields.insert(key, value);
        }
    }
    Ok(fields)
}

impl Config {
    fn of<'a>(
        component: &str,
        source: ScaleSource,
        field: &dyn Fn(&str) -> Option<&'a Value>,
    ) -> Result<Self> {
        let parameters = field("target_parameters").and_then(Value::as_array).into_iter().flatten();
        let finite = |value: &Value| value.as_f64().filter(|number| number.is_finite());
        let by_pattern = |name: &str| {
            let patterns = field(name).and_then(Value::as_object).into_iter().flatten();
            if let Some((key, _)) = patterns.clone().find(|(key, _)| !is_plain(key)) {
                let detail = format!(
                    "Its {name} has the expression {key:?}, and only plain paths are understood. If you leave it out, \
                     the scale has to be set by hand."
                );
                let code = if source == ScaleSource::Metadata { Code::Alpha } else { Code::Config };
                return Err(Error::new(code, detail));
            }
            let (patterns, values): (Vec<&str>, Vec<f64>) =
                patterns.filter_map(|(key, value)| Some((key.as_str(), finite(value)?))).unzip();
            Ok(ByPattern { patterns: patterns.into_iter().collect(), values })
        };
        let alpha = field("lora_alpha").filter(|value| !value.is_null());
        if source == ScaleSource::Config && alpha.is_some_and(|value| finite(value).is_none()) {
            return Err(Error::new(Code::Config, "Its alpha is no number."));
        }
        let initial = field("init_lora_weights").and_then(Value::as_str);
        let is_changing = |name: &&str| {
            let name = name.to_ascii_lowercase();
            CHANGING.iter().any(|known| name.starts_with(known))
        };
        let initial = initial.filter(is_changing);
        let modules = parameters.filter_map(|name| Some(name.as_str()?.rsplit_once('.')?.0));
        let modules = modules.filter(|path| path.len() <= LONGEST);
        Ok(Self {
            component: component.to_owned(),
            alpha: alpha.and_then(finite),
            alphas: by_pattern("alpha_pattern")?,
            rank: field("r").and_then(finite),
            ranks: by_pattern("rank_pattern")?,
            rank_stabilised: field("use_rslora").and_then(Value::as_bool).unwrap_or(false),
            target_parameters: modules.collect(),
            initial: initial.map(str::to_owned),
            source,
        })
    }

    /// The module's path within this component; `None` if it belongs to another component.
    fn path<'a>(&self, stem: &'a str) -> Option<&'a str> {
        let inner = stem.strip_prefix("base_model.model.").unwrap_or(stem);
        let within = if self.component.is_empty() {
            let component = COMPONENTS.iter().find_map(|name| inner.strip_prefix(name)?.strip_prefix('.'));
            component.unwrap_or_else(|| denoiser_parts(inner).1)
        } else {
            inner.strip_prefix(self.component.as_str())?.strip_prefix('.')?
        };
        Some(within.strip_prefix("base_model.model.").unwrap_or(within))
    }
}

/// The longest path that a pattern may have. It limits the work, as every module's path may be compared with its endings of each length.
const LONGEST: usize = 256;

/// Whether a pattern's key is a plain path rather than a regular expression.
fn is_plain(key: &str) -> bool {
    if key.len() > LONGEST {
        return false;
    }
    let body = key.strip_prefix('^').unwrap_or(key).trim_end_matches('$').replace("\\.", ".");
    body.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Patterns for module paths. PEFT takes a pattern's key as the end of a path, beginning at a dot; a leading `^` makes it the whole
/// path. Keys are regular expressions there, but trainers write plain paths, and only those are understood here. A header may hold
/// a great many patterns, and as many modules.
#[derive(Clone, Debug, Default)]
struct Patterns {
    /// The index of the first pattern for each whole path, and for each end of a path.
    whole: Places,
    ends: Places,
    /// The lengths of the path ends that occur: only ends of these lengths are looked up, as a path has as many ends as letters.
    lengths: Vec<usize>,
}

impl<'a> FromIterator<&'a str> for Patterns {
    fn from_iter<I: IntoIterator<Item = &'a str>>(keys: I) -> Self {
        let mut patterns = Self::default();
        for (place, key) in keys.into_iter().enumerate() {
            let plain = key.replace("\\.", ".");
            let plain = without_wrappers(plain.trim_end_matches('$'));
            let plain = plain.as_ref();
            let (places, path) = match plain.strip_prefix('^') {
                Some(whole) => (&mut patterns.whole, whole),
                None => {
                    if !patterns.lengths.contains(&plain.len()) {
                        patterns.lengths.push(plain.len());
                    }
                    (&mut patterns.ends, plain)
                }
            };
            if places.get(path).is_none() {
                places.insert(path, place);
            }
        }
        patterns
    }
}

/// Numbers assigned to patterns.
#[derive(Clone, Debug, Default)]
struct ByPattern {
    patterns: Patterns,
    values: Vec<f64>,
}

impl ByPattern {
    fn get(&self, path: &str) -> Option<f64> {
        self.values.get(self.patterns.first(path)?).copied()
    }
}

impl Patterns {
    /// The index of the first pattern that covers a path.
    fn first(&self, path: &str) -> Option<usize> {
        let end = |length: &usize| {
            let (before, end) = path.split_at_checked(path.len().checked_sub(*length)?)?;
            if before.is_empty() || before.ends_with('.') { self.ends.get(end) } else { None }
        };
        self.lengths.iter().filter_map(end).chain(self.whole.get(path)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_configuration_beside_the_file_is_understood() {
        let text =
            r#"{"r":16,"lora_alpha":8,"use_rslora":true,"alpha_pattern":{"attn.to_k":4,"^proj_out":2}}"#;
        let scaling = Scaling::new(&BTreeMap::new(), Some(text)).unwrap();
        let scale = |stem: &str, rank| scaling.alpha(stem).unwrap().scale(rank);
        assert_eq!(scale("base_model.model.transformer_blocks.0.attn.to_q", 16), 2.0);
        assert_eq!(scale("transformer.transformer_blocks.0.attn.to_k", 16), 1.0);
        assert_eq!(scale("transformer.proj_out", 4), 1.0);
        assert_eq!(scale("transformer.single.proj_out", 4), 4.0);
        assert_eq!(scale("transformer.x.to_k", 16), 2.0, "a part of a name is no path");
        let text = r#"{"lora_alpha":1,"alpha_pattern":{"to_q":8,"blocks.0.to_q":16}}"#;
        let scaling = Scaling::new(&BTreeMap::new(), Some(text)).unwrap();
        assert_eq!(scaling.alpha("blocks.0.to_q").unwrap().value, 8.0, "the first that fits");
        let text =
            r#"{"lora_alpha":1,"alpha_pattern":{"^blocks\\.0\\.to_q$":16,"to_q":8,"blocks.0.to_q$":4}}"#;
        let scaling = Scaling::new(&BTreeMap::new(), Some(text)).unwrap();
        assert_eq!(scaling.alpha("blocks.0.to_q").unwrap().value, 16.0, "whole, or an end");
        assert_eq!(scaling.alpha("x.blocks.0.to_q").unwrap().value, 8.0);
        assert_eq!(scaling.alpha("blocks.0.to_q.x").unwrap().value, 1.0);
        let text = r#"{"lora_alpha":1,"alpha_pattern":{"blocks.0._orig_mod.to_q":8,"^_orig_mod.proj":4}}"#;
        let scaling = Scaling::new(&BTreeMap::new(), Some(text)).unwrap();
        assert_eq!(scaling.alpha("unet.blocks.0.to_q").unwrap().value, 8.0, "as stems are read");
        assert_eq!(scaling.alpha("proj").unwrap().value, 4.0);
        let text = r#"{"lora_alpha":1,"alpha_pattern":{"^blocks.0.to_q":8}}"#;
        let scaling = Scaling::new(&BTreeMap::new(), Some(text)).unwrap();
        for before in ["", "diffusion_model.", "base_model.model.", "module."] {
            assert_eq!(scaling.alpha(&format!("{before}blocks.0.to_q")).unwrap().value, 8.0, "{before}");
        }
        let text = r#"{"lora_alpha":1,"alpha_pattern":{"q_proj":8}}"#;
        let scaling = Scaling::new(&BTreeMap::new(), Some(text)).unwrap();
        assert_eq!(
            scaling.alpha("attn.add_q_proj").unwrap().value,
            1.0,
            "the end of a word is no path either"
        );
    }

    /// As many patterns as a header may hold, or as long ones; comparing each with each would take minutes.
    #[test]
    fn many_patterns_for_many_modules_are_found_at_once() {
        let begun = Instant::now();
        let patterns: Vec<String> = (0..200_000).map(|at| format!("\"blocks.{at}.to_q\":{at}")).collect();
        let text = format!("{{\"lora_alpha\":1,\"alpha_pattern\":{{{}}}}}", patterns.join(","));
        let scaling = Scaling::new(&BTreeMap::new(), Some(&text)).unwrap();
        for at in (0..200_000).step_by(20) {
            assert_eq!(scaling.alpha(&format!("unet.blocks.{at}.to_q")).unwrap().value, f64::from(at));
        }
        let dots = ".".repeat(1_000_000);
        assert_eq!(scaling.alpha(&dots).unwrap().value, 1.0);
        assert_eq!(scaling.alpha(&(dots + "blocks.7.to_q")).unwrap().value, 7.0);
        // Every length has an ending that begins at a dot.
        let ends: Vec<String> = (1..=LONGEST).map(|length| format!("\"{}\":2", "a".repeat(length))).collect();
        let text = format!("{{\"lora_alpha\":1,\"alpha_pattern\":{{{}}}}}", ends.join(","));
        let scaling = Scaling::new(&BTreeMap::new(), Some(&text)).unwrap();
        for at in 0..60_000 {
            assert_eq!(scaling.alpha(&format!("{at}{}", ".".repeat(LONGEST))).unwrap().value, 1.0);
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        let longer = format!("{{\"lora_alpha\":1,\"alpha_pattern\":{{\"{}\":2}}}}", "a".repeat(LONGEST + 1));
        assert_eq!(Scaling::new(&BTreeMap::new(), Some(&longer)).unwrap_err().code, Code::Config);
    }

    /// As JSON in memory it would take many times its size, and the header may hold 100 MB of it.
    #[test]
    fn a_configuration_as_large_as_a_header_is_refused() {
        let alphas = |bytes: u64| format!("[{}0]", "0,".repeat(usize::try_from(bytes).unwrap() / 2));
        let whole = format!("{{\"lora_alpha\":4,\"x\":{}}}", alphas(CONFIG_BYTES));
        let all = metadata(&[("lora_adapter_metadata", &whole)]);
        assert_eq!(Scaling::new(&all, None).unwrap_err().code, Code::Alpha);
        let single = metadata(&[("lora_alpha", "4"), ("unet.lora_alpha", &alphas(CONFIG_BYTES))]);
        assert_eq!(Scaling::new(&single, None).unwrap_err().code, Code::Alpha);
        let fits = format!("{{\"lora_alpha\":4,\"x\":{}}}", alphas(CONFIG_BYTES - 100));
        let all = metadata(&[("lora_adapter_metadata", &fits), ("lora_alpha", "8")]);
        assert_eq!(Scaling::new(&all, None).unwrap().alpha("a.to_q").unwrap().scale(4), 1.0);
    }

    #[test]
    fn metadata_tells_by_component() {
        let json =
            r#"{"unet.r":8,"unet.lora_alpha":4,"text_encoder_2.lora_alpha":16,"unet.alpha_pattern":{}}"#;
        let scaling = Scaling::new(&metadata(&[("lora_adapter_metadata", json)]), None).unwrap();
        assert_eq!(scaling.alpha("unet.a.to_q").unwrap().scale(8), 0.5);
        assert_eq!(scaling.alpha("text_encoder_2.a").unwrap().scale(8), 2.0);
        assert_eq!(scaling.alpha("text_encoder.a"), None);
        let simple = metadata(&[("transformer.lora_alpha", "32"), ("transformer.r", "16")]);
        assert_eq!(Scaling::new(&simple, None).unwrap().alpha("transformer.a").unwrap().scale(16), 2.0);
        let broken = metadata(&[("lora_adapter_metadata", "{")]);
        assert_eq!(Scaling::new(&broken, None).unwrap().alpha("unet.a"), None);
    }

    #[test]
    fn beside_a_configuration_the_metadata_says_nothing() {
        let own = metadata(&[
            ("lora_alpha", "2"),
            ("lora_adapter_metadata", r#"{"unet.lora_alpha":1,"unet.alpha_pattern":{"to_(q|k)":2}}"#),
        ]);
        assert_eq!(Scaling::new(&own, None).unwrap_err().code, Code::Alpha);
        let alpha = Scaling::new(&own, Some(r#"{"lora_alpha":8}"#)).unwrap().alpha("unet.a.to_q").unwrap();
        assert_eq!((alpha.value, alpha.source), (8.0, ScaleSource::Config));
    }

    #[test]
    fn loha_and_lokr_call_their_alpha_otherwise() {
        for kind in ["LOHA", "LOKR"] {
            let text = format!(r#"{{"peft_type":"{kind}","r":4,"alpha":16,"alpha_pattern":{{"to_k":8}}}}"#);
            let scaling = Scaling::new(&BTreeMap::new(), Some(&text)).unwrap();
            let scale = |stem| scaling.alpha(stem).unwrap().scale(4);
            assert_eq!((scale("base_model.model.a.to_q"), scale("base_model.model.a.to_k")), (4.0, 2.0));
        }
        let of_lora = Scaling::new(&BTreeMap::new(), Some(r#"{"peft_type":"LORA","alpha":16}"#));
        assert_eq!(of_lora.unwrap_err().code, Code::Config);
    }

    #[test]
    fn a_lokr_says_what_its_alpha_is_divided_by() {
        let text = r#"{"peft_type":"LOKR","r":4,"alpha":16,"rank_pattern":{"to_k":8}}"#;
        let scaling = Scaling::new(&BTreeMap::new(), Some(text)).unwrap();
        let rank = |stem: &str| scaling.alpha(stem).unwrap().rank;
        assert_eq!((rank("base_model.model.a.to_q"), rank("base_model.model.a.to_k")), (Some(4), Some(8)));
        // A LoRA's rank is read from its tensors, never from the configuration.
        let text = r#"{"peft_type":"LORA","r":4,"lora_alpha":16,"rank_pattern":{"to_(k|v)":8}}"#;
        assert_eq!(Scaling::new(&BTreeMap::new(), Some(text)).unwrap().alpha("a.to_q").unwrap().rank, None);
        let other = Scaling::new(&BTreeMap::new(), Some(r#"{"peft_type":"ADALORA","lora_alpha":16}"#));
        assert_eq!(other.unwrap_err().code, Code::Config);
    }

    #[test]
    fn factors_that_were_taken_off_the_base_model_say_so() {
        let said = |name: &str| {
            let text = format!(r#"{{"lora_alpha":16,"init_lora_weights":{name}}}"#);
            Scaling::new(&BTreeMap::new(), Some(&text)).unwrap().initial().map(str::to_owned)
        };
        for name in ["pissa", "pissa_niter_16", "OLoRA", "corda", "loftq", "lora_ga"] {
            assert_eq!(said(&format!("\"{name}\"")).as_deref(), Some(name));
        }
        for name in ["true", "false", "null", "\"gaussian\"", "\"eva\"", "\"orthogonal\""] {
            assert_eq!(said(name), None, "{name}");
        }
        let json = r#"{"unet.lora_alpha":4,"unet.rank_pattern":{"to_(k|v)":8},"unet.r":8,"unet.init_lora_weights":"pissa"}"#;
        let scaling = Scaling::new(&metadata(&[("lora_adapter_metadata", json)]), None).unwrap();
        assert_eq!(scaling.initial(), Some("pissa"));
        assert_eq!(scaling.alpha("unet.a.to_k").unwrap().rank, None, "of a LoRA the tensors say it");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_configuration() {
        let scaling = Scaling::new(&BTreeMap::new(), Some("\u{feff}{\"lora_alpha\":8}")).unwrap();
        assert_eq!(scaling.alpha("a").map(|alpha| alpha.value), Some(8.0));
    }

    #[test]
    fn a_bad_configuration_is_refused_and_a_raw_parameter_is_seen() {
        for text in [
            "",
            "[]",
            "{}",
            "{\"r\":4}",
            r#"{"lora_alpha":"8"}"#,
            r#"{"lora_alpha":1,"alpha_pattern":{"blocks.[0-9]+.to_q":2}}"#,
        ] {
            assert_eq!(Scaling::new(&BTreeMap::new(), Some(text)).unwrap_err().code, Code::Config, "{text}");
        }
        let own = metadata(&[(
            "lora_adapter_metadata",
            r#"{"unet.lora_alpha":1,"unet.alpha_pattern":{"to_(q|k)":2}}"#,
        )]);
        assert_eq!(Scaling::new(&own, None).unwrap_err().code, Code::Alpha);
        let text = r#"{"lora_alpha":8,"target_parameters":["mlp.experts.gate_up_proj"]}"#;
        let scaling = Scaling::new(&BTreeMap::new(), Some(text)).unwrap();
        assert!(scaling.targets_parameter("base_model.model.layers.0.mlp.experts"));
        assert!(scaling.targets_parameter("layers.0.mlp.experts.base_layer"));
        assert!(!scaling.targets_parameter("layers.0.attn.to_q"));
    }

    #[test]
    fn zero_and_negative_alphas() {
        let alpha = Alpha::stored;
        assert_eq!(alpha(0.0).scale(8), 1.0);
        assert_eq!(alpha(-4.0).scale(8), -0.5);
        // The rank divided by its square root.
        assert_eq!(Alpha { rank_stabilised: true, ..alpha(0.0) }.scale(9), 3.0);
    }
}
