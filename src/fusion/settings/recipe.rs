//! The settings in the terms of the method, checked once.

use super::mu;
use super::{BlockStrength, CutChoice, DtypeChoice, RankLayout, Recompress, ResultChoice, Settings};
use crate::adapter::ModuleId;
use crate::adapter::families::{self, Family, SCHEMES, Scheme};
use crate::adapter::scale::ScaleChoice;
use crate::backend::products::MAX_RANK;
use crate::backend::{Cut, Dtype};
use crate::error::{Code, Error, Result};
use crate::fusion::Side;
use std::collections::BTreeMap;
use std::fmt::Display;

/// The largest magnitude of a strength: far beyond any use, it keeps products of strengths and scales finite.
pub const MAX_STRENGTH: f64 = 1000.0;
/// The largest magnitude of an alpha: far beyond any use, it keeps products of strengths and scales finite.
pub const MAX_ALPHA: f64 = 1e6;
/// The most blocks that may have strengths of their own.
const MAX_BLOCKS: usize = 1000;
/// The highest rank to which updates without an exact low-rank form may be cut.
pub const MAX_DENSE_RANK: u32 = 256;
const _: () = assert!(MAX_DENSE_RANK as usize == MAX_RANK);

/// Valid settings in the terms of the method.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// β = μ/(1+μ), the fraction removed.
    pub beta: f64,
    /// What to make of the pair.
    pub result: ResultChoice,
    /// The content's strengths.
    pub content: Strengths,
    /// The style's strengths.
    pub style: Strengths,
    /// The blocks with strengths or a μ of their own.
    pub blocks: BTreeMap<String, BlockStrength>,
    /// Which of the style's directions to protect.
    pub cut: Cut,
    /// The result's number format; `None` if the inputs decide.
    pub dtype: Option<Dtype>,
    /// How ranks and alphas are laid out.
    pub layout: RankLayout,
    /// The result's naming; `None` if the family decides.
    pub scheme: Option<&'static Scheme>,
    /// The model family; `None` if the inputs decide.
    pub family: Option<&'static Family>,
    /// How many directions of the result to keep; if all, the result is exact.
    pub result_cut: Cut,
    /// The rank that updates without an exact low-rank form are cut to.
    pub dense_rank: usize,
    /// Whether DoRA modules are fused without their magnitudes.
    pub direction_only: bool,
}

/// The factors that apply to one file's updates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strengths {
    /// The strength w of the denoiser.
    pub denoiser: f64,
    /// The strength w of the text encoders.
    pub text: f64,
    /// The user's choice of scale.
    pub scale: ScaleChoice,
}

impl Recipe {
    /// The strength of one file's layer.
    pub fn strength(&self, side: Side, family: Option<&Family>, id: &ModuleId) -> f64 {
        let of_file = self.of(side);
        let whole = if id.is_text_encoder() { of_file.text } else { of_file.denoiser };
        let block = self.block(family, id);
        block.map_or(whole, |block| whole * if side == Side::Content { block.content } else { block.style })
    }

    /// A layer's own μ, if its block has one.
    pub fn own_mu(&self, family: Option<&Family>, id: &ModuleId) -> Option<f64> {
        self.block(family, id)?.mu
    }

    fn block(&self, family: Option<&Family>, id: &ModuleId) -> Option<&BlockStrength> {
        // Most recipes have none, and finding a layer's block takes time.
        if self.blocks.is_empty() {
            return None;
        }
        self.blocks.get(&family?.block(id)?.label)
    }

    /// Whether the result contains factors of this file.
    pub fn writes(&self, side: Side) -> bool {
        self.result == ResultChoice::Fusion || side == Side::Content
    }

    /// Whether the result keeps all directions, so that its factors are those of the inputs side by side.
    pub fn is_exact(&self) -> bool {
        self.result_cut == Cut::All
    }

    /// Whether the result's ranks follow from singular values, which are known only once everything has been read.
    pub fn is_cut_by_energy(&self) -> bool {
        matches!(self.result_cut, Cut::Energy(_))
    }

    /// The user's choice of scale for one file.
    pub fn scale(&self, side: Side) -> ScaleChoice {
        self.of(side).scale
    }

