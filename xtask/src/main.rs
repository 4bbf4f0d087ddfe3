//! The project's task runner: `cargo xtask <command>`.

mod apt;
mod bench;
mod browser;
mod build;
mod docs;
mod engines;
mod fuzz;
mod interop;
mod linked;
mod package;
mod project;
mod reproducible;
mod serve;
mod sinks;
mod test;
mod tools;
mod web;

use project::Project;
use std::process::ExitCode;
use tools::Outcome;

/// One command: its name, what to type, what it does, and the function that does it.
type Command = (&'static str, &'static str, &'static str, fn(&Project, &[String]) -> Outcome);

const COMMANDS: &[Command] = &[
    ("build", "[--out dist]", "build the page, ready to be put on any static host", build::command),
    (
        "interop",
        "",
        "load fused files with diffusers and PEFT (installs gigabytes of Python packages)",
        interop::command,
    ),
    ("package", "", "build the npm package and pack it", package::command),
    ("serve", "[--port 8080]", "build the page and serve it on this machine", serve::command),
    ("test", "[--quick]", "run every test; --quick leaves the browser tests out", test::command),
    (
        "fuzz",
        "[target] [seconds]",
        "look for files that break promises, for a minute or as long as told",
        fuzz::command,
    ),
    (
        "bench",
        "[--quick]",
        "measure and write docs/PERFORMANCE.md; --quick once and with one pair, for trying",
        bench::command,
    ),
    (
        "docs",
        "",
        "write docs/ERRORS.md and what the page has of the crate: www/core/codes.ts and defaults.ts",
        docs::command,
    ),
    ("reproducible", "", "build the wasm twice from nothing and compare", reproducible::command),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = arguments.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    let Some((.., command)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
        eprintln!("usage:");
        for (name, options, what, _) in COMMANDS {
            eprintln!("  cargo xtask {:<29} {what}", format!("{name} {options}"));
        }
        return ExitCode::FAILURE;
    };
    match Project::find().and_then(|project| command(&project, rest)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("cargo xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}
