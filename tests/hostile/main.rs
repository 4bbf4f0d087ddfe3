//! Nothing lost, nothing let in: sources and sinks that fail, users who cancel, files of absurd sizes, and the way back
//! from a result to its recipe.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod crew;
mod faults;
mod large;
mod lies;
mod lora;
mod replay;
mod size;
