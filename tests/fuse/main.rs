//! The whole run on memory: two files in, one file out, its bytes checked by arithmetic of its own.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod files;
mod formats;
mod method;
mod refused;
