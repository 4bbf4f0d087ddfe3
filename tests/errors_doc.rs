//! docs/ERRORS.md is the table of src/error.rs; `cargo xtask docs` writes it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use np_lora::error::Code;
use std::fs;
use std::path::Path;

fn table() -> String {
    let mut text = String::from(
        "# Errors and warnings\n\n\
         <!-- Written by `cargo xtask docs` from src/error.rs. Change it there. -->\n\n\
         What the page says, and what to do. A code never changes its meaning, so hosts and scripts can match on it. `E_` \
         ends a run or refuses a file; with `W_` the run goes on.\n\n\
         | Code | What happened | What to do |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let row = [code.as_str(), code.sentence(), code.remedy()].map(|cell| cell.replace('|', "\\|"));
        text += &format!("| `{}` | {} | {} |\n", row[0], row[1], row[2]);
    }
    text
}

#[test]
fn the_document_lists_every_code_as_the_program_words_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ERRORS.md");
    if std::env::var_os("NP_LORA_WRITE_DOCS").is_some() {
        fs::write(&path, table()).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(found == table(), "docs/ERRORS.md is not what src/error.rs says: run `cargo xtask docs`");
}
