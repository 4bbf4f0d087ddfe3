//! SHA-256 of whole files, in the background: model sites find a file by it (its first ten digits are "AutoV2").

use super::blob::BlobSource;
use super::thrown;
use crate::container::{self, Source};
use crate::error::{Code, Error};
use js_sys::{Function, Promise};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Small enough that other work never waits long for a piece.
const PIECE: u64 = 8 * 1024 * 1024;

/// The SHA-256 of a file, in hex. Before each piece `may_go_on` is asked; what it answers, or resolves to, says whether
/// to go on, so that it can hold the work up for as long as there is something better to do.
///
/// # Errors
/// A `Problem`: `Aborted`, or what stood in the way of reading.
#[wasm_bindgen]
pub async fn sha256(blob: web_sys::Blob, may_go_on: Function) -> Result<String, JsValue> {
    let source = BlobSource::of_blob("", blob);
    let mut digest = Sha256::new();
    let mut at = 0;
    while at < source.size() {
        let answer = Promise::resolve(&may_go_on.call0(&JsValue::NULL)?);
        if !JsFuture::from(answer).await?.is_truthy() {
            return Err(thrown(Error::new(Code::Aborted, "")));
        }
        let end = source.size().min(at + PIECE);
        digest.update(container::exactly(&source, at..end).await.map_err(thrown)?);
        at = end;
    }
    let mut hex = String::new();
    for byte in digest.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}
