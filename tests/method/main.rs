//! The whole method on both backends against a dense f64 reference: every bound that it promises.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/on_both.rs"]
mod on_both;

mod bounds;
mod identities;
mod properties;
mod ways;

/// Both backends, so that a suite can give each its share of the work.
pub(crate) trait Tested: np_lora::backend::Backend {
    /// A software graphics device is a hundred times slower than the CPU.
    const SLOW: bool;
    const NAME: &str;
}

impl Tested for np_lora::backend::cpu::Cpu {
    const SLOW: bool = false;
    const NAME: &str = "CPU";
}

impl Tested for np_lora::backend::gpu::Gpu {
    const SLOW: bool = true;
    const NAME: &str = "GPU";
}
