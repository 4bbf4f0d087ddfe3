//! What is said of the crate elsewhere is what it says itself: docs/ERRORS.md is the table of src/error.rs and of the page's own
//! problems, www/core/codes.ts the list of its codes, www/core/defaults.ts its default settings and their limits. `cargo xtask docs` writes them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use np_lora::adapter::{CONFIG_BYTES, CONFIG_NAME};
use np_lora::error::Code;
use np_lora::fusion::compare::COUNTING;
use np_lora::fusion::settings::Settings;
use np_lora::fusion::settings::recipe::{MAX_ALPHA, MAX_DENSE_RANK, MAX_STRENGTH};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What the page or the library says as well: where no program is running, the browser did not do what was asked of it, or nobody
/// need ask the program.
const OF_BOTH: [Code; 6] =
    [Code::Read, Code::Write, Code::Aborted, Code::Internal, Code::Settings, Code::GpuUnavailable];

fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(place(path)).unwrap().replace("\r\n", "\n")
}

/// Code, sentence and remedy of every line of a table in a script. Whatever else stands there is none.
fn of_table(script: &str, table: &str) -> Vec<[String; 3]> {
    let source = read(script);
    let (_, rest) = source.split_once(&format!("const {table} = {{\n")).unwrap();
    let (lines, _) = rest.split_once("\n} as const;").unwrap();
    let worded = |line: &str| {
        let (code, texts) = line.strip_prefix("  ")?.split_once(": ['")?;
        let (sentence, remedy) = texts.strip_suffix("'],")?.split_once("', '")?;
        Some([code, sentence, remedy].map(|text| text.replace("\\'", "'")))
    };
    lines
        .lines()
        .map(|line| worded(line).unwrap_or_else(|| panic!("{line:?} is no problem and its words")))
        .collect()
}

fn rows(problems: impl IntoIterator<Item = [String; 3]>) -> String {
    let head = "| Code | What happened | What to do |\n|---|---|---|\n";
    problems.into_iter().fold(head.to_owned(), |text, problem| {
        let [code, sentence, remedy] = problem.map(|cell| cell.replace('|', "\\|"));
        text + &format!("| `{code}` | {sentence} | {remedy} |\n")
    })
}

fn errors() -> String {
    let of_crate =
        Code::ALL.iter().map(|code| [code.as_str(), code.sentence(), code.remedy()].map(str::to_owned));
    [
        "# Errors and warnings\n\n\
         <!-- Written by `cargo xtask docs` from src/error.rs, www/core/problem.ts, www/core/frame-problem.ts and www/headless/refused.ts. Change it \
         there. -->\n\n\
         What the page says, and what to do. A code never changes its meaning, so hosts and scripts can match on it. `E_` \
         ends a run or refuses a file, but for `E_GPU_FAULT`, where the CPU takes over; with `W_` the run goes on.\n\n",
        &rows(of_crate),
        "\n## Of the page and the npm package\n\n\
         Where the program is not running, or has no part in it.\n\n",
        &rows(of_table("www/core/problem.ts", "OF_PAGE")),
        "\nOf frames only:\n\n",
        &rows(of_table("www/core/frame-problem.ts", "OF_FRAMES")),
        "\nOf the library and the command only:\n\n",
        &rows(of_table("www/headless/refused.ts", "OF_LIBRARY")),
    ]
    .concat()
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
    text += ";\n\n/** The problems that the page reports as well, in the same words. */\nexport const OF_BOTH = {\n";
    for code in OF_BOTH {
        text += &format!("  {}: [{}, {}],\n", code.as_str(), quoted(code.sentence()), quoted(code.remedy()));
    }
    text += "} as const;\n\n/** The problems that lie in the two files themselves, which no strength and no format can solve. */\n";
    let unfit: Vec<String> =
        Code::ALL.iter().filter(|code| code.is_unfit()).map(|code| quoted(code.as_str())).collect();
    text + &format!("export const UNFIT: ReadonlySet<string> = new Set([{}]);\n", unfit.join(", "))
}

fn defaults() -> String {
    let Value::Object(settings) = serde_json::to_value(Settings::default()).unwrap() else {
        panic!("settings are an object")
    };
    let mut text = String::from(
        "/** The default settings, and the limits of some. Written by `cargo xtask docs` from src/fusion/settings. */\n\n\
         import type { Settings } from './types.ts';\n\n\
         export const DEFAULT_SETTINGS: Settings = {\n",
    );
    for (name, value) in &settings {
        text += &format!("  {name}: {},\n", literal(value));
    }
    text +=
        "};\n\n/** The largest strengths and alphas, of either sign, and the largest rank to cut to. */\n";
    text += &format!("export const MAX_STRENGTH = {MAX_STRENGTH};\n");
    text += &format!("export const MAX_ALPHA = {MAX_ALPHA};\n");
    text += &format!("export const MAX_DENSE_RANK = {MAX_DENSE_RANK};\n");
    let counting = COUNTING.map(|name| {
        assert!(settings.contains_key(name), "there is no setting {name}");
        quoted(name)
    });
    text += "/** The settings that a comparison depends on. */\n";
    text += &format!(
        "export const COUNTING = [{}] as const satisfies (keyof Settings)[];\n",
        counting.join(", ")
    );
    text += &format!(
        "/** The largest {CONFIG_NAME} that is read, in bytes. */\nexport const CONFIG_BYTES = {CONFIG_BYTES};\n"
    );
    text
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// As the page's source has it.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Number(number) => number.as_f64().unwrap().to_string(),
        Value::Object(fields) if fields.is_empty() => "{}".into(),
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name}: {}", literal(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

fn is_as_the_code_says(path: &str, text: &str) {
    if std::env::var_os("NP_LORA_WRITE_DOCS").is_some() {
        fs::write(place(path), text).unwrap();
    }
    assert!(read(path) == text, "{path} is not what the code says: run `cargo xtask docs`");
}

#[test]
fn the_document_lists_every_code_as_it_is_worded() {
    is_as_the_code_says("docs/ERRORS.md", &errors());
}

#[test]
fn the_page_knows_every_code() {
    is_as_the_code_says("www/core/codes.ts", &codes());
}

#[test]
fn the_page_begins_with_the_settings_that_the_crate_begins_with() {
    is_as_the_code_says("www/core/defaults.ts", &defaults());
}

#[test]
fn no_code_is_worded_twice() {
    let own = [
        of_table("www/core/problem.ts", "OF_PAGE"),
        of_table("www/core/frame-problem.ts", "OF_FRAMES"),
        of_table("www/headless/refused.ts", "OF_LIBRARY"),
    ]
    .concat();
    let mut all: Vec<_> = own
        .iter()
        .map(|[code, ..]| code.as_str())
        .chain(Code::ALL.iter().map(|code| code.as_str()))
        .collect();
    let number = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), number);
}

/// All of the program, one file after the other.
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

/// What the page translates of Rust's own phrases.
#[test]
fn every_phrase_is_one_of_the_program() {
    let mut code = String::new();
    sources(&place("src"), &mut code);
    let code = code.replace("\\\"", "\"");
    let list = read("www/element/languages/phrases.ts");
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
