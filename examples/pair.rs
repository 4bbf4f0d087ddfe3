//! Writes a made-up pair with the true layer names and sizes of a model, to measure with:
//! `cargo run --release --example pair -- <folder> <recipe as JSON>`.
//! Prints what the pair is as JSON.

use np_lora::adapter::families::{self, Scheme};
use np_lora::backend::{Dtype, cpu};
use np_lora::container::{FileSink, Layout, Sink, Tensor, TensorSpec};
use np_lora::error::{Code, Error, Result};
use np_lora::example::Random;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// What a pair is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    layers: Layers,
    /// Of every module of both files.
    rank: usize,
    alpha: f32,
    dtype: Dtype,
    /// The singular values of every update fall as decay^k.
    decay: f32,
    /// Leaves all values but alpha to the file system, which stores nothing for them.
    #[serde(default)]
    hollow: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Layers {
    /// Those that sd-scripts trains of a model.
    Model(String),
    /// Square ones of no model.
    Alike { count: usize, size: usize },
}

/// A module by its stem.
struct Module {
    stem: String,
    out_features: usize,
    in_features: usize,
    /// What the factors' shapes end with; of a convolution.
    kernel: Vec<u64>,
}

/// What was written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    modules: usize,
    /// Of each file.
    bytes: u64,
    /// Floating-point operations that fusing the pair takes at least.
    operations: f64,
}

/// What of a model sd-scripts trains: the beginning of a canonical name, and a part of it.
const TRAINED: [(&str, &str); 3] =
    [("unet.", ".attentions."), ("transformer.", "blocks."), ("text_encoder", ".layers.")];

