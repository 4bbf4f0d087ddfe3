//! Every kernel by itself, natively: `cargo bench`. The graphics device takes part where there is a real one.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark is no part of the interface, and ends where it fails"
)]

#[path = "../common/mod.rs"]
mod common;

use common::{Words, normal};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use np_lora::backend::cpu::Cpu;
use np_lora::backend::gpu::Gpu;
use np_lora::backend::kernels::{Kernels, Shape};
use np_lora::backend::{Backend, Batch, Blend, Cut, Dtype, Job};
use pollster::block_on;
use std::hint::black_box;

/// Inputs of a layer, outputs, and the rank of both files: of FLUX.1 at two ranks, and of SDXL.
const LAYERS: [(usize, usize, usize); 3] = [(3072, 3072, 16), (3072, 3072, 64), (1280, 1280, 32)];
const BLEND: Blend = Blend::without(1.0 / 3.0);

/// One module of a pair, as F16 files have it.
struct Module {
    style_down: Words,
    style_up: Words,
    content_down: Words,
}

impl Module {
    fn new((n, m, r): (usize, usize, usize)) -> Self {
        let words = |seed: &str, rows, cols| Words::new(&(normal(seed, rows, cols) * 0.01), Dtype::F16);
        Self {
            style_down: words("style down", r, n),
            style_up: words("style up", m, r),
            content_down: words("content down", r, n),
        }
    }

    fn job(&self) -> Job<'_> {
        Job {
            style_down: self.style_down.stored(),
            style_up: self.style_up.stored(),
            content_down: self.content_down.stored(),
            scale: 1.0,
        }
    }

    fn bytes(&self) -> usize {
        self.style_down.bytes.len() + self.style_up.bytes.len() + self.content_down.bytes.len()
    }

    fn name(&self) -> String {
        format!("{}x{} r{}", self.style_up.rows, self.style_down.cols, self.style_up.cols)
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
        let down = block_on(kernels.decode(&job.style_down, false)).unwrap();
        let up = block_on(kernels.decode(&job.style_up, true)).unwrap();
        let content = block_on(kernels.decode(&job.content_down, false)).unwrap();
        let of_down = block_on(kernels.basis(&down, rows)).unwrap();
        let of_up = block_on(kernels.basis(&up, cols)).unwrap();
        let (core, _) = block_on(kernels.core(&of_up, &of_down)).unwrap();
        let svd = block_on(kernels.jacobi(&core, r)).unwrap();
        let live = vec![true; r];
        let protected = block_on(kernels.cut(&svd, &live, Cut::Count(r - 1))).unwrap();

        let products = |count: usize| Throughput::Elements(count as u64);
        let bytes = |count: usize| Throughput::Bytes(count as u64);
        run(&mut group, "decode", bytes(2 * r * n), || block_on(kernels.decode(&job.style_down, false)));
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
        let mut group = criterion.benchmark_group(format!("{place}, {}", module.name()));
        group.sample_size(10);
        for (name, cut) in
            [("16 modules", Cut::All), ("16 modules, half of the rank", Cut::Count(layer.2 / 2))]
        {
            let batch = Batch { jobs: &jobs, cut, blends: &[BLEND], output: Dtype::F16 };
            run(&mut group, name, Throughput::Bytes(16 * module.bytes() as u64), || {
                block_on(backend.project(&batch))
            });
        }
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
