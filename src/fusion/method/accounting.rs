//! The accounting of one module: what the projection did to it and how exactly it was saved.
//!
//! All figures come from small Gram matrices (docs/METHOD.md, "Figures"): ‖B·A‖² = tr(BᵀB · AAᵀ).

use super::factors::Factors;
use crate::backend::{Blend, Dtype, Place, Projected, cpu};
use crate::fusion::{Pair, Side, ratio};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// Figures of one fused module. Shares lie between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleReport {
    /// The layer, or the layers of a fused module.
    pub name: String,
    /// The block of the model it is in, as users call it.
    pub block: Option<String>,
    /// m.
    pub out_features: usize,
    /// n.
    pub in_features: usize,
    /// r_c.
    pub content_rank: usize,
    /// r_s.
    pub style_rank: usize,
    /// k, the number of protected directions.
    pub protected: usize,
    /// ‖ΔW_c V_k‖²/‖ΔW_c‖²: the content's energy that lies along the protected directions.
    pub overlap: f64,
    /// k/n, the overlap of unrelated directions.
    pub chance: f64,
    /// 1 − overlap·(1 − (1−β)²): the content's energy that is kept. In an overlap by itself that is the overlap.
    pub content_kept: f64,
    /// β‖ΔW_c V_k V_kᵀ‖/‖ΔW_s + ΔW_c‖: the projection's change against plain addition. An overlap by itself can be used for
    /// any β up to 1, which is taken for it.
    pub change: f64,
    /// ‖ΔW_c‖ at the chosen strength.
    pub content_norm: f64,
    /// ‖ΔW_s‖ at the chosen strength.
    pub style_norm: f64,
    /// ‖saved − intended‖/‖intended‖; an upper bound where more than A_c' was rounded, else exact.
    pub rounding: f64,
    /// ‖saved − intended‖/‖projection's change‖; none where the projection changes nothing.
    pub rounding_of_change: Option<f64>,
    /// Where.
    pub computed_on: ComputedOn,
}

/// A module that both files have: its figures, and what sums over modules are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fused {
    /// As they are reported.
    pub figures: ModuleReport,
    /// For sums over modules.
    pub squares: Squares,
    /// ‖saved − intended‖, as [`ModuleReport::rounding`] has it.
    pub error: f64,
}

impl Fused {
    /// Whether every figure is a number: squares of numbers at the ends of f32 may not be.
    pub(crate) fn is_finite(&self) -> bool {
        let Self { figures, squares, error } = self;
        let Squares { content, style, inner, inside, sum, change, removed } = squares;
        let shares = [figures.overlap, figures.content_kept, figures.change, figures.rounding];
        let norms = [figures.content_norm, figures.style_norm, figures.rounding_of_change.unwrap_or(0.0)];
        let sums = [*content, *style, *inner, *inside, *sum, *change, *removed, *error];
        shares.iter().chain(&norms).chain(&sums).all(|figure| figure.is_finite())
    }
}

/// What computed a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComputedOn {
    /// The graphics device.
    WebGpu,
    /// The CPU.
    Cpu,
}

/// Squared norms at the chosen strengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Squares {
    /// ‖ΔW_c‖².
    pub content: f64,
    /// ‖ΔW_s‖².
    pub style: f64,
    /// ⟨ΔW_s, ΔW_c⟩ as the files have it: with neither strength's sign.
    pub inner: f64,
    /// ‖ΔW_c V_k‖².
    pub inside: f64,
    /// ‖ΔW_s + ΔW_c‖².
    pub sum: f64,
    /// β²·‖ΔW_c V_k‖²: the projection's change.
    pub change: f64,
    /// β(2 − β)·‖ΔW_c V_k‖²: the content's energy that is taken away; of an overlap, what lies beside it.
    pub removed: f64,
}

/// A module that only one file has, as it was saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// The layer, or the layers of a fused module.
    pub name: String,
    /// ‖saved − intended‖/‖intended‖ by rounding alone, an upper bound; 0 where its bits are those of the file.
    pub rounding: f64,
    /// ‖saved − intended‖ likewise; 0 where the result is cut to a rank, and rounded as a whole.
    pub error: f64,
}

