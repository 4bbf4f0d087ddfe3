//! Reading a `Blob` in pieces.

use super::thrown;
use crate::container::{Bytes, Source};
use crate::error::{Code, Error, Result};
use js_sys::Uint8Array;
use std::ops::Range;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File};

/// A file on the page, read through its `Blob`.
#[derive(Clone, Debug)]
pub(super) struct BlobSource {
    name: String,
    blob: Blob,
    /// Whether the user chose the file, so that it may change on disk; otherwise the tool itself has written it.
    chosen: bool,
}

impl BlobSource {
    /// A `File` that the page passed in.
    pub(super) fn of(given: &JsValue) -> Result<Self, JsValue> {
        let unknown = || thrown(Error::new(Code::Internal, "What was given is no file."));
        let file = given.dyn_ref::<File>().ok_or_else(unknown)?;
        Ok(Self::chosen(file.clone().into()))
    }

    /// A blob passed in for reading, which need not have a name.
    pub(super) fn chosen(blob: Blob) -> Self {
        let name = blob.dyn_ref::<File>().map(File::name).unwrap_or_default();
        Self { name, blob, chosen: true }
    }

    /// Does nothing: a file that the page already has needs no handing on.
    #[cfg(not(feature = "compute"))]
    pub(super) fn hand_on(&self, _: &JsValue) -> Result<(), JsValue> {
        Ok(())
    }

    /// A file that the tool itself has written.
    pub(super) fn written(name: &str, blob: Blob) -> Self {
        Self { name: name.to_owned(), blob, chosen: false }
    }

    pub(super) fn blob(&self) -> &Blob {
        &self.blob
    }

    /// The error for a failed read. The browser notices when a file on disk is no longer the one that was chosen: File API, §6.4.3
    /// "Errors and exceptions". If it could not keep a result, for want of memory or disk, it says so at reading.
    fn error(&self, error: &JsValue) -> Error {
        let text =
            |key: &str| js_sys::Reflect::get(error, &key.into()).ok().and_then(|value| value.as_string());
        let (code, detail) = match text("name").as_deref() {
            _ if !self.chosen => (Code::Write, text("message")),
            // The browser speaks of permissions, which are not the cause.
            Some("NotReadableError") => (Code::InputChanged, None),
            _ => (Code::Read, text("message")),
        };
        Error::new(code, detail.unwrap_or_default()).in_file(&self.name)
    }
}

impl Source for BlobSource {
    fn name(&self) -> &str {
        &self.name
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^53")]
    fn size(&self) -> u64 {
        self.blob.size() as u64
    }

    #[allow(clippy::cast_precision_loss, reason = "positions are below 2^53")]
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let failed = |error: JsValue| self.error(&error);
        let slice = self.blob.slice_with_f64_and_f64(range.start as f64, range.end as f64).map_err(failed)?;
        let buffer = JsFuture::from(slice.array_buffer()).await.map_err(failed)?;
        Ok(Uint8Array::new(&buffer).to_vec().into())
    }
}
