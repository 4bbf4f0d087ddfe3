//! Which kind of mixture a file is: the plainest that is as close to it as any.

use super::sums::{CONTENT, Fit, Mixture, OVERLAP, REST, STYLE, Sums};
use serde::Serialize;

/// A plainer mixture is as good as another if it leaves at most so much more energy, relative to what that leaves …
const AS_GOOD: f64 = 0.04;
/// … and this much, relative to the file: below it there is only rounding in F32 files.
const ROUNDING: f64 = 1e-12;
/// A file of which more of the energy than this is of neither is something else.
const MOSTLY: f64 = 0.5;
/// A μ from here on is the hard projection, but for rounding.
const ENDLESS: f64 = 1000.0;

/// What a file is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// It changes nothing.
    Nothing,
    /// Most of it is neither subject nor style.
    Other,
    /// It is the subject and the style, which are the same update but for the strength.
    Alike,
    /// The subject alone.
    Content,
    /// The style alone.
    Style,
    /// ΔW_c·V_k V_kᵀ by itself.
    Overlap,
    /// y·ΔW_c + x·ΔW_s.
    Sum,
    /// y·ΔW_c·(I − β V_k V_kᵀ) + x·ΔW_s.
    Fusion,
}

/// The closest of all mixtures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Closest {
    /// What it is.
    pub(super) kind: Kind,
    /// y: of the subject, or of the overlap where the file is that.
    pub(super) content: f64,
    /// x.
    pub(super) style: f64,
    /// μ; none where it makes no difference that strengths do not make as well.
    pub(super) mu: Option<f64>,
    /// ‖F − closest‖².
    pub(super) left: f64,
}

/// The closest NP-LoRA at any μ ≥ 0 and any strengths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fused {
    pub(super) fit: Fit,
    pub(super) content: f64,
    /// None where another one would do as well.
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

/// With β as it comes, also where no μ gives it.
fn free(sums: &Sums) -> Option<Fit> {
    sums.fit(&[REST, OVERLAP, STYLE])
}

/// The plain sum at its best strengths, with a style or without.
pub(super) fn sum(sums: &Sums) -> Option<Fit> {
    sums.fit(&[CONTENT, STYLE]).or_else(|| sums.fit(&[CONTENT])).or_else(|| sums.fit(&[STYLE]))
}

pub(super) fn fused(sums: &Sums) -> Option<Fused> {
    // At β = 0, at β = 1, and in between.
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

/// μ = β/(1 − β) = y/d − 1, where d is what the mixture has of the overlap; none if that is no NP-LoRA.
fn mu([content, overlap, _]: &Mixture) -> Option<f64> {
    let mu = content / overlap - 1.0;
    (mu.is_finite() && mu >= 0.0).then_some(if mu < ENDLESS { mu } else { f64::INFINITY })
}

fn is_as_good(left: f64, least: f64, file: f64) -> bool {
    left <= (1.0 + AS_GOOD) * least + ROUNDING * file
}