/// A module that had to be cut to a rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// The module's stem, in its file or in the result.
    pub module: String,
    /// Whose it is.
    pub of: CutOf,
    /// The share of its energy that is left.
    pub kept: f64,
    /// What that was: ‖ΔW‖².
    pub energy: f64,
}

impl Cut {
    /// `energy`: what is left, and what it was.
    pub(super) fn of(module: String, of: CutOf, [left, energy]: [f64; 2]) -> Self {
        Self { module, of, kept: if energy > 0.0 { left / energy } else { 1.0 }, energy }
    }
}

/// Whose module was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CutOf {
    /// The content's.
    Content,
    /// The style's.
    Style,
    /// The result's.
    Result,
}

impl From<Side> for CutOf {
    fn from(side: Side) -> Self {
        match side {
            Side::Content => Self::Content,
            Side::Style => Self::Style,
        }
    }
}

impl CutOf {
    /// In an English sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Content => "subject",
            Self::Style => "style",
            Self::Result => "result",
        }
    }
}

/// What rounding to the result's format did, apart from that of A_c'.
pub(crate) enum Rounding<'a> {
    /// Gram matrices of rounded less exact, E·Eᵀ or Eᵀ·E, r×r, in the units of the saved tensors; none where nothing changed.
    Parts { style_down: Option<&'a [f64]>, style_up: Option<&'a [f64]>, content_up: Option<&'a [f64]> },
    /// All of it, relative to the update.
    Relative(f64),
}

/// What is needed to account for one module.
pub(crate) struct Figures<'a> {
    pub(crate) blend: Blend,
    /// Whether the style's half is in the result; then all of the content is kept but what lies inside.
    pub(crate) with_style: bool,
    /// w_c·s_c and w_s·s_s.
    pub(crate) scales: Pair<f64>,
    /// Whether the strengths w_s and w_c are of different signs.
    pub(crate) opposed: bool,
    /// What a loader multiplies the saved product by.
    pub(crate) loader_scale: f64,
    /// The result's format.
    pub(crate) dtype: Dtype,
    pub(crate) factors: Pair<&'a Factors>,
    /// BᵀB of the content's lora_up.
    pub(crate) content_up_gram: &'a [f64],
    pub(crate) projected: &'a Projected,
    pub(crate) rounding: Rounding<'a>,
}

