//! The wasm-bindgen boundary: one session object, plain values in and out.
//!
//! Every refusal is thrown as a plain object with the fields of `Problem` in `www/core/types.ts`.

mod blob;
mod crew;
mod hash;
mod sink;

use crate::adapter::Adapter;
use crate::backend::Dtype;
use crate::container::{MemorySink, Sink, Source};
use crate::error::{Code, Error};
use crate::example::{Example, Part};
use crate::fusion::analysis::{Analysis, Outlook};
use crate::fusion::{self, Engine, EngineChoice, Input, Plan, Progress, Settings, Sources, Watch};
use blob::BlobSource;
use crew::{JsCrew, Others};
pub use hash::sha256;
use js_sys::{Function, Object, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sink::{JsSink, OutputSink};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Writes a panic's message to the console before the module stops.
#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// This crate's version.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The bytes of a small example LoRA for a role ("content" or "style").
///
/// # Errors
/// A `Problem` if the role is unknown.
#[wasm_bindgen]
pub async fn example(role: JsValue) -> Result<Uint8Array, JsValue> {
    let part = match take::<Role>(role)? {
        Role::Content => Part::Content,
        Role::Style => Part::Style,
    };
    let example = Example { part, rank: 4, dtype: Dtype::F16 };
    let mut sink = MemorySink::default();
    example.write(&mut sink).await.map_err(thrown)?;
    let source = sink.finish().await.map_err(thrown)?;
    let bytes = source.read(0..source.size()).await.map_err(thrown)?;
    Ok(Uint8Array::from(bytes.as_slice()))
}

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Content,
    Style,
}

#[derive(Debug)]
struct Opened {
    adapter: Adapter,
    source: BlobSource,
}

impl Opened {
    fn input(&self) -> Input<'_, BlobSource> {
        Input { adapter: &self.adapter, source: &self.source }
    }
}

/// The content and the style.
type Files = (Option<Rc<Opened>>, Option<Rc<Opened>>);

fn adapters((content, style): &Files) -> (Option<&Adapter>, Option<&Adapter>) {
    (content.as_deref().map(|file| &file.adapter), style.as_deref().map(|file| &file.adapter))
}

fn sources<'a>(content: &'a Option<Rc<Opened>>, style: &'a Option<Rc<Opened>>) -> Sources<'a, BlobSource> {
    Sources { content: content.as_deref().map(Opened::input), style: style.as_deref().map(Opened::input) }
}

/// A pair of files, and the backend that fuses them.
///
/// All state is behind cells, so that a run in progress does not lock the other methods.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Session {
    content: RefCell<Option<Rc<Opened>>>,
    style: RefCell<Option<Rc<Opened>>>,
    /// Kept between runs: finding a device and compiling shaders takes time.
    engine: RefCell<Option<(EngineChoice, Engine)>>,
    /// The plan of a run that another worker leads.
    shared: RefCell<Option<Rc<Plan>>>,
    /// What is known of the two files. A new one for new files: a call under way keeps to its own.
    analysis: RefCell<Rc<RefCell<Analysis>>>,
}

#[wasm_bindgen]
impl Session {
    /// A session without files.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file's header and gives its `Summary`. The file takes the role's place. `config` is the text of PEFT's
    /// `adapter_config.json`, where it came with the file.
    ///
    /// # Errors
    /// A `Problem`; the role is then empty.
    pub async fn open(
        &self,
        role: JsValue,
        file: web_sys::File,
        config: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let slot = self.slot(take(role)?);
        slot.replace(None);
        self.analysis.take();
        let source = BlobSource::of_file(&file);
        let adapter = Adapter::open(&source, config.as_deref()).await.map_err(thrown)?;
        let summary = give(&adapter.summary());
        slot.replace(Some(Rc::new(Opened { adapter, source })));
        summary
    }

    /// Forgets the file of a role.
    ///
    /// # Errors
    /// A `Problem` if the role is unknown.
    pub fn close(&self, role: JsValue) -> Result<(), JsValue> {
        self.slot(take(role)?).replace(None);
        self.analysis.take();
        Ok(())
    }

