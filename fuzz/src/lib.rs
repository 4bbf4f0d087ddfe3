//! What is fuzzed: each target makes a case of the given bytes and panics where the crate breaks a promise.
//!
//! The targets are fed by cargo-fuzz (`cargo xtask fuzz`), and by tests/fuzz.rs with bytes from fixed seeds, so that
//! every `cargo test` runs tens of thousands of the same cases.

pub mod choices;
pub mod files;
pub mod fuse;
pub mod header;
pub mod open;
pub mod writer;

/// Makes a case of bytes, and panics where a promise is broken.
pub type Check = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Check); 4] =
    [("header", header::check), ("open", open::check), ("writer", writer::check), ("fuse", fuse::check)];
