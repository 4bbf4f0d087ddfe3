//! `cargo xtask build`: crate → wasm (twice) → bindings → page.

use crate::linked::linked;
use crate::project::Project;
use crate::tools::{Outcome, capture, option, run, run_and_capture, succeeds};
use crate::web;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use wasm_bindgen_cli_support::Bindgen;

pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A build of the crate as wasm.
pub(crate) struct Program {
    /// What its files are called.
    pub(crate) name: &'static str,
    features: &'static [&'static str],
    /// What else cargo and the compiler are told.
    flags: &'static [&'static str],
}

/// All of it.
pub(crate) const WHOLE: Program = Program { name: "np_lora", features: &[], flags: &[] };

/// What opens and understands files, which a visitor waits for.
///
/// Link-time optimisation makes it a sixth smaller. Cargo does that for a single type of crate only; and not to the whole program,
/// whose arithmetic it would compile for size (Cargo.toml).
const READER: Program = Program {
    name: "np_lora_reader",
    features: &["--no-default-features"],
    flags: &["--crate-type", "cdylib", "--config", "profile.release.lto='fat'"],
};

pub(crate) const PROGRAMS: [&Program; 2] = [&READER, &WHOLE];

pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    let out = option(arguments, "--out")?;
    build(project, out.as_deref().unwrap_or("dist")).map(|_| ())
}

/// Builds the page into `out` (seen from the checkout's root); its own build script says how large it is.
pub(crate) fn build(project: &Project, out: &str) -> Outcome<PathBuf> {
    programs(project)?;
    let out = project.at(out);
    run(project.run("node").arg("www/build.mjs").arg("--out").arg(&out).arg("--wasm").arg(project.web()))?;
    Ok(out)
}

/// Both programs with their bindings, and the npm packages that make something of them.
pub(crate) fn programs(project: &Project) -> Outcome {
    for program in PROGRAMS {
        bindings(project, program, &project.web(), false)?;
    }
    web::install_packages(project)
}

/// A program with its JavaScript bindings and a list of what is in it, in `folder`; with the names of its functions, or without.
pub(crate) fn bindings(project: &Project, program: &Program, folder: &Path, names: bool) -> Outcome {
    ensure_target(project)?;
    let messages = run_and_capture(wasm(project, program).arg("--message-format=json-render-diagnostics"))?;
    let wasm = project.target.join(WASM_TARGET).join("release").join("np_lora.wasm");
    // The library and the `wasm-bindgen` dependency have one version in Cargo.toml, so they cannot disagree.
    Bindgen::new()
        .input_path(&wasm)
        .web(true)
        .map(|bindgen| {
            bindgen
                .out_name(program.name)
                .typescript(true)
                .remove_name_section(!names)
                .remove_producers_section(true)
                .generate(folder)
        })
        .and_then(|generated| generated)
        .map_err(|error| format!("wasm-bindgen on {}: {error:#}", wasm.display()))?;
    let list = folder.join(format!("{}.crates.json", program.name));
    fs::write(&list, linked(&messages).to_string()).map_err(|error| format!("{}: {error}", list.display()))
}

/// What builds the wasm of a program, the same bytes on every machine. Cargo gives every program the same file.
pub(crate) fn wasm(project: &Project, program: &Program) -> Command {
    let mut cargo = project.cargo();
    cargo.args(["rustc", "--release", "--lib", "--target", WASM_TARGET, "--package", "np-lora"]);
    cargo.args(program.features).args(program.flags);
    // RUSTFLAGS would replace the flags of .cargo/config.toml, and may name folders of this machine.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    // Panics name the place in the source: let it be nobody's home folder.
    if let Some(home) = cargo_home() {
        let flag = format!("--remap-path-prefix={}=cargo", home.display());
        cargo.arg("--config").arg(format!("target.{WASM_TARGET}.rustflags = ['{flag}']"));
    }
    cargo
}

/// Where cargo keeps the sources of other packages.
fn cargo_home() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("CARGO_HOME").or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// Adds the wasm target when rustup lacks it: where rustup must not install by itself, nobody else does.
pub(crate) fn ensure_target(project: &Project) -> Outcome {
    let Ok(installed) = capture(project.run("rustup").args(["target", "list", "--installed"])) else {
        if succeeds(project.run("rustc").args(["--print", "target-libdir", "--target", WASM_TARGET])) {
            return Ok(());
        }
        return Err(format!("the {WASM_TARGET} target is needed: install rustup from https://rustup.rs"));
    };
    if installed.lines().any(|line| line.trim() == WASM_TARGET) {
        return Ok(());
    }
    println!("Adding the {WASM_TARGET} target.");
    run(project.run("rustup").args(["target", "add", WASM_TARGET]))
}
