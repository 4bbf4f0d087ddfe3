//! Reads a file on a server: the worker sends the requests (`www/worker/remote.ts`), and `crate::remote` interprets the answers.

use super::blob::BlobSource;
use super::compute::unless;
use super::crew::InBlob;
use super::{Session, give, take, thrown};
use crate::adapter::{CONFIG_BYTES, CONFIG_NAME};
use crate::container::{Bytes, Source};
use crate::error::Result;
use crate::remote::{Answer, Kept, Link, RemoteFile, RemoteSource, Silence, Stamp, Transport, find};
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, File};

#[wasm_bindgen]
extern "C" {
    /// An object of the page that can ask a host.
    #[derive(Clone, Debug)]
    #[wasm_bindgen(typescript_type = "Asks")]
    pub type Asks;

    #[wasm_bindgen(method, structural, catch)]
    fn ask(
        this: &Asks,
        url: &str,
        from: f64,
        to: f64,
        wait: u32,
        unwanted: &AbortSignal,
    ) -> Result<Promise, JsValue>;
}

/// A request, which is aborted when nobody waits for it any more.
struct Request(AbortController);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The fields of `Told` in `www/worker/remote.ts`, except its bytes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    silence: Option<Silence>,
    status: u16,
    url: String,
    kind: Option<String>,
    range: Option<String>,
    tag: Option<String>,
}

impl Transport for Asks {
    #[allow(clippy::cast_precision_loss, reason = "positions are below 2^53")]
    async fn ask(&self, url: &str, range: &Range<u64>, wait: u32) -> Result<Answer, Silence> {
        // The worker catches everything that a request throws; an exception of the worker itself counts as no answer.
        let request = Request(AbortController::new().map_err(|_| Silence::Unreachable)?);
        let promise = self.ask(url, range.start as f64, range.end as f64, wait, &request.0.signal());
        let told = JsFuture::from(promise.map_err(|_| Silence::Unreachable)?).await;
        let told = told.map_err(|_| Silence::Unreachable)?;
        let bytes = Reflect::get(&told, &"bytes".into()).ok().and_then(|bytes| bytes.dyn_into().ok());
        let bytes = bytes.map(|bytes: Uint8Array| bytes.to_vec()).unwrap_or_default();
        let Told { silence, status, url, kind, range, tag } =
            serde_wasm_bindgen::from_value(told).map_err(|_| Silence::Unreachable)?;
        silence.map_or(Ok(Answer { status, url, kind, range, tag, bytes }), Err)
    }
}

/// Understands a link that a person has pasted: a `Link`. `hosts` lists the hosts that files are loaded from besides the Hugging Face Hub.
///
/// # Errors
/// A `Problem`.
#[wasm_bindgen(js_name = link)]
pub fn read_link(text: &str, hosts: JsValue) -> Result<JsValue, JsValue> {
    give(&Link::parse(text, &take::<Vec<String>>(hosts)?).map_err(thrown)?)
}

/// Asks the host of a `Link` for its file: a `RemoteFile`. Once `stopped` settles, the host is no longer asked.
///
/// # Errors
/// A `Problem`.
#[wasm_bindgen(js_name = find)]
pub async fn find_file(link: JsValue, asks: Asks, stopped: Option<Promise>) -> Result<JsValue, JsValue> {
    let found = unless(stopped, find(take(link)?, asks)).await;
    let RemoteFile { link, stamp } = found.map_err(thrown)?;
    let (Link { url, host, name }, Stamp { size, tag }) = (link, stamp);
    give(&Found { url, host, name, size, tag })
}

#[wasm_bindgen]
impl Session {
    /// The text of the `adapter_config.json` beside a role's file on a server, if the file leaves its scale open; otherwise nothing
    /// is requested from the host. `stopped` is as for [`find_file`].
    ///
    /// # Errors
    /// A `Problem`.
    pub async fn config(&self, role: JsValue, stopped: Option<Promise>) -> Result<Option<String>, JsValue> {
        let opened = self.files.borrow().of(take(role)?).clone();
        let Some(opened) = opened.filter(|opened| opened.adapter.lacks_scale()) else { return Ok(None) };
        let GivenSource::Remote(file) = &opened.source else { return Ok(None) };
        let bytes = unless(stopped, file.beside(CONFIG_NAME, CONFIG_BYTES)).await.map_err(thrown)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// The fields of `RemoteFile` in `www/core/types.ts`.
#[derive(Serialize)]
struct Found {
    url: String,
    host: String,
    name: String,
    size: u64,
    tag: Option<String>,
}

/// A file that the page passed in: a `File`, or a `RemoteFile` with a way to ask for it.
#[derive(Debug)]
pub(super) enum GivenSource {
    Blob(BlobSource),
    Remote(RemoteSource<Asks>),
}

impl GivenSource {
    pub(super) fn of(given: &JsValue) -> Result<Self, JsValue> {
        if given.is_instance_of::<File>() {
            return BlobSource::of(given).map(Self::Blob);
        }
        let field = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).unwrap_or_default();
        let known = field(given, "kept").dyn_into::<Array>().unwrap_or_default();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number below 2^53"
        )]
        let known = known.iter().filter_map(|part| {
            let bytes = field(&part, "bytes").dyn_into::<Uint8Array>().ok()?;
            Some((field(&part, "at").as_f64()? as u64, bytes.to_vec()))
        });
        let file = RemoteFile { link: take(given.clone())?, stamp: take(given.clone())? };
        Ok(Self::Remote(RemoteSource::new(file, given.clone().unchecked_into(), known.collect())))
    }

    /// Puts the parts read while opening the file into `kept` of the given object. From now on, nothing is kept.
    pub(super) fn hand_on(&self, given: &JsValue) -> Result<(), JsValue> {
        if let Self::Remote(file) = self {
            let kept: Array = file.kept().into_iter().map(part).collect::<Result<_, JsValue>>()?;
            Reflect::set(given, &"kept".into(), &kept)?;
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "positions are below 2^53")]
fn part((at, bytes): Kept) -> Result<JsValue, JsValue> {
    let part = Object::new();
    Reflect::set(&part, &"at".into(), &(at as f64).into())?;
    Reflect::set(&part, &"bytes".into(), &Uint8Array::from(bytes.as_slice()))?;
    Ok(part.into())
}

impl InBlob for GivenSource {
    fn blob(&self) -> Option<web_sys::Blob> {
        match self {
            Self::Blob(file) => Some(file.blob().clone()),
            Self::Remote(_) => None,
        }
    }
}

impl Source for GivenSource {
    fn name(&self) -> &str {
        match self {
            Self::Blob(file) => file.name(),
            Self::Remote(file) => file.name(),
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Blob(file) => file.size(),
            Self::Remote(file) => file.size(),
        }
    }

    fn gap(&self) -> u64 {
        match self {
            Self::Blob(file) => file.gap(),
            Self::Remote(file) => file.gap(),
        }
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        match self {
            Self::Blob(file) => file.read(range).await,
            Self::Remote(file) => file.read(range).await,
        }
    }
}
