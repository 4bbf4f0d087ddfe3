//! The page's other workers that share a run (`www/worker/crew.ts`), and the one that computes hashes (`www/worker/hashing.ts`).
//!
//! A task is sent as JSON; its result comes back as JSON, with the bytes of its pieces beside it.

use super::blob::BlobSource;
use crate::container::Bytes;
use crate::error::{Code, Error, Result};
use crate::fusion::{Crew, Done, Hashing, Held, Parcel, Run, Task};
use js_sys::{Promise, Reflect, Uint8Array};
use sha2::Sha256;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

#[wasm_bindgen]
extern "C" {
    /// The page's other workers.
    #[wasm_bindgen(typescript_type = "Crew")]
    pub type Others;

    #[wasm_bindgen(method, getter, structural)]
    fn members(this: &Others) -> u32;

    #[wasm_bindgen(method, getter, structural)]
    fn places(this: &Others) -> u32;

    #[wasm_bindgen(method, getter, structural)]
    fn each(this: &Others) -> u32;

    #[wasm_bindgen(method, structural, catch)]
    fn begin(this: &Others, ranks: JsValue, checksum: u32, on_device: bool) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn run(
        this: &Others,
        task: String,
        size: u32,
        on_device: bool,
        result: Option<Blob>,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn hash(this: &Others) -> Result<Option<Elsewhere>, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn listen(this: &Others) -> Result<Promise, JsValue>;

    /// A hash that is computed outside the WebAssembly program.
    #[wasm_bindgen(typescript_type = "Hash")]
    pub type Elsewhere;

    #[wasm_bindgen(method, structural, catch)]
    fn update(this: &Elsewhere, bytes: &[u8]) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn finish(this: &Elsewhere) -> Result<Promise, JsValue>;
}

/// The reason why another worker failed, in the page's words.
#[derive(Clone, Default)]
pub(super) struct Failure(Rc<RefCell<Option<JsValue>>>);

impl Failure {
    async fn settled(&self, promise: Result<Promise, JsValue>) -> Result<JsValue> {
        let value = match promise {
            Ok(promise) => JsFuture::from(promise).await,
            Err(thrown) => Err(thrown),
        };
        value.map_err(|problem| {
            self.0.borrow_mut().get_or_insert(problem);
            Error::new(Code::Internal, "Another worker failed.")
        })
    }
}

/// The page's other workers as the crew of a run.
pub(super) struct JsCrew {
    others: Others,
    /// Whether graphics devices are in use.
    on_device: Cell<bool>,
    failure: Failure,
}

impl JsCrew {
    pub(super) fn new(others: Others) -> Self {
        Self { others, on_device: Cell::new(false), failure: Failure::default() }
    }

    /// The reason why a worker failed, if one did; it replaces the run's own error.
    pub(super) fn failure(&self) -> Option<JsValue> {
        self.failure.0.take()
    }
}

/// The number of bytes passed to the hashing worker before checking whether it has room for more.
const HANDED_OVER: usize = 1 << 20;

/// The hash of a result under way.
pub(super) enum JsHashing {
    /// The hash is computed in this worker.
    Here(Sha256),
    /// The hash is computed by a worker that does nothing else, or by Node.
    Elsewhere(Elsewhere, Failure),
}

impl Hashing for JsHashing {
    async fn update(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Here(hash) => hash.update(bytes).await,
            Self::Elsewhere(other, failure) => {
                // Bytes that were passed on stay in memory until they are sent.
                for bytes in bytes.chunks(HANDED_OVER) {
                    failure.settled(other.update(bytes)).await?;
                }
                Ok(())
            }
        }
    }

    async fn finish(self) -> Result<String> {
        match self {
            Self::Here(hash) => hash.finish().await,
            Self::Elsewhere(other, failure) => {
                let hash = failure.settled(other.finish()).await?.as_string();
                hash.ok_or_else(|| Error::new(Code::Internal, "It gave no hash."))
            }
        }
    }
}

/// A source that lies in a blob, which can be passed to another worker.
pub(super) trait InBlob {
    fn blob(&self) -> Option<Blob>;
}

impl InBlob for BlobSource {
    fn blob(&self) -> Option<Blob> {
        Some(self.blob().clone())
    }
}

