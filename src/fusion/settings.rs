//! What the user chose, validated once.

use crate::backend::{Cut, Dtype};
use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

/// The settings as the page sends them. [`Settings::check`] turns them into a [`Recipe`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// μ, 0 to ∞.
    pub mu: f64,
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
    /// The result's name without its ending.
    pub output_name: String,
}

impl Default for Settings {
    /// The paper's defaults: μ = 0.5, all directions, both strengths 1.
    fn default() -> Self {
        Self {
            mu: 0.5,
            content_strength: 1.0,
            style_strength: 1.0,
            cut: CutChoice::All,
            dtype: DtypeChoice::Auto,
            layout: RankLayout::Compatible,
            output_name: String::new(),
        }
    }
}

/// [`Cut`] as the page spells it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
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

/// How ranks and alphas are laid out in the result (formats.md §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RankLayout {
    /// One rank for the whole file and alpha = rank: right in every loader and version.
    Compatible,
    /// Each module keeps its own rank; one alpha value for the whole file.
    Compact,
}

/// Valid settings in the terms of the method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// β = μ/(1+μ), the fraction removed.
    pub beta: f64,
    /// w_c.
    pub content_strength: f64,
    /// w_s.
    pub style_strength: f64,
    /// How many directions to protect.
    pub cut: Cut,
    /// `None`: decided by the inputs.
    pub dtype: Option<Dtype>,
    /// How ranks and alphas are laid out.
    pub layout: RankLayout,
}

impl Settings {
    /// Checks every setting.
    ///
    /// # Errors
    /// `Settings`, naming the setting and its range.
    pub fn check(&self) -> Result<Recipe> {
        let bad = |what: String| Err(Error::new(Code::Settings, what));
        if self.mu.is_nan() || self.mu < 0.0 {
            return bad(format!("μ is {}; it must be 0 or more.", self.mu));
        }
        for (name, strength) in [("subject", self.content_strength), ("style", self.style_strength)] {
            if !strength.is_finite() || strength.abs() > MAX_STRENGTH {
                return bad(format!("The {name} strength is {strength}; it must lie in ±{MAX_STRENGTH}."));
            }
        }
        let cut = match self.cut {
            CutChoice::All => Cut::All,
            CutChoice::Count { count: 0 } => return bad("The number of directions must be 1 or more.".into()),
            CutChoice::Count { count } => Cut::Count(count as usize),
            CutChoice::Energy { share } if share > 0.0 && share <= 1.0 => Cut::Energy(share),
            CutChoice::Energy { share } => {
                return bad(format!("The share of energy is {share}; it must lie above 0 and at most at 1."));
            }
        };
        Ok(Recipe {
            beta: if self.mu.is_infinite() { 1.0 } else { self.mu / (1.0 + self.mu) },
            content_strength: self.content_strength,
            style_strength: self.style_strength,
            cut,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_is_the_fraction_removed() {
        let beta = |mu| Settings { mu, ..Settings::default() }.check().unwrap().beta;
        assert_eq!(beta(0.0), 0.0);
        assert_eq!(beta(1.0), 0.5);
        assert!((beta(0.5) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(beta(f64::INFINITY), 1.0);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let base = Settings::default;
        for settings in [
            Settings { mu: -0.1, ..base() },
            Settings { mu: f64::NAN, ..base() },
            Settings { content_strength: f64::INFINITY, ..base() },
            Settings { style_strength: 1e4, ..base() },
            Settings { cut: CutChoice::Count { count: 0 }, ..base() },
            Settings { cut: CutChoice::Energy { share: 0.0 }, ..base() },
            Settings { cut: CutChoice::Energy { share: f64::NAN }, ..base() },
        ] {
            assert_eq!(settings.check().unwrap_err().code, Code::Settings, "{settings:?}");
        }
    }

    #[test]
    fn the_page_spells_settings_like_this() {
        let json = r#"{"mu":0.5,"contentStrength":1,"styleStrength":0.7,"cut":{"kind":"count","count":4},
                       "dtype":"auto","layout":"compact","outputName":"x"}"#;
        let settings: Settings = serde_json::from_str(json).unwrap();
        assert_eq!(settings.cut, CutChoice::Count { count: 4 });
        assert_eq!(settings.layout, RankLayout::Compact);
    }
}
