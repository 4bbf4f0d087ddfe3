//! Two adapters and the settings in, a written and checked file out.
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
pub type Sources<'a, S> = Pair<Option<Input<'a, S>>>;

/// What is known of these files.
pub type Adapters<'a> = Pair<Option<&'a Adapter>>;

impl<'a, S> Sources<'a, S> {
    /// The bytes of one of the files.
    fn source(&self, side: Side) -> Result<&'a S> {
        let input = self.of(side).ok_or_else(|| Error::new(Code::Internal, "A file is missing."))?;
        Ok(input.source)
    }

    /// What is known of the files.
    fn adapters(&self) -> Adapters<'a> {
        self.map(|input| input.map(|input| input.adapter))
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

#[allow(clippy::cast_precision_loss, reason = "ranks and numbers of workers are far below 2^53")]
fn float(value: usize) -> f64 {
    value as f64
}

/// The value as the result stores it.
#[allow(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
fn as_f32(value: f64) -> f32 {
    value as f32
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Modules that this stage is done with, of all results together; while reading back, all.
    pub modules_done: usize,
    /// Modules of all results.
    pub modules_total: usize,
    /// Bytes written, or read back; before that, what the modules done are of all.
    pub bytes_done: u64,
    /// Bytes of all results.
    pub bytes_total: u64,
    /// The last module done, empty before the first.
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
    /// Called at the beginning of a stage and after each piece of it.
    fn progress(&mut self, progress: &Progress);

    /// Asked again and again; once it says yes, the run ends with `Aborted`.
    fn cancelled(&self) -> bool;

    /// Seconds since any fixed moment; wasm32 has no clock of its own.
    fn seconds(&self) -> f64;
}
