//! The method's output: some tensors of the result, with the accounting of how they were made.

use super::accounting::{Cut, Fused, Passed};
use crate::container::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

/// Some tensors of the result, with the accounting of how they were made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// The tensors, in the order of `bytes`.
    pub tensors: Vec<PieceTensor>,
    /// The values of all of them, one after the other.
    #[serde(skip)]
    pub bytes: Parcel,
    /// The accounting of fused units.
    pub modules: Vec<Fused>,
    /// The accounting of units that only one file has.
    pub passed: Vec<Passed>,
    /// The modules that were cut to a rank.
    pub cuts: Vec<Cut>,
    /// Units whose factors share the scale in an unusual way, because one of them would otherwise be too large for the format.
    pub rescaled: Vec<String>,
    /// The number of the result's modules in this piece.
    pub outputs: usize,
    /// The name of the last module in this piece.
    pub last: String,
}

/// Bytes that wait to be written, wherever they are: wasm memory never shrinks, so bytes from another worker stay outside until
/// they are needed.
#[derive(Clone, Debug)]
pub struct Parcel(Rc<dyn Held>);

/// A holder of the bytes of a [`Parcel`].
pub trait Held: fmt::Debug {
    /// The number of bytes.
    fn length(&self) -> usize;

    /// The bytes of a range; `None` if it extends past the end, or the bytes are gone.
    fn part(&self, range: Range<usize>) -> Option<Bytes>;
}

impl Held for Bytes {
    fn length(&self) -> usize {
        self.len()
    }

    fn part(&self, range: Range<usize>) -> Option<Bytes> {
        (range.start <= range.end && range.end <= self.len()).then(|| self.slice(range))
    }
}

impl Default for Parcel {
    fn default() -> Self {
        Self::new(Bytes::new())
    }
}

impl Parcel {
    /// A parcel of the bytes that `held` holds.
    pub fn new(held: impl Held + 'static) -> Self {
        Self(Rc::new(held))
    }
}

impl Deref for Parcel {
    type Target = dyn Held;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// A tensor in a [`Piece`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceTensor {
    /// The index of the tensor in the layout.
    pub at: usize,
    /// The number of its bytes.
    pub length: usize,
    /// The XXH3 checksum of its bytes.
    pub checksum: u64,
}
