//! `cargo xtask fuzz`: the fuzz targets for longer than the tests run them, guided by coverage where that can be had.

use crate::project::Project;
use crate::tools::{Outcome, run, succeeds};

/// As in fuzz/Cargo.toml.
const TARGETS: [&str; 4] = ["header", "open", "writer", "fuse"];
const SECONDS: u64 = 60;

pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    let (target, seconds) = parse(arguments)?;
    if !cargo_fuzz(project) {
        println!("cargo-fuzz cannot be had: random cases are run instead, without looking at coverage.");
        return random(project, target, seconds);
    }
    let chosen: Vec<&str> =
        TARGETS.into_iter().filter(|name| target.is_none_or(|only| only == *name)).collect();
    let each = (seconds / chosen.len().max(1) as u64).max(1);
    for name in chosen {
        // New inputs go to the working corpus, which is not in the repository; the small one that is seeds it.
        let work = project.target.join("fuzz-corpus").join(name);
        std::fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
        let mut cargo = project.cargo();
        cargo.args(["fuzz", "run", "--sanitizer", "none", name]).arg(&work);
        cargo.arg(project.at("fuzz/corpus").join(name));
        cargo.args(["--", "-max_len=512", "-timeout=20", &format!("-max_total_time={each}")]);
        // libFuzzer's instrumentation is an unstable option; without sanitizers no other toolchain is needed.
        run(cargo.env("RUSTC_BOOTSTRAP", "1")).map_err(|error| {
            format!("{error}\nThe case lies in fuzz/artifacts/{name}. Once it is understood, keep it in fuzz/corpus/{name}.")
        })?;
    }
    Ok(())
}

/// A target's name, a number of seconds, both or neither.
fn parse(arguments: &[String]) -> Outcome<(Option<&'static str>, u64)> {
    let (mut target, mut seconds) = (None, SECONDS);
    for argument in arguments {
        match (TARGETS.into_iter().find(|name| name == argument), argument.parse()) {
            (Some(name), _) => target = Some(name),
            (None, Ok(number)) => seconds = number,
            (None, Err(_)) => {
                return Err(format!(
                    "{argument} is neither a number of seconds nor one of {}",
                    TARGETS.join(", ")
                ));
            }
        }
    }
    Ok((target, seconds))
}

fn cargo_fuzz(project: &Project) -> bool {
    let there = || succeeds(project.cargo().args(["fuzz", "--version"]));
    // It builds libFuzzer, which is C++.
    if !["c++", "g++", "clang++"].into_iter().any(|compiler| succeeds(project.run(compiler).arg("--version")))
    {
        return false;
    }
    there() || (run(project.cargo().args(["install", "--locked", "cargo-fuzz"])).is_ok() && there())
}

/// The same cases from random bytes.
fn random(project: &Project, target: Option<&str>, seconds: u64) -> Outcome {
    let mut cargo = project.cargo();
    cargo.args(["test", "--package", "np-lora", "--test", "fuzz", "--", "--ignored", "--nocapture"]);
    run(cargo
        .env("NP_LORA_FUZZ_SECONDS", seconds.to_string())
        .env("NP_LORA_FUZZ_TARGET", target.unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_a_time_may_be_named_in_any_order() {
        let parsed = |words: &[&str]| parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(parsed(&[]), Ok((None, SECONDS)));
        assert_eq!(parsed(&["5", "open"]), Ok((Some("open"), 5)));
        assert_eq!(parsed(&["fuse"]), Ok((Some("fuse"), SECONDS)));
        assert!(parsed(&["nothing"]).is_err());
    }

    #[test]
    fn every_target_is_a_program_with_a_corpus() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");
        let manifest = std::fs::read_to_string(format!("{root}/Cargo.toml")).unwrap();
        for name in TARGETS {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            assert!(std::fs::read_dir(format!("{root}/corpus/{name}")).unwrap().next().is_some(), "{name}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }
}
