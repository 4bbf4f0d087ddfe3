//! The conclusions of a comparison that are worth a word; the page only puts them into sentences.

use super::closest::Kind;
use super::comparison::Likeness;
use serde::Serialize;

/// If more than this share of the energy is unexplained, the file is only close to its kind.
const CLOSE: f64 = 0.01;
/// If more than this share of the energy is unexplained, the amount is worth a word.
const TRACE: f64 = 1e-4;
/// Strengths within this of each other, or of 1, are equal.
const EQUAL: f64 = 0.02;

/// Conclusions about the whole file, besides its kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// Whether the file really is its kind, and not merely closest to it.
    pub exact: bool,
    /// Which plain sum the file is, if it is one.
    pub sum: SumKind,
    /// The shares of subject and style that are missing.
    pub lost: Lost,
    /// Whether the file also contains something of neither subject nor style.
    pub has_more: bool,
}

/// The strengths of a plain sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SumKind {
    /// Both at strength 1.
    Whole,
    /// Both have strength ½, as from programs that take the mean.
    Half,
    /// Both have any other strengths.
    Some,
}

/// The missing shares, from 0 to 1; `None` if nothing is missing, or if the file was not expected to contain both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lost {
    /// The missing share of the subject.
    pub content: Option<f64>,
    /// The missing share of the style.
    pub style: Option<f64>,
}

impl Judgement {
    pub(super) fn of(&Likeness { kind, content, style, neither, .. }: &Likeness) -> Self {
        let made_of_both = matches!(kind, Kind::Sum | Kind::Fusion);
        let lost = |strength: f64| {
            let is_less = (0.0..1.0).contains(&strength) && !is_near(strength, 1.0);
            (made_of_both && is_less).then_some(1.0 - strength)
        };
        let is_both = |strength| is_near(content, style) && is_near(style, strength);
        Self {
            exact: neither < CLOSE,
            sum: if is_both(1.0) {
                SumKind::Whole
            } else if is_both(0.5) {
                SumKind::Half
            } else {
                SumKind::Some
            },
            lost: Lost { content: lost(content), style: lost(style) },
            has_more: neither >= TRACE && !matches!(kind, Kind::Other | Kind::Nothing),
        }
    }
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= EQUAL * b.abs()
}
