//! Saved recipes: settings, and the files that they were made for. The report of a run is one too, and every fused file contains one.

use super::Settings;
use super::mu;
use crate::container::{self, Header, Source};
use crate::error::{Code, Error, Result};
use crate::json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The contents of a recipe file. Other fields are ignored, so that a report is accepted as well; unknown settings are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedRecipe {
    /// The version of this crate that saved the recipe. Hostile text, like everything else in it.
    pub version: String,
    /// The settings; missing ones take their defaults.
    pub settings: Settings,
    /// The subject's file, where it is named.
    #[serde(default)]
    pub content: Option<SavedSource>,
    /// The style's file, if it is named.
    #[serde(default)]
    pub style: Option<SavedSource>,
}

/// An input file as a recipe names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSource {
    /// The name of the file.
    pub name: String,
    /// The size in bytes, if it was recorded.
    #[serde(default)]
    pub size: Option<u64>,
    /// The SHA-256 in hexadecimal, if it was known.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// The largest file that is read as a recipe: a report of thousands of modules has a few megabytes.
const MAX_BYTES: u64 = 30_000_000;
/// The longest recipe in the metadata of a fused file: settings alone, with a strength for every block.
const MAX_RECIPE: usize = 1_000_000;

/// The metadata keys under which a fused file says what it was made with, and of what.
pub(crate) mod key {
    pub(crate) const VERSION: &str = "np_lora.version";
    pub(crate) const RECIPE: &str = "np_lora.recipe";
    pub(crate) const CONTENT: &str = "np_lora.content";
    pub(crate) const STYLE: &str = "np_lora.style";
    /// The key of the name that the file was given.
    pub(crate) const TITLE: &str = "modelspec.title";
}

impl SavedRecipe {
    /// Reads a recipe, a report, or what a fused file says of itself.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), and those of the container for a file that cannot be read.
    pub async fn open<S: Source>(source: &S) -> Result<Self> {
        let refused = |detail: &str| Error::new(Code::Recipe, detail);
        let all = 0..source.size();
        // In a safetensors file, the last byte of the leading length word is zero, which no text contains.
        if all.end > 8 && container::exactly(source, 7..8).await?.first() == Some(&0) {
            let Header { metadata, .. } = Header::read(source).await?;
            let none = || Err(refused("The file does not say how it was made."));
            return Self::within(&metadata).unwrap_or_else(none);
        }
        if all.end > MAX_BYTES {
            return Err(refused("It is too large to be one."));
        }
        let bytes = container::exactly(source, all).await?;
        Self::read(std::str::from_utf8(&bytes).map_err(|error| refused(&error.to_string()))?)
    }

    /// Reads the recipe in the metadata of a fused file, if there is one.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub(crate) fn within(metadata: &BTreeMap<String, String>) -> Option<Result<Self>> {
        let find = |key: &str| metadata.get(key).filter(|text| !text.is_empty()).cloned();
        let recipe = find(key::RECIPE)?;
        if recipe.len() > MAX_RECIPE {
            return Some(Err(Error::new(Code::Recipe, "It is too large to be one.")));
        }
        let named = |key: &str| find(key).map(|name| SavedSource { name, size: None, sha256: None });
        let (content, style) = (named(key::CONTENT), named(key::STYLE));
        // The file itself shows the settings that its recipe leaves out.
        let keep_sources = content.is_some() || style.is_some();
        let output_name = find(key::TITLE).unwrap_or_default();
        let version = find(key::VERSION).unwrap_or_default();
        let read = parsed(&recipe).and_then(|settings| {
            let settings = Settings { keep_sources, output_name, ..settings };
            Self { version: version.clone(), settings, content, style }.checked()
        });
        Some(read.map_err(|error| newer(&version).unwrap_or(error)))
    }

    /// Reads a recipe or a report.
    ///
    /// # Errors
    /// `Recipe` if the text is neither or has an unknown setting; `Settings` if a setting is out of range.
    pub fn read(text: &str) -> Result<Self> {
        // Editors may put a byte order mark at the beginning.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        parsed::<Self>(text).and_then(Self::checked).map_err(|error| {
            let Ok(value) = serde_json::from_str::<Value>(text) else { return error };
            if value.get("settings").is_none() {
                return Error::new(Code::Recipe, "It says nothing of this tool's settings.");
            }
            value.get("version").and_then(Value::as_str).and_then(newer).unwrap_or(error)
        })
    }

    fn checked(self) -> Result<Self> {
        self.settings.check()?;
        Ok(self)
    }
}

