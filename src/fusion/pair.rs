//! What there are two of: one of the content, one of the style.

use serde::{Deserialize, Serialize};

/// Which of the two files. To the page, a file's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The style, whose rows come first.
    Style,
    /// The content.
    Content,
}

/// One thing of each file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair<T> {
    /// The content's: the subject's, to the page.
    pub content: T,
    /// The style's.
    pub style: T,
}

impl<T> Pair<T> {
    /// One of them.
    pub fn of(&self, side: Side) -> &T {
        match side {
            Side::Content => &self.content,
            Side::Style => &self.style,
        }
    }

    /// One of them, to be changed.
    pub fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Content => &mut self.content,
            Side::Style => &mut self.style,
        }
    }

    /// The same of both.
    pub fn each_ref(&self) -> Pair<&T> {
        Pair { content: &self.content, style: &self.style }
    }

    /// What `f` makes of each, the content's first.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Pair<U> {
        Pair { content: f(self.content), style: f(self.style) }
    }

    /// Each with what there is of it in another pair.
    pub fn zip<U>(self, other: Pair<U>) -> Pair<(T, U)> {
        Pair { content: (self.content, other.content), style: (self.style, other.style) }
    }

    /// In each other's roles, or not.
    #[must_use]
    pub fn swapped(self, swapped: bool) -> Self {
        if swapped { Self { content: self.style, style: self.content } } else { self }
    }
}

/// The content's first.
impl<T> IntoIterator for Pair<T> {
    type Item = (Side, T);
    type IntoIter = std::array::IntoIter<(Side, T), 2>;

    fn into_iter(self) -> Self::IntoIter {
        [(Side::Content, self.content), (Side::Style, self.style)].into_iter()
    }
}

impl<T> Pair<Option<T>> {
    /// Both, if there are both.
    pub fn both(self) -> Option<Pair<T>> {
        Some(Pair { content: self.content?, style: self.style? })
    }

    /// The content's, or else the style's.
    pub fn either(self) -> Option<T> {
        self.content.or(self.style)
    }

    /// What there is, the content's first.
    pub fn present(self) -> impl Iterator<Item = T> {
        [self.content, self.style].into_iter().flatten()
    }

    /// The same of what there is.
    pub fn as_ref(&self) -> Pair<Option<&T>> {
        self.each_ref().map(Option::as_ref)
    }
}
