//! The methods that compute with the values of files: runs, shares of another worker's run, and methods that few visitors need.
//!
//! Without the feature `compute` nothing here is exported, and the linker leaves out everything that only this module needs.

use super::blob::BlobSource;
use super::crew::{self, JsCrew, Others};
use super::sink::{JsSink, OutputSink};
use super::{Files, GivenSource, Opened, Session, Shared, adapters, give, take, take_settings, thrown};
use crate::container::Source;
use crate::error::{Code, Error};
use crate::fusion::accounting::ComputedOn;
use crate::fusion::analysis::{Outlook, spectra};
use crate::fusion::{
    self, Engine, EngineChoice, Input, Passes, Plan, Progress, SavedRecipe, Settings, Several, Sources,
    Variant, Watch,
};
use futures_util::lock::Mutex;
use js_sys::{Array, Function, Object, Promise, Reflect};
use serde::Serialize;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

impl Opened {
    pub(super) fn input(&self) -> Input<'_, GivenSource> {
        Input { adapter: &self.adapter, source: &self.source }
    }
}

pub(super) fn sources(files: &Files) -> Sources<'_, GivenSource> {
    files.as_ref().map(|file| file.map(|file| file.input()))
}

#[cfg_attr(feature = "compute", wasm_bindgen)]
impl Session {
    /// Completes the analysis of the pair, which `outlook` shows; `others` share the work. `on_progress` and `is_cancelled` are as
    /// for `fuse`; once `stopped` settles, nothing more is waited for.
    ///
    /// # Errors
    /// A `Problem`; findings until then are kept.
    pub async fn analyse(
        &self,
        settings: JsValue,
        others: Others,
        on_progress: Function,
        is_cancelled: Function,
        stopped: Option<Promise>,
    ) -> Result<(), JsValue> {
        let crew = JsCrew::new(others);
        let mut watch = JsWatch { on_progress: Some(on_progress), is_cancelled };
        let settings: Settings = take_settings(settings)?;
        let files = self.files()?;
        let sources = sources(&files);
        let analysis = self.analysis.borrow().clone();
        let work = fusion::analyse(&sources, &settings, &analysis, &crew, &mut watch);
        let analysed = unless(stopped, work).await;
        analysed.map_err(|error| crew.failure().unwrap_or_else(|| thrown(error)))
    }

    /// What the projection would do to the pair, from what is known so far: an `Outlook`.
    ///
    /// # Errors
    /// A `Problem`.
    pub fn outlook(&self, settings: JsValue) -> Result<JsValue, JsValue> {
        let files = self.files()?;
        let settings = take_settings::<Settings>(settings)?.of_fusion();
        let plan = Plan::new(adapters(&files), &settings).map_err(thrown)?;
        let analysis = self.analysis.borrow().clone();
        let outlook = Outlook::of(&plan, &analysis.borrow());
        give(&outlook)
    }

    /// The singular values of a module that both files have, by its name: `Spectra`.
    ///
    /// # Errors
    /// A `Problem`.
    pub async fn spectra(&self, settings: JsValue, module: String) -> Result<JsValue, JsValue> {
        let files = self.files()?;
        let settings = take_settings::<Settings>(settings)?.of_fusion();
        let spectra = spectra(&sources(&files), &settings, &module).await;
        give(&spectra.map_err(thrown)?)
    }

    /// Reads and checks a saved recipe, a report or a fused file (a `File`): a `SavedRecipe`.
    ///
    /// # Errors
    /// A `Problem` if it cannot be used.
    pub async fn recipe(&self, file: JsValue) -> Result<JsValue, JsValue> {
        let source = BlobSource::of(&file)?;
        give(&SavedRecipe::open(&source).await.map_err(|error| thrown(error.in_file(source.name())))?)
    }

    /// The files that `several` (a `Several`) asks for, in order, each a `Variant`.
    ///
    /// # Errors
    /// A `Problem` if `settings` or `several` is invalid.
    pub fn variants(&self, settings: JsValue, several: JsValue) -> Result<JsValue, JsValue> {
        let several: Several = take(several)?;
        give(&several.variants(&take_settings::<Settings>(settings)?))
    }

    /// Finds the backend for a choice: `{backend, adapter, reason}`.
    ///
    /// # Errors
    /// A `Problem` if WebGPU is demanded and not available.
    pub async fn backend(&self, choice: JsValue) -> Result<JsValue, JsValue> {
        let choice = take(choice)?;
        self.reclaim();
        let engine = self.engine(choice).await?;
        let status = give(&BackendStatus {
            backend: engine.backend(),
            adapter: engine.adapter(),
            reason: engine.reason(),
        });
        self.engine.replace(Some((choice, engine)));
        status
    }

    /// Fuses the pair, or converts the only file. Makes one file for each of the `variants`, in the output at the same position,
    /// and returns `{file, report}` for each once all written bytes have been read back and checked. `others` share the work.
    /// `on_progress` gets a `Progress` after each piece; `is_cancelled` is asked before each.
    ///
    /// # Errors
    /// A `Problem`; everything written has been discarded.
    pub async fn fuse(
        &self,
        variants: JsValue,
        choice: JsValue,
        outputs: Vec<OutputSink>,
        others: Others,
        on_progress: Function,
        is_cancelled: Function,
    ) -> Result<JsValue, JsValue> {
        let mut sinks: Vec<JsSink> = outputs.into_iter().map(JsSink::new).collect();
        let crew = JsCrew::new(others);
        let mut watch = JsWatch { on_progress: Some(on_progress), is_cancelled };
        match self.run(variants, choice, &mut sinks, &crew, &mut watch).await {
            Ok(done) => Ok(done),
            Err(problem) => {
                for sink in &sinks {
                    sink.discard().await;
                }
                Err(crew.failure().unwrap_or(problem))
            }
        }
    }