/// The error for a recipe that makes no sense here because a later version saved it; `None` if the version is not later.
fn newer(version: &str) -> Option<Error> {
    let numbers = |version: &str| {
        let numbers = version.split(['-', '+']).next().unwrap_or_default().split('.');
        numbers.map_while(|part| part.parse().ok()).collect::<Vec<u64>>()
    };
    let is_newer = numbers(version) > numbers(env!("CARGO_PKG_VERSION"));
    is_newer.then(|| Error::new(Code::Recipe, "The version that has saved it is newer than this one."))
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::new(Code::Recipe, error.to_string()))
}

/// Settings as JSON fields: an infinite μ by its name, and without those left to the defaults.
pub(crate) fn fields(settings: &Settings) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(settings) else { return Map::new() };
    fields.insert("mu".to_owned(), of_mu(settings.mu));
    if let Some(Value::Object(blocks)) = fields.get_mut("blocks") {
        for (label, block) in &settings.blocks {
            if let (Some(mu), Some(Value::Object(fields))) = (block.mu, blocks.get_mut(label)) {
                fields.insert("mu".to_owned(), of_mu(mu));
            }
        }
        blocks.values_mut().filter_map(Value::as_object_mut).for_each(without_nulls);
    }
    without_nulls(&mut fields);
    fields
}

fn of_mu(mu: f64) -> Value {
    if mu.is_infinite() { mu::INFINITY.into() } else { mu.into() }
}

fn without_nulls(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
}

