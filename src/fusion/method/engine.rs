//! Chooses the backend that does the work, with the reason, and replaces it if it fails.

use super::accounting::ComputedOn;
use super::sample::{Route, agree};
use crate::backend::cpu::Cpu;
use crate::backend::gpu::Gpu;
use crate::backend::{Backend, Batch, Projected};
use crate::error::{Code, Error, Result};
use crate::fusion::{Watch, float};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The user's choice of backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The faster of a hardware graphics device and the CPU, measured on the first modules.
    Auto,
    /// A graphics device, even a software one; without one the run is refused.
    WebGpu,
    /// The CPU alone.
    Cpu,
}

/// The number of input bytes that go to a backend at once: enough to fill a graphics device, and few enough on the CPU that
/// progress and cancelling stay prompt.
const GPU_BATCH: usize = 32 << 20;
const CPU_BATCH: usize = 2 << 20;

/// The number of bytes of the result that are made at once, at most: enough that reading and handing over cost little (in Chromium,
/// pieces half this size make a small pair take a fifth longer), and few enough that memory stays small. A graphics device is
/// better used with more at once; workers that share a run share this amount.
const GPU_PIECE: u64 = 32 << 20;
pub(crate) const CPU_PIECE: u64 = 8 << 20;

/// The reason for using a device before the backends have been compared.
const AVAILABLE: &str = "A graphics device is available.";

/// Jobs that the backends are compared on.
pub(crate) const TRIAL: usize = 8;

/// The backend that an engine computes on.
#[derive(Debug)]
enum On {
    Cpu,
    Gpu(Gpu),
    /// Whichever is faster: each run finds out whether the device is slower than the CPU, and then rests it.
    Faster {
        gpu: Gpu,
        rests: bool,
    },
}

/// A backend, with a substitute if it fails.
#[derive(Debug)]
pub struct Engine {
    on: On,
    /// Whether a device has already failed and this is its replacement.
    renewed: bool,
    reason: String,
    /// The routes of which one batch has been compared with the CPU's results.
    checked: BTreeSet<Route>,
    failure: Option<Error>,
}

impl Engine {
    /// Finds a backend for a choice.
    ///
    /// # Errors
    /// `GpuUnavailable` if a graphics device was demanded and there is none.
    pub async fn choose(choice: EngineChoice) -> Result<Self> {
        match choice {
            EngineChoice::Cpu => Ok(Self::cpu("The CPU was chosen.")),
            EngineChoice::WebGpu => match Gpu::request(true).await {
                Ok(gpu) => Ok(Self::gpu(gpu, "WebGPU was chosen.")),
                // A device that refuses the kernels is as good as none, and here the CPU does not take over.
                Err(error) => Err(Error::new(Code::GpuUnavailable, error.detail.as_str())),
            },
            EngineChoice::Auto => match Gpu::request(false).await {
                Ok(gpu) => Ok(Self::faster(gpu)),
                Err(error) => Ok(Self::cpu(&error.detail)),
            },
        }
    }

    /// An engine on the CPU; `reason` is for the user.
    pub fn cpu(reason: &str) -> Self {
        Self::of(On::Cpu, reason)
    }

    /// An engine on an existing graphics device; `reason` is for the user.
    pub fn gpu(gpu: Gpu, reason: &str) -> Self {
        Self::of(On::Gpu(gpu), reason)
    }

    /// An engine with both backends that finds out at the beginning of each run which is faster.
    pub fn faster(gpu: Gpu) -> Self {
        Self::of(On::Faster { gpu, rests: false }, AVAILABLE)
    }

    fn of(on: On, reason: &str) -> Self {
        Self { on, renewed: false, reason: reason.to_owned(), checked: BTreeSet::new(), failure: None }
    }

    /// The graphics device, if it is in use.
    fn device(&self) -> Option<&Gpu> {
        match &self.on {
            On::Gpu(gpu) | On::Faster { gpu, rests: false } => Some(gpu),
            On::Cpu | On::Faster { rests: true, .. } => None,
        }
    }

    fn rest(&mut self, rest: bool) {
        if let On::Faster { rests, .. } = &mut self.on {
            *rests = rest;
        }
    }

    /// The backend that will compute the next batch.
    pub fn backend(&self) -> ComputedOn {
        if self.device().is_some() { ComputedOn::WebGpu } else { ComputedOn::Cpu }
    }

    /// The name of the graphics device, if it is in use.
    pub fn adapter(&self) -> Option<&str> {
        self.device().map(Gpu::name)
    }

