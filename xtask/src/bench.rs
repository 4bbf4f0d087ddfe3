//! `cargo xtask bench`: how fast it is here, beside what it can be compared with, into docs/PERFORMANCE.md.

use crate::browser::{Browser, CHROMIUM};
use crate::build::{WHOLE, bindings, build};
use crate::project::Project;
use crate::tools::{Outcome, run};

/// Beside the packages it imports, so that Node finds them.
const SCRIPTS: &str = "node_modules/.cache/np-lora-bench";

pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument != "--quick") {
        return Err("the only option is --quick".into());
    }
    let folder = project.target.join("bench");
    let page = build(project, &folder.join("page").to_string_lossy())?;
    let named = folder.join("named");
    bindings(project, &WHOLE, &named, true)?;
    let mut cargo = project.cargo();
    cargo.args(["build", "--release", "--package", "np-lora", "--examples"]);
    run(&mut cargo)?;
    let mut esbuild = project.run("npx");
    esbuild.args([
        "esbuild",
        "tests/bench/main.ts",
        "tests/bench/profiled.ts",
        "--bundle",
        "--packages=external",
    ]);
    esbuild.args(["--platform=node", "--format=esm", "--out-extension:.js=.mjs", "--log-level=warning"]);
    run(esbuild.arg(format!("--outdir={SCRIPTS}")))?;

    let mut node = project.run("node");
    match Browser::find_or_install(project) {
        Ok(browser) => drop(node.env(CHROMIUM, browser.program)),
        Err(reason) => println!("There is no browser: {reason}"),
    }
    let program = |name: &str| {
        project.target.join("release/examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    };
    node.arg(format!("{SCRIPTS}/main.mjs"));
    node.arg("--fuse").arg(program("fuse")).arg("--pair").arg(program("pair"));
    node.arg("--device").arg(program("device"));
    node.arg("--page").arg(page).arg("--named").arg(named).arg("--work").arg(folder.join("work"));
    let outcome = run(node.args(arguments));
    std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    outcome
}
