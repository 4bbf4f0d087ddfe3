//! Fuses two files, or converts one, natively:
//! `cargo run --release --example fuse -- <subject or -> <style or -> <result> [settings as JSON [backend]]`.
//! The backend is `cpu`, `webgpu` or `auto`. Prints the report as JSON. With `--adapter` alone it prints what graphics
//! device `auto` would consider.

use np_lora::adapter::Adapter;
use np_lora::container::{FileSink, FileSource};
use np_lora::error::{Code, Error, Result};
use np_lora::fusion::{self, Alone, Engine, EngineChoice, Input, Progress, Report, Settings, Sources, Watch};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Nobody watches.
struct Clock(Instant);

impl Watch for Clock {
    fn progress(&mut self, _: &Progress) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["--adapter"] {
        return adapter();
    }
    let (content, style, result, options) = match arguments.as_slice() {
        [content, style, result, options @ ..] if options.len() < 3 => (content, style, result, options),
        _ => {
            eprintln!("usage: fuse <subject or -> <style or -> <result> [settings as JSON [backend]]");
            return ExitCode::FAILURE;
        }
    };
    let option = |at: usize, default| options.get(at).map_or(default, String::as_str);
    match pollster::block_on(run(content, style, result, option(0, "{}"), option(1, "cpu"))) {
        Ok(report) => {
            println!("{}", serde_json::to_string(&report).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn adapter() -> ExitCode {
    let engine = pollster::block_on(Engine::choose(EngineChoice::Auto));
    match engine.as_ref().map(|engine| engine.adapter().ok_or(engine.reason())) {
        Ok(Ok(name)) => println!("{name}"),
        Ok(Err(reason)) => eprintln!("{reason}"),
        Err(error) => eprintln!("{error}"),
    }
    ExitCode::from(u8::from(!engine.is_ok_and(|engine| engine.adapter().is_some())))
}

async fn run(content: &str, style: &str, result: &str, settings: &str, backend: &str) -> Result<Report> {
    let wrong = |error: serde_json::Error| Error::new(Code::Settings, error.to_string());
    let settings: Settings = serde_json::from_str(settings).map_err(wrong)?;
    let backend: EngineChoice = serde_json::from_value(backend.into()).map_err(wrong)?;
    let same = |path: &str| std::fs::canonicalize(path).ok().zip(std::fs::canonicalize(result).ok());
    if [content, style].into_iter().filter_map(same).any(|(input, result)| input == result) {
        return Err(Error::new(Code::Write, "It would take the place of an input.").in_file(result));
    }
    let (content, style) = (opened(content).await?, opened(style).await?);
    let sources = Sources {
        content: content.as_ref().map(|(source, adapter)| Input { adapter, source }),
        style: style.as_ref().map(|(source, adapter)| Input { adapter, source }),
    };
    let mut engine = Engine::choose(backend).await?;
    // What is there under the result's name stays until all of it is checked.
    let part = format!("{result}.part");
    let (variants, mut sinks) = ([settings.into()], [FileSink::create(Path::new(&part))?]);
    let mut clock = Clock(Instant::now());
    let made = fusion::fuse(&sources, &variants, &mut engine, &mut sinks, &Alone, &mut clock).await;
    let kept = made.and_then(|made| {
        let unwritten = |error: io::Error| Error::new(Code::Write, error.to_string()).in_file(result);
        std::fs::rename(&part, result).map_err(unwritten)?;
        made.into_iter().next().ok_or_else(|| Error::new(Code::Internal, "Nothing was made."))
    });
    if kept.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    Ok(kept?.1)
}

/// The file at a path, with the `adapter_config.json` beside it; none for `-`.
async fn opened(path: &str) -> Result<Option<(FileSource, Adapter)>> {
    if path == "-" {
        return Ok(None);
    }
    let source = FileSource::open(Path::new(path))?;
    let config = std::fs::read_to_string(Path::new(path).with_file_name("adapter_config.json")).ok();
    let adapter = Adapter::open(&source, config.as_deref()).await?;
    Ok(Some((source, adapter)))
}
