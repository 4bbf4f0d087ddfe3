//! Pairs of things: one of the content and one of the style.

use serde::{Deserialize, Serialize};

/// Which of the two files something belongs to. The page calls this a file's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The style, whose rows come first in the result.
    Style,
    /// The content, which the page calls the subject.
    Content,
}

/// Two things of the same kind, one for each file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair<T> {
    /// The content's: the subject's, to the page.
    pub content: T,
    /// The style's.
    pub style: T,
}

impl<T> Pair<T> {
    /// The one of this side.
    pub fn of(&self, side: Side) -> &T {
        match side {
            Side::Content => &self.content,
            Side::Style => &self.style,
        }
    }

    /// The one of this side, to be changed.
    pub fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Content => &mut self.content,
            Side::Style => &mut self.style,
        }
    }

    /// References to both.
    pub fn each_ref(&self) -> Pair<&T> {
        Pair { content: &self.content, style: &self.style }
    }

    /// Applies `f` to each, the content's first.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Pair<U> {
        Pair { content: f(self.content), style: f(self.style) }
    }

    /// Pairs each with its counterpart in another pair.
    pub fn zip<U>(self, other: Pair<U>) -> Pair<(T, U)> {
        Pair { content: (self.content, other.content), style: (self.style, other.style) }
    }

    /// Exchanges the two if `swapped`.
    #[must_use]
    pub fn swapped(self, swapped: bool) -> Self {
        if swapped { Self { content: self.style, style: self.content } } else { self }
    }
}

/// Iterates over both with their sides, the content's first.
impl<T> IntoIterator for Pair<T> {
    type Item = (Side, T);
    type IntoIter = std::array::IntoIter<(Side, T), 2>;

    fn into_iter(self) -> Self::IntoIter {
        [(Side::Content, self.content), (Side::Style, self.style)].into_iter()
    }
}

impl<T> Pair<Option<T>> {
    /// Both, if both are present.
    pub fn both(self) -> Option<Pair<T>> {
        Some(Pair { content: self.content?, style: self.style? })
    }

    /// The content's if present, or else the style's.
    pub fn either(self) -> Option<T> {
        self.content.or(self.style)
    }

    /// Those that are present, the content's first.
    pub fn present(self) -> impl Iterator<Item = T> {
        [self.content, self.style].into_iter().flatten()
    }

    /// References to those that are present.
    pub fn as_ref(&self) -> Pair<Option<&T>> {
        self.each_ref().map(Option::as_ref)
    }
}
