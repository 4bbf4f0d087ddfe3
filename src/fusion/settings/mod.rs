//! The user's settings, as the page, a command line and a saved recipe spell them.
//!
//! A [`recipe`] is the same, checked and in the terms of the method; [`saved`] reads and writes files with settings; [`mu`] says
//! how μ is written; [`presets`] are the sets of blocks that people are used to.

pub(crate) mod mu;
pub mod presets;
pub mod recipe;
pub(crate) mod saved;

use crate::adapter::scale::ScaleChoice;
use crate::json::Choice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The settings as the page sends them. [`Settings::check`] turns them into a [`Recipe`](recipe::Recipe).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// μ, from 0 to ∞; JSON has no infinity, so it says "infinity".
    #[serde(deserialize_with = "mu::read")]
    pub mu: f64,
    /// What to make of the pair. The overlap takes no μ and no strengths; they are chosen where it is loaded.
    pub result: ResultChoice,
    /// The content's strength w_c, as a loader would apply it; −1000 to 1000.
    pub content_strength: f64,
    /// The style's strength w_s, as a loader would apply it; −1000 to 1000.
    pub style_strength: f64,
    /// Which of the style's directions to protect.
    pub cut: CutChoice,
    /// The result's number format.
    pub dtype: DtypeChoice,
    /// How ranks and alphas are laid out in the result.
    pub layout: RankLayout,
    /// w_c of the text encoders; `None` for the same as `content_strength`.
    pub content_text_strength: Option<f64>,
    /// w_s of the text encoders; `None` for the same as `style_strength`.
    pub style_text_strength: Option<f64>,
    /// Strengths and μ of single blocks, by their names for users (`IN04`, `double 7`). The strengths multiply the general ones.
    pub blocks: BTreeMap<String, BlockStrength>,
    /// The scale of the content's products, in case its file is wrong about it.
    pub content_scale: ScaleChoice,
    /// The scale of the style's products, in case its file is wrong about it.
    pub style_scale: ScaleChoice,
    /// The model family by name, where the files' layers fit several.
    pub family: Option<String>,
    /// The result's naming, by its id or its name (see [`Scheme::called`](crate::adapter::families::Scheme::called)); `None` for the one
    /// that most programs load.
    pub scheme: Option<String>,
    /// Whether and how to reduce the rank of the result.
    pub recompress: Recompress,
    /// The rank that updates without an exact low-rank form are cut to (full differences, large LoHa and LoKr).
    pub dense_rank: u32,
    /// Whether to fuse DoRA modules without their magnitudes, which is not what they were trained for.
    pub direction_only: bool,
    /// Whether to write the names and notes of the source files into the result.
    pub keep_sources: bool,
    /// The name of the result without its ending.
    pub output_name: String,
}

impl Default for Settings {
    /// The paper's defaults: μ = 0.5, all directions, both strengths 1.
    fn default() -> Self {
        Self {
            mu: 0.5,
            result: ResultChoice::Fusion,
            content_strength: 1.0,
            style_strength: 1.0,
            cut: CutChoice::All,
            dtype: DtypeChoice::Auto,
            layout: RankLayout::Compatible,
            content_text_strength: None,
            style_text_strength: None,
            blocks: BTreeMap::new(),
            content_scale: ScaleChoice::Auto,
            style_scale: ScaleChoice::Auto,
            family: None,
            scheme: None,
            recompress: Recompress::Exact,
            dense_rank: 64,
            direction_only: false,
            keep_sources: true,
            output_name: String::new(),
        }
    }
}

impl Settings {
    /// The settings for the same two files in swapped roles: choices about a file go with the file, all others stay with the role.
    #[must_use]
    pub fn swapped(&self) -> Self {
        Self { content_scale: self.style_scale, style_scale: self.content_scale, ..self.clone() }
    }

    /// The same settings for a fusion, whatever is to be made, as an outlook needs them. An overlap takes no strengths, so neither
    /// does its outlook.
    #[must_use]
    pub fn of_fusion(self) -> Self {
        if self.result == ResultChoice::Fusion {
            return self;
        }
        Self {
            result: ResultChoice::Fusion,
            content_strength: 1.0,
            style_strength: 1.0,
            content_text_strength: None,
            style_text_strength: None,
            blocks: BTreeMap::new(),
            ..self
        }
    }
}

/// What to make of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultChoice {
    /// The fusion, ΔW_s + ΔW_c·(I − β V_k V_kᵀ).
    Fusion,
    /// The overlap ΔW_c·V_k V_kᵀ of the modules that both files have. Subject, style and −β times the overlap add up to the fusion
    /// (docs/METHOD.md, "The overlap by itself").
    Overlap,
}

/// The strengths and the μ of a single block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlockStrength {
    /// The factor for w_c.
    pub content: f64,
    /// The factor for w_s.
    pub style: f64,
    /// The block's own μ; `None` for the general one.
    #[serde(deserialize_with = "mu::read_own")]
    pub mu: Option<f64>,
}

