//! The pair: from two adapters and the settings to a written and verified file.
//!
//! [`plan`] pairs modules and lays the result out; [`factors`] reads and rounds them; [`method`] runs NP-LoRA through an
//! [`engine`]; [`accounting`] and [`report`] say what it did; [`verify`] reads the result back.

pub mod accounting;
pub mod engine;
pub mod factors;
pub mod method;
pub mod plan;
pub mod report;
pub mod settings;
pub mod verify;

mod metadata;

pub use engine::{Engine, EngineChoice};
pub use plan::Plan;
pub use report::Report;
pub use settings::Settings;

use crate::adapter::Adapter;
use crate::container::{Sink, Source};
use crate::error::Result;
use serde::Serialize;

/// A LoRA file: what it is, and where its bytes come from.
#[derive(Debug)]
pub struct Input<'a, S> {
    /// The file as understood.
    pub adapter: &'a Adapter,
    /// Its bytes.
    pub source: &'a S,
}

/// Fuses two files: computes, writes, reads back and checks. Gives the finished file and the accounting.
///
/// # Errors
/// Those of planning ([`Plan::new`]), computing and writing ([`method::write`]) and checking ([`verify::check`]). After
/// an error whatever the sink holds is to be thrown away.
pub async fn fuse<C: Source, S: Source, K: Sink, W: Watch>(
    content: Input<'_, C>,
    style: Input<'_, S>,
    settings: &Settings,
    engine: &mut Engine,
    sink: &mut K,
    watch: &mut W,
) -> Result<(K::Finished, Report)> {
    let started = watch.seconds();
    let plan = Plan::new(content.adapter, style.adapter, settings)?;
    let written = method::write(&plan, content.source, style.source, engine, sink, watch).await?;
    let finished = sink.finish().await?;
    let saved = watch.seconds();
    let verified = verify::check(&plan, &written, &finished, content.source, style.source, watch).await?;
    let seconds = [saved - started, watch.seconds() - saved];
    let report =
        Report::new(&plan, content.adapter, style.adapter, engine, written.modules, verified, seconds);
    Ok((finished, report))
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Modules of the result that are written.
    pub modules_done: usize,
    /// Modules of the result.
    pub modules_total: usize,
    /// Bytes written, or read back.
    pub bytes_done: u64,
    /// Bytes of the result.
    pub bytes_total: u64,
    /// The module just done.
    pub module: String,
}

/// The two parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
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
