//! Whose code is in a program, for the licences that are shipped with it (www/notices.mjs).

use crate::build::WASM_TARGET;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The folders of the crates of others in a program, by what cargo said while it built that. `cargo metadata` would name
/// more: also what only tests or this task runner need, and the features that these ask for.
pub(crate) fn linked(messages: &str) -> Value {
    let folders: BTreeSet<_> = messages.lines().filter_map(folder).collect();
    folders.into_iter().collect()
}

/// Of a message that says that a crate was compiled for the target, or had been before.
fn folder(message: &str) -> Option<String> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_ours = message["package_id"].as_str()?.starts_with("path+");
    // What runs while others are compiled, macros and build scripts, is compiled for this machine.
    let is_for_target = |file: &Value| {
        file.as_str().is_some_and(|path| Path::new(path).iter().any(|part| part == WASM_TARGET))
    };
    let manifest = Path::new(message["manifest_path"].as_str()?);
    if is_ours || !message["filenames"].as_array()?.iter().any(is_for_target) {
        return None;
    }
    manifest.parent()?.to_str().map(str::to_owned)
}