    /// Plans a run that another worker leads, with the ranks that it has found, if any. The checksum of the plans must equal the
    /// leader's, and the backend must be of the leader's kind: `backend` is "cpu", or else the choice that led the leader to a
    /// graphics device.
    ///
    /// # Errors
    /// A `Problem`.
    pub async fn share(
        &self,
        variants: JsValue,
        ranks: JsValue,
        checksum: u32,
        backend: JsValue,
    ) -> Result<(), JsValue> {
        self.reclaim();
        let on = Some(take(backend)?).filter(|choice| *choice != EngineChoice::Cpu);
        let files = self.files()?;
        let mut passes =
            Passes::new(adapters(&files), &take_settings::<Vec<Variant>>(variants)?).map_err(thrown)?;
        if let Some(ranks) = take::<Option<Vec<Vec<usize>>>>(ranks)? {
            passes.lay_out(&ranks, adapters(&files)).map_err(thrown)?;
        }
        if passes.checksum() != checksum {
            return Err(thrown(Error::new(Code::Internal, "It came to another plan.")));
        }
        let engine = match on {
            None => Engine::cpu(""),
            Some(choice) => self.engine(choice).await?,
        };
        if on.is_some() && engine.adapter().is_none() {
            return Err(thrown(Error::new(Code::GpuUnavailable, engine.reason())));
        }
        self.shared.replace(Some(Rc::new(Shared { passes, on, engine: Mutex::new(engine) })));
        Ok(())
    }

    /// Does a task of the shared run and returns `{done, bytes}`. `result` is the finished file that the task looks at, if any;
    /// `on_device` says whether a graphics device may still be used; `stopped` is as for `analyse`.
    ///
    /// # Errors
    /// A `Problem`.
    pub async fn assist(
        &self,
        task: String,
        result: Option<web_sys::Blob>,
        on_device: bool,
        is_cancelled: Function,
        stopped: Option<Promise>,
    ) -> Result<JsValue, JsValue> {
        let shared = self.shared.borrow().clone();
        let shared = shared.ok_or_else(|| thrown(Error::new(Code::Internal, "There is no plan.")))?;
        let files = self.files()?;
        let sources = sources(&files);
        let result = result.map(|blob| BlobSource::written("result", blob));
        let watch = JsWatch { on_progress: None, is_cancelled };
        let task = crew::task(&task)?;
        let Shared { passes, engine, .. } = &*shared;
        let work = fusion::assist(passes, &sources, task, result.as_ref(), (engine, on_device), &watch);
        crew::reply(unless(stopped, work).await.map_err(thrown)?)
    }
}

#[derive(Serialize)]
struct BackendStatus<'a> {
    backend: ComputedOn,
    adapter: Option<&'a str>,
    reason: &'a str,
}

impl Session {
    /// Takes back the graphics device of the last shared run.
    fn reclaim(&self) {
        let on_device = self.shared.borrow().as_ref().is_some_and(|shared| shared.on.is_some());
        if !on_device {
            return;
        }
        if let Some(Ok(Shared { on: Some(choice), engine, .. })) = self.shared.take().map(Rc::try_unwrap) {
            self.engine.replace(Some((choice, engine.into_inner())));
        }
    }

    /// The engine of the last run if it serves this choice and has not failed, otherwise a new one.
    async fn engine(&self, choice: EngineChoice) -> Result<Engine, JsValue> {
        match self.engine.take() {
            Some((made_for, engine)) if made_for == choice && engine.failure().is_none() => Ok(engine),
            _ => Engine::choose(choice).await.map_err(thrown),
        }
    }

    async fn run(
        &self,
        variants: JsValue,
        choice: JsValue,
        sinks: &mut [JsSink],
        crew: &JsCrew,
        watch: &mut JsWatch,
    ) -> Result<JsValue, JsValue> {
        let (variants, choice): (Vec<Variant>, EngineChoice) = (take_settings(variants)?, take(choice)?);
        let files = self.files()?;
        let mut engine = self.engine(choice).await?;
        let sources = sources(&files);
        let fused = fusion::fuse(&sources, &variants, &mut engine, sinks, crew, watch).await;
        self.engine.replace(Some((choice, engine)));
        let results = Array::new();
        for (file, report) in fused.map_err(thrown)? {
            let done = Object::new();
            Reflect::set(&done, &"file".into(), file.blob())?;
            Reflect::set(&done, &"report".into(), &give(&report)?)?;
            results.push(&done);
        }
        Ok(results.into())
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// The result of `work`, unless `stopped` settles first. Work that waits for a slow host does not check for cancellation itself.
pub(super) async fn unless<T>(
    stopped: Option<Promise>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(stopped) = stopped else { return work.await };
    let mut stopped = pin!(JsFuture::from(stopped));
    let mut work = pin!(work);
    poll_fn(|context| {
        if stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(Error::new(Code::Aborted, "")));
        }
        work.as_mut().poll(context)
    })
    .await
}

/// The page's callbacks. Their exceptions are ignored, because they only show progress and answer questions.
pub(super) struct JsWatch {
    pub(super) on_progress: Option<Function>,
    pub(super) is_cancelled: Function,
}

impl Watch for JsWatch {
    fn progress(&mut self, progress: &Progress) {
        if let (Some(on_progress), Ok(progress)) = (&self.on_progress, give(progress)) {
            let _ = on_progress.call1(&JsValue::NULL, &progress);
        }
    }

    fn cancelled(&self) -> bool {
        self.is_cancelled.call0(&JsValue::NULL).is_ok_and(|answer| answer.is_truthy())
    }

    fn seconds(&self) -> f64 {
        now() / 1000.0
    }
}
