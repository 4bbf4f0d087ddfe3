//! The kernels as steps of command lists, with one method for each, described in the terms of the kernel's contract.
//!
//! Every buffer holds a whole batch: job j's matrix follows job j−1's.

use super::clock::Ticks;
use super::device::{Device, Submitted, bytes};
use super::pipeline::{Deciding, Kernel, Pipelines, WORKERS};
use crate::backend::cpu::Real;
use crate::backend::{Blend, Cut, Dtype, RANK_TOLERANCE};
use crate::error::{Code, Error, Result};
use std::num::NonZero;
use wgpu::{Buffer, BufferUsages};

/// Consecutive command lists under construction, and the buffers to be read once the last list has run.
pub(super) struct Steps<'a> {
    device: &'a Device,
    pipelines: &'a Pipelines,
    encoder: wgpu::CommandEncoder,
    /// The compute pass that receives dispatches until another command is needed; if kernels are timed, each has a pass of its own.
    pass: Option<wgpu::ComputePass<'static>>,
    parameters: Parameters,
    jobs: usize,
    /// All buffers made for this run. They are destroyed explicitly, because a JavaScript engine's garbage collector would see no
    /// reason to free their memory in time.
    made: Vec<Buffer>,
    /// The buffers to be read back, with the number of bytes of each.
    readback: Vec<(Buffer, usize)>,
    /// The timestamps of the dispatches, if kernels are timed.
    ticks: Option<Ticks>,
}

/// The parameters of kernels, each at its own place in a shared buffer: a buffer for each would cost more than a small dispatch.
#[derive(Default)]
struct Parameters {
    buffer: Option<Buffer>,
    /// The bytes to be written to the buffer.
    bytes: Vec<u8>,
}

/// The number of places for parameters in a buffer.
const PLACES: usize = 64;

/// The basis of a factor's row space: Q (rows×cols), L (rows×rows), exponents and pivots (rows).
pub(super) struct BasisBuffers {
    pub(super) q: Buffer,
    pub(super) l: Buffer,
    pub(super) exponents: Buffer,
    pub(super) pivots: Buffer,
}

/// Some rows of a larger matrix.
#[derive(Clone, Copy)]
struct Rows<'a> {
    of: &'a Buffer,
    all: usize,
    from: usize,
    rows: usize,
}

/// The decisions of `cut`: the singular values in descending order, (k, live rows), and P.
pub(super) struct CutBuffers {
    pub(super) sorted: Buffer,
    pub(super) counts: Buffer,
    pub(super) projector: Buffer,
}

/// The exponent that stands for a zero row in `basis.wgsl`.
pub(super) const ZERO_ROW: i32 = -100_000;

/// The number of rows and columns of a product that one workgroup of `gram.wgsl` computes.
const SQUARE: usize = 16;

/// Rows that `basis.wgsl` makes orthonormal at a time.
const PANEL: usize = 16;

/// The number of sweeps of Jacobi rotations: ten are usual, but the noise of a rank-deficient core may keep rotating for twice as many.
const SWEEPS: usize = 20;

impl<'a> Steps<'a> {
    pub(super) fn new(device: &'a Device, pipelines: &'a Pipelines, jobs: usize) -> Self {
        let encoder = device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let ticks = device.clock.as_ref().map(|_| Ticks::new(&device.device));
        let (pass, parameters) = (None, Parameters::default());
        Self {
            device,
            pipelines,
            encoder,
            pass,
            parameters,
            jobs,
            made: Vec::new(),
            readback: Vec::new(),
            ticks,
        }
    }

    /// A buffer of this many 32-bit words, which lives until the list has run.
    fn make(&mut self, values: usize, usage: BufferUsages) -> Buffer {
        let buffer = self.device.buffer(values, usage);
        self.made.push(buffer.clone());
        buffer
    }

    /// A buffer with `values` 32-bit words for each job.
    pub(super) fn buffer(&mut self, values: usize) -> Buffer {
        self.make(self.jobs * values, BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST)
    }

