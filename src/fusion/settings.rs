//! What the user chose, validated once.

use super::mu;
use super::pairing::Side;
use crate::adapter::ModuleId;
use crate::adapter::families::{self, Family, SCHEMES, Scheme};
use crate::adapter::scale::ScaleChoice;
use crate::backend::products::MAX_RANK;
use crate::backend::truncate::Keep;
use crate::backend::{Cut, Dtype};
use crate::error::{Code, Error, Result};
use crate::json::Choice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The settings as the page sends them. [`Settings::check`] turns them into a [`Recipe`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// μ, 0 to ∞; JSON, which has no infinity, says "infinity".
    #[serde(deserialize_with = "mu::read")]
    pub mu: f64,
    /// What is made of the pair. The overlap takes no μ and no strengths: they are given to it where it is loaded.
    pub result: ResultChoice,
    /// w_c, as a loader would apply it; any finite number.
    pub content_strength: f64,
    /// w_s, likewise.
    pub style_strength: f64,
    /// Which of the style's directions to protect.
    pub cut: CutChoice,
    /// The result's number format.
    pub dtype: DtypeChoice,
    /// How ranks and alphas are laid out in the result.
    pub layout: RankLayout,
    /// w_c of the text encoders; none: as `content_strength`.
    pub content_text_strength: Option<f64>,
    /// w_s of the text encoders; none: as `style_strength`.
    pub style_text_strength: Option<f64>,
    /// Strengths and μ of single blocks, by the names users give them (`IN04`, `double 7`); the strengths multiply the others.
    pub blocks: BTreeMap<String, BlockStrength>,
    /// What the content's product is multiplied by, where its file does not tell the truth.
    pub content_scale: ScaleChoice,
    /// Likewise of the style.
    pub style_scale: ScaleChoice,
    /// The model family by name, where the files' layers fit several.
    pub family: Option<String>,
    /// The result's naming (see [`Scheme::id`]); none: what most programs load.
    pub scheme: Option<String>,
    /// Whether to make the result smaller.
    pub recompress: Recompress,
    /// The rank that updates without an exact low-rank form are cut to (full differences, large LoHa and LoKr).
    pub dense_rank: u32,
    /// Fuse DoRA modules without their magnitudes, which is not what they were trained to do.
    pub direction_only: bool,
    /// Write the sources' names and notes into the result.
    pub keep_sources: bool,
    /// The result's name without its ending.
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

/// What is made of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultChoice {
    /// ΔW_s + ΔW_c·(I − β V_k V_kᵀ).
    Fusion,
    /// ΔW_c·V_k V_kᵀ of what both files have, which subject and style with −β times it make the fusion of (docs/METHOD.md,
    /// "The overlap by itself").
    Overlap,
}

/// What one block has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlockStrength {
    /// Multiplies w_c.
    pub content: f64,
    /// Multiplies w_s.
    pub style: f64,
    /// μ there; none: the general one.
    #[serde(deserialize_with = "mu::read_own")]
    pub mu: Option<f64>,
}

impl Default for BlockStrength {
    /// As if it were not there.
    fn default() -> Self {
        Self { content: 1.0, style: 1.0, mu: None }
    }
}

