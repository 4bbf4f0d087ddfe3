//! NP-LoRA fusion for the browser: a content (subject) LoRA and a style LoRA become one file in which the style survives.
//!
//! The way of the data, which is also the order of the folders:
//!
//! 1. [`container`]: bytes of a safetensors file ↔ tensors. Knows nothing of LoRA.
//! 2. [`adapter`]: tensors → LoRA modules with their factors, rank and scale. Knows nothing of pairs.
//! 3. [`fusion`]: settings, the plan of a pair, the NP-LoRA method in terms of a backend, report and verification; what a fusion
//!    would do, and what a third file has of a pair.
//! 4. [`backend`]: the heavy arithmetic, one contract with two implementations, `cpu` and `gpu` (WGSL in `shaders/`).
//! 5. [`remote`]: files on a server, as a source of bytes.
//! 6. `web`: the wasm-bindgen boundary for the page (only on wasm32).
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