    /// A buffer with this content, whose length must be a multiple of four bytes.
    pub(super) fn upload(&mut self, content: &[u8]) -> Buffer {
        let buffer = self.buffer(content.len() / 4 / self.jobs);
        self.device.queue.write_buffer(&buffer, 0, content);
        buffer
    }

    /// Marks the first `values` words of each job in a buffer to be read after the run.
    pub(super) fn read(&mut self, buffer: &Buffer, values: usize) -> Reading {
        let start = self.readback.iter().map(|(_, length)| length).sum();
        self.readback.push((buffer.clone(), 4 * self.jobs * values));
        Reading { start, each: 4 * values }
    }

    /// Submits the commands listed so far. An operating system may reset a device that is busy with one list for seconds (Windows
    /// does after two) and draws nothing meanwhile, so steps that may take long on a slow device end their list.
    fn start(&mut self) {
        self.tell();
        let next = self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let listed = std::mem::replace(self.encoder(), next);
        self.device.queue.submit([listed.finish()]);
    }

    /// Submits the rest of the list, including the copies of all buffers to be read.
    pub(super) fn submit(mut self) -> Submitted {
        self.tell();
        self.pass = None;
        let kernels = self.read_ticks();
        let size: usize = self.readback.iter().map(|(_, length)| length).sum();
        let buffer = self.device.buffer(size / 4, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let mut at = 0;
        for (source, length) in &self.readback {
            self.encoder.copy_buffer_to_buffer(source, 0, &buffer, at, Some(*length as u64));
            at += *length as u64;
        }
        let index = self.device.queue.submit([self.encoder.finish()]);
        // The submitted work keeps its buffers until it is done.
        self.made.iter().for_each(Buffer::destroy);
        Submitted { buffer, index, kernels }
    }

    /// Adds the timestamps as the last buffer to be read. Returns the kernels that were timed.
    fn read_ticks(&mut self) -> Vec<&'static str> {
        let Some(ticks) = &self.ticks else { return Vec::new() };
        let size = Ticks::bytes(ticks.kernels());
        let buffer = self.device.buffer(size / 4, BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC);
        self.made.push(buffer.clone());
        ticks.resolve(&mut self.encoder, &buffer);
        self.readback.push((buffer, size));
        ticks.kernels().to_vec()
    }

    fn dispatch(&mut self, kernel: &Kernel, params: &[u32], buffers: &[(u32, &Buffer)], groups: [usize; 3]) {
        self.repeat(1, kernel, params, buffers, groups);
    }

