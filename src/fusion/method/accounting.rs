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
    /// The block of the model that the module is in, as users call it.
    pub block: Option<String>,
    /// The number of out features, m.
    pub out_features: usize,
    /// The number of in features, n.
    pub in_features: usize,
    /// The content's rank, r_c.
    pub content_rank: usize,
    /// The style's rank, r_s.
    pub style_rank: usize,
    /// The number of protected directions, k.
    pub protected: usize,
    /// The share ‖ΔW_c V_k‖²/‖ΔW_c‖² of the content's energy that lies along the protected directions.
    pub overlap: f64,
    /// The overlap expected for unrelated directions, k/n.
    pub chance: f64,
    /// The share of the content's energy that is kept, 1 − overlap·(1 − (1−β)²). If the result is the overlap by itself, this is `overlap`.
    pub content_kept: f64,
    /// The change that the projection makes against plain addition, β‖ΔW_c V_k V_kᵀ‖/‖ΔW_s + ΔW_c‖. An overlap by itself can be
    /// used at any β up to 1, so β = 1 is assumed for it.
    pub change: f64,
    /// The norm ‖ΔW_c‖ at the chosen strength.
    pub content_norm: f64,
    /// The norm ‖ΔW_s‖ at the chosen strength.
    pub style_norm: f64,
    /// The relative error ‖saved − intended‖/‖intended‖: exact if only A_c' was rounded, otherwise an upper bound.
    pub rounding: f64,
    /// The error relative to the projection's change, ‖saved − intended‖/‖change‖; `None` if the projection changes nothing.
    pub rounding_of_change: Option<f64>,
    /// Where the module was computed.
    pub computed_on: ComputedOn,
}

/// A module that both files have: its figures, and the squares that sums over modules are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fused {
    /// The figures as they are reported.
    pub figures: ModuleReport,
    /// The squared norms for sums over modules.
    pub squares: Squares,
    /// The error ‖saved − intended‖, exact or a bound as in [`ModuleReport::rounding`].
    pub error: f64,
}

impl Fused {
    /// Whether every figure is finite: the squares of numbers at the ends of f32 may not be.
    pub(crate) fn is_finite(&self) -> bool {
        let Self { figures, squares, error } = self;
        let Squares { content, style, inner, inside, sum, change, removed } = squares;
        let shares = [figures.overlap, figures.content_kept, figures.change, figures.rounding];
        let norms = [figures.content_norm, figures.style_norm, figures.rounding_of_change.unwrap_or(0.0)];
        let sums = [*content, *style, *inner, *inside, *sum, *change, *removed, *error];
        shares.iter().chain(&norms).chain(&sums).all(|figure| figure.is_finite())
    }
}

/// The device that computed a module.
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
    /// The content's energy, ‖ΔW_c‖².
    pub content: f64,
    /// The style's energy, ‖ΔW_s‖².
    pub style: f64,
    /// The inner product ⟨ΔW_s, ΔW_c⟩ as the files have it, without the signs of the strengths.
    pub inner: f64,
    /// The content's energy along the protected directions, ‖ΔW_c V_k‖².
    pub inside: f64,
    /// The energy of plain addition, ‖ΔW_s + ΔW_c‖².
    pub sum: f64,
    /// The energy of the projection's change, β²·‖ΔW_c V_k‖².
    pub change: f64,
    /// The content's energy that is removed, β(2 − β)·‖ΔW_c V_k‖²; for an overlap by itself, the energy outside it.
    pub removed: f64,
}

/// A module that only one file has, as it was saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// The layer, or the layers of a fused module.
    pub name: String,
    /// The relative error ‖saved − intended‖/‖intended‖ from rounding alone, an upper bound; 0 if the bits are those of the file.
    pub rounding: f64,
    /// The error ‖saved − intended‖, an upper bound; 0 if the result is cut to a rank, and so rounded as a whole.
    pub error: f64,
}

