//! Which kind of mixture a file is: the plainest one that comes as close to it as any.

use super::sums::{CONTENT, Fit, Mixture, OVERLAP, REST, STYLE, Sums};
use serde::Serialize;

/// A plainer mixture is as good as another if it leaves at most this much more energy, relative to what the other leaves …
const AS_GOOD: f64 = 0.04;
/// … plus this much, relative to the file's energy: F32 files have only rounding below it.
const ROUNDING: f64 = 1e-12;
/// A file is something else if more than this share of its energy belongs to neither subject nor style.
const MOSTLY: f64 = 0.5;
/// A μ from here on is the hard projection, up to rounding.
const ENDLESS: f64 = 1000.0;

/// The kind of mixture that a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The file changes nothing.
    Nothing,
    /// Most of the file is neither subject nor style.
    Other,
    /// The file is the subject and the style alike, because these are the same update up to the strength.
    Alike,
    /// The file is the subject alone.
    Content,
    /// The file is the style alone.
    Style,
    /// The file is the overlap ΔW_c·V_k V_kᵀ by itself.
    Overlap,
    /// The file is a plain sum, y·ΔW_c + x·ΔW_s.
    Sum,
    /// The file is an NP-LoRA fusion, y·ΔW_c·(I − β V_k V_kᵀ) + x·ΔW_s.
    Fusion,
}

/// The mixture closest to the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Closest {
    /// The kind of mixture.
    pub(super) kind: Kind,
    /// y, the strength of the subject, or of the overlap if the file is that.
    pub(super) content: f64,
    /// x, the strength of the style.
    pub(super) style: f64,
    /// μ; `None` if it makes no difference that the strengths could not make as well.
    pub(super) mu: Option<f64>,
    /// The energy left over, ‖F − closest‖².
    pub(super) left: f64,
}

/// The closest NP-LoRA fusion at any μ ≥ 0 and any strengths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fused {
    pub(super) fit: Fit,
    pub(super) content: f64,
    /// μ; `None` if any other μ would do as well.
    pub(super) mu: Option<f64>,
}

impl Closest {
    pub(super) fn of(sums: &Sums) -> Self {
        let nothing = Self { kind: Kind::Nothing, content: 0.0, style: 0.0, mu: None, left: sums.file };
        if sums.file == 0.0 {
            return nothing;
        }
        let [content, style, overlap] = [CONTENT, STYLE, OVERLAP].map(|one| sums.fit(&[one]));
        let fused = fused(sums);
        let fits = [content, style, overlap, fused.map(|fused| fused.fit)];
        let least = fits.iter().flatten().map(|fit| fit.left).fold(sums.file, f64::min);
        let least = least.min(free(sums).map_or(least, |fit| fit.left));
        let good = |fit: Option<Fit>| fit.filter(|fit| is_as_good(fit.left, least, sums.file));
        let one = |kind, Fit { mixture: [_, content, style], left }: Fit| Self {
            kind,
            content,
            style,
            left,
            ..nothing
        };
        if least > MOSTLY * sums.file {
            let strengths = fused.map_or(nothing, |fused| one(Kind::Other, fused.fit));
            return Self {
                kind: Kind::Other,
                content: fused.map_or(0.0, |fused| fused.content),
                mu: fused.and_then(|fused| fused.mu),
                ..strengths
            };
        }
        match (good(content), good(style), good(overlap)) {
            (Some(content), Some(style), _) => Self { style: style.mixture[2], ..one(Kind::Alike, content) },
            (Some(content), ..) => one(Kind::Content, content),
            (_, Some(style), _) => one(Kind::Style, style),
            (.., Some(overlap)) => one(Kind::Overlap, overlap),
            _ => fused.map_or(nothing, |Fused { fit, content, mu }| Self {
                kind: if mu.is_none_or(|mu| mu == 0.0) { Kind::Sum } else { Kind::Fusion },
                content,
                style: fit.mixture[2],
                mu,
                left: fit.left,
            }),
        }
    }
}

/// The best fit with any β, even one that no μ gives.
fn free(sums: &Sums) -> Option<Fit> {
    sums.fit(&[REST, OVERLAP, STYLE])
}

/// The plain sum at its best strengths, or only content or only style where a sum cannot be fitted.
pub(super) fn sum(sums: &Sums) -> Option<Fit> {
    sums.fit(&[CONTENT, STYLE]).or_else(|| sums.fit(&[CONTENT])).or_else(|| sums.fit(&[STYLE]))
}

pub(super) fn fused(sums: &Sums) -> Option<Fused> {
    // Candidates are β = 0, β = 1, and anything in between.
    let (soft, hard, free) = (sum(sums), sums.fit(&[REST, STYLE]), free(sums));
    let plain = |fit: Fit, mu| Fused { fit, content: fit.mixture[0], mu };
    let (Some(soft), Some(free)) = (soft, free) else { return soft.map(|soft| plain(soft, None)) };
    let good = |fit: &Fit| is_as_good(fit.left, free.left, sums.file);
    Some(match hard {
        Some(hard) if good(&soft) && good(&hard) => plain(soft, None),
        Some(hard) if good(&hard) => plain(hard, Some(f64::INFINITY)),
        _ if good(&soft) => plain(soft, Some(0.0)),
        _ => match (mu(&free.mixture), hard) {
            (Some(mu), _) => plain(free, Some(mu)),
            (None, Some(hard)) if hard.left < soft.left => plain(hard, Some(f64::INFINITY)),
            (None, _) => plain(soft, Some(0.0)),
        },
    })
}

/// μ = β/(1 − β) = y/d − 1, where d is the mixture's weight of the overlap; `None` if the mixture is no NP-LoRA fusion.
fn mu([content, overlap, _]: &Mixture) -> Option<f64> {
    let mu = content / overlap - 1.0;
    (mu.is_finite() && mu >= 0.0).then_some(if mu < ENDLESS { mu } else { f64::INFINITY })
}

fn is_as_good(left: f64, least: f64, file: f64) -> bool {
    left <= (1.0 + AS_GOOD) * least + ROUNDING * file
}
