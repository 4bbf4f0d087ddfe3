//! The method in WGSL compute shaders, through WebGPU in the browser and Vulkan natively.
//!
//! [`device`] finds a device and catches its errors, [`pipeline`] compiles `shaders/`, [`steps`] strings kernels
//! together, [`batch`] runs a batch, [`kernels`] runs them one by one for the tests.

mod batch;
mod device;
mod kernels;
mod pipeline;
mod steps;

use super::{Backend, Batch, Projected};
use crate::error::Result;
use device::Device;
use pipeline::Pipelines;

/// The backend on a graphics device. Clones share the device.
#[derive(Clone, Debug)]
pub struct Gpu {
    device: Device,
    pipelines: Pipelines,
}

impl Gpu {
    /// Finds a graphics device and compiles the kernels; a software device is taken only if `allow_software`, as it is
    /// slower than the CPU.
    ///
    /// # Errors
    /// `GpuUnavailable` with the reason in plain words; `GpuFault` if it refuses a kernel.
    pub async fn request(allow_software: bool) -> Result<Self> {
        let device = Device::request(allow_software).await?;
        let pipelines = Pipelines::compile(&device).await?;
        Ok(Self { device, pipelines })
    }

    /// Gives the device back. Whatever is asked of it from now on fails with `GpuFault`.
    pub fn destroy(&self) {
        self.device.device.destroy();
    }

    /// Whether the device is a program, which is slower than the CPU.
    pub fn is_software(&self) -> bool {
        self.device.software
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.device.name
    }
}

impl Backend for Gpu {
    async fn project(&self, batch: &Batch<'_>) -> Result<Vec<Vec<Projected>>> {
        self.run(batch).await
    }
}
