//! The wasm-bindgen boundary: one session object, with plain values in and out. This file opens and describes files; the methods
//! that compute with their values are in [`compute`] and [`compare`]. Those are only in the full program, as is support for files
//! on servers.
//!
//! Every refusal is thrown as a plain object with the fields of `Problem` in `www/core/types.ts`.

mod blob;
mod compare;
mod compute;
mod crew;
mod hash;
#[cfg(feature = "compute")]
mod remote;
mod sink;

use crate::adapter::Adapter;
use crate::backend::Dtype;
use crate::container::{MemorySink, Sink, Source};
use crate::error::{Code, Error};
use crate::example::Example;
use crate::fusion::analysis::Analysis;
use crate::fusion::{Adapters, Engine, EngineChoice, FamilyChoice, Pair, Passes, Plan, Side};
#[cfg(not(feature = "compute"))]
use blob::BlobSource as GivenSource;
use futures_util::lock::Mutex;
pub use hash::{Digest, sha256};
use js_sys::Uint8Array;
#[cfg(feature = "compute")]
use remote::GivenSource;
#[cfg(feature = "compute")]
pub use remote::{find_file, read_link};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Writes a panic's message to the console before the module stops.
#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// The version of this crate.
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
    let example = Example { side: take(role)?, rank: 4, dtype: Dtype::F16 };
    let mut sink = MemorySink::default();
    example.write(&mut sink).await.map_err(thrown)?;
    let source = sink.finish().await.map_err(thrown)?;
    let bytes = source.read(0..source.size()).await.map_err(thrown)?;
    Ok(Uint8Array::from(&*bytes))
}

#[derive(Debug)]
struct Opened {
    adapter: Adapter,
    source: GivenSource,
}

/// The state of a worker's part in another worker's run.
#[derive(Debug)]
struct Shared {
    passes: Passes,
    /// The choice that led to a graphics device, if one is in use.
    on: Option<EngineChoice>,
    engine: Mutex<Engine>,
}

/// The open files: the content and the style.
type Files = Pair<Option<Rc<Opened>>>;

fn adapters(files: &Files) -> Adapters<'_> {
    files.as_ref().map(|file| file.map(|file| &file.adapter))
}

/// A pair of files, and the backend that fuses them.
///
/// All state is behind cells, so that a run in progress does not lock the other methods.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Session {
    files: RefCell<Files>,
    /// The engine, kept between runs because finding a device and compiling shaders takes time.
    engine: RefCell<Option<(EngineChoice, Engine)>>,
    /// The run that another worker leads, if this one takes part.
    shared: RefCell<Option<Rc<Shared>>>,
    /// The analysis of the two open files. New files get a new one; a call under way keeps its own.
    analysis: RefCell<Rc<RefCell<Analysis>>>,
}

#[wasm_bindgen]
impl Session {
    /// A session without files.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file's header and returns its `Summary`. The file, a `File` or (with `compute`) a `RemoteFile` with a method `ask`,
    /// takes the place of the role; the parts read of a `RemoteFile` are put into its `kept` for others who open it. `config` is
    /// the text of PEFT's `adapter_config.json` if it came with the file.
    ///
    /// # Errors
    /// A `Problem`; the role then has no file.
    pub async fn open(
        &self,
        role: JsValue,
        file: JsValue,
        config: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let side = take(role)?;
        self.put(side, None);
        let source = GivenSource::of(&file)?;
        let adapter = Adapter::open(&source, config.as_deref()).await.map_err(thrown)?;
        source.hand_on(&file)?;
        let summary = give(&adapter.summary());
        self.put(side, Some(Rc::new(Opened { adapter, source })));
        summary
    }

    /// Forgets the file of a role.
    ///
    /// # Errors
    /// A `Problem` if the role is unknown.
    pub fn close(&self, role: JsValue) -> Result<(), JsValue> {
        self.put(take(role)?, None);
        Ok(())
    }

    /// Swaps the roles of the two files.
    pub fn swap(&self) {
        self.files.replace_with(|files| files.clone().swapped(true));
        let known = self.analysis.take().take();
        self.analysis.replace(Rc::new(RefCell::new(known.swapped())));
    }

    /// The model families that the user may choose from for the open files: a `FamilyChoice`.
    ///
    /// # Errors
    /// A `Problem` if there is no file.
    pub fn families(&self) -> Result<JsValue, JsValue> {
        give(&FamilyChoice::of(adapters(&self.files()?)))
    }

    /// How the two files fit together, or what the conversion of a single file will give: a `PairFit`.
    ///
    /// # Errors
    /// A `Problem`.
    pub fn fit(&self, settings: JsValue) -> Result<JsValue, JsValue> {
        let plan = Plan::new(adapters(&self.files()?), &take_settings(settings)?).map_err(thrown)?;
        give(&plan.fit())
    }
}

impl Session {
    /// Sets or removes the file of a role and drops the analysis, which belongs to the previous pair.
    fn put(&self, side: Side, file: Option<Rc<Opened>>) {
        *self.files.borrow_mut().of_mut(side) = file;
        self.analysis.take();
    }

    /// The files that are open, one at least.
    fn files(&self) -> Result<Files, JsValue> {
        let files = self.files.borrow().clone();
        if files.as_ref().either().is_none() {
            return Err(thrown(Error::new(Code::Internal, "No file is open.")));
        }
        Ok(files)
    }
}

/// Reads a plain value from the page, which only the page itself can get wrong.
fn take<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    take_or(Code::Internal, value)
}

/// Reads settings, which hosts and scripts may write.
fn take_settings<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    take_or(Code::Settings, value)
}

fn take_or<T: DeserializeOwned>(code: Code, value: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|error| {
        // The plain text of the error would begin with the name of the exception's class.
        let exception = js_sys::Error::from(JsValue::from(error));
        thrown(Error::new(code, String::from(exception.message())))
    })
}

/// Passes a plain value to the page: objects, arrays, numbers, null.
fn give<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(|error| thrown(Error::new(Code::Internal, error.to_string())))
}

fn thrown(error: Error) -> JsValue {
    give(&error).unwrap_or_else(|_| JsValue::from_str(error.code.as_str()))
}