    /// Swaps the roles.
    pub fn swap(&self) {
        self.content.swap(&self.style);
        let known = self.analysis.take().take();
        self.analysis.replace(Rc::new(RefCell::new(known.swapped())));
    }

    /// How the two files fit, or what the conversion of the only one will be: a `PairFit`.
    ///
    /// # Errors
    /// A `Problem`.
    pub fn fit(&self, settings: JsValue) -> Result<JsValue, JsValue> {
        let files = self.files()?;
        let (content, style) = adapters(&files);
        let plan = Plan::new(content, style, &take(settings)?).map_err(thrown)?;
        give(&plan.fit())
    }

    /// Finds out what is not known yet of how the two files lie to each other, which `outlook` shows; `others` share the
    /// work. `on_progress` and `is_cancelled` as for `fuse`.
    ///
    /// # Errors
    /// A `Problem`; what was found until then is kept.
    pub async fn analyse(
        &self,
        settings: JsValue,
        others: Others,
        on_progress: Function,
        is_cancelled: Function,
    ) -> Result<(), JsValue> {
        let crew = JsCrew::new(others);
        let mut watch = JsWatch { on_progress: Some(on_progress), is_cancelled };
        let settings: Settings = take(settings)?;
        let (content, style) = self.files()?;
        let sources = sources(&content, &style);
        let analysis = self.analysis.borrow().clone();
        let analysed = fusion::analyse(&sources, &settings, &analysis, &crew, &mut watch).await;
        analysed.map_err(|error| crew.failure().unwrap_or_else(|| thrown(error)))
    }

    /// What the projection would do to the pair, from what is known by now: an `Outlook`.
    ///
    /// # Errors
    /// A `Problem`.
    pub fn outlook(&self, settings: JsValue) -> Result<JsValue, JsValue> {
        let files = self.files()?;
        let (content, style) = adapters(&files);
        let plan = Plan::new(content, style, &take(settings)?).map_err(thrown)?;
        let analysis = self.analysis.borrow().clone();
        let outlook = Outlook::of(&plan, &analysis.borrow());
        give(&outlook)
    }

    /// The singular values of one of the modules that both files have, by its name: `Spectra`.
    ///
    /// # Errors
    /// A `Problem`.
    pub async fn spectra(&self, settings: JsValue, module: String) -> Result<JsValue, JsValue> {
        let (content, style) = self.files()?;
        let spectra = fusion::analysis::spectra(&sources(&content, &style), &take(settings)?, &module).await;
        give(&spectra.map_err(thrown)?)
    }

    /// The backend that a choice leads to: `{backend, adapter, reason}`.
    ///
    /// # Errors
    /// A `Problem` if WebGPU is demanded and not available.
    pub async fn backend(&self, choice: JsValue) -> Result<JsValue, JsValue> {
        let choice = take(choice)?;
        let engine = self.engine(choice).await?;
        let status = give(&BackendStatus {
            backend: engine.backend(),
            adapter: engine.adapter(),
            reason: engine.reason(),
        });
        self.engine.replace(Some((choice, engine)));
        status
    }

    /// Fuses the pair, or converts the only file, into `output` and gives `{file, report}` once the written bytes have been read back and checked.
    /// `others` share the work. `on_progress` gets a `Progress` after each piece; `is_cancelled` is asked before each.
    ///
    /// # Errors
    /// A `Problem`; whatever was written has been discarded.
    pub async fn fuse(
        &self,
        settings: JsValue,
        choice: JsValue,
        output: OutputSink,
        others: Others,
        on_progress: Function,
        is_cancelled: Function,
    ) -> Result<JsValue, JsValue> {
        let mut sink = JsSink::new(output);
        let crew = JsCrew::new(others);
        let mut watch = JsWatch { on_progress: Some(on_progress), is_cancelled };
        match self.run(settings, choice, &mut sink, &crew, &mut watch).await {
            Ok(done) => Ok(done),
            Err(problem) => {
                sink.discard().await;
                Err(crew.failure().unwrap_or(problem))
            }
        }
    }

