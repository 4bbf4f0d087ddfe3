//! What of a comparison is worth a word, and which: what the page only puts into sentences.

use super::closest::Kind;
use super::comparison::Likeness;
use serde::Serialize;

/// With more than this share of the energy unexplained, the file is only close to what it is said to be.
const CLOSE: f64 = 0.01;
/// With more than this, it is worth saying how much.
const TRACE: f64 = 1e-4;
/// Strengths within this of each other, or of 1, are equal.
const EQUAL: f64 = 0.02;

/// What is said of the whole file besides what it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// It is that, and not only closest to it.
    pub exact: bool,
    /// Which one, if it is a plain sum.
    pub sum: SumKind,
    /// What is missing of the two that it was made of.
    pub lost: Lost,
    /// Besides what it is, it has something of neither.
    pub has_more: bool,
}

/// Which plain sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SumKind {
    /// Both at strength 1.
    Whole,
    /// Both at strength ½, as programs do that take the mean.
    Half,
    /// Any other.
    Some,
}

/// Shares 0 … 1; none where nothing is missing, or nothing of both was to be expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lost {
    /// Of the subject.
    pub content: Option<f64>,
    /// Of the style.
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
