//! Ways by which a text could become markup or code: none of them stands anywhere in the page's sources. The page's
//! policy refuses them in browsers that know Trusted Types; this holds for all.

use crate::project::Project;
use crate::tools::Outcome;
use std::fs;
use std::path::Path;

/// Names of the platform and of Lit, as they stand in code. One that ends in `(` is only a call.
const SINKS: &[&str] = &[
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "setHTMLUnsafe",
    "parseHTMLUnsafe",
    "createContextualFragment",
    "parseFromString",
    "srcdoc",
    "document.write",
    "document.writeln",
    "execCommand",
    "unsafeHTML",
    "unsafeSVG",
    "unsafeMathML",
    "unsafeStatic",
    "unsafeCSS",
    "javascript:",
    "importScripts",
    "createHTML",
    "createScript",
    "eval(",
    "Function(",
];

/// Looks through every source of the page.
pub(crate) fn check(project: &Project) -> Outcome {
    let mut found = Vec::new();
    let mut files = 0;
    walk(&project.at("www"), &mut files, &mut found)?;
    match (files, found.as_slice()) {
        (0, _) => Err("there are no sources in www".into()),
        (_, []) => Ok(()),
        (_, found) => Err(format!("texts could become markup or code:\n  {}", found.join("\n  "))),
    }
}

fn walk(folder: &Path, files: &mut usize, found: &mut Vec<String>) -> Outcome {
    let unread = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in folder.read_dir().map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.is_dir() {
            walk(&path, files, found)?;
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        *files += 1;
        for (number, line) in text.lines().enumerate() {
            found.extend(sinks(line).map(|sink| format!("{}:{}: {sink}", path.display(), number + 1)));
        }
    }
    Ok(())
}

/// The sinks that a line names.
fn sinks(line: &str) -> impl Iterator<Item = &'static str> {
    SINKS.iter().copied().filter(move |sink| {
        line.match_indices(sink).any(|(at, _)| {
            let in_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
            let inside = sink.ends_with(in_name) && line[at + sink.len()..].starts_with(in_name);
            !line[..at].ends_with(in_name) && !inside
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{SINKS, sinks};

    #[test]
    fn every_sink_is_seen_in_code_and_no_longer_name_is() {
        for sink in SINKS {
            let used = format!("  x.{}{};", sink, if sink.ends_with('(') { "'1')" } else { " = y" });
            assert!(sinks(&used).any(|found| found == *sink), "{used}");
            assert!(!sinks(&format!("my{sink}")).any(|found| found == *sink), "my{sink}");
        }
        for harmless in
            ["'wasm-unsafe-eval'", "const x: Function = f;", "createScriptURL: () => shim", "evaluate(x)"]
        {
            assert_eq!(sinks(harmless).count(), 0, "{harmless}");
        }
    }
}
