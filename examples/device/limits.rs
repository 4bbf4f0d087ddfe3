//! What a graphics device can do at most, measured: its arithmetic, its memory, and the way to it and back.

use serde::Serialize;
use std::time::Instant;
use wgpu::{BufferUsages, QueryType};

/// The best of so many is the limit.
const TRIES: usize = 5;
/// Of each of two buffers: more than caches hold.
const BYTES: u64 = 128 << 20;
const WORKERS: u32 = 256;
const GROUPS: u32 = 4096;
/// Of a worker's loop; in each, so many multiply-adds in sixteen chains that do not wait for each other.
const ROUNDS: u32 = 256;
const IN_A_ROUND: u32 = 16 * REPEATED;
/// How often [`MULTIPLY_ADD`] is written out: a loop counts and compares as well.
const REPEATED: u32 = 8;

const MULTIPLY_ADD: &str = "
            a = fma(a, vec4<f32>(0.9), seed); b = fma(b, vec4<f32>(0.9), seed);
            c = fma(c, vec4<f32>(0.9), seed); d = fma(d, vec4<f32>(0.9), seed);";

const KERNELS: &str = "
    @group(0) @binding(0) var<storage, read_write> into: array<vec4<f32>>;
    @group(0) @binding(1) var<storage, read> from_: array<vec4<f32>>;

    @compute @workgroup_size(256)
    fn arithmetic(@builtin(global_invocation_id) id: vec3<u32>) {
        let seed = vec4<f32>(f32(id.x)) * 1e-9;
        var a = seed; var b = seed + 0.1; var c = seed + 0.2; var d = seed + 0.3;
        for (var i = 0u; i < ROUNDS; i++) {
            MULTIPLY_ADD
        }
        into[id.x] = a + b + c + d;
    }

    @compute @workgroup_size(256)
    fn memory(@builtin(global_invocation_id) id: vec3<u32>) {
        for (var at = id.x; at < arrayLength(&from_); at += GROUPS * 256u) {
            into[at] = from_[at] + vec4<f32>(1.0);
        }
    }
";

/// Each a second.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits {
    /// Floating-point operations in f32, a multiply-add being two.
    pub(crate) operations: f64,
    /// Bytes read and written.
    pub(crate) memory: f64,
    /// Bytes to the device, as wgpu takes them: through memory of its own.
    pub(crate) upload: f64,
    /// Bytes from the device into new memory, where a result goes.
    pub(crate) readback: f64,
}

struct Device {
    device: wgpu::Device,
    queue: wgpu::Queue,
    into: wgpu::Buffer,
    from: wgpu::Buffer,
}

/// Measured on the device that `Gpu` takes; what went wrong otherwise.
pub(crate) async fn measure() -> Result<Limits, String> {
    let device = Device::request().await?;
    let kernels = KERNELS.replace("MULTIPLY_ADD", &MULTIPLY_ADD.repeat(REPEATED as usize));
    let module = device.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(
            format!("const ROUNDS = {ROUNDS}u; const GROUPS = {GROUPS}u; {kernels}").into(),
        ),
    });
    let done = f64::from(WORKERS * GROUPS) * f64::from(ROUNDS) * 2.0 * f64::from(IN_A_ROUND);
    #[allow(clippy::cast_precision_loss, reason = "a power of two")]
    let bytes = BYTES as f64;
    Ok(Limits {
        operations: done / device.kernel(&module, "arithmetic"),
        memory: 2.0 * bytes / device.kernel(&module, "memory"),
        upload: bytes / device.upload(),
        readback: bytes / device.readback(),
    })
}

impl Device {
    async fn request() -> Result<Self, String> {
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter =
            wgpu::Instance::default().request_adapter(&options).await.map_err(|error| error.to_string())?;
        let descriptor = wgpu::DeviceDescriptor {
            required_features: wgpu::Features::TIMESTAMP_QUERY,
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| error.to_string())?;
        let buffer = |usage| buffer(&device, BYTES, usage);
        let into = buffer(BufferUsages::STORAGE | BufferUsages::COPY_DST);
        let from = buffer(BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        Ok(Self { into, from, device, queue })
    }

    /// Seconds of a kernel, by the device's clock.
    fn kernel(&self, module: &wgpu::ShaderModule, entry: &str) -> f64 {
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let both = [(0, &self.into), (1, &self.from)];
        let entries: Vec<_> = both[..if entry == "memory" { 2 } else { 1 }]
            .iter()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: *binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let bindings = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let set = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: QueryType::Timestamp,
            count: 2,
        });
        let ticks = buffer(&self.device, 16, BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC);
        let read = buffer(&self.device, 16, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let once = || {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &set,
                    beginning_of_pass_write_index: Some(0),
                    end_of_pass_write_index: Some(1),
                }),
            });
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bindings, &[]);
            pass.dispatch_workgroups(GROUPS, 1, 1);
            drop(pass);
            encoder.resolve_query_set(&set, 0..2, &ticks, 0);
            encoder.copy_buffer_to_buffer(&ticks, 0, &read, 0, Some(16));
            self.queue.submit([encoder.finish()]);
            let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&self.mapped(&read));
            #[allow(clippy::cast_precision_loss, reason = "fewer ticks than 2^53")]
            let ticks = ticks[1].saturating_sub(ticks[0]) as f64;
            ticks * f64::from(self.queue.get_timestamp_period()) * 1e-9
        };
        best(once)
    }

    fn upload(&self) -> f64 {
        let bytes = vec![1; usize::try_from(BYTES).unwrap_or(0)];
        best(|| {
            let began = Instant::now();
            self.queue.write_buffer(&self.into, 0, &bytes);
            self.queue.submit([]);
            self.wait();
            began.elapsed().as_secs_f64()
        })
    }

    fn readback(&self) -> f64 {
        let read = buffer(&self.device, BYTES, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        best(|| {
            let began = Instant::now();
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(&self.from, 0, &read, 0, Some(BYTES));
            self.queue.submit([encoder.finish()]);
            std::hint::black_box(self.mapped(&read));
            began.elapsed().as_secs_f64()
        })
    }

    fn mapped(&self, buffer: &wgpu::Buffer) -> Vec<u8> {
        buffer.map_async(wgpu::MapMode::Read, .., |_| ());
        self.wait();
        let bytes = buffer.get_mapped_range(..).map(|bytes| bytes.to_vec()).unwrap_or_default();
        buffer.unmap();
        bytes
    }

    fn wait(&self) {
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
    }
}

fn buffer(device: &wgpu::Device, size: u64, usage: BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
}

fn best(once: impl FnMut() -> f64) -> f64 {
    std::iter::repeat_with(once).take(TRIES).fold(f64::INFINITY, f64::min)
}
