//! `cargo xtask test`: every check there is, one after the other, and one line that says how it went.

use crate::browser::{self, Browser, CHROMIUM};
use crate::build::{build, ensure_target};
use crate::engines::Engines;
use crate::package;
use crate::project::Project;
use crate::sinks;
use crate::tools::{Outcome, run, run_and_read, succeeds};
use crate::web::install_packages;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

/// How many checks went which way. A stage that cannot run is one failure.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    /// What went wrong, one sentence a stage, to be repeated at the end where it is seen.
    failures: Vec<String>,
    /// What this machine lacks the means for: no failure, and repeated there as well.
    unchecked: Vec<String>,
}

impl Tally {
    fn check(&mut self, stage: &str, outcome: Outcome) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(reason) => self.fail(stage, &reason),
        }
    }

    fn count(&mut self, stage: &str, outcome: Outcome<Counts>) {
        match outcome {
            Ok(counts) => {
                self.passed += counts.passed;
                self.failed += counts.failed;
                if counts.failed > 0 {
                    self.failures.push(format!("{stage}: {} failed", counts.failed));
                }
            }
            Err(reason) => self.fail(stage, &reason),
        }
    }

    fn leave(&mut self, what: String) {
        println!("NOT CHECKED: {what}");
        self.unchecked.push(what);
    }

    fn fail(&mut self, stage: &str, reason: &str) {
        self.failed += 1;
        self.failures.push(format!("{stage}: {reason}"));
    }
}

/// The result of a program that runs many tests.
struct Counts {
    passed: u64,
    failed: u64,
}

pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    let quick = match arguments {
        [] => false,
        [only] if only == "--quick" => true,
        _ => return Err("the only option is --quick".into()),
    };
    let mut tally = Tally::default();
    title("Lint");
    lint(project, &mut tally);
    tally.check("no text becomes markup or code", sinks::check(project));

    title("npm packages and a browser");
    let packages = install_packages(project);
    let browser = packages.clone().and_then(|()| Browser::find_or_install(project));
    match &browser {
        Ok(found) => println!("The browser is {}.", found.program.display()),
        Err(reason) => println!("There is no browser: {reason}"),
    }

    title("Native tests");
    tally.count("native tests", native(project, browser.as_ref().ok()));

    title("The page");
    let ready = packages.clone().and_then(|()| build(project, "dist"));
    let built = ready.is_ok();
    if let Ok(page) = &ready {
        tally.check("download size", run(project.run("node").arg("www/size.mjs").arg(page)));
    }
    let packed = ready.clone().and_then(|_| package::folder(project));
    tally.check("build", ready.and(packed.map(|_| ())));
    tally.check("types", packages.and_then(|()| run(project.run("npm").args(["run", "check"]))));

    if !quick {
        title("Browser tests");
        match browser {
            Err(reason) => tally.fail("browser tests", &reason),
            Ok(_) if !built => tally.fail("browser tests", "not run, because the page could not be built"),
            Ok(browser) => {
                let engines = Engines::find_or_install(project);
                tally.count("browser tests", playwright(project, &browser, &engines));
                engines.missing.into_iter().for_each(|engine| tally.leave(engine));
            }
        }
    }

    println!();
    for what in &tally.unchecked {
        println!("NOT CHECKED: {what}");
    }
    for failure in &tally.failures {
        println!("FAILED {failure}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 && tally.passed > 0 { Ok(()) } else { Err("not every check passed".into()) }
}

fn title(text: &str) {
    println!("\n== {text}");
}

/// Formatting, clippy and the links of doc comments. A toolchain without them can still run the tests, so their absence is said and no failure.
fn lint(project: &Project, tally: &mut Tally) {
    if component(project, tally, "rustfmt", "fmt") {
        tally.check("rustfmt", run(project.cargo().args(["fmt", "--all", "--check"])));
    }
    if component(project, tally, "clippy", "clippy") {
        let clippy = |options: &[&str]| {
            run(project.cargo().arg("clippy").args(options).args(["--", "-D", "warnings"]))
        };
        tally.check("clippy", clippy(&["--workspace", "--all-targets"]));
        let wasm = ["--package", "np-lora", "--lib", "--target", "wasm32-unknown-unknown"];
        let reader = [&wasm[..], &["--no-default-features"]].concat();
        let both = || clippy(&wasm).and_then(|()| clippy(&reader));
        tally.check("clippy for wasm", ensure_target(project).and_then(|()| both()));
    }
    let mut docs = project.cargo();
    docs.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    tally.check("links of the doc comments", run(&mut docs));
}

/// Whether cargo's `subcommand` is there, or could be added as rustup's component `name`.
fn component(project: &Project, tally: &mut Tally, name: &str, subcommand: &str) -> bool {
    let there = || succeeds(project.cargo().args([subcommand, "--version"]));
    if there() {
        return true;
    }
    let added = run(project.run("rustup").args(["component", "add", name]));
    if there() {
        return true;
    }
    let reason = added.err().unwrap_or_default();
    tally.leave(format!("{name} is missing and could not be added. {reason}"));
    false
}

fn native(project: &Project, browser: Option<&Browser>) -> Outcome<Counts> {
    let environment = browser.map_or_else(|| browser::vulkan(None), Browser::vulkan);
    let mut counts = Counts { passed: 0, failed: 0 };
    // By itself cargo would build the examples as well, which have no tests, and which clippy has seen.
    for kind in ["--tests", "--doc"] {
        let mut cargo = project.cargo();
        cargo.args(["test", "--workspace", "--no-fail-fast", kind]).envs(environment.clone());
        let (succeeded, text) = run_and_read(&mut cargo)?;
        let before = counts.failed;
        for line in text.lines().filter_map(|line| line.strip_prefix("test result:")) {
            counts.passed += number_before(line, " passed");
            counts.failed += number_before(line, " failed");
        }
        if !succeeded && counts.failed == before {
            return Err("cargo test failed before or between the tests: see above".into());
        }
    }
    Ok(counts)
}

/// The number that stands right before `word` in cargo's summary.
fn number_before(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().filter(|before| before.len() < line.len()).unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn playwright(project: &Project, browser: &Browser, engines: &Engines) -> Outcome<Counts> {
    let folder = project.target.join("browser-tests");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let summary = folder.join("summary.json");
    // A summary of an earlier run must not be taken for this one's.
    let _ = fs::remove_file(&summary);
    let mut npx = project.run("npx");
    npx.args(["playwright", "test", "--reporter=list,json"])
        .env("PLAYWRIGHT_JSON_OUTPUT_FILE", &summary)
        .env(CHROMIUM, &browser.program)
        .envs(engines.environment.iter().map(|(name, program)| (name, program)))
        .env("NP_LORA_DIST", project.at("dist"))
        .env("NP_LORA_PACKAGE", package::place(project))
        .env("NP_LORA_PORT", free_port()?.to_string())
        // The full-size pair is made by the tests themselves, once, and kept here.
        .env("NP_LORA_FLUX_CONTENT", folder.join("flux-rank16-content.safetensors"))
        .env("NP_LORA_FLUX_STYLE", folder.join("flux-rank16-style.safetensors"));
    let outcome = run(&mut npx);
    let counts = read_summary(&summary)?;
    match outcome {
        Err(reason) if counts.failed == 0 => Err(reason),
        _ => Ok(counts),
    }
}

/// A port that nobody listens on at this moment, so that a page being served by hand is not in the way.
fn free_port() -> Outcome<u16> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port on this machine: {error}"))
}

/// Playwright's own figures. A test that passed only at the second try counts as failed, one that was skipped not at all.
fn read_summary(path: &Path) -> Outcome<Counts> {
    let text =
        fs::read_to_string(path).map_err(|_| "Playwright ended without a summary: see above".to_owned())?;
    let summary: Value =
        serde_json::from_str(&text).map_err(|error| format!("Playwright's summary: {error}"))?;
    let figure = |name: &str| summary["stats"][name].as_u64().unwrap_or(0);
    for (reason, count) in skips(&summary) {
        println!("{count} browser tests were skipped: {reason}");
    }
    let errors = summary["errors"].as_array().map_or(0, Vec::len) as u64;
    Ok(Counts { passed: figure("expected"), failed: figure("unexpected") + figure("flaky") + errors })
}

/// Why tests were skipped, and how many for each reason: what a machine lacks is among them.
fn skips(summary: &Value) -> BTreeMap<String, usize> {
    let list = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
    let mut counts = BTreeMap::new();
    let mut suites = list(summary, "suites");
    while let Some(suite) = suites.pop() {
        suites.extend(list(&suite, "suites"));
        let tests = list(&suite, "specs").into_iter().flat_map(|spec| list(&spec, "tests"));
        for test in tests.filter(|test| test["status"] == "skipped") {
            let reasons = list(&test, "annotations").into_iter().filter(|note| note["type"] == "skip");
            let reason = reasons.filter_map(|note| note["description"].as_str().map(str::to_owned)).next();
            *counts.entry(reason.unwrap_or_else(|| "no reason given".to_owned())).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::{number_before, skips};
    use serde_json::json;

    #[test]
    fn what_is_skipped_is_counted_by_its_reason() {
        let test = |status: &str, why: &str| json!({"status": status, "annotations": [{"type": "skip", "description": why}]});
        let specs = json!([{"tests": [test("skipped", "there is no nginx"), test("expected", "")]}]);
        let inner = json!({"specs": [{"tests": [{"status": "skipped"}]}]});
        let summary = json!({"suites": [{"specs": specs, "suites": [inner]}, {"specs": specs}]});
        let found: Vec<_> = skips(&summary).into_iter().collect();
        assert_eq!(found, [("no reason given".to_owned(), 1), ("there is no nginx".to_owned(), 2)]);
    }

    #[test]
    fn cargos_summary_is_read() {
        let line = " ok. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!((number_before(line, " passed"), number_before(line, " failed")), (12, 3));
        assert_eq!(number_before("nothing of the kind", " passed"), 0);
    }
}