/// How far the first singular direction of content and style is the same; less and less from one to the next.
const COMMON: f32 = 0.8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, recipe] = arguments.as_slice() else {
        eprintln!("usage: pair <folder> <recipe as JSON>");
        return ExitCode::FAILURE;
    };
    match run(Path::new(folder), recipe) {
        Ok(written) => {
            println!("{}", serde_json::to_string(&written).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, recipe: &str) -> Result<Written> {
    let wrong = |what: &str| Error::new(Code::Settings, what);
    let recipe: Recipe = serde_json::from_str(recipe).map_err(|error| wrong(&error.to_string()))?;
    if !recipe.hollow && !recipe.rank.is_power_of_two() {
        return Err(wrong("The rank is to be a power of two."));
    }
    let modules = recipe.layers.modules().ok_or_else(|| wrong("There is no model of this name."))?;
    let write = |part: &str| {
        let path = folder.join(format!("{part}.safetensors"));
        let _ = std::fs::remove_file(&path);
        let mut sink = FileSink::create(&path)?;
        pollster::block_on(recipe.write(&modules, part, &mut sink))
    };
    let bytes = std::thread::scope(|scope| {
        let style = scope.spawn(|| write("style"));
        let content = write("content");
        style.join().map_err(|_| Error::new(Code::Internal, "The style's writer stopped."))?.and(content)
    })?;
    // Gram-Schmidt, twice, of the style's rows; the content's times the basis, and back.
    let r = recipe.rank as f64;
    let operations = modules.iter().map(|module| 8.0 * r * r * module.in_features as f64).sum();
    Ok(Written { modules: modules.len(), bytes, operations })
}

impl Layers {
    fn modules(&self) -> Option<Vec<Module>> {
        let module =
            |stem, out_features, in_features, kernel| Module { stem, out_features, in_features, kernel };
        let name = match self {
            Self::Model(name) => name,
            &Self::Alike { count, size } => {
                let of = |at| module(format!("lora_unet_layer_{at}"), size, size, vec![]);
                return Some((0..count).map(of).collect());
            }
        };
        let (family, scheme) = (families::by_name(name)?, Scheme::by_id("kohya")?);
        let has_unet = family.modules().any(|(id, _)| id.as_str().starts_with("unet."));
        let trained = |id: &str| {
            // Of a transformer's text encoders it trains nothing unless asked to.
            (has_unet || !id.starts_with("text_encoder"))
                && TRAINED.iter().any(|(start, part)| id.starts_with(start) && id.contains(part))
        };
        let targets = family.modules().filter(|(id, _)| trained(id.as_str()));
        let modules: BTreeMap<_, _> = targets
            .filter_map(|(id, _)| family.target(&id, scheme))
            .map(|target| {
                let kernel = target.kernel.map_or(vec![], |sides| sides.map(|side| side as u64).to_vec());
                (target.stem.clone(), module(target.stem, target.out_features, target.in_features, kernel))
            })
            .collect();
        Some(modules.into_values().collect())
    }
}

impl Recipe {
    /// Writes one file of the pair; gives its size.
    async fn write(&self, modules: &[Module], part: &str, sink: &mut FileSink) -> Result<u64> {
        let layout =
            Layout::new(modules.iter().flat_map(|module| self.specs(module)).collect(), &self.notes())?;
        sink.write(0, &layout.header).await?;
        for module in modules {
            let tensor = |suffix: &str| layout.find(&format!("{}.{suffix}", module.stem));
            put(sink, tensor("alpha"), &self.alpha.to_le_bytes()).await?;
            if !self.hollow {
                put(sink, tensor("lora_down.weight"), &self.encoded(&self.down(module, part))).await?;
                put(sink, tensor("lora_up.weight"), &self.encoded(&self.up(module, part))).await?;
            }
        }
        if self.hollow {
            // The last byte says how long the file is.
            sink.write(layout.size - 1, &[0]).await?;
        }
        Ok(layout.size)
    }

    fn specs(&self, Module { stem, out_features, in_features, kernel }: &Module) -> [TensorSpec; 3] {
        let spec = |suffix: &str, dtype, shape| TensorSpec { name: format!("{stem}.{suffix}"), dtype, shape };
        let sides = kernel.iter().product::<u64>();
        let (rank, out_features, channels) =
            (self.rank as u64, *out_features as u64, *in_features as u64 / sides);
        let ones = vec![1; kernel.len()];
        [
            spec("alpha", Dtype::F32, vec![]),
            spec("lora_down.weight", self.dtype, [&[rank, channels][..], kernel].concat()),
            spec("lora_up.weight", self.dtype, [&[out_features, rank][..], &ones].concat()),
        ]
    }

    fn notes(&self) -> BTreeMap<String, String> {
        let model = match &self.layers {
            Layers::Model(name) => families::by_name(name),
            Layers::Alike { .. } => None,
        };
        let notes = model.into_iter().flat_map(|family| family.default_notes());
        let network =
            [("ss_network_dim", self.rank.to_string()), ("ss_network_alpha", self.alpha.to_string())];
        notes
            .map(|(key, value)| (key, value.to_owned()))
            .chain(network)
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    fn encoded(&self, values: &[f32]) -> Vec<u8> {
        cpu::encode(values, 1.0, self.dtype).0
    }

    /// A, rank×n: directions, of which content and style have some in common, each mixed into all rows, as in a
    /// trained file, where no row is a singular vector.
    fn down(&self, module: &Module, part: &str) -> Vec<f32> {
        let n = module.in_features;
        let size = (n as f32).sqrt().recip();
        let (mut own, mut both) =
            (Random::new(&[&module.stem, part, "down"]), Random::new(&[&module.stem, "both"]));
        let mut a = Vec::with_capacity(self.rank * n);
        for row in 0..self.rank {
            let common = COMMON / (1.0 + row as f32);
            let rest = (1.0 - common * common).sqrt();
            a.extend((0..n).map(|_| size * (common * both.normal() + rest * own.normal())));
        }
        mix(&mut a, n);
        a
    }

    /// B, m×rank: the same mixture undone, so that the update's singular values are those of the recipe.
    fn up(&self, module: &Module, part: &str) -> Vec<f32> {
        let m = module.out_features;
        let size = (m as f32).sqrt().recip();
        let fade: Vec<f32> = (0..self.rank).map(|column| size * self.decay.powf(column as f32)).collect();
        let mut own = Random::new(&[&module.stem, part, "up"]);
        let mut b = Vec::with_capacity(m * self.rank);
        for _ in 0..m {
            let from = b.len();
            b.extend(fade.iter().map(|fade| fade * own.normal()));
            mix(&mut b[from..], 1);
        }
        b
    }
}

async fn put(sink: &mut FileSink, tensor: Option<&Tensor>, bytes: &[u8]) -> Result<()> {
    match tensor {
        Some(tensor) => sink.write(tensor.start, bytes).await,
        None => Err(Error::new(Code::Internal, "A tensor has no place.")),
    }
}

/// Multiplies rows of width `n` from the left by the orthogonal matrix of Walsh and Hadamard, which is its own inverse.
fn mix(rows: &mut [f32], n: usize) {
    let mut half = n;
    while half < rows.len() {
        for pair in rows.chunks_exact_mut(2 * half) {
            let (upper, lower) = pair.split_at_mut(half);
            for (x, y) in upper.iter_mut().zip(lower) {
                (*x, *y) = (
                    (*x + *y) * std::f32::consts::FRAC_1_SQRT_2,
                    (*x - *y) * std::f32::consts::FRAC_1_SQRT_2,
                );
            }
        }
        half *= 2;
    }
}
