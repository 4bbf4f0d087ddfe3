//! `cargo xtask package`: the npm package, with the element, the library and the command.

use crate::build::programs;
use crate::project::Project;
use crate::tools::{Outcome, run};
use std::path::PathBuf;

pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err("it takes no options".into());
    }
    programs(project)?;
    let folder = folder(project)?;
    run(project.run("npm").arg("pack").arg(folder).arg("--pack-destination").arg(&project.target))
}

/// Where its folder is.
pub(crate) fn place(project: &Project) -> PathBuf {
    project.target.join("package")
}

/// The folder that is packed, of programs that are built.
pub(crate) fn folder(project: &Project) -> Outcome<PathBuf> {
    let out = place(project);
    let mut node = project.run("node");
    run(node.arg("www/package.mjs").arg("--out").arg(&out).arg("--wasm").arg(project.web()))?;
    Ok(out)
}
