//! Compares a file that somebody made of a pair, with this tool or another, with the pair: whether it is their sum and at which
//! strengths, or an NP-LoRA fusion and at which μ.
//!
//! [`matching`] finds the pair's units in the file, [`run`] adds up inner products over them, [`sums`] fits mixtures of subject,
//! style and overlap to these, [`closest`] decides which mixture the file is, [`comparison`] reports it all, and [`judgement`]
//! picks what is worth a word.

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
