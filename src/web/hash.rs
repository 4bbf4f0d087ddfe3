//! SHA-256 of files, in the background. Model sites find a file by the first ten digits of the whole file's hash ("AutoV2") and by
//! the first twelve of its tensors' hash ("AutoV3").

use super::blob::BlobSource;
use super::thrown;
use crate::container::{self, Header, Source};
use crate::error::{Code, Error};
use crate::fusion::hexadecimal;
use js_sys::{Function, Promise};
use sha2::{Digest as _, Sha256};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// The number of bytes hashed at once, small enough that other work never waits long.
const PIECE: u64 = 8 * 1024 * 1024;

/// The SHA-256, in hexadecimal, of a file or, if `only_tensors`, of everything behind its header. `may_go_on` is called before each
/// piece and answers, or resolves to, whether to go on; so it can also delay the work while something better is to be done.
///
/// # Errors
/// A `Problem`: `Aborted`, or the error that prevented reading.
#[wasm_bindgen]
pub async fn sha256(blob: web_sys::Blob, only_tensors: bool, may_go_on: Function) -> Result<String, JsValue> {
    let source = BlobSource::chosen(blob);
    let mut digest = Sha256::new();
    let mut at = 0;
    if only_tensors {
        at = Header::end(&source).await.map_err(thrown)?;
    }
    while at < source.size() {
        let answer = Promise::resolve(&may_go_on.call0(&JsValue::NULL)?);
        if !JsFuture::from(answer).await?.is_truthy() {
            return Err(thrown(Error::new(Code::Aborted, "")));
        }
        let end = source.size().min(at + PIECE);
        digest.update(container::exactly(&source, at..end).await.map_err(thrown)?);
        at = end;
    }
    Ok(hexadecimal(digest))
}

/// The SHA-256 of bytes that another worker passes on to save time (`www/worker/hashing.ts`).
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Digest(Sha256);

#[wasm_bindgen]
impl Digest {
    /// A hash of no bytes yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes, in hexadecimal.
    pub fn finish(self) -> String {
        hexadecimal(self.0)
    }
}
