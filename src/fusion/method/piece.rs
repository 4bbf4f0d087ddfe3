//! What the method makes: some tensors of the result, with the account of how they were made.

use super::accounting::{Cut, Fused, Passed};
use crate::container::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

/// Some tensors of the result, and the account of how they were made.
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
    /// What was cut to a rank.
    pub cuts: Vec<Cut>,
    /// Units whose factors share the scale otherwise than usual, as one would have been too large for the format.
    pub rescaled: Vec<String>,
    /// How many modules of the result are in it.
    pub outputs: usize,
    /// The last of them.
    pub last: String,
}

/// Bytes that wait to be written, wherever they are: wasm memory never shrinks, so what comes from another worker stays out of it
/// until its turn comes.
#[derive(Clone, Debug)]
pub struct Parcel(Rc<dyn Held>);

/// What holds the bytes of a [`Parcel`].
pub trait Held: fmt::Debug {
    /// How many they are.
    fn length(&self) -> usize;

    /// The bytes of a range; none where it ends behind the last of them, or they are gone.
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
    /// What is held there.
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
    /// Its place in the layout.
    pub at: usize,
    /// How many bytes it has.
    pub length: usize,
    /// Their XXH3.
    pub checksum: u64,
}