/// The wanted settings as JSON text.
pub(crate) fn text(settings: &Settings, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut fields = fields(settings);
    fields.retain(|key, _| is_wanted(key));
    json::text(&fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::settings::{BlockStrength, ResultChoice};

    fn some() -> Settings {
        let block = BlockStrength { content: 0.25, style: 0.0, mu: Some(f64::INFINITY) };
        Settings {
            mu: f64::INFINITY,
            content_strength: 0.7,
            blocks: [("IN04".to_owned(), block), ("MID".to_owned(), BlockStrength::default())].into(),
            scheme: Some("kohya".into()),
            ..Settings::default()
        }
    }

    fn recipe(settings: &str) -> String {
        format!(r#"{{"version":"0.1.0","settings":{settings},"content":null}}"#)
    }

    #[test]
    fn settings_come_back_from_their_text() {
        let read = SavedRecipe::read(&recipe(&text(&some(), |_| true))).unwrap();
        assert_eq!(read.settings, some());
        assert_eq!(SavedRecipe::read(&recipe("{}")).unwrap().settings, Settings::default());
        assert!(SavedRecipe::read(&format!("\u{feff}{}", recipe("{}"))).is_ok(), "with a byte order mark");
        let only_mu = text(&some(), |key| key == "mu");
        assert_eq!(only_mu, r#"{"mu":"infinity"}"#);
    }

    #[test]
    fn a_report_is_a_recipe() {
        let report = r#"{"version":"9.9","settings":{"result":"overlap"},"fused":3,"modules":[{"name":"x"}],
                         "content":{"name":"a","size":7},"style":{"name":"b","size":8,"sha256":"00"}}"#;
        let read = SavedRecipe::read(report).unwrap();
        assert_eq!(read.settings.result, ResultChoice::Overlap);
        assert_eq!(read.content, Some(SavedSource { name: "a".into(), size: Some(7), sha256: None }));
        assert_eq!(read.style.unwrap().sha256.as_deref(), Some("00"));
    }

    /// One that was converted has one source.
    #[test]
    fn a_file_that_names_a_source_is_to_name_its_sources_again() {
        for (names, keeps) in [
            (vec![], false),
            (vec![key::CONTENT], true),
            (vec![key::STYLE], true),
            (vec![key::CONTENT, key::STYLE], true),
        ] {
            let notes = names.iter().map(|&key| (key, "a.safetensors")).chain([(key::RECIPE, "{}")]);
            let notes = notes.map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
            let read = SavedRecipe::within(&notes).unwrap().unwrap();
            assert_eq!(read.settings.keep_sources, keeps, "{names:?}");
        }
    }

    #[test]
    fn a_file_that_has_become_shorter_is_no_recipe_any_more() {
        struct Shorter;
        impl Source for Shorter {
            fn name(&self) -> &'static str {
                "recipe.json"
            }

            fn size(&self) -> u64 {
                100
            }

            async fn read(&self, _: std::ops::Range<u64>) -> Result<container::Bytes> {
                Ok(recipe("{}").into())
            }
        }
        let error = pollster::block_on(SavedRecipe::open(&Shorter)).unwrap_err();
        assert_eq!((error.code, error.file.as_deref()), (Code::InputChanged, Some("recipe.json")));
    }

    #[test]
    fn a_later_versions_recipe_is_told() {
        let of = |version: &str| format!(r#"{{"version":"{version}","settings":{{"unheardOf":1}}}}"#);
        let detail = |version: &str| SavedRecipe::read(&of(version)).unwrap_err().detail.clone();
        let own = env!("CARGO_PKG_VERSION");
        for newer in ["9.0.0", "0.10.0", "0.1.1-rc1", &format!("{own}.1")] {
            assert!(detail(newer).contains("newer than this one"), "{}", detail(newer));
        }
        for other in [own, "0.0.9", "", "next"] {
            assert!(detail(other).contains("unheardOf"), "{}", detail(other));
        }
    }

    #[test]
    fn what_is_json_of_something_else_is_told_from_what_is_damaged() {
        let detail = |text: &str| SavedRecipe::read(text).unwrap_err().detail.clone();
        for other in [r#"{"peft_type":"LORA"}"#, "[1]", "7"] {
            assert!(detail(other).contains("nothing of this tool"), "{}", detail(other));
        }
        let damaged = recipe(r#"{"mu":0.5,}"#);
        assert!(detail(&damaged).contains("column"), "{}", detail(&damaged));
        assert!(detail(r#"{"settings":{}}"#).contains("version"), "{}", detail(r#"{"settings":{}}"#));
    }

    #[test]
    fn what_is_no_recipe_is_refused() {
        let many: Vec<String> = (0..1001).map(|at| format!(r#""{at}":{{}}"#)).collect();
        for (hostile, code) in [
            (String::new(), Code::Recipe),
            ("[1]".into(), Code::Recipe),
            (r#"{"peft_type":"LORA"}"#.into(), Code::Recipe),
            (recipe("null"), Code::Recipe),
            (recipe(r#"{"mu":"much"}"#), Code::Recipe),
            (recipe(r#"{"mu":-1}"#), Code::Settings),
            (recipe(r#"{"unheardOf":1}"#), Code::Recipe),
            (recipe(r#"{"blocks":{"__proto__":{"content":0}}}"#), Code::Settings),
            (recipe(r#"{"blocks":{"IN04":{"content":1e9}}}"#), Code::Settings),
            (recipe(r#"{"blocks":{"IN04":{"mu":-1}}}"#), Code::Settings),
            (recipe(r#"{"scheme":"nobody's"}"#), Code::Settings),
            (recipe(r#"{"denseRank":4294967296}"#), Code::Recipe),
            (recipe(r#"{"mu":1,"mu":2}"#), Code::Recipe),
            ("[".repeat(100_000), Code::Recipe),
            (recipe(&format!(r#"{{"blocks":{{{}}}}}"#, many.join(","))), Code::Settings),
        ] {
            assert_eq!(SavedRecipe::read(&hostile).unwrap_err().code, code, "{hostile:.80}");
        }
    }
}