    /// Makes the plan of a run that another worker leads, with the ranks that it has found, if any. Its checksum must be that
    /// of the leader's.
    ///
    /// # Errors
    /// A `Problem`.
    pub fn share(&self, settings: JsValue, ranks: JsValue, checksum: u32) -> Result<(), JsValue> {
        let files = self.files()?;
        let (content, style) = adapters(&files);
        let mut plan = Plan::new(content, style, &take(settings)?).map_err(thrown)?;
        if let Some(ranks) = take::<Option<Vec<usize>>>(ranks)? {
            plan.lay_out(&ranks, content, style).map_err(thrown)?;
        }
        if plan.checksum() != checksum {
            return Err(thrown(Error::new(Code::Internal, "It came to another plan.")));
        }
        self.shared.replace(Some(Rc::new(plan)));
        Ok(())
    }

    /// Does a task of the shared run; `result` is its finished file, where there is one. Gives `{done, bytes}`.
    ///
    /// # Errors
    /// A `Problem`.
    pub async fn assist(
        &self,
        task: String,
        result: Option<web_sys::Blob>,
        is_cancelled: Function,
    ) -> Result<JsValue, JsValue> {
        let plan = self.shared.borrow().clone();
        let plan = plan.ok_or_else(|| thrown(Error::new(Code::Internal, "There is no plan.")))?;
        let (content, style) = self.files()?;
        let sources = sources(&content, &style);
        let result = result.map(|blob| BlobSource::of_blob("result", blob));
        let watch = JsWatch { on_progress: None, is_cancelled };
        let task = crew::task(&task)?;
        let done = fusion::assist(&plan, &sources, task, result.as_ref(), &watch).await.map_err(thrown)?;
        crew::reply(done)
    }
}

#[derive(Serialize)]
struct BackendStatus<'a> {
    backend: &'a str,
    adapter: Option<&'a str>,
    reason: &'a str,
}

impl Session {
    fn slot(&self, role: Role) -> &RefCell<Option<Rc<Opened>>> {
        match role {
            Role::Content => &self.content,
            Role::Style => &self.style,
        }
    }

    /// The files that are open, one at least.
    fn files(&self) -> Result<Files, JsValue> {
        let both = (self.content.borrow().clone(), self.style.borrow().clone());
        match both {
            (None, None) => Err(thrown(Error::new(Code::Settings, "Choose a file first."))),
            files => Ok(files),
        }
    }

    /// The engine of the last run if it serves this choice and has not failed, else a new one.
    async fn engine(&self, choice: EngineChoice) -> Result<Engine, JsValue> {
        match self.engine.take() {
            Some((made_for, engine)) if made_for == choice && engine.failure().is_none() => Ok(engine),
            _ => Engine::choose(choice).await.map_err(thrown),
        }
    }

    async fn run(
        &self,
        settings: JsValue,
        choice: JsValue,
        sink: &mut JsSink,
        crew: &JsCrew,
        watch: &mut JsWatch,
    ) -> Result<JsValue, JsValue> {
        let (settings, choice): (Settings, EngineChoice) = (take(settings)?, take(choice)?);
        let (content, style) = self.files()?;
        let mut engine = self.engine(choice).await?;
        let sources = sources(&content, &style);
        let fused = fusion::fuse(&sources, &settings, &mut engine, sink, crew, watch).await;
        self.engine.replace(Some((choice, engine)));
        let (file, report) = fused.map_err(thrown)?;
        let done = Object::new();
        Reflect::set(&done, &"file".into(), file.blob())?;
        Reflect::set(&done, &"report".into(), &give(&report)?)?;
        Ok(done.into())
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// The page's callbacks. What they throw is ignored: they only show and answer.
struct JsWatch {
    on_progress: Option<Function>,
    is_cancelled: Function,
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

/// A plain value from the page.
fn take<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value)
        .map_err(|error| thrown(Error::new(Code::Settings, error.to_string())))
}

/// A plain value for the page: objects, arrays, numbers, null.
fn give<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(|error| thrown(Error::new(Code::Internal, error.to_string())))
}

fn thrown(error: Error) -> JsValue {
    give(&error).unwrap_or_else(|_| JsValue::from_str(error.code.as_str()))
}
