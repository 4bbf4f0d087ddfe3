//! What the page translates of Rust's own phrases stands in Rust as it does there (www/element/languages/phrases.ts).
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            *into += &fs::read_to_string(path).unwrap();
        }
    }
}

#[test]
fn every_phrase_is_one_of_the_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    let code = code.replace("\\\"", "\"");
    let list = fs::read_to_string(root.join("www/element/languages/phrases.ts")).unwrap();
    let phrases = list
        .lines()
        .filter_map(|line| line.trim().trim_end_matches(';').strip_prefix("| '")?.strip_suffix('\''));
    let mut number = 0;
    for phrase in phrases {
        number += 1;
        // `*` stands for what differs; a colon before it may be put there by another line.
        for part in phrase
            .replace("\\'", "'")
            .split('*')
            .map(|part| part.trim_end_matches([':', ' ']))
            .filter(|part| !part.is_empty())
        {
            assert!(code.contains(part), "{phrase}: Rust does not say \"{part}\"");
        }
    }
    assert!(number > 20, "only {number} phrases were found");
}
