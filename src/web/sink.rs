//! Writing through the page's `OutputSink` (`www/core/types.ts`).

use super::blob::{BlobSource, as_blob};
use crate::container::Sink;
use crate::error::{Code, Error, Result};
use js_sys::{Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// Where the page keeps the result.
    #[wasm_bindgen(typescript_type = "OutputSink")]
    pub type OutputSink;

    #[wasm_bindgen(method, structural, catch)]
    fn write(this: &OutputSink, at: f64, bytes: Uint8Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn finish(this: &OutputSink) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, structural, catch)]
    fn discard(this: &OutputSink) -> Result<JsValue, JsValue>;
}

/// The page's sink as the container's.
pub(super) struct JsSink {
    output: OutputSink,
}

impl JsSink {
    pub(super) fn new(output: OutputSink) -> Self {
        Self { output }
    }

    /// Throws away what was written. That it cannot is no news: the run has failed already.
    pub(super) async fn discard(&self) {
        let _ = settled(self.output.discard()).await;
    }
}

impl Sink for JsSink {
    type Finished = BlobSource;

    #[allow(clippy::cast_precision_loss, reason = "positions are below 2^53")]
    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        // A copy: the page may keep it, and a view would not survive the growth of wasm memory.
        settled(self.output.write(at as f64, Uint8Array::from(bytes))).await.map(|_| ())
    }

    async fn finish(&mut self) -> Result<BlobSource> {
        let file = settled(self.output.finish()).await?;
        let blob = as_blob(file).ok_or_else(|| Error::new(Code::Write, "The result was not handed back."))?;
        Ok(BlobSource::of_blob("result", blob))
    }
}

/// Awaits a promise, or takes a value that is none.
async fn settled(value: Result<JsValue, JsValue>) -> Result<JsValue> {
    let failed = |error: JsValue| {
        // The particulars of a `Problem`, or what a browser's exception says.
        let text = |key: &str| Reflect::get(&error, &key.into()).ok().and_then(|text| text.as_string());
        Error::new(Code::Write, text("detail").or_else(|| text("message")).unwrap_or_default())
    };
    JsFuture::from(Promise::resolve(&value.map_err(failed)?)).await.map_err(failed)
}
