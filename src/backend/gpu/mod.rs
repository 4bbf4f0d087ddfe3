//! The method in WGSL compute shaders, through WebGPU or Vulkan. Not there yet: asking for it is refused.

use super::{Backend, Batch, Projected};
use crate::error::{Code, Error, Result};

/// A graphics device.
#[derive(Debug)]
pub enum Gpu {}

impl Gpu {
    /// Finds a graphics device.
    ///
    /// # Errors
    /// `GpuUnavailable`.
    pub async fn request(_allow_software: bool) -> Result<Self> {
        Err(Error::new(Code::GpuUnavailable, "There is no graphics device."))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match *self {}
    }

    /// Whether a batch fits its limits.
    pub fn supports(&self, _batch: &Batch<'_>) -> bool {
        match *self {}
    }
}

impl Backend for Gpu {
    async fn project(&self, _batch: &Batch<'_>) -> Result<Vec<Projected>> {
        match *self {}
    }
}