/// The bytes of a task's result from another worker.
#[derive(Debug)]
struct Brought(Uint8Array);

impl Held for Brought {
    fn length(&self) -> usize {
        self.0.length() as usize
    }

    fn part(&self, range: Range<usize>) -> Option<Bytes> {
        let [from, to] = [range.start, range.end].map(|at| u32::try_from(at).ok());
        let (from, to) = (from?, to.filter(|&to| range.start <= range.end && to <= self.0.length())?);
        Some(self.0.subarray(from, to).to_vec().into())
    }
}

impl<F: InBlob> Crew<F> for JsCrew {
    type Hash = JsHashing;

    fn members(&self) -> usize {
        self.others.members() as usize
    }

    fn places(&self) -> usize {
        self.others.places() as usize
    }

    fn each(&self) -> usize {
        self.others.each() as usize
    }

    async fn begin(&self, Run { ranks, checksum, on_device }: Run<'_>) -> Result<()> {
        self.on_device.set(on_device);
        let begun = super::give(&ranks).and_then(|ranks| self.others.begin(ranks, checksum, on_device));
        self.failure.settled(begun).await.map(|_| ())
    }

    fn leave_device(&self) {
        self.on_device.set(false);
    }

    async fn run(&self, task: &Task, size: usize, result: Option<&F>) -> Result<Done> {
        let broken = |error: serde_json::Error| Error::new(Code::Internal, error.to_string());
        let task = serde_json::to_string(task).map_err(broken)?;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let reply = self
            .failure
            .settled(self.others.run(task, size, self.on_device.get(), result.and_then(InBlob::blob)))
            .await?;
        let field = |name: &str| Reflect::get(&reply, &name.into()).unwrap_or_default();
        let mut done: Done =
            serde_json::from_str(&field("done").as_string().unwrap_or_default()).map_err(broken)?;
        if let (Some(pieces), Ok(bytes)) = (done.pieces_mut(), field("bytes").dyn_into::<Uint8Array>()) {
            let mut from = 0;
            for piece in pieces {
                let length = piece.tensors.iter().map(|tensor| tensor.length).sum::<usize>();
                let to = u32::try_from(length).map_or(u32::MAX, |length| length.saturating_add(from));
                piece.bytes = Parcel::new(Brought(bytes.subarray(from, to)));
                from = to;
            }
        }
        Ok(done)
    }

    fn hash(&self) -> JsHashing {
        match self.others.hash() {
            Ok(Some(other)) => JsHashing::Elsewhere(other, self.failure.clone()),
            Ok(None) | Err(_) => JsHashing::Here(Sha256::default()),
        }
    }

    async fn listen(&self) {
        // If this failed, every answer would simply arrive later.
        if let Ok(listened) = self.others.listen() {
            let _ = JsFuture::from(listened).await;
        }
    }
}

/// The result of a task, for the worker that leads the run: `{done, bytes}`.
pub(super) fn reply(mut done: Done) -> Result<JsValue, JsValue> {
    let json = serde_json::to_string(&done)
        .map_err(|error| super::thrown(Error::new(Code::Internal, error.to_string())))?;
    let bytes = match done.pieces_mut() {
        Some(pieces) => {
            let length = pieces.iter().map(|piece| piece.bytes.length()).sum::<usize>();
            let all = Uint8Array::new_with_length(u32::try_from(length).unwrap_or(u32::MAX));
            let mut from = 0;
            for piece in pieces {
                let bytes = piece.bytes.part(0..piece.bytes.length()).unwrap_or_default();
                let to = from + u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                all.subarray(from, to).copy_from(&bytes);
                from = to;
            }
            all.into()
        }
        None => JsValue::NULL,
    };
    let reply = js_sys::Object::new();
    Reflect::set(&reply, &"done".into(), &json.into())?;
    Reflect::set(&reply, &"bytes".into(), &bytes)?;
    Ok(reply.into())
}

/// Parses the task in a message.
pub(super) fn task(json: &str) -> Result<Task, JsValue> {
    serde_json::from_str(json).map_err(|error| super::thrown(Error::new(Code::Internal, error.to_string())))
}
