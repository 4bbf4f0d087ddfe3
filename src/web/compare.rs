//! Compares a third file with the pair: opens it, compares it and forgets it.

use super::compute::{JsWatch, sources, unless};
use super::{GivenSource, Opened, Session, give, take_settings, thrown};
use crate::adapter::Adapter;
use crate::fusion::compare;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

#[cfg_attr(feature = "compute", wasm_bindgen)]
impl Session {
    /// Compares a file with the pair and returns a `Comparison`. `config` is as for `open`; `on_progress`, `is_cancelled` and
    /// `stopped` are as for `analyse`.
    ///
    /// # Errors
    /// A `Problem`.
    pub async fn compare(
        &self,
        settings: JsValue,
        file: web_sys::File,
        config: Option<String>,
        on_progress: Function,
        is_cancelled: Function,
        stopped: Option<Promise>,
    ) -> Result<JsValue, JsValue> {
        let mut watch = JsWatch { on_progress: Some(on_progress), is_cancelled };
        let settings = take_settings(settings)?;
        let files = self.files()?;
        let source = GivenSource::of(&file)?;
        let adapter = Adapter::open(&source, config.as_deref()).await.map_err(thrown)?;
        let third = Opened { adapter, source };
        let sources = sources(&files);
        let work = compare::compare(&sources, &settings, third.input(), &mut watch);
        give(&unless(stopped, work).await.map_err(thrown)?)
    }
}
