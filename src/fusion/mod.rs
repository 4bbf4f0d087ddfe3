//! The pair: from two adapters and the settings to a written and verified file.
//!
//! [`settings`] are checked into a [`recipe`]. [`model`] asks whether the files are for one model, [`pairing`] which layers
//! they share, [`refusals`] what must stay out, [`outputs`] how the result is written; [`plan`] puts these together with
//! every size, [`several`] says which files a run makes to compare, [`pass`] has those together that are made together.
//! [`factors`] reads and rounds,
//! [`portions`] says how much is done at once, [`method`] runs NP-LoRA through an [`engine`], [`compose`] and [`composer`]
//! put modules together, [`writer`] writes them, [`hashing`] hashes them. [`accounting`] and [`report`] say what was done; [`verify`] reads the
//! result back. [`run`] leads all of it, and shares it out ([`sharing`]) to a [`crew`].
//! [`analysis`] says beforehand what a fusion would do, [`compare`] afterwards what somebody has made of the two.

pub mod accounting;
pub mod analysis;
pub mod compare;
pub mod recipe;
pub mod settings;

mod compose;
mod composer;
mod crew;
mod engine;
mod factors;
mod fit;
mod hashing;
mod metadata;
mod method;
mod model;
mod mu;
mod outputs;
mod pairing;
mod pass;
mod plan;
mod portions;
mod presets;
mod refusals;
mod report;
mod run;
mod saved;
mod several;
mod sharing;
mod unlisted;
mod vectors;
mod verify;
mod writer;

pub use crew::{Alone, Crew, Done, Held, Parcel, Piece, Run, Task};
pub use engine::{Engine, EngineChoice};
pub use hashing::Hashing;
#[cfg(target_arch = "wasm32")]
pub(crate) use hashing::hexadecimal;
pub use model::undecided_families;
pub use pass::{Passes, Variant};
pub use plan::Plan;
pub use report::Report;
pub use run::{analyse, assist, fuse};
pub use saved::SavedRecipe;
pub use settings::Settings;
pub use several::Several;

use crate::adapter::Adapter;
use crate::container::{self, Source, Tensor};
use crate::error::{Code, Error, Result};
use pairing::Side;
use serde::Serialize;

/// A LoRA file: what it is, and where its bytes come from.
#[derive(Debug)]
pub struct Input<'a, S> {
    /// The file as understood.
    pub adapter: &'a Adapter,
    /// Its bytes.
    pub source: &'a S,
}

impl<S> Clone for Input<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Input<'_, S> {}

/// The files of a run: both of a pair, or the one to be converted.
#[derive(Debug)]
pub struct Sources<'a, S> {
    /// The subject.
    pub content: Option<Input<'a, S>>,
    /// The style.
    pub style: Option<Input<'a, S>>,
}

impl<'a, S: Source> Sources<'a, S> {
    /// The bytes of one of the files.
    fn of(&self, side: Side) -> Result<&'a S> {
        let input = if side == Side::Content { &self.content } else { &self.style };
        input
            .as_ref()
            .map(|input| input.source)
            .ok_or_else(|| Error::new(Code::Internal, "A file is missing."))
    }

    /// The same files, in each other's roles or not.
    fn roles(&self, swapped: bool) -> Self {
        let (content, style) = pass::roles(swapped, self.content, self.style);
        Self { content, style }
    }

    /// What is known of both files.
    fn adapters(&self) -> (Option<&'a Adapter>, Option<&'a Adapter>) {
        let adapter = |input: &Option<Input<'a, S>>| input.as_ref().map(|input| input.adapter);
        (adapter(&self.content), adapter(&self.style))
    }
}

/// # Errors
/// `Aborted` if the user has cancelled.
fn go_on(watch: &impl Watch) -> Result<()> {
    if watch.cancelled() { Err(Error::new(Code::Aborted, "")) } else { Ok(()) }
}

/// `part`/`whole`, 0 where there is no whole.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Reads a tensor as f32 values, checked to be numbers.
async fn read_vector<S: Source>(source: &S, tensor: &Tensor) -> Result<Vec<f32>> {
    let bytes =
        container::exactly(source, tensor.range()).await.map_err(|error| error.at_tensor(&tensor.name))?;
    let length = usize::try_from(tensor.values()).unwrap_or(0);
    let factor =
        factors::Factor::new(tensor, bytes, 1, length).map_err(|error| error.in_file(source.name()))?;
    Ok(factor.values())
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Modules that are written, of all results together.
    pub modules_done: usize,
    /// Modules of all results.
    pub modules_total: usize,
    /// Bytes written, or read back.
    pub bytes_done: u64,
    /// Bytes of all results.
    pub bytes_total: u64,
    /// The module just done.
    pub module: String,
}

impl Progress {
    /// At the beginning of a stage.
    fn of(passes: &Passes, stage: Stage) -> Self {
        Self {
            modules_total: passes.plans().map(|plan| plan.outputs().count()).sum(),
            bytes_total: passes.plans().map(|plan| plan.layout.size).sum(),
            ..Self::nothing(stage)
        }
    }

    fn nothing(stage: Stage) -> Self {
        Self {
            stage,
            modules_done: 0,
            modules_total: 0,
            bytes_done: 0,
            bytes_total: 0,
            module: String::new(),
        }
    }
}

/// The parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Finding out how the two files lie to each other.
    Analyse,
    /// Finding out what a third file has of the two.
    Compare,
    /// Finding the ranks that keep the wanted energy.
    Measure,
    /// Computing and writing.
    Fuse,
    /// Reading back.
    Verify,
}

/// Whoever waits for a run: is told how far it is, and may stop it.
pub trait Watch {
    /// Called after each module.
    fn progress(&mut self, progress: &Progress);

    /// Asked before each module.
    fn cancelled(&self) -> bool;

    /// Seconds since any fixed moment; wasm32 has no clock of its own.
    fn seconds(&self) -> f64;
}
