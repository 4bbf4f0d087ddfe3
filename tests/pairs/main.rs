//! Any pair: naming schemes, granularity, adapter kinds, scales and settings, from bytes to bytes.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod analysis;
mod compare;
mod files;
mod granularity;
mod kinds;
mod overlap;
mod schemes;
mod settings;
mod several;
mod told;
mod unlisted;
mod vectors;
