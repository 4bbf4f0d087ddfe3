//! The fuzz targets (fuzz/) on cases from fixed seeds, on every file of their corpora, and, when asked, on random ones.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and its modules are those of another crate"
)]

#[path = "../fuzz/src/lib.rs"]
mod cases;

use cases::choices::Random;
use cases::{Check, TARGETS};
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// No case of a target is longer.
const LONGEST: usize = 256;

/// Runs a case; a failure prints the bytes, which then go into the corpus.
fn run(target: &str, check: Check, bytes: &[u8]) {
    if let Err(panic) = catch_unwind(|| check(bytes)) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{target} fails on {hex}");
        std::panic::resume_unwind(panic);
    }
}

fn fixed_seeds(name: &str, count: u64) {
    let (target, check) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let started = Instant::now();
    for seed in 0..count {
        run(target, check, &Random(seed).bytes(LONGEST));
    }
    println!("{name}: {count} cases in {:.1} s", started.elapsed().as_secs_f64());
}

#[test]
fn headers_of_any_bytes_are_read_as_the_safetensors_crate_reads_them() {
    fixed_seeds("header", 60_000);
}

#[test]
fn tensors_of_any_name_and_shape_are_understood_or_refused() {
    fixed_seeds("open", 40_000);
}

#[test]
fn whatever_is_written_is_read_again() {
    fixed_seeds("writer", 40_000);
}

#[test]
fn small_pairs_of_any_values_fuse_as_the_method_says() {
    fixed_seeds("fuse", 30_000);
}

#[test]
fn every_case_of_the_corpus_holds() {
    for (target, check) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "{target} has a corpus");
        for file in files {
            run(target, check, &std::fs::read(&file).unwrap());
        }
    }
}

/// `cargo xtask fuzz` runs this for as long as it is told, where cargo-fuzz cannot be had.
#[test]
#[ignore = "runs for as long as NP_LORA_FUZZ_SECONDS says"]
fn random_cases_hold() {
    let seconds = std::env::var("NP_LORA_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let wanted = std::env::var("NP_LORA_FUZZ_TARGET").unwrap_or_default();
    let mut random = Random(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64);
    let targets: Vec<_> =
        TARGETS.into_iter().filter(|(target, _)| wanted.is_empty() || *target == wanted).collect();
    assert!(!targets.is_empty(), "there is no target {wanted:?}");
    let (started, mut count) = (Instant::now(), 0u64);
    while started.elapsed() < Duration::from_secs(seconds) {
        for &(target, check) in &targets {
            run(target, check, &random.bytes(LONGEST));
            count += 1;
        }
    }
    println!("{count} random cases held in {seconds} s");
}