    /// Dispatches a kernel several times in a row.
    fn repeat(
        &mut self,
        times: usize,
        Kernel { name, pipeline, layout }: &Kernel,
        params: &[u32],
        buffers: &[(u32, &Buffer)],
        groups: [usize; 3],
    ) {
        let size = bytes(params.len().next_multiple_of(4));
        let (told, offset) = self.place(params);
        let told = wgpu::BufferBinding { buffer: &told, offset, size: NonZero::new(size) };
        let entries: Vec<_> = std::iter::once((0, wgpu::BindingResource::Buffer(told)))
            .chain(buffers.iter().map(|(binding, buffer)| (*binding, buffer.as_entire_binding())))
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        let device = &self.device.device;
        let bindings =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries });
        let timestamp_writes = self.ticks.as_mut().and_then(|ticks| ticks.next(name));
        if timestamp_writes.is_some() {
            self.pass = None;
        }
        let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
        let begin = || self.encoder.begin_compute_pass(&descriptor).forget_lifetime();
        let pass = self.pass.get_or_insert_with(begin);
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &bindings, &[]);
        let [x, y, z] = groups.map(int);
        for _ in 0..times {
            pass.dispatch_workgroups(x, y, z);
        }
    }

    /// Places a kernel's parameters: returns the buffer and the offset in it.
    fn place(&mut self, params: &[u32]) -> (Buffer, u64) {
        // No kernel has more parameters than fit into 64 bytes; a device may require a larger alignment.
        let apart = (self.device.limits.min_uniform_buffer_offset_alignment as usize).max(64);
        if self.parameters.bytes.len() >= PLACES * apart {
            self.tell();
        }
        let offset = self.parameters.bytes.len();
        debug_assert!(4 * params.len().next_multiple_of(4) <= apart, "parameters of a kernel have no room");
        self.parameters.bytes.extend_from_slice(bytemuck::cast_slice(params));
        self.parameters.bytes.resize(offset + apart, 0);
        let buffer = match self.parameters.buffer.take() {
            Some(buffer) => buffer,
            None => self.make(PLACES * apart / 4, BufferUsages::UNIFORM | BufferUsages::COPY_DST),
        };
        self.parameters.buffer = Some(buffer.clone());
        (buffer, offset as u64)
    }

    /// Writes the parameters placed so far to their buffer.
    fn tell(&mut self) {
        let Parameters { buffer, bytes } = std::mem::take(&mut self.parameters);
        if let Some(buffer) = buffer {
            self.device.queue.write_buffer(&buffer, 0, &bytes);
        }
    }

    /// The encoder, for commands that are not dispatches.
    fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        &mut self.encoder
    }

    /// The number of workgroups for `count` workers; the kernel strides over any remainder.
    fn groups(count: usize) -> usize {
        count.div_ceil(WORKERS).clamp(1, 16_384)
    }

    /// Decodes the raw words of a rows×cols matrix (`stride` 32-bit words a job) to f32.
    pub(super) fn decode(
        &mut self,
        raw: &Buffer,
        stride: usize,
        dtype: Dtype,
        (rows, cols): (usize, usize),
        transposed: bool,
    ) -> Buffer {
        let values = self.buffer(rows * cols);
        let params = [int(rows), int(cols), int(stride), format(dtype), u32::from(transposed)];
        let groups = [Self::groups(rows * cols), self.jobs, 1];
        self.dispatch(&self.pipelines.decode, &params, &[(1, raw), (2, &values)], groups);
        values
    }

    /// Computes the basis of the row space of A, rows×cols; A's buffer becomes Q.
    pub(super) fn basis(&mut self, a: Buffer, rows: usize, cols: usize) -> BasisBuffers {
        let found = BasisBuffers {
            exponents: self.normalise(&a, (1, cols), rows),
            q: a,
            l: self.buffer(rows * rows),
            pivots: self.buffer(rows),
        };
        let (all, tolerance) = (rows, f32::of(RANK_TOLERANCE).to_bits());
        let (inverse, sound) = (self.buffer(PANEL * PANEL), self.buffer(1));
        for first in (0..rows).step_by(PANEL) {
            let count = PANEL.min(rows - first);
            let [before, panel] =
                [(0, first), (first, count)].map(|(from, rows)| Rows { of: &found.q, all, from, rows });
            let columns = [cols.div_ceil(WORKERS), self.jobs, 1];
            for round in 0..2 {
                let params = [int(rows), int(cols), tolerance, int(first), int(count), round];
                if first > 0 {
                    let products = self.gram_of_rows(before, panel, (0, cols), cols);
                    let buffers = [(1, &found.q), (2, &found.l), (5, &products)];
                    self.dispatch(&self.pipelines.take_out, &params, &buffers, columns);
                }
                let own = self.gram_of_rows(panel, panel, (0, cols), cols);
                let buffers = [(2, &found.l), (4, &found.pivots), (6, &own), (7, &inverse), (8, &sound)];
                self.dispatch(&self.pipelines.factor, &params, &buffers, [self.jobs, 1, 1]);
                let buffers = [(1, &found.q), (7, &inverse), (8, &sound)];
                self.dispatch(&self.pipelines.apply, &params, &buffers, columns);
                let (l, exponents) = (&found.l, &found.exponents);
                let buffers = [(1, &found.q), (2, l), (3, exponents), (4, &found.pivots), (8, &sound)];
                self.dispatch(&self.pipelines.panel, &params, &buffers, [self.jobs, 1, 1]);
            }
        }
        self.start();
        found
    }

    /// The core by columns, each followed by its column of the unit matrix, and the exponent E of each job.
    pub(super) fn core(
        &mut self,
        deciding: &Deciding,
        up: &BasisBuffers,
        down: &BasisBuffers,
        rank: usize,
    ) -> (Buffer, Buffer) {
        let (columns, exponent) = (self.buffer(2 * rank * rank), self.buffer(1));
        let buffers = [
            (1, &up.l),
            (2, &up.exponents),
            (3, &down.l),
            (4, &down.exponents),
            (5, &columns),
            (6, &exponent),
        ];
        let groups = [(rank * rank).div_ceil(WORKERS), self.jobs, 1];
        self.dispatch(&deciding.core, &[int(rank)], &buffers, groups);
        (columns, exponent)
    }

    /// The singular values, and W with column j stored in row j.
    pub(super) fn jacobi(&mut self, deciding: &Deciding, columns: &Buffer, rank: usize) -> (Buffer, Buffer) {
        let sigma = self.buffer(rank);
        let pairs = rank.div_ceil(2);
        let team = (WORKERS / pairs.next_power_of_two()).min(32);
        #[allow(clippy::cast_precision_loss, reason = "rank is at most 256")]
        let orthogonal = f32::EPSILON * (rank as f32).sqrt().max(2.0) / 2.0;
        let params = [int(rank), int(pairs), int(team), orthogonal.to_bits()];
        let done = self.buffer(1);
        let buffers = [(1, columns), (2, &sigma), (5, &done)];
        self.repeat(SWEEPS, &deciding.jacobi, &params, &buffers, [self.jobs, 1, 1]);
        let columns_again = Rows { of: columns, all: rank, from: 0, rows: rank };
        let gram = self.gram_of_rows(columns_again, columns_again, (rank, rank), 2 * rank);
        let w = self.buffer(rank * rank);
        let groups = [(rank * rank).div_ceil(WORKERS), self.jobs, 1];
        self.dispatch(&deciding.polish, &params, &[(1, columns), (3, &gram), (4, &w)], groups);
        self.start();
        (sigma, w)
    }

    /// Decides which directions to protect. `w` has column j stored in row j.
    pub(super) fn cut(
        &mut self,
        deciding: &Deciding,
        sigma: &Buffer,
        w: &Buffer,
        pivots: &Buffer,
        rank: usize,
        cut: Cut,
    ) -> CutBuffers {
        let found = CutBuffers {
            sorted: self.buffer(rank),
            counts: self.buffer(2),
            projector: self.buffer(rank * rank),
        };
        let (count, share) = match cut {
            Cut::All => (rank, 1.0),
            Cut::Count(count) => (count.min(rank), 1.0),
            Cut::Energy(share) => (rank, share),
        };
        let params =
            [int(rank), f32::of(RANK_TOLERANCE).to_bits(), int(count), f32::of(1.0 - share).to_bits()];
        let order = self.buffer(rank);
        let choose = [(1, sigma), (2, pivots), (4, &found.sorted), (5, &order), (6, &found.counts)];
        self.dispatch(&deciding.choose, &params, &choose, [self.jobs, 1, 1]);
        let project = [(2, pivots), (3, w), (5, &order), (6, &found.counts), (7, &found.projector)];
        let groups = [(rank * rank).div_ceil(WORKERS), self.jobs, 1];
        self.dispatch(&deciding.projector, &params, &project, groups);
        found
    }

    /// Takes a power of two out of each rows×cols matrix, `count` of them a job, and returns the powers.
    pub(super) fn normalise(
        &mut self,
        values: &Buffer,
        (rows, cols): (usize, usize),
        count: usize,
    ) -> Buffer {
        let exponents = self.buffer(count);
        let params = [int(rows), int(cols), 0, 0, 0];
        let buffers = [(1, values), (2, &exponents)];
        self.dispatch(&self.pipelines.normalise, &params, &buffers, [count, self.jobs, 1]);
        exponents
    }

    /// Computes keep·A_c + added·(C·P)·Q from A_c (rows×cols) and C = A_c·Qᵀ (rows×rank); without a projector, P is the unit matrix.
    pub(super) fn project(
        &mut self,
        (content, along): (&Buffer, &Buffer),
        (rows, cols): (usize, usize),
        q: &Buffer,
        projector: Option<&Buffer>,
        rank: usize,
        blend: Blend,
    ) -> Buffer {
        let blended = self.buffer(rows * cols);
        let all = bytes(self.jobs * rows * cols);
        self.encoder().copy_buffer_to_buffer(content, 0, &blended, 0, Some(all));
        let [keep, added] = [blend.keep, blend.added].map(|weight| f32::of(weight).to_bits());
        let params = [int(rows), int(cols), int(rank), keep, added];
        let combined = projector.map(|projector| {
            let combined = self.buffer(rows * rank);
            let groups = [(rows * rank).div_ceil(WORKERS), self.jobs, 1];
            let buffers = [(3, along), (4, projector), (5, &combined)];
            self.dispatch(&self.pipelines.combine, &params, &buffers, groups);
            combined
        });
        let inside = combined.as_ref().unwrap_or(along);
        let groups = [cols.div_ceil(WORKERS), rows.div_ceil(8), self.jobs];
        self.dispatch(&self.pipelines.blend, &params, &[(1, &blended), (6, q), (7, inside)], groups);
        blended
    }

    /// The product X·Yᵀ of two matrices with `cols` columns.
    pub(super) fn gram(&mut self, x: &Buffer, y: &Buffer, rows: (usize, usize), cols: usize) -> Buffer {
        let whole = |of, rows| Rows { of, all: rows, from: 0, rows };
        self.gram_of_rows(whole(x, rows.0), whole(y, rows.1), (0, cols), cols)
    }

    /// The product X·Yᵀ over `cols` columns, from `offset` on, in rows of `stride` values.
    fn gram_of_rows(
        &mut self,
        x: Rows<'_>,
        y: Rows<'_>,
        (offset, cols): (usize, usize),
        stride: usize,
    ) -> Buffer {
        let products = self.buffer(x.rows * y.rows);
        let sizes = [x.rows, y.rows, cols, stride, offset, x.all, x.from, y.all, y.from].map(int);
        let groups = [y.rows.div_ceil(SQUARE), x.rows.div_ceil(SQUARE), self.jobs];
        self.dispatch(&self.pipelines.gram, &sizes, &[(1, x.of), (2, y.of), (3, &products)], groups);
        products
    }

    /// Encodes `count` values a job, times scale·2^exponent, as words of `dtype` (padded to 32 bits). Also returns the rounding errors.
    pub(super) fn encode(
        &mut self,
        values: &Buffer,
        count: usize,
        scales: &Buffer,
        exponents: &Buffer,
        dtype: Dtype,
    ) -> (Buffer, Buffer) {
        let length = words(count, dtype);
        let (encoded, errors) = (self.buffer(length), self.buffer(count));
        let params = [int(count), int(length), format(dtype)];
        let buffers = [(1, values), (2, scales), (3, exponents), (4, &encoded), (5, &errors)];
        self.dispatch(&self.pipelines.encode, &params, &buffers, [Self::groups(length), self.jobs, 1]);
        (encoded, errors)
    }
}

/// The number of 32-bit words that hold `count` values of a format.
pub(super) fn words(count: usize, dtype: Dtype) -> usize {
    count.div_ceil((32 / dtype.bitsize()).max(1))
}

/// A format as the shaders number it.
fn format(dtype: Dtype) -> u32 {
    match dtype {
        Dtype::F16 => 1,
        Dtype::BF16 => 2,
        _ => 0,
    }
}

/// The place of one kernel's results in the memory that was read back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    start: usize,
    /// The number of bytes for each job.
    each: usize,
}

impl Reading {
    /// The values of one job.
    ///
    /// # Errors
    /// `GpuFault` if less was read than asked for.
    pub(super) fn of_job<T: bytemuck::Pod>(&self, memory: &[u8], job: usize) -> Result<Vec<T>> {
        let start = self.start + job * self.each;
        memory
            .get(start..start + self.each)
            .map(bytemuck::pod_collect_to_vec)
            .ok_or_else(|| Error::new(Code::GpuFault, "It gave back less than was asked for."))
    }
}

/// A size as u32, as devices count. A size that does not fit exceeds the limits that are checked before a batch is submitted.
pub(super) fn int(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
