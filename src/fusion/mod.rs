//! Fusion: two adapters and the settings go in, a written and checked file comes out.
//!
//! In the order in which a run needs them:
//!
//! - [`settings`]: what the user chose, and the same in the method's terms.
//! - [`plan`]: which layers the two files share, what must stay out, and where every byte of the result will stand. No
//!   arithmetic yet.
//! - `method`: NP-LoRA on the planned modules, by a backend of [`crate::backend`].
//! - `run`: the stages of a run, shared out over workers; writing, reading back, checking, reporting.
//!
//! Beside a run, [`analysis`] says beforehand what a fusion would do, and [`compare`] says afterwards how somebody else's
//! file was made of the two.

pub mod analysis;
pub mod compare;
mod method;
mod pair;
pub mod plan;
mod run;
pub mod settings;

pub use method::accounting;
pub use method::engine::{Engine, EngineChoice};
pub use method::piece::{self, Held, Parcel, Piece};
pub use pair::{Pair, Side};
pub use plan::Plan;
pub use plan::model::FamilyChoice;
pub use plan::pass::{Passes, Variant};
pub use plan::several::Several;
pub use run::crew::{Alone, Compute, Computed, Crew, Done, Look, Made, Run, Seen, Task, What};
pub use run::hashing::Hashing;
#[cfg(target_arch = "wasm32")]
pub(crate) use run::hashing::hexadecimal;
pub use run::report::{self, Report};
pub use run::verify::Difference;
pub use run::{analyse, assist, fuse};
pub use settings::Settings;
pub use settings::saved::{SavedRecipe, SavedSource};

use crate::adapter::Adapter;
use crate::error::{Code, Error, Result};
use serde::Serialize;

/// A LoRA file: what it is, and where its bytes come from.
#[derive(Debug)]
pub struct Input<'a, S> {
    /// The file's modules, as its header describes them.
    pub adapter: &'a Adapter,
    /// The source of the file's bytes.
    pub source: &'a S,
}

impl<S> Clone for Input<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Input<'_, S> {}

/// The files of a run: both of a pair, or the one to be converted.
pub type Sources<'a, S> = Pair<Option<Input<'a, S>>>;

/// The adapters of these files.
pub type Adapters<'a> = Pair<Option<&'a Adapter>>;

impl<'a, S> Sources<'a, S> {
    /// The source of one of the files.
    fn source(&self, side: Side) -> Result<&'a S> {
        let input = self.of(side).ok_or_else(|| Error::new(Code::Internal, "A file is missing."))?;
        Ok(input.source)
    }

    /// The adapters of the files.
    fn adapters(&self) -> Adapters<'a> {
        self.map(|input| input.map(|input| input.adapter))
    }
}

/// # Errors
/// `Aborted` if the user has cancelled.
fn go_on(watch: &impl Watch) -> Result<()> {
    if watch.cancelled() { Err(Error::new(Code::Aborted, "")) } else { Ok(()) }
}

/// The ratio `part`/`whole`, or 0 if `whole` is 0.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[allow(clippy::cast_precision_loss, reason = "ranks and numbers of workers are far below 2^53")]
fn float(value: usize) -> f64 {
    value as f64
}

/// The value in f32.
#[allow(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
fn as_f32(value: f64) -> f32 {
    value as f32
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The current stage.
    pub stage: Stage,
    /// The modules that this stage has finished, over all results; while reading back, this is always the total.
    pub modules_done: usize,
    /// Modules of all results.
    pub modules_total: usize,
    /// The bytes written, or read back; before that, the share of all bytes that the finished modules stand for.
    pub bytes_done: u64,
    /// Bytes of all results.
    pub bytes_total: u64,
    /// The name of the last finished module; empty before the first.
    pub module: String,
}

impl Progress {
    /// The progress at the beginning of a stage.
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

/// The stages of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Measuring how the two files relate to each other.
    Analyse,
    /// Measuring what a third file has of the two.
    Compare,
    /// Finding the ranks that keep the wanted energy.
    Measure,
    /// Computing and writing the results.
    Fuse,
    /// Reading the results back.
    Verify,
}

/// Whoever waits for a run: it learns the progress and may stop the run.
pub trait Watch {
    /// Called at the beginning of a stage and after each piece of it.
    fn progress(&mut self, progress: &Progress);

    /// Whether the run is to end; asked repeatedly, and once it says yes the run ends with `Aborted`.
    fn cancelled(&self) -> bool;

    /// Seconds since any fixed moment; wasm32 has no clock of its own.
    fn seconds(&self) -> f64;
}
