//! docs/ERRORS.md is the table of src/error.rs, and www/core/codes.ts the list of its codes; `cargo xtask docs` writes both.
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

fn codes() -> String {
    let mut text = String::from(
        "/** The codes of the program's problems. Written by `cargo xtask docs` from src/error.rs. */\n\n\
         export type ProgramCode =\n",
    );
    for code in Code::ALL {
        text += &format!("  | '{}'\n", code.as_str());
    }
    text.truncate(text.trim_end().len());
    text + ";\n"
}

fn is_as_the_code_says(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("NP_LORA_WRITE_DOCS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(found == text, "{} is not what src/error.rs says: run `cargo xtask docs`", path.display());
}

#[test]
fn the_document_lists_every_code_as_the_program_words_it() {
    is_as_the_code_says("docs/ERRORS.md", &table());
}

#[test]
fn the_page_knows_every_code() {
    is_as_the_code_says("www/core/codes.ts", &codes());
}