/// A module that had to be cut to a rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// The module's stem, in its file or in the result.
    pub module: String,
    /// The file that the module belongs to, or the result.
    pub of: CutOf,
    /// The share of the module's energy that is left.
    pub kept: f64,
    /// The module's energy before the cut, ‖ΔW‖².
    pub energy: f64,
}

impl Cut {
    /// A cut module; `energy` is the energy left and the energy before the cut.
    pub(super) fn of(module: String, of: CutOf, [left, energy]: [f64; 2]) -> Self {
        Self { module, of, kept: if energy > 0.0 { left / energy } else { 1.0 }, energy }
    }
}

/// The owner of a module that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CutOf {
    /// A module of the content.
    Content,
    /// A module of the style.
    Style,
    /// A module of the result.
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
    /// The owner's name in an English sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Content => "subject",
            Self::Style => "style",
            Self::Result => "result",
        }
    }
}

/// The effect of rounding to the result's format, apart from the rounding of A_c'.
pub(crate) enum Rounding<'a> {
    /// The Gram matrices of the rounding errors E, E·Eᵀ or Eᵀ·E, r×r, in the units of the saved tensors; `None` where nothing was rounded.
    Parts { style_down: Option<&'a [f64]>, style_up: Option<&'a [f64]>, content_up: Option<&'a [f64]> },
    /// The error of the whole module, relative to the update.
    Relative(f64),
}

/// The data from which one module is accounted for.
pub(crate) struct Figures<'a> {
    pub(crate) blend: Blend,
    /// Whether the style's half is in the result; if so, all of the content is kept except part of what lies inside.
    pub(crate) with_style: bool,
    /// The full scales w_c·s_c and w_s·s_s.
    pub(crate) scales: Pair<f64>,
    /// Whether the strengths w_s and w_c are of different signs.
    pub(crate) opposed: bool,
    /// The scale by which a loader multiplies the saved product.
    pub(crate) loader_scale: f64,
    /// The number format of the result.
    pub(crate) dtype: Dtype,
    pub(crate) factors: Pair<&'a Factors>,
    /// The Gram matrix BᵀB of the content's lora_up.
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
        let careful = p.computed_on == Place::CpuCareful;
        let columns_across = if careful { cpu::columns_across_careful } else { cpu::columns_across };
        let content_up_gram = match careful {
            true => square_of(r_c, &cpu::own_columns_careful(&content_up)),
            false => square_of(r_c, self.content_up_gram),
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
        // ‖keep·x + added·y‖² for the content x and its part y inside, which is orthogonal to the rest of x.
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

    /// The error ‖saved up·saved down − intended‖ without the loader's scale: ‖B·E_A‖ for rounded down factors and ‖E_B·A‖ for
    /// rounded up factors, added by the triangle inequality.
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

/// The tolerance for figures that are equal up to rounding.
pub(crate) const SAME: f64 = 1e-4;

/// Whether content and style change every module in the same direction: their inner products are as large as their squared norms
/// allow. Modules that neither changes are ignored.
pub(crate) fn all_parallel(modules: impl Iterator<Item = (f64, [f64; 2])>) -> bool {
    let mut modules = modules.filter(|(_, squares)| squares.iter().any(|square| *square > 0.0)).peekable();
    let is_parallel = |(inner, [content, style]): (f64, [f64; 2])| {
        let most = (content * style).sqrt();
        most > 0.0 && inner >= (1.0 - SAME) * most
    };
    modules.peek().is_some() && modules.all(is_parallel)
}

/// The norm ‖B·A‖ from BᵀB and AAᵀ.
fn norm_of(up: &DMatrix<f64>, down: &DMatrix<f64>) -> f64 {
    no_less(up.dot(down)).sqrt()
}

/// A square, at least 0, since rounding may have made it negative. A NaN is kept, unlike with `f64::max`, so that it is refused later.
fn no_less(square: f64) -> f64 {
    if square < 0.0 { 0.0 } else { square }
}

/// An r×r matrix from its values row by row.
fn square_of(r: usize, values: &[f64]) -> DMatrix<f64> {
    DMatrix::from_row_slice(r, r, values)
}
