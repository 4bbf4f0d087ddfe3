//! `cargo xtask interop`: fused files in the real loaders of diffusers and PEFT, which are large and in Python.

use crate::project::Project;
use crate::tools::{Outcome, run, succeeds};
use std::fs;
use std::path::PathBuf;

pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err("there are no options".into());
    }
    let python = environment(project)?;
    run(project.cargo().args(["build", "--release", "--package", "np-lora", "--example", "fuse"]))?;
    let program = format!("fuse{}", std::env::consts::EXE_SUFFIX);
    run(project
        .run(&python.to_string_lossy())
        .args(["-W", "ignore", "tests/interop/test_loaders.py"])
        .env("NP_LORA_FUSE", project.target.join("release/examples").join(program)))
}

/// A virtual environment with what requirements.txt names, made when that has changed.
fn environment(project: &Project) -> Outcome<PathBuf> {
    let folder = project.target.join("interop");
    let python = folder.join(if cfg!(windows) { "venv/Scripts/python.exe" } else { "venv/bin/python" });
    let wanted = fs::read_to_string(project.at("tests/interop/requirements.txt"))
        .map_err(|error| format!("tests/interop/requirements.txt: {error}"))?;
    // Written last, so that a broken-off installation does not count.
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    println!("Installing PyTorch, diffusers and PEFT into {}: some gigabytes, once.", folder.display());
    let system = ["python3", "python"].into_iter().find(|name| succeeds(project.run(name).arg("--version")));
    let system = system.ok_or("Python was not found. Install Python 3.11 or newer and run this again.")?;
    run(project.run(system).args(["-m", "venv"]).arg(folder.join("venv")))?;
    let pip = ["-m", "pip", "install", "--quiet", "--requirement", "tests/interop/requirements.txt"];
    run(project.run(&python.to_string_lossy()).args(pip))?;
    fs::write(&installed, wanted).map_err(|error| format!("{}: {error}", installed.display()))?;
    Ok(python)
}
