//! Measures how long a device takes for each kernel, by the device's own clock, for `examples/device`. Nothing else pays for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The number of dispatches in one chunk that are timed; later ones are not.
const MOST: u32 = 512;

/// The time that the device has spent on one kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// The number of times the kernel was dispatched.
    pub dispatches: u32,
    /// The total time from the beginning to the end of each dispatch.
    pub seconds: f64,
}

/// Adds up the time that kernels take. Clones add to the same sums.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// The duration of one tick, in seconds.
    seconds: f64,
    spent: Arc<Mutex<BTreeMap<&'static str, Spent>>>,
}

/// The ticks recorded for one chunk.
#[derive(Debug)]
pub(super) struct Ticks {
    set: wgpu::QuerySet,
    kernels: Vec<&'static str>,
}

impl Clock {
    /// The feature that a device needs for timing.
    pub(super) const FEATURES: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY;

    pub(super) fn new(queue: &wgpu::Queue) -> Self {
        Self { seconds: f64::from(queue.get_timestamp_period()) * 1e-9, spent: Arc::default() }
    }

    /// Adds the ticks of a chunk, which stand at the end of the memory it read back.
    pub(super) fn add(&self, kernels: &[&'static str], memory: &[u8]) {
        let ticks = memory.len().checked_sub(Ticks::bytes(kernels)).and_then(|start| memory.get(start..));
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        for (&kernel, pair) in kernels.iter().zip(ticks.unwrap_or_default().as_chunks::<16>().0) {
            let [begin, end]: [u64; 2] = bytemuck::pod_read_unaligned(pair);
            let spent = spent.entry(kernel).or_default();
            spent.dispatches += 1;
            #[allow(clippy::cast_precision_loss, reason = "a dispatch takes fewer ticks than 2^53")]
            let ticks = end.saturating_sub(begin) as f64;
            spent.seconds += ticks * self.seconds;
        }
    }

    /// Returns the sums by kernel and starts anew.
    pub(super) fn take(&self) -> BTreeMap<&'static str, Spent> {
        std::mem::take(&mut *self.spent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ticks {
    /// Ticks for a new chunk.
    pub(super) fn new(device: &wgpu::Device) -> Self {
        let set = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2 * MOST,
        });
        Self { set, kernels: Vec::new() }
    }

    /// Where the next dispatch records its beginning and its end; `None` if there is no room left.
    pub(super) fn next(&mut self, kernel: &'static str) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let at = u32::try_from(self.kernels.len()).ok().filter(|&at| at < MOST)?;
        self.kernels.push(kernel);
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(2 * at),
            end_of_pass_write_index: Some(2 * at + 1),
        })
    }

    /// The timed kernels in the order of their dispatches.
    pub(super) fn kernels(&self) -> &[&'static str] {
        &self.kernels
    }

    /// The number of bytes of the ticks for these dispatches.
    pub(super) fn bytes(kernels: &[&'static str]) -> usize {
        2 * size_of::<u64>() * kernels.len()
    }

    /// Copies the ticks into `target`.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::Buffer) {
        if let Ok(count) = u32::try_from(2 * self.kernels.len()) {
            encoder.resolve_query_set(&self.set, 0..count, target, 0);
        }
    }
}
