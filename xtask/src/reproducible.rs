//! `cargo xtask reproducible`: builds the wasm twice from nothing, in two target folders, and compares the bytes.

use crate::build::{self, WASM_TARGET, ensure_target};
use crate::project::Project;
use crate::tools::{Outcome, run};
use std::fs;
use std::path::Path;

pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err("it takes no options".into());
    }
    ensure_target(project)?;
    let [first, second] = ["first", "second"].map(|name| project.target.join("reproducible").join(name));
    let (first, second) = (wasm(project, &first)?, wasm(project, &second)?);
    match first.iter().zip(&second).position(|(a, b)| a != b) {
        None if first.len() == second.len() => {
            println!("Both builds gave the same {} bytes.", first.len());
            Ok(())
        }
        at => Err(format!(
            "the builds differ: {} and {} bytes, the first difference is at {at:?}",
            first.len(),
            second.len()
        )),
    }
}

/// A build that takes nothing over from any other.
fn wasm(project: &Project, target: &Path) -> Outcome<Vec<u8>> {
    if target.exists() {
        fs::remove_dir_all(target).map_err(|error| format!("{}: {error}", target.display()))?;
    }
    run(build::wasm(project).arg("--locked").env("CARGO_TARGET_DIR", target))?;
    let file = target.join(WASM_TARGET).join("release").join("np_lora.wasm");
    fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))
}
