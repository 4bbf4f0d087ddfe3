//! NP-LoRA fusion for the browser: a content (subject) LoRA and a style LoRA become one file in which the style survives.
//!
//! The path of the data, which is also the order of the folders:
//!
//! 1. [`container`]: bytes of a safetensors file ↔ tensors. Knows nothing of LoRA.
//! 2. [`adapter`]: tensors → LoRA modules with their factors, rank and scale. Knows nothing of pairs.
//! 3. [`fusion`]: settings, the plan of a pair, the NP-LoRA method in terms of a backend, report and verification; what a fusion
//!    would do, and what a third file has of a pair.
//! 4. [`backend`]: the heavy arithmetic, one contract with two implementations, `cpu` and `gpu` (WGSL in `shaders/`).
//! 5. [`remote`]: files on a server, as a source of bytes.
//! 6. `web`: the wasm-bindgen boundary for the page (only on wasm32).
//!
//! The crate is not on crates.io: depend on a checkout of it, by `path` or `git`. A program of your own fuses two files as below;
//! its [`Watch`](fusion::Watch) learns the progress and may stop the run, and any [`Source`](container::Source) and
//! [`Sink`](container::Sink) will do. `examples/fuse.rs` is such a program, with files on disk.
//!
//! ```
//! use np_lora::adapter::Adapter;
//! use np_lora::container::{MemorySink, MemorySource};
//! use np_lora::fusion::{self, Alone, Engine, Input, Progress, Settings, Sources, Watch};
//!
//! struct Nobody;
//!
//! impl Watch for Nobody {
//!     fn progress(&mut self, _: &Progress) {}
//!     fn cancelled(&self) -> bool {
//!         false
//!     }
//!     fn seconds(&self) -> f64 {
//!         0.0
//!     }
//! }
//!
//! # async fn example(side: np_lora::fusion::Side) -> np_lora::error::Result<Vec<u8>> {
//! #     use np_lora::{backend::Dtype, example::Example};
//! #     let mut sink = MemorySink::default();
//! #     Example { side, rank: 4, dtype: Dtype::F16 }.write(&mut sink).await?;
//! #     Ok(sink.bytes)
//! # }
//! async fn fuse(dog: Vec<u8>, ink: Vec<u8>) -> np_lora::error::Result<MemorySource> {
//!     let (dog, ink) = (MemorySource::new("dog.safetensors", dog), MemorySource::new("ink.safetensors", ink));
//!     let (content, style) = (Adapter::open(&dog, None).await?, Adapter::open(&ink, None).await?);
//!     let sources = Sources {
//!         content: Some(Input { adapter: &content, source: &dog }),
//!         style: Some(Input { adapter: &style, source: &ink }),
//!     };
//!     let variants = [Settings { mu: 1.0, ..Settings::default() }.into()];
//!     let (mut engine, mut sinks) = (Engine::cpu(""), [MemorySink::default()]);
//!     let made = fusion::fuse(&sources, &variants, &mut engine, &mut sinks, &Alone, &mut Nobody).await?;
//!     let (file, report) = made.into_iter().next().expect("one for each variant");
//!     assert_eq!(report.refused, []);
//!     Ok(file)
//! }
//! # use np_lora::{container::Source, fusion::Side};
//! # let file = pollster::block_on(async {
//! #     fuse(example(Side::Content).await?, example(Side::Style).await?).await
//! # });
//! # assert!(file.unwrap().size() > 1000);
//! ```
//!
//! In a debug build of your program, the arithmetic is slow unless its packages are compiled for speed: set
//! `[profile.dev.package.np-lora-cpu]` and `[profile.dev.package.matrixmultiply]` to `opt-level = 3`. The feature `compute` is for
//! wasm32 alone: without it, the program that only opens files is built.
//!
//! Dependencies go one way: container ← adapter ← fusion → backend, `web` on top, [`error`] below all (and two exceptions, which
//! docs/ARCHITECTURE.md names).

#![allow(rustdoc::private_intra_doc_links, reason = "they lead whoever reads the source")]

pub mod adapter;
pub mod backend;
pub mod container;
pub mod error;
pub mod example;
pub mod fusion;
mod json;
mod order;
pub mod remote;
#[cfg(target_arch = "wasm32")]
pub mod web;
