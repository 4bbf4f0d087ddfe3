//! Where things are.

use crate::tools::{Outcome, capture, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout and its build folder.
pub(crate) struct Project {
    /// The folder of the workspace's Cargo.toml.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever it was configured to be.
    pub(crate) target: PathBuf,
}

impl Project {
    /// Asks cargo, because CARGO_TARGET_DIR and .cargo/config.toml both may move the target folder.
    pub(crate) fn find() -> Outcome<Self> {
        let answer = capture(program(&cargo()).args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&answer).map_err(|error| format!("cargo metadata: {error}"))?;
        let folder = |key: &str| {
            metadata[key].as_str().map(PathBuf::from).ok_or_else(|| format!("cargo metadata names no {key}"))
        };
        Ok(Self { root: folder("workspace_root")?, target: folder("target_directory")? })
    }

    /// `program` in the checkout's root.
    pub(crate) fn run(&self, program_name: &str) -> Command {
        let mut command = program(program_name);
        command.current_dir(&self.root);
        command
    }

    /// Cargo in the checkout's root.
    pub(crate) fn cargo(&self) -> Command {
        self.run(&cargo())
    }

    /// Where wasm-bindgen's output lies between the two halves of the build.
    pub(crate) fn web(&self) -> PathBuf {
        self.target.join("web")
    }

    /// A path given on the command line, seen from the checkout's root.
    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }
}

fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}
