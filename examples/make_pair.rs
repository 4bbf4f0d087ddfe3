//! Writes a made-up LoRA pair: `cargo run --release --example make_pair -- <sd15|flux> <rank> <f16|bf16|f32> <folder>`.

use np_lora::backend::Dtype;
use np_lora::container::FileSink;
use np_lora::error::Result;
use np_lora::example::{Example, Model, Part};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match made(&arguments) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("usage: make_pair <sd15|flux> <rank> <f16|bf16|f32> <folder>");
            ExitCode::FAILURE
        }
    }
}

/// `None` if the arguments make no sense.
fn made(arguments: &[String]) -> Option<Result<()>> {
    let [model, rank, dtype, folder] = arguments else { return None };
    let model = match model.as_str() {
        "sd15" => Model::Sd15,
        "flux" => Model::Flux1,
        _ => return None,
    };
    let dtype = match dtype.as_str() {
        "f16" => Dtype::F16,
        "bf16" => Dtype::BF16,
        "f32" => Dtype::F32,
        _ => return None,
    };
    let rank = rank.parse().ok()?;
    Some([("content", Part::Content), ("style", Part::Style)].into_iter().try_for_each(|(name, part)| {
        let mut sink = FileSink::create(&Path::new(folder).join(format!("{name}.safetensors")))?;
        pollster::block_on(Example { model, part, rank, dtype }.write(&mut sink))
    }))
}
