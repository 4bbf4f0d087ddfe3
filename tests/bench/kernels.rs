//! Every kernel by itself, natively: `cargo bench`. The graphics device takes part where there is a real one.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark is no part of the interface, and ends where it fails"
)]

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use np_lora::backend::cpu::{self, Cpu};
use np_lora::backend::gpu::Gpu;
use np_lora::backend::kernels::{Kernels, Shape};
use np_lora::backend::{Backend, Batch, Blend, Cut, Dtype, Job, Stored};
use pollster::block_on;
use std::hint::black_box;

/// Inputs of a layer, outputs, and the rank of both files: of FLUX.1 at two ranks, and of SDXL.
const LAYERS: [(usize, usize, usize); 3] = [(3072, 3072, 16), (3072, 3072, 64), (1280, 1280, 32)];
const BLEND: Blend = Blend::without(1.0 / 3.0);

/// Values about evenly spread over ±1, the same on every machine.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from_bits(0x3f80_0000 | u32::try_from(state >> 41).unwrap()) * 2.0 - 3.0
    };
    (0..count).map(|_| next()).collect()
}

/// One module of a pair, as F16 files have it.
struct Module {
    n: usize,
    m: usize,
    r: usize,
    words: [Vec<u8>; 3],
}

impl Module {
    fn new((n, m, r): (usize, usize, usize)) -> Self {
        let words = |count: usize, seed| cpu::encode(&values(count, seed), 0.01, Dtype::F16).0;
        Self { n, m, r, words: [words(r * n, 1), words(m * r, 2), words(r * n, 3)] }
    }

    fn stored(&self, at: usize, rows: usize, cols: usize) -> Stored<'_> {
        Stored { bytes: &self.words[at], dtype: Dtype::F16, rows, cols }
    }

    fn job(&self) -> Job<'_> {
        Job {
            style_down: self.stored(0, self.r, self.n),
            style_up: self.stored(1, self.m, self.r),
            content_down: self.stored(2, self.r, self.n),
            scale: 1.0,
        }
    }

    fn name(&self) -> String {
        format!("{}x{} r{}", self.m, self.n, self.r)
    }
}

/// Each kernel on one module's matrices.
fn kernels<K: Kernels>(criterion: &mut Criterion, place: &str, kernels: &K) {
    for layer in LAYERS {
        let module = Module::new(layer);
        let (n, m, r) = layer;
        let mut group = criterion.benchmark_group(format!("{place}, {}", module.name()));
        let (rows, cols) = (Shape { rows: r, cols: n }, Shape { rows: r, cols: m });
        let job = module.job();
        let down = block_on(kernels.decode(&job.style_down, 0, false)).unwrap();
        let up = block_on(kernels.decode(&job.style_up, 0, true)).unwrap();
        let content = block_on(kernels.decode(&job.content_down, 0, false)).unwrap();
        let of_down = block_on(kernels.basis(&down, rows)).unwrap();
        let of_up = block_on(kernels.basis(&up, cols)).unwrap();
        let (core, _) = block_on(kernels.core(&of_up, &of_down)).unwrap();
        let svd = block_on(kernels.jacobi(&core, r)).unwrap();
        let live = vec![true; r];
        let protected = block_on(kernels.cut(&svd, &live, Cut::Count(r - 1))).unwrap();

        let products = |count: usize| Throughput::Elements(count as u64);
        let bytes = |count: usize| Throughput::Bytes(count as u64);
        run(&mut group, "decode", bytes(2 * r * n), || block_on(kernels.decode(&job.style_down, 0, false)));
        run(&mut group, "basis", products(2 * n * r * r), || block_on(kernels.basis(&down, rows)));
        run(&mut group, "core", products(r * r * r), || block_on(kernels.core(&of_up, &of_down)));
        run(&mut group, "jacobi", products(r * r * r), || block_on(kernels.jacobi(&core, r)));
        run(&mut group, "cut", products(r * r * r), || block_on(kernels.cut(&svd, &live, Cut::Count(r - 1))));
        run(&mut group, "project", products(2 * n * r * r), || {
            block_on(kernels.project(&content, rows, &of_down.q, &protected.projector, BLEND))
        });
        run(&mut group, "gram", products(n * r * r), || block_on(kernels.gram(&down, &content, n)));
        run(&mut group, "encode", bytes(2 * r * n), || block_on(kernels.encode(&content, 0.5, Dtype::F16)));
        group.finish();
    }
}

/// What a run does with a batch: all kernels in a row, and what is read out beside the result.
fn whole<B: Backend>(criterion: &mut Criterion, place: &str, backend: &B) {
    for layer in LAYERS {
        let module = Module::new(layer);
        let jobs = vec![module.job(); 16];
        let batch = Batch { jobs: &jobs, cut: Cut::All, blend: BLEND, output: Dtype::F16 };
        let bytes: usize = module.words.iter().map(Vec::len).sum();
        let mut group = criterion.benchmark_group(format!("{place}, {}", module.name()));
        group.sample_size(10);
        run(&mut group, "16 modules", Throughput::Bytes(16 * bytes as u64), || {
            block_on(backend.project(&batch))
        });
        group.finish();
    }
}

fn run<R>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    each: Throughput,
    mut work: impl FnMut() -> R,
) {
    group.throughput(each);
    group.bench_function(name, |bencher| bencher.iter(|| black_box(work())));
}

fn on_cpu(criterion: &mut Criterion) {
    kernels(criterion, "CPU", &Cpu);
    whole(criterion, "CPU", &Cpu);
}

fn on_gpu(criterion: &mut Criterion) {
    let Ok(gpu) = block_on(Gpu::request(false)) else { return };
    kernels(criterion, gpu.name(), &gpu);
    whole(criterion, gpu.name(), &gpu);
}

criterion_group!(all, on_cpu, on_gpu);
criterion_main!(all);