/// Whether the result is cut to a smaller rank (docs/METHOD.md, "A smaller rank").
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Choice", into = "Choice")]
pub enum Recompress {
    /// It is not: rank r_s + r_c, exactly.
    Exact,
    /// To this rank at most, in every module.
    Rank {
        /// 1 or more.
        rank: u32,
    },
    /// To the lowest rank that keeps `share` of each module's energy.
    Energy {
        /// 0 < share ≤ 1.
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

/// [`Cut`] as the page spells it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Choice", into = "Choice")]
pub enum CutChoice {
    /// All directions the style really has.
    All,
    /// At most `count`.
    Count {
        /// 1 or more.
        count: u32,
    },
    /// The fewest that hold `share` of the style's energy.
    Energy {
        /// 0 < share ≤ 1.
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
    /// Each module keeps its own rank; one alpha value for the whole file.
    Compact,
}

/// Valid settings in the terms of the method.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// β = μ/(1+μ), the fraction removed.
    pub beta: f64,
    /// What is made of the pair.
    pub result: ResultChoice,
    /// Of the content.
    pub content: Strengths,
    /// Of the style.
    pub style: Strengths,
    /// What single blocks have of their own.
    pub blocks: BTreeMap<String, BlockStrength>,
    /// How many directions to protect.
    pub cut: Cut,
    /// `None`: decided by the inputs.
    pub dtype: Option<Dtype>,
    /// How ranks and alphas are laid out.
    pub layout: RankLayout,
    /// `None`: decided by the family.
    pub scheme: Option<&'static Scheme>,
    /// `None`: decided by the inputs.
    pub family: Option<&'static Family>,
    /// `None`: the result is exact.
    pub keep: Option<Keep>,
    /// The rank that updates without an exact low-rank form are cut to.
    pub dense_rank: usize,
    /// Whether DoRA modules are fused without their magnitudes.
    pub direction_only: bool,
}

/// What one file's updates are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strengths {
    /// w, of the denoiser.
    pub denoiser: f64,
    /// w, of the text encoders.
    pub text: f64,
    /// The user's word on alpha/rank.
    pub scale: ScaleChoice,
}

impl Recipe {
    /// The strength of a layer of one of the files.
    pub fn strength(&self, side: Side, family: Option<&Family>, id: &ModuleId) -> f64 {
        let of_file = self.of(side);
        let whole = if id.is_text_encoder() { of_file.text } else { of_file.denoiser };
        let block = self.block(family, id);
        block.map_or(whole, |block| whole * if side == Side::Content { block.content } else { block.style })
    }

    /// μ of a layer, where its block has one of its own.
    pub fn own_mu(&self, family: Option<&Family>, id: &ModuleId) -> Option<f64> {
        self.block(family, id)?.mu
    }

    fn block(&self, family: Option<&Family>, id: &ModuleId) -> Option<&BlockStrength> {
        // Most have none, and finding a layer's block takes time.
        if self.blocks.is_empty() {
            return None;
        }
        self.blocks.get(&family?.block(id)?.label)
    }

    /// Whether factors of one of the files are in the result.
    pub fn writes(&self, side: Side) -> bool {
        self.result == ResultChoice::Fusion || side == Side::Content
    }

    /// The user's word on one file's scale.
    pub fn scale(&self, side: Side) -> ScaleChoice {
        self.of(side).scale
    }

