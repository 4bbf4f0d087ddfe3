//! What a graphics device does of a pair, kernel by kernel, beside what it could do at most:
//! `cargo run --release --example device -- <subject> <style> [--software]`.
//! Takes kohya's files of linear layers and 1×1 convolutions. Prints JSON.

mod limits;

use limits::Limits;
use np_lora::backend::gpu::{Gpu, Spent};
use np_lora::backend::{Backend, Batch, Blend, Cut, Dtype, Job, Stored};
use np_lora::container::{Bytes, FileSource, Header, Source, Tensor};
use np_lora::error::{Code, Error, Result};
use np_lora::fusion::Engine;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// μ = 0.5.
const BLEND: Blend = Blend::without(1.0 / 3.0);
/// The first run compiles, and finds memory.
const RUNS: usize = 6;

/// m, n, r_s, r_c, and the formats that go to the device: what jobs of a batch have in common.
type Shape = (usize, usize, usize, usize, [String; 2]);

#[derive(Serialize)]
struct Found {
    device: String,
    limits: Limits,
    modules: usize,
    /// Of every run but the first, from words in memory to words in memory.
    seconds: Vec<f64>,
    /// Of those runs, what the device spent in kernels.
    busy: Vec<f64>,
    uploaded: f64,
    read: f64,
    kernels: Vec<OfKernel>,
}

