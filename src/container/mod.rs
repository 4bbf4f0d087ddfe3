//! Bytes of a safetensors file ↔ tensors. Knows nothing of LoRA.
//!
//! Reading: [`Header::read`] takes the header from a [`Source`], some hundred kilobytes of a file of any size, and tells where
//! every tensor lies. Writing: [`Layout::new`] lays out all tensors before their values are known, so that they can be written in
//! any order into a [`Sink`]. Positions are u64 throughout, even where usize has 32 bits.

mod ahead;
mod dtype;
mod expected;
mod foreign;
mod header;
mod source;
mod writer;

pub use ahead::Ahead;
pub use dtype::{NonFinite, converted, non_finite, roundoff, scalar};
pub use header::{Header, Tensor};
#[cfg(not(target_arch = "wasm32"))]
pub use source::FileSource;
pub(crate) use source::exactly;
pub use source::{Bytes, MemorySource, Source};
#[cfg(not(target_arch = "wasm32"))]
pub use writer::FileSink;
pub use writer::{Layout, MemorySink, Sink, TensorSpec};
