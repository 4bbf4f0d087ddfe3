//! `cargo xtask serve`: the built page on this machine.

use crate::build::build;
use crate::project::Project;
use crate::tools::{Outcome, option, run};

pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    let port = option(arguments, "--port")?.unwrap_or_else(|| "8080".into());
    if port.parse::<u16>().is_err() {
        return Err(format!("--port needs a number from 0 to 65535, not {port}"));
    }
    let out = build(project, "dist")?;
    // The server prints the address once it listens.
    run(project.run("node").arg("www/serve.mjs").arg(out).args(["--port", &port]))
}
