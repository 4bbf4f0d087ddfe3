//! The method in WGSL compute shaders, through WebGPU in the browser and Vulkan natively.
//!
//! [`device`] finds a device and catches its errors, [`pipeline`] compiles `shaders/`, [`steps`] chains the kernels, [`batch`] runs
//! a batch, [`kernels`] runs single kernels for the tests, and [`clock`] times them.

mod batch;
mod clock;
mod device;
mod kernels;
mod pipeline;
mod steps;

use super::{Backend, Batch, Projected};
use crate::error::{Code, Error, Result};
pub use clock::Spent;
use device::Device;
use pipeline::{Deciding, Pipelines};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The backend on a graphics device. Clones share the device, which is released with the last of them.
#[derive(Clone, Debug)]
pub struct Gpu {
    device: Arc<Device>,
    pipelines: Pipelines,
    /// The kernels that decide what is protected, compiled when they are first needed.
    deciding: Arc<OnceLock<Deciding>>,
}

impl Gpu {
    /// Finds a graphics device and compiles the kernels; a software device is taken only if `allow_software`, as it is
    /// slower than the CPU.
    ///
    /// # Errors
    /// `GpuUnavailable` with the reason in plain words; `GpuFault` if the device refuses a kernel.
    pub async fn request(allow_software: bool) -> Result<Self> {
        Self::on(Device::request(allow_software, false).await?).await
    }

    /// Like [`Self::request`], with a clock: [`Self::spent`] returns the time of each kernel if the device can measure it.
    ///
    /// # Errors
    /// Those of [`Self::request`].
    pub async fn timed(allow_software: bool) -> Result<Self> {
        Self::on(Device::request(allow_software, true).await?).await
    }

    async fn on(device: Device) -> Result<Self> {
        let pipelines = Pipelines::compile(&device).await?;
        #[allow(
            clippy::arc_with_non_send_sync,
            reason = "natively it is shared between threads, and is both"
        )]
        let device = Arc::new(device);
        Ok(Self { device, pipelines, deciding: Arc::default() })
    }

    /// The kernels that decide which directions are protected.
    async fn deciding(&self) -> Result<&Deciding> {
        if self.deciding.get().is_none() {
            let compiled = Deciding::compile(&self.device).await?;
            // Another caller may have set it meanwhile; either value will do.
            let _ = self.deciding.set(compiled);
        }
        self.deciding.get().ok_or_else(|| Error::new(Code::Internal, "A kernel was not compiled."))
    }

    /// Releases the device. All later work on it fails with `GpuFault`.
    pub fn destroy(&self) {
        self.device.device.destroy();
    }

    /// The time spent on each kernel since the last call, by its name in `shaders/`; `None` if kernels are not timed.
    pub fn spent(&self) -> Option<BTreeMap<&'static str, Spent>> {
        self.device.clock.as_ref().map(clock::Clock::take)
    }

    /// Whether the device is a software renderer, which is slower than the CPU.
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