    fn of(&self, side: Side) -> Strengths {
        if side == Side::Content { self.content } else { self.style }
    }
}

impl Settings {
    /// Checks every setting and translates them into a recipe.
    ///
    /// # Errors
    /// `Settings`, naming the setting and its range.
    pub fn check(&self) -> Result<Recipe> {
        self.check_mus()?;
        self.check_strengths()?;
        for (whose, choice) in [("subject", self.content_scale), ("style", self.style_scale)] {
            if let ScaleChoice::Alpha { alpha } = choice {
                within(format_args!("alpha of the {whose}"), alpha, MAX_ALPHA)?;
                // Read from a file, 0 stands for the rank; a user who enters it means something else.
                if alpha == 0.0 {
                    return Err(bad(format!("The alpha of the {whose} is 0; that is no scale.")));
                }
            }
        }
        if self.dense_rank == 0 || self.dense_rank > MAX_DENSE_RANK {
            let rank = self.dense_rank;
            return Err(bad(format!(
                "The rank for full differences is {rank}; it must be 1 to {MAX_DENSE_RANK}."
            )));
        }
        let strengths = |denoiser: f64, text: Option<f64>, scale| Strengths {
            denoiser,
            text: text.unwrap_or(denoiser),
            scale,
        };
        // An overlap takes no strengths.
        let own = self.clone().of_fusion();
        let (content, style) = (own.content_text_strength, own.style_text_strength);
        let naming = self.scheme.as_deref().map(|name| Scheme::called(name).map_or(name, |scheme| scheme.id));
        Ok(Recipe {
            beta: mu::beta(self.mu),
            result: self.result,
            content: strengths(own.content_strength, content, self.content_scale),
            style: strengths(own.style_strength, style, self.style_scale),
            blocks: own.blocks,
            cut: match self.cut {
                CutChoice::All => Cut::All,
                CutChoice::Count { count } => Cut::Count(one_or_more("number of directions", count)?),
                CutChoice::Energy { share } => Cut::Energy(part("directions", share)?),
            },
            family: known("model family", self.family.as_deref(), families::all(), |family| family.name())?,
            scheme: known("naming", naming, &SCHEMES, |scheme| scheme.id)?,
            result_cut: match self.recompress {
                Recompress::Exact => Cut::All,
                Recompress::Rank { rank } => Cut::Count(one_or_more("result's rank", rank)?),
                Recompress::Energy { share } => Cut::Energy(part("result's rank", share)?),
            },
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

    fn check_mus(&self) -> Result<()> {
        let check = |of: &dyn Display, mu: f64| {
            if mu >= 0.0 { Ok(()) } else { Err(bad(format!("μ{of} is {mu}; it must be 0 or more."))) }
        };
        check(&"", self.mu)?;
        for (label, block) in &self.blocks {
            block.mu.map_or(Ok(()), |mu| check(&format_args!(" of the block {label:?}"), mu))?;
        }
        Ok(())
    }

    fn check_strengths(&self) -> Result<()> {
        if self.blocks.len() > MAX_BLOCKS {
            return Err(bad(format!(
                "There are {} blocks with a strength; no model has as many.",
                self.blocks.len()
            )));
        }
        let check = |name: &dyn Display, strength: f64| within(name, strength, MAX_STRENGTH);
        for (whose, general, text) in [
            ("subject", self.content_strength, self.content_text_strength),
            ("style", self.style_strength, self.style_text_strength),
        ] {
            check(&format_args!("{whose} strength"), general)?;
            text.map_or(Ok(()), |text| check(&format_args!("{whose}'s text-encoder strength"), text))?;
        }
        // No model has such a block, and JavaScript gives the name a special meaning.
        if self.blocks.contains_key("__proto__") {
            return Err(bad("There is no block \"__proto__\".".to_owned()));
        }
        for (label, block) in &self.blocks {
            check(&format_args!("subject strength of the block {label:?}"), block.content)?;
            check(&format_args!("style strength of the block {label:?}"), block.style)?;
        }
        Ok(())
    }
}

fn bad(what: String) -> Error {
    Error::new(Code::Settings, what)
}

fn within(name: impl Display, value: f64, most: f64) -> Result<()> {
    if value.is_finite() && value.abs() <= most {
        return Ok(());
    }
    Err(bad(format!("The {name} is {value}; it must lie in ±{most}.")))
}

fn one_or_more(name: &str, count: u32) -> Result<usize> {
    if count > 0 { Ok(count as usize) } else { Err(bad(format!("The {name} must be 1 or more."))) }
}

/// Checks a share of energy.
fn part(of: &str, share: f64) -> Result<f64> {
    if share > 0.0 && share <= 1.0 {
        return Ok(share);
    }
    Err(bad(format!("The share of energy for the {of} is {share}; it must lie above 0 and at most at 1.")))
}

/// The item called `name`, if a name is given. The error lists the known names.
fn known<T>(
    kind: &str,
    name: Option<&str>,
    all: &'static [T],
    called: impl Fn(&T) -> &str,
) -> Result<Option<&'static T>> {
    let Some(name) = name else { return Ok(None) };
    all.iter().find(|one| called(one) == name).map(Some).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(called).collect();
        bad(format!("There is no {kind} {name:?}, only {}.", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let base = Settings::default;
        let whole = BlockStrength::default();
        let block = |strength| Settings { blocks: [("IN04".to_owned(), strength)].into(), ..base() };
        let alpha = ScaleChoice::Alpha { alpha: f64::INFINITY };
        for (settings, named) in [
            (Settings { mu: -0.1, ..base() }, "μ is -0.1"),
            (Settings { mu: f64::NAN, ..base() }, "μ is NaN"),
            (block(BlockStrength { mu: Some(-1.0), ..whole }), "μ of the block \"IN04\" is -1"),
            (block(BlockStrength { mu: Some(f64::NAN), ..whole }), "μ of the block \"IN04\" is NaN"),
            (block(BlockStrength { style: 1e4, ..whole }), "style strength of the block \"IN04\" is 10000"),
            (block(BlockStrength { content: -1e4, ..whole }), "subject strength of the block \"IN04\""),
            (Settings { content_strength: f64::INFINITY, ..base() }, "The subject strength is inf"),
            (Settings { style_strength: 1e4, ..base() }, "The style strength is 10000"),
            (Settings { content_text_strength: Some(f64::NAN), ..base() }, "subject's text-encoder strength"),
            (
                Settings { style_text_strength: Some(-2e3), ..base() },
                "style's text-encoder strength is -2000",
            ),
            (Settings { content_scale: alpha, ..base() }, "alpha of the subject is inf"),
            (Settings { style_scale: alpha, ..base() }, "alpha of the style is inf"),
            (
                Settings { style_scale: ScaleChoice::Alpha { alpha: 0.0 }, ..base() },
                "alpha of the style is 0",
            ),
            (Settings { cut: CutChoice::Count { count: 0 }, ..base() }, "number of directions"),
            (Settings { cut: CutChoice::Energy { share: 0.0 }, ..base() }, "energy for the directions is 0"),
            (Settings { cut: CutChoice::Energy { share: f64::NAN }, ..base() }, "the directions is NaN"),
            (Settings { recompress: Recompress::Rank { rank: 0 }, ..base() }, "result's rank must"),
            (Settings { recompress: Recompress::Energy { share: 1.5 }, ..base() }, "result's rank is 1.5"),
            (Settings { dense_rank: 0, ..base() }, "full differences is 0"),
            (Settings { dense_rank: 257, ..base() }, "full differences is 257"),
            (Settings { scheme: Some("nobody's".into()), ..base() }, "no naming \"nobody's\", only kohya, "),
            (
                Settings { family: Some("nobody's".into()), ..base() },
                "no model family \"nobody's\", only SD 1.5, ",
            ),
        ] {
            let error = settings.check().unwrap_err();
            assert_eq!(error.code, Code::Settings, "{settings:?}");
            assert!(error.detail.contains(named), "{:?} does not say {named:?}", error.detail);
        }
        assert!(Settings { mu: f64::INFINITY, ..base() }.check().is_ok());
    }
}