impl Default for BlockStrength {
    /// The values that change nothing.
    fn default() -> Self {
        Self { content: 1.0, style: 1.0, mu: None }
    }
}

/// Whether the result is cut to a smaller rank (docs/METHOD.md, "A smaller rank").
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Choice", into = "Choice")]
pub enum Recompress {
    /// Not cut: rank r_s + r_c, exactly.
    Exact,
    /// Cut to at most this rank, in every module.
    Rank {
        /// The rank, at least 1.
        rank: u32,
    },
    /// Cut to the lowest rank that keeps `share` of each module's energy.
    Energy {
        /// The share, with 0 < share ≤ 1.
        share: f64,
    },
}

impl TryFrom<Choice> for Recompress {
    type Error = String;

    fn try_from(choice: Choice) -> Result<Self, String> {
        match (choice.kind.as_str(), choice.rank, choice.share) {
            ("exact", ..) => Ok(Self::Exact),
            ("rank", Some(rank), _) => Ok(Self::Rank { rank }),
            ("energy", _, Some(share)) => Ok(Self::Energy { share }),
            _ => Err(choice.unknown()),
        }
    }
}

impl From<Recompress> for Choice {
    fn from(recompress: Recompress) -> Self {
        match recompress {
            Recompress::Exact => Self::of("exact"),
            Recompress::Rank { rank } => Self { rank: Some(rank), ..Self::of("rank") },
            Recompress::Energy { share } => Self { share: Some(share), ..Self::of("energy") },
        }
    }
}

/// The choice of directions to protect: [`Cut`](crate::backend::Cut) as the page spells it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Choice", into = "Choice")]
pub enum CutChoice {
    /// All directions the style really has.
    All,
    /// At most `count` directions.
    Count {
        /// The number of directions, at least 1.
        count: u32,
    },
    /// The fewest directions that hold `share` of the style's energy.
    Energy {
        /// The share, with 0 < share ≤ 1.
        share: f64,
    },
}

impl TryFrom<Choice> for CutChoice {
    type Error = String;

    fn try_from(choice: Choice) -> Result<Self, String> {
        match (choice.kind.as_str(), choice.count, choice.share) {
            ("all", ..) => Ok(Self::All),
            ("count", Some(count), _) => Ok(Self::Count { count }),
            ("energy", _, Some(share)) => Ok(Self::Energy { share }),
            _ => Err(choice.unknown()),
        }
    }
}

impl From<CutChoice> for Choice {
    fn from(cut: CutChoice) -> Self {
        match cut {
            CutChoice::All => Self::of("all"),
            CutChoice::Count { count } => Self { count: Some(count), ..Self::of("count") },
            CutChoice::Energy { share } => Self { share: Some(share), ..Self::of("energy") },
        }
    }
}

/// The result's number format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DtypeChoice {
    /// The narrowest format that holds the values of both inputs exactly.
    #[serde(rename = "auto")]
    Auto,
    /// 16-bit float.
    F16,
    /// bfloat16.
    BF16,
    /// 32-bit float.
    F32,
}

/// How ranks and alphas are laid out in the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RankLayout {
    /// One rank for the whole file and alpha = rank: right in every loader and version.
    Compatible,
    /// Every module keeps its own rank, with one alpha value for the whole file.
    Compact,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_spells_settings_like_this() {
        let json = r#"{"mu":0.5,"contentStrength":1,"styleStrength":0.7,"cut":{"kind":"count","count":4},
                       "dtype":"auto","layout":"compact","outputName":"x"}"#;
        let settings: Settings = serde_json::from_str(json).unwrap();
        let hard: Settings = serde_json::from_str(r#"{"mu":"infinity"}"#).unwrap();
        let other: Settings = serde_json::from_str(r#"{"result":"overlap"}"#).unwrap();
        assert_eq!((hard.result, other.result), (ResultChoice::Fusion, ResultChoice::Overlap));
        assert_eq!(hard.mu, f64::INFINITY);
        let own: Settings = serde_json::from_str(
            r#"{"blocks":{"A":{"content":0,"style":1,"mu":"infinity"},"B":{"mu":null}}}"#,
        )
        .unwrap();
        assert_eq!(own.blocks["A"], BlockStrength { content: 0.0, style: 1.0, mu: Some(f64::INFINITY) });
        assert_eq!(own.blocks["B"], BlockStrength::default());
        for hostile in [
            r#"{"mu":null}"#,
            r#"{"mu":"much"}"#,
            r#"{"blocks":{"A":{"mu":"-infinity"}}}"#,
            r#"{"blocks":{"A":{"x":1}}}"#,
        ] {
            assert!(serde_json::from_str::<Settings>(hostile).is_err(), "{hostile}");
        }
        assert_eq!(settings.cut, CutChoice::Count { count: 4 });
        assert_eq!(settings.layout, RankLayout::Compact);
    }
}
