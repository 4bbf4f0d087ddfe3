//! What a file that somebody made of a pair, with this tool or another, has of the two: whether it is their sum, at which
//! strengths, or what NP-LoRA gives, at which μ.
//!
//! [`matching`] finds the pair's units in the file, [`run`] adds up inner products over them, [`sums`] fits mixtures of
//! subject, style and their overlap to those, [`closest`] says which of them is the file, [`comparison`] all of it, and
//! [`judgement`] what of that is worth a word.

mod closest;
mod comparison;
mod judgement;
mod matching;
mod run;
mod sums;

pub use closest::Kind;
pub use comparison::{BlockLikeness, Comparison, Likeness, ModuleLikeness, Part, Parts, Target, TargetName};
pub use judgement::{Judgement, Lost, SumKind};
pub use run::{COUNTING, compare};
