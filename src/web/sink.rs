//! Writes through the page's `OutputSink` (`www/core/types.ts`).

use super::blob::BlobSource;
use crate::container::{Bytes, Sink, Source};
use crate::error::{Code, Error, Result};
use js_sys::{Promise, Reflect};
use std::ops::Range;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// The page's object that keeps the result.
    #[wasm_bindgen(typescript_type = "OutputSink")]
    pub type OutputSink;

    #[wasm_bindgen(method, structural, catch)]
    fn write(this: &OutputSink, at: f64, bytes: &[u8]) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn read(this: &OutputSink, at: f64, into: &mut [u8]) -> Result<u32, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn finish(this: &OutputSink) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn discard(this: &OutputSink) -> Result<JsValue, JsValue>;
}

/// The page's output sink as a [`Sink`].
pub(super) struct JsSink {
    output: OutputSink,
    size: u64,
}

impl JsSink {
    pub(super) fn new(output: OutputSink) -> Self {
        Self { output, size: 0 }
    }

    /// Discards what was written. A failure to do so is ignored, because the run has already failed.
    pub(super) async fn discard(&self) {
        let _ = settled(self.output.discard()).await;
    }
}

impl Sink for JsSink {
    type Finished = BlobSource;

    #[allow(clippy::cast_precision_loss, reason = "positions are below 2^53")]
    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.size = self.size.max(at + bytes.len() as u64);
        settled(self.output.write(at as f64, bytes)).await.map(|_| ())
    }

    fn so_far(&self) -> Option<impl Source> {
        Reflect::has(&self.output, &"read".into()).ok()?.then_some(SoFar(self))
    }

    async fn finish(&mut self) -> Result<BlobSource> {
        let file = settled(self.output.finish()).await?;
        let blob = file.dyn_into().map_err(|_| Error::new(Code::Write, "The result was not handed back."))?;
        Ok(BlobSource::written("result", blob))
    }
}

/// A file under construction, for reading.
struct SoFar<'a>(&'a JsSink);

impl Source for SoFar<'_> {
    fn name(&self) -> &str {
        "result"
    }

    fn size(&self) -> u64 {
        self.0.size
    }

    #[allow(clippy::cast_precision_loss, reason = "positions are below 2^53")]
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let missing = || Error::new(Code::Write, "It ends before all of it was read back.");
        let length = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok());
        let mut bytes = vec![0; length.ok_or_else(missing)?];
        let mut done = 0;
        while done < bytes.len() {
            let at = range.start + done as u64;
            match self.0.output.read(at as f64, &mut bytes[done..]).map_err(|error| failed(&error))? {
                0 => return Err(missing()),
                more => done = bytes.len().min(done + more as usize),
            }
        }
        Ok(bytes.into())
    }
}

/// Awaits a promise, or takes a plain value as it is.
async fn settled(value: Result<JsValue, JsValue>) -> Result<JsValue> {
    let value = value.map_err(|error| failed(&error))?;
    JsFuture::from(Promise::resolve(&value)).await.map_err(|error| failed(&error))
}

/// The error with the details of a `Problem`, or with the message of a browser's exception.
fn failed(error: &JsValue) -> Error {
    let text = |key: &str| Reflect::get(error, &key.into()).ok().and_then(|text| text.as_string());
    Error::new(Code::Write, text("detail").or_else(|| text("message")).unwrap_or_default())
}
