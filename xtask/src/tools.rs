//! Running other programs, with errors that say what to do.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind};
use std::process::{Command, Stdio};

/// What a task returns; the error is a sentence for the person at the terminal.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// A command by name. npm and npx are batch files on Windows.
pub(crate) fn program(name: &str) -> Command {
    Command::new(if cfg!(windows) && matches!(name, "npm" | "npx") {
        format!("{name}.cmd")
    } else {
        name.into()
    })
}

/// Says what is run, runs it with the terminal's own output, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Outcome {
    announce(command);
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", shown(command))) }
}

/// As [`run`], and also hands back what was printed on stdout, and whether the command succeeded.
pub(crate) fn run_and_read(command: &mut Command) -> Outcome<(bool, String)> {
    announce(command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(command, &error))?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.map_err(|error| format!("`{}`: {error}", shown(command)))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        }
    }
    let status = child.wait().map_err(|error| format!("`{}`: {error}", shown(command)))?;
    Ok((status.success(), text))
}

/// As [`run`], and hands back what was printed on stdout, which is for programs.
pub(crate) fn run_and_capture(command: &mut Command) -> Outcome<String> {
    announce(command);
    capture(command.stderr(Stdio::inherit()))
}

/// The stdout of a quiet command.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| cannot_start(command, &error))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        let message = format!("`{}` failed ({})\n{}", shown(command), output.status, reason);
        return Err(message.trim_end().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a quiet command can be started and succeeds.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The value of `--name value` or `--name=value`; any other argument is refused.
pub(crate) fn option(arguments: &[String], name: &str) -> Outcome<Option<String>> {
    let mut value = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == name {
            value = Some(rest.next().ok_or_else(|| format!("{name} needs a value"))?.clone());
        } else if let Some(given) = argument.strip_prefix(name).and_then(|tail| tail.strip_prefix('=')) {
            value = Some(given.into());
        } else {
            return Err(format!("unknown argument {argument}"));
        }
    }
    Ok(value)
}

fn announce(command: &Command) {
    println!("> {}", shown(command));
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    let name = command.get_program().to_string_lossy();
    let stem = name.rsplit(['/', '\\']).next().unwrap_or(&name);
    match (error.kind(), stem.trim_end_matches(".cmd")) {
        (ErrorKind::NotFound, "node" | "npm" | "npx") => {
            format!(
                "{stem} was not found. Install Node.js 20.19 or newer with npm (https://nodejs.org) and run this again."
            )
        }
        (ErrorKind::NotFound, "rustup") => "rustup was not found. Install it from https://rustup.rs.".into(),
        _ => format!("{name} could not be started: {error}"),
    }
}

fn shown(command: &Command) -> String {
    let name = command.get_program().to_string_lossy();
    let stem = name.rsplit(['/', '\\']).next().unwrap_or(&name);
    let arguments = command.get_args().map(|argument| format!(" {}", argument.to_string_lossy()));
    std::iter::once(stem.to_owned()).chain(arguments).collect()
}