/// Of one run.
#[derive(Serialize)]
struct OfKernel {
    name: &'static str,
    dispatches: u32,
    /// In every run but the first.
    seconds: Vec<f64>,
    operations: f64,
    bytes: f64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (content, style, software) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [content, style] => (content, style, false),
        [content, style, "--software"] => (content, style, true),
        _ => {
            eprintln!("usage: device <subject> <style> [--software]");
            return ExitCode::FAILURE;
        }
    };
    match pollster::block_on(run(Path::new(content), Path::new(style), software)) {
        Ok(found) => {
            println!("{}", serde_json::to_string(&found).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(content: &Path, style: &Path, software: bool) -> Result<Found> {
    let wrong = |what: &str| Error::new(Code::GpuUnavailable, what);
    let gpu = Gpu::timed(software).await?;
    let limits = limits::measure().await.map_err(|error| wrong(&error))?;
    let (content, style) = (File::open(content).await?, File::open(style).await?);
    let mut shapes: BTreeMap<Shape, Vec<Job<'_>>> = BTreeMap::new();
    for name in style.tensors.keys().filter_map(|name| name.strip_suffix(".lora_down.weight")) {
        let [style_down, style_up] = style.factors(name)?;
        let [content_down, _] = content.factors(name)?;
        let formats = [&style_down, &content_down].map(|stored| stored.dtype.to_string());
        let shape = (style_up.rows, style_down.cols, style_down.rows, content_down.rows, formats);
        shapes.entry(shape).or_default().push(Job { style_down, style_up, content_down, scale: 1.0 });
    }
    let batches: Vec<&[Job<'_>]> =
        shapes.values().flat_map(|jobs| jobs.chunks(together(&gpu, jobs))).collect();
    let (mut seconds, mut busy) = (Vec::new(), Vec::new());
    let mut kernels: BTreeMap<&'static str, (u32, Vec<f64>)> = BTreeMap::new();
    for at in 0..RUNS {
        let began = Instant::now();
        for &jobs in &batches {
            let output = jobs.first().map_or(Dtype::F16, |job| job.content_down.dtype);
            gpu.project(&Batch { jobs, cut: Cut::All, blends: &[BLEND], output }).await?;
        }
        let took = began.elapsed().as_secs_f64();
        let spent = gpu.spent().ok_or_else(|| wrong("The graphics device has no clock."))?;
        if at > 0 {
            seconds.push(took);
            busy.push(spent.values().map(|spent| spent.seconds).sum());
            for (name, Spent { dispatches, seconds }) in spent {
                let of_kernel = kernels.entry(name).or_default();
                of_kernel.0 = dispatches;
                of_kernel.1.push(seconds);
            }
        }
    }
    let jobs: Vec<&Job<'_>> = shapes.values().flatten().collect();
    let sum = |of: &dyn Fn(&Job<'_>) -> f64| jobs.iter().map(|job| of(job)).sum();
    let bytes = |stored: &Stored<'_>| real(stored.bytes.len());
    Ok(Found {
        device: gpu.name().to_owned(),
        limits,
        modules: jobs.len(),
        seconds,
        busy,
        uploaded: sum(&|job| bytes(&job.style_down) + bytes(&job.content_down)),
        read: sum(&|job| bytes(&job.content_down) + small(job)),
        kernels: kernels
            .into_iter()
            .map(|(name, (dispatches, seconds))| {
                let [operations, bytes] =
                    [0, 1].map(|at| sum(&|job| work(name, job).map_or(0.0, |work| work[at])));
                OfKernel { name, dispatches, seconds, operations, bytes }
            })
            .collect(),
    })
}

/// As many jobs as a fusion gives to the device at most, whose pieces of a result may end before.
fn together(gpu: &Gpu, jobs: &[Job<'_>]) -> usize {
    // The content's lora_up counts as well, and is as large as the style's at the same rank.
    let of_job = |job: &Job<'_>| {
        let up = job.style_up.bytes.len() / job.style_up.cols.max(1);
        let ranks = job.style_down.rows + job.content_down.rows;
        job.style_down.bytes.len() + job.content_down.bytes.len() + up * ranks
    };
    let batch = Engine::gpu(gpu.clone(), "").batch_bytes();
    (batch / jobs.first().map_or(1, of_job).max(1)).max(1)
}

/// Bytes of the small matrices that are read of a job: C, the triangle, and both Gram matrices of the content.
fn small(job: &Job<'_>) -> f64 {
    let (r_s, r_c) = (real(job.style_down.rows), real(job.content_down.rows));
    4.0 * (r_c * r_s + r_s * r_s + 2.0 * r_c * r_c)
}

/// Floating-point operations of a kernel on one job, and the bytes that it reads and writes at least: each value of a
/// large matrix once. Where all of the style's directions are protected.
fn work(kernel: &str, job: &Job<'_>) -> Option<[f64; 2]> {
    let (n, r_s, r_c) = (real(job.style_down.cols), real(job.style_down.rows), real(job.content_down.rows));
    let word = |stored: &Stored<'_>| real(stored.dtype.bitsize() / 8);
    let (style, content) = (r_s * n, r_c * n);
    let of_panels =
        |of: &dyn Fn(f64, f64) -> f64| panels(job.style_down.rows).map(|(b, p)| of(b, p) * n).sum();
    Some(match kernel {
        "decode" => [0.0, style * (4.0 + word(&job.style_down)) + content * (4.0 + word(&job.content_down))],
        "normalise" => [0.0, 8.0 * (style + content)],
        // Twice: a product with every row before, of which it is taken out.
        "take_out" => [of_panels(&|b, p| 4.0 * b * p), of_panels(&|b, p| repeated(b) * (8.0 * b + 16.0 * p))],
        // Twice: every row of a panel is made of all of its rows.
        "apply" => [of_panels(&|_, p| 4.0 * p * p), of_panels(&|_, p| 16.0 * p)],
        // One workgroup a job, with matrices of a panel's rows; and for rows that bear no triangle, of which no LoRA has many.
        "factor" | "panel" => [0.0, 0.0],
        // Of panels with what is before them and with themselves, of the content, of it with the basis, and of the rounding errors.
        "gram" => [
            of_panels(&|b, p| 4.0 * (b + p) * p) + 4.0 * r_c * content + 2.0 * r_s * content,
            of_panels(&|b, p| repeated(b) * 8.0 * (b + p) + 8.0 * p) + 12.0 * content + 4.0 * style,
        ],
        "blend" => [2.0 * r_s * content, 8.0 * content + 4.0 * style],
        "encode" => [0.0, content * (8.0 + word(&job.content_down))],
        _ => return None,
    })
}

/// Of a basis: how many rows are before a panel, and how many are in it. As `basis.wgsl` has them.
fn panels(rows: usize) -> impl Iterator<Item = (f64, f64)> {
    const PANEL: usize = 16;
    (0..rows).step_by(PANEL).map(move |before| (real(before), real(PANEL.min(rows - before))))
}

/// 1, but for the first panel, which has nothing before it.
fn repeated(before: f64) -> f64 {
    if before > 0.0 { 1.0 } else { 0.0 }
}

#[allow(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn real(count: usize) -> f64 {
    count as f64
}

/// A file in memory.
struct File {
    tensors: BTreeMap<String, (Tensor, Bytes)>,
}

impl File {
    async fn open(path: &Path) -> Result<Self> {
        let source = FileSource::open(path)?;
        let mut tensors = BTreeMap::new();
        for tensor in Header::read(&source).await?.tensors {
            let bytes = source.read(tensor.range()).await?;
            tensors.insert(tensor.name.clone(), (tensor, bytes));
        }
        Ok(Self { tensors })
    }

    /// A and B of a module.
    fn factors(&self, module: &str) -> Result<[Stored<'_>; 2]> {
        let factor = |suffix: &str| {
            let name = format!("{module}.{suffix}.weight");
            let (tensor, bytes) = self.tensors.get(&name)?;
            let rows = usize::try_from(*tensor.shape.first()?).ok()?;
            let cols = usize::try_from(tensor.values()).ok()?.checked_div(rows)?;
            Some(Stored { bytes, dtype: tensor.dtype, rows, cols })
        };
        let both = factor("lora_down").zip(factor("lora_up"));
        let missing = || Error::new(Code::Settings, format!("{module} is not in both files."));
        both.map(|(down, up)| [down, up]).ok_or_else(missing)
    }
}