    fn of(&self, side: Side) -> Strengths {
        if side == Side::Content { self.content } else { self.style }
    }
}

impl Settings {
    /// The same for a fusion, whatever is to be made: what an outlook is of.
    #[must_use]
    pub fn of_fusion(self) -> Self {
        Self { result: ResultChoice::Fusion, ..self }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// `Settings`, naming the setting and its range.
    pub fn check(&self) -> Result<Recipe> {
        let bad = |what: String| Err(Error::new(Code::Settings, what));
        let of_blocks = self.blocks.values().filter_map(|block| block.mu);
        for mu in of_blocks.chain([self.mu]) {
            if mu.is_nan() || mu < 0.0 {
                return bad(format!("μ is {mu}; it must be 0 or more."));
            }
        }
        let strengths = [
            ("subject strength", Some(self.content_strength)),
            ("style strength", Some(self.style_strength)),
            ("subject's text-encoder strength", self.content_text_strength),
            ("style's text-encoder strength", self.style_text_strength),
        ];
        let blocks = self.blocks.values().flat_map(|block| [block.content, block.style]);
        let blocks = blocks.map(|strength| ("strength of a block", Some(strength)));
        for (name, strength) in strengths.into_iter().chain(blocks) {
            let strength = strength.unwrap_or_default();
            if !strength.is_finite() || strength.abs() > MAX_STRENGTH {
                return bad(format!("The {name} is {strength}; it must lie in ±{MAX_STRENGTH}."));
            }
        }
        for choice in [self.content_scale, self.style_scale] {
            if let ScaleChoice::Alpha { alpha } = choice
                && (!alpha.is_finite() || alpha.abs() > MAX_ALPHA)
            {
                return bad(format!("Alpha is {alpha}; it must lie in ±{MAX_ALPHA}."));
            }
        }
        let keep = match self.recompress {
            Recompress::Exact => None,
            Recompress::Rank { rank: 0 } => return bad("The result's rank must be 1 or more.".into()),
            Recompress::Rank { rank } => Some(Keep::Rank(rank as usize)),
            Recompress::Energy { share } if share > 0.0 && share <= 1.0 => Some(Keep::Energy(share)),
            Recompress::Energy { share } => {
                return bad(format!("The share of energy is {share}; it must lie above 0 and at most at 1."));
            }
        };
        if self.dense_rank == 0 || self.dense_rank as usize > MAX_RANK {
            return bad(format!("The rank for full differences must be 1 to {MAX_RANK}."));
        }
        let family = match &self.family {
            Some(name) => match families::by_name(name) {
                Some(family) => Some(family),
                None => return bad(format!("There is no model family {name:?}.")),
            },
            None => None,
        };
        let scheme = match &self.scheme {
            Some(id) => match SCHEMES.iter().find(|scheme| scheme.id == id) {
                Some(scheme) => Some(scheme),
                None => return bad(format!("There is no naming {id:?}.")),
            },
            None => None,
        };
        let cut = match self.cut {
            CutChoice::All => Cut::All,
            CutChoice::Count { count: 0 } => return bad("The number of directions must be 1 or more.".into()),
            CutChoice::Count { count } => Cut::Count(count as usize),
            CutChoice::Energy { share } if share > 0.0 && share <= 1.0 => Cut::Energy(share),
            CutChoice::Energy { share } => {
                return bad(format!("The share of energy is {share}; it must lie above 0 and at most at 1."));
            }
        };
        let strengths = |denoiser: f64, text: Option<f64>, scale| match self.result {
            ResultChoice::Fusion => Strengths { denoiser, text: text.unwrap_or(denoiser), scale },
            ResultChoice::Overlap => Strengths { denoiser: 1.0, text: 1.0, scale },
        };
        let (content, style) = (self.content_text_strength, self.style_text_strength);
        Ok(Recipe {
            beta: mu::beta(self.mu),
            result: self.result,
            content: strengths(self.content_strength, content, self.content_scale),
            style: strengths(self.style_strength, style, self.style_scale),
            blocks: if self.result == ResultChoice::Fusion { self.blocks.clone() } else { BTreeMap::new() },
            cut,
            family,
            scheme,
            keep,
            dense_rank: self.dense_rank as usize,
            direction_only: self.direction_only,
            dtype: match self.dtype {
                DtypeChoice::Auto => None,
                DtypeChoice::F16 => Some(Dtype::F16),
                DtypeChoice::BF16 => Some(Dtype::BF16),
                DtypeChoice::F32 => Some(Dtype::F32),
            },
            layout: self.layout,
        })
    }
}

/// Far beyond any use; keeps products of strengths and scales finite.
const MAX_STRENGTH: f64 = 1000.0;
const MAX_ALPHA: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused() {
        let base = Settings::default;
        let whole = BlockStrength::default();
        let block = |strength| [("IN04".to_owned(), strength)].into();
        for settings in [
            Settings { mu: -0.1, ..base() },
            Settings { mu: f64::NAN, ..base() },
            Settings { blocks: block(BlockStrength { mu: Some(-1.0), ..whole }), ..base() },
            Settings { blocks: block(BlockStrength { mu: Some(f64::NAN), ..whole }), ..base() },
            Settings { blocks: block(BlockStrength { style: f64::INFINITY, ..whole }), ..base() },
            Settings { content_strength: f64::INFINITY, ..base() },
            Settings { style_strength: 1e4, ..base() },
            Settings { cut: CutChoice::Count { count: 0 }, ..base() },
            Settings { cut: CutChoice::Energy { share: 0.0 }, ..base() },
            Settings { cut: CutChoice::Energy { share: f64::NAN }, ..base() },
            Settings { content_text_strength: Some(f64::NAN), ..base() },
            Settings { recompress: Recompress::Rank { rank: 0 }, ..base() },
            Settings { recompress: Recompress::Energy { share: 1.5 }, ..base() },
            Settings { style_scale: ScaleChoice::Alpha { alpha: f64::INFINITY }, ..base() },
            Settings { dense_rank: 0, ..base() },
            Settings { dense_rank: 257, ..base() },
            Settings { scheme: Some("nobody's".into()), ..base() },
            Settings { family: Some("nobody's".into()), ..base() },
        ] {
            assert_eq!(settings.check().unwrap_err().code, Code::Settings, "{settings:?}");
        }
    }

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