impl Figures<'_> {
    /// The accounting of the module.
    pub(crate) fn account(&self, name: &str, block: Option<String>) -> Fused {
        let Self { projected: p, scales, factors: Pair { content: of_content, style: of_style }, .. } = self;
        let (r_s, r_c) = (of_style.down.rows, of_content.down.rows);
        let (style_up, content_up) = (of_style.up.stored(), of_content.up.stored());
        let content_up_gram = square_of(r_c, self.content_up_gram);
        let columns_across = if p.computed_on == Place::CpuCareful {
            cpu::columns_across_careful
        } else {
            cpu::columns_across
        };
        let across = DMatrix::from_row_slice(r_s, r_c, &columns_across(&style_up, &content_up));
        let square = |x: f64| x * x;

        let scale = square(scales.content);
        let content_gram = square_of(r_c, &p.content_gram);
        let overlap_gram = square_of(r_c, &p.overlap_gram);
        let content = scale * no_less(content_up_gram.dot(&content_gram));
        let inside = no_less(scale * content_up_gram.dot(&overlap_gram));
        let inside = if inside > content { content } else { inside };
        let style = square(scales.style) * p.style_energy;
        let both = scales.style * scales.content;
        let inner = both * across.dot(&DMatrix::from_row_slice(r_s, r_c, &p.cross_gram));
        let inner_inside = both * across.dot(&DMatrix::from_row_slice(r_s, r_c, &p.protected_cross_gram));
        let sum = no_less(style + content + 2.0 * inner);
        // ‖keep·x + added·y‖² of the content x and its part inside y, which is orthogonal to all the rest of it.
        let Blend { keep, added } = self.blend;
        let more = added * (2.0 * keep + added);
        let (before, across) =
            if self.with_style { (sum, inner_inside) } else { (square(keep) * content, 0.0) };
        let intended = no_less(before + more * inside + 2.0 * added * across).sqrt();
        let change = added.abs() * inside.sqrt();

        let kept_gram =
            scale / square(self.loader_scale) * (square(keep) * content_gram + more * overlap_gram);
        let error = match self.rounding {
            Rounding::Relative(share) => share * intended,
            Rounding::Parts { .. } => self.loader_scale.abs() * self.rounding(&content_up_gram, &kept_gram),
        };
        let overlap = ratio(inside, content);
        #[allow(clippy::cast_precision_loss, reason = "k and n are small")]
        let chance = p.protected as f64 / of_style.down.cols as f64;
        let figures = ModuleReport {
            name: name.to_owned(),
            block,
            out_features: of_style.up.rows,
            in_features: of_style.down.cols,
            content_rank: r_c,
            style_rank: r_s,
            protected: p.protected,
            overlap,
            chance,
            content_kept: square(keep) + overlap * more,
            change: ratio(change, sum.sqrt()),
            content_norm: content.sqrt(),
            style_norm: style.sqrt(),
            rounding: ratio(error, intended),
            rounding_of_change: (change > 0.0).then(|| error / change),
            computed_on: match p.computed_on {
                Place::Gpu => ComputedOn::WebGpu,
                Place::Cpu | Place::CpuCareful => ComputedOn::Cpu,
            },
        };
        let removed = (1.0 - square(keep)) * content - more * inside;
        let inner = if self.opposed { -inner } else { inner };
        let squares = Squares { content, style, inner, inside, sum, change: change * change, removed };
        Fused { figures, squares, error }
    }

    /// ‖saved up·saved down − intended‖ without the loader's scale: ‖B·E_A‖ for what was rounded in the down factors and
    /// ‖E_B·A‖ for the up factors, added up (triangle inequality).
    fn rounding(&self, content_up_gram: &DMatrix<f64>, kept_gram: &DMatrix<f64>) -> f64 {
        let Pair { content, style } = self.factors;
        let (r_s, r_c) = (style.down.rows, content.down.rows);
        let fold = self.scales.content / self.loader_scale;
        let content_down_error = square_of(r_c, &self.projected.rounding_gram) * (fold * fold);
        let mut total = norm_of(content_up_gram, &content_down_error);
        let Rounding::Parts { style_down, style_up, content_up } = &self.rounding else {
            return total;
        };
        let split = |of: &Factors, scale: f64, is_projected| {
            of.split(scale / self.loader_scale, self.dtype, is_projected)
        };
        let splits = Pair {
            content: split(content, self.scales.content, true),
            style: split(style, self.scales.style, false),
        };
        if let Some(error) = style_down {
            let up = square_of(r_s, &cpu::own_columns(&style.up.stored()));
            total += splits.style.up * norm_of(&up, &square_of(r_s, error));
        }
        if let Some(error) = style_up {
            let down = square_of(r_s, &cpu::own_rows(&style.down.stored()));
            total += splits.style.down.abs() * norm_of(&square_of(r_s, error), &down);
        }
        if let Some(error) = content_up {
            total += norm_of(&square_of(r_c, error), kept_gram) / splits.content.up;
        }
        total
    }
}

/// What rounding of the figures may make of the same.
pub(crate) const SAME: f64 = 1e-4;

/// Whether content and style change every module in the same direction: their inner products are as large as their squared
/// norms allow. What neither changes says nothing.
pub(crate) fn all_parallel(modules: impl Iterator<Item = (f64, [f64; 2])>) -> bool {
    let mut modules = modules.filter(|(_, squares)| squares.iter().any(|square| *square > 0.0)).peekable();
    let is_parallel = |(inner, [content, style]): (f64, [f64; 2])| {
        let most = (content * style).sqrt();
        most > 0.0 && inner >= (1.0 - SAME) * most
    };
    modules.peek().is_some() && modules.all(is_parallel)
}

/// ‖B·A‖ from BᵀB and AAᵀ.
fn norm_of(up: &DMatrix<f64>, down: &DMatrix<f64>) -> f64 {
    no_less(up.dot(down)).sqrt()
}

/// A square, which rounding may have made less than none. What is no number stays so, as `f64::max` would not let it, and is refused.
fn no_less(square: f64) -> f64 {
    if square < 0.0 { 0.0 } else { square }
}

/// A symmetric r×r matrix.
fn square_of(r: usize, values: &[f64]) -> DMatrix<f64> {
    DMatrix::from_row_slice(r, r, values)
}
