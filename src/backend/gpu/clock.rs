//! How long a device takes for each kernel, by its own clock: for `examples/device`. Nothing else pays for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Dispatches of one chunk that are timed; what comes after them is not.
const MOST: u32 = 512;

/// What the device took for one kernel so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// How often it was dispatched.
    pub dispatches: u32,
    /// From the beginning of a dispatch to its end, of all of them.
    pub seconds: f64,
}

/// Adds up what kernels take. Clones add to the same sums.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Of one tick.
    seconds: f64,
    spent: Arc<Mutex<BTreeMap<&'static str, Spent>>>,
}

/// The ticks of one chunk.
#[derive(Debug)]
pub(super) struct Ticks {
    set: wgpu::QuerySet,
    kernels: Vec<&'static str>,
}

impl Clock {
    /// What a device must be able to do.
    pub(super) const FEATURES: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY;

    pub(super) fn new(queue: &wgpu::Queue) -> Self {
        Self { seconds: f64::from(queue.get_timestamp_period()) * 1e-9, spent: Arc::default() }
    }

    /// Adds what a chunk has read of its ticks: the last that it read.
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

    /// The sums, by kernel; they begin anew.
    pub(super) fn take(&self) -> BTreeMap<&'static str, Spent> {
        std::mem::take(&mut *self.spent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ticks {
    /// For a new chunk.
    pub(super) fn new(device: &wgpu::Device) -> Self {
        let set = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2 * MOST,
        });
        Self { set, kernels: Vec::new() }
    }

    /// Where the next dispatch notes its beginning and its end.
    pub(super) fn next(&mut self, kernel: &'static str) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let at = u32::try_from(self.kernels.len()).ok().filter(|&at| at < MOST)?;
        self.kernels.push(kernel);
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(2 * at),
            end_of_pass_write_index: Some(2 * at + 1),
        })
    }

    /// What is timed, in the order of the dispatches.
    pub(super) fn kernels(&self) -> &[&'static str] {
        &self.kernels
    }

    /// Bytes of the ticks of so many dispatches.
    pub(super) fn bytes(kernels: &[&'static str]) -> usize {
        2 * size_of::<u64>() * kernels.len()
    }

    /// Puts them into `target`.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::Buffer) {
        if let Ok(count) = u32::try_from(2 * self.kernels.len()) {
            encoder.resolve_query_set(&self.set, 0..count, target, 0);
        }
    }
}
