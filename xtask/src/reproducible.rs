//! `cargo xtask reproducible`: builds the programs twice from nothing, in two target folders, and compares the bytes.

use crate::build::{self, PROGRAMS, WASM_TARGET, ensure_target};
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
    let (first, second) = (programs(project, &first)?, programs(project, &second)?);
    for (program, (first, second)) in PROGRAMS.iter().zip(first.iter().zip(&second)) {
        compare(program.name, first, second)?;
    }
    Ok(())
}

fn compare(name: &str, first: &[u8], second: &[u8]) -> Outcome {
    match first.iter().zip(second).position(|(a, b)| a != b) {
        None if first.len() == second.len() => {
            println!("{name}: both builds gave the same {} bytes.", first.len());
            Ok(())
        }
        at => Err(format!(
            "{name}: the builds differ: {} and {} bytes, the first difference is at {at:?}",
            first.len(),
            second.len()
        )),
    }
}

/// Builds that take nothing over from any others.
fn programs(project: &Project, target: &Path) -> Outcome<Vec<Vec<u8>>> {
    if target.exists() {
        fs::remove_dir_all(target).map_err(|error| format!("{}: {error}", target.display()))?;
    }
    let file = target.join(WASM_TARGET).join("release").join("np_lora.wasm");
    PROGRAMS
        .iter()
        .map(|program| {
            run(build::wasm(project, program).arg("--locked").env("CARGO_TARGET_DIR", target))?;
            fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))
        })
        .collect()
}