    /// The reason for using this backend, in a sentence.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The error for which the graphics device was given up, if it was.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// The number of bytes of factors to put into one batch.
    pub fn batch_bytes(&self) -> usize {
        if self.device().is_some() { GPU_BATCH } else { CPU_BATCH }
    }

    /// Bytes of a result that each of so many workers makes at once, at most.
    pub(crate) fn most_bytes(&self, workers: usize) -> u64 {
        let shared = if self.device().is_some() { GPU_PIECE / workers.max(1) as u64 } else { 0 };
        shared.max(CPU_PIECE)
    }

    /// Whether [`Self::try_out`] can change the backend.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.on, On::Faster { .. })
    }

    /// Prepares for a new run, forgetting failures and measurements of the one before.
    pub(crate) fn forget(&mut self) {
        self.renewed = false;
        if self.is_open() {
            self.reason = AVAILABLE.to_owned();
            self.rest(false);
        }
    }

    /// Chooses for this run what computes a batch faster: the graphics device, which all workers share, or the CPU with this many
    /// workers. All other work is divided the same way in either case.
    ///
    /// # Errors
    /// Those of the CPU.
    pub(crate) async fn try_out(
        &mut self,
        batch: &Batch<'_>,
        workers: usize,
        watch: &impl Watch,
    ) -> Result<()> {
        if !self.device().is_some_and(|gpu| gpu.supports(batch)) {
            return Ok(());
        }
        // The first run on the device also compiles and allocates, so it is not timed.
        self.project(batch).await?;
        let start = watch.seconds();
        Cpu.project(batch).await?;
        let between = watch.seconds();
        self.project(batch).await?;
        let (cpu, gpu) = (between - start, watch.seconds() - between);
        if self.device().is_none() {
            return Ok(());
        }
        let shared = cpu / float(workers.max(1));
        let times = |seconds: f64| format!("{:.1} ms", 1e3 * seconds);
        let (count, its, ours) = (batch.jobs.len(), times(gpu), times(shared));
        // Whole sentences, because the page translates them.
        self.reason = if gpu > shared {
            self.rest(true);
            format!(
                "The graphics device is slower here: for {count} modules it took {its} and the CPU {ours}."
            )
        } else {
            format!(
                "The graphics device is faster here: for {count} modules it took {its} and the CPU {ours}."
            )
        };
        Ok(())
    }

    /// Projects a batch of jobs of one shape. If the graphics device fails, or a sample of its numbers is wrong, a new device is
    /// tried; if that fails as well, the CPU does the batch and the rest of the run.
    ///
    /// # Errors
    /// Only those of the CPU; errors of a device are handled.
    pub async fn project(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<Projected>>> {
        while let Some(gpu) = self.device().filter(|gpu| gpu.supports(batch)) {
            match self.on_device(gpu, batch).await {
                Ok(projected) => {
                    self.checked.extend(Route::of(batch));
                    return Ok(projected);
                }
                Err(error) => self.replace(gpu.is_software(), &error).await,
            }
        }
        Cpu.project(batch).await
    }

    /// Projects on the device; the first batch of each route is compared with the CPU.
    async fn on_device(&self, gpu: &Gpu, batch: &Batch<'_>) -> Result<Vec<Vec<Projected>>> {
        let projected = gpu.project(batch).await?;
        if Route::of(batch).is_some_and(|route| !self.checked.contains(&route)) {
            agree(&projected, batch)?;
        }
        Ok(projected)
    }

    /// Replaces a failed device, once: drivers restart and laptops wake up, so that a lost device is often available again.
    async fn replace(&mut self, software: bool, error: &Error) {
        self.checked.clear();
        // The old device is gone or cannot be trusted, and the next one needs its memory.
        if let Some(gpu) = self.device() {
            gpu.destroy();
        }
        let again = if self.renewed { None } else { Gpu::request(software).await.ok() };
        self.renewed = true;
        match (&mut self.on, again) {
            (On::Gpu(gpu) | On::Faster { gpu, .. }, Some(again)) => *gpu = again,
            _ => self.give_up(&error.detail),
        }
    }

    /// Stops using a graphics device for the rest of the run, because this one or another worker's has failed, which is the same card.
    pub(crate) fn give_up(&mut self, why: &str) {
        self.on = On::Cpu;
        if self.failure.is_none() {
            self.reason = format!("The graphics device failed. {why}");
            self.failure = Some(Error::new(Code::GpuFellBack, why));
        }
    }
}
