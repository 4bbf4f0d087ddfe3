//! A graphics device that fails: the run goes on on a new one and gives the same file. What happens when that fails as
//! well is tested in the browser (tests/browser/faults).
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Words, normal};
use np_lora::adapter::Adapter;
use np_lora::backend::cpu::Cpu;
use np_lora::backend::gpu::Gpu;
use np_lora::backend::{Backend, Batch, Blend, Cut, Dtype, Job, Place, Stored};
use np_lora::container::{MemorySink, MemorySource, Source};
use np_lora::error::Code;
use np_lora::fusion::accounting::ComputedOn;
use np_lora::fusion::settings::DtypeChoice;
use np_lora::fusion::{
    self, Alone, Engine, EngineChoice, Input, Progress, Report, Settings, Sources, Stage, Watch,
};
use pollster::block_on;
use safetensors::tensor::TensorView;
use std::time::Instant;

/// Modules of four shapes, so that they make four batches.
const MODULES: [(&str, usize, usize); 5] =
    [("a", 24, 40), ("b", 32, 32), ("c", 16, 72), ("d", 40, 20), ("e", 24, 40)];

fn file(name: &str, rank: usize) -> MemorySource {
    let tensors: Vec<(String, Words)> = MODULES
        .iter()
        .flat_map(|&(stem, m, n)| {
            let factor = |side: &str, rows, cols| {
                let words = Words::new(&normal(&format!("{name} {stem} {side}"), rows, cols), Dtype::F32);
                (format!("lora_unet_{stem}.lora_{side}.weight"), words)
            };
            [factor("down", rank, n), factor("up", m, rank)]
        })
        .collect();
    let views = tensors.iter().map(|(name, words)| {
        (name.as_str(), TensorView::new(words.dtype, vec![words.rows, words.cols], &words.bytes).unwrap())
    });
    MemorySource::new(name, safetensors::serialize(views, None).unwrap())
}

/// Destroys a device when so many modules are written.
struct Saboteur {
    gpu: Option<Gpu>,
    after: usize,
    written: usize,
    began: Instant,
}

impl Saboteur {
    fn none() -> Self {
        Self { gpu: None, after: usize::MAX, written: 0, began: Instant::now() }
    }
}

impl Watch for Saboteur {
    fn progress(&mut self, progress: &Progress) {
        if progress.stage == Stage::Fuse {
            self.written = progress.modules_done;
        }
        if self.written >= self.after {
            self.gpu.take().inspect(Gpu::destroy);
        }
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

fn fuse(
    content: &MemorySource,
    style: &MemorySource,
    engine: &mut Engine,
    watch: &mut Saboteur,
) -> (Vec<u8>, Report) {
    run(content, Some(style), engine, watch)
}

/// Without a style it converts the content.
fn run(
    content: &MemorySource,
    style: Option<&MemorySource>,
    engine: &mut Engine,
    watch: &mut Saboteur,
) -> (Vec<u8>, Report) {
    let settings = Settings {
        mu: f64::INFINITY,
        dtype: DtypeChoice::F32,
        output_name: "out".into(),
        ..Settings::default()
    };
    block_on(async {
        let of_content = Adapter::open(content, None).await.unwrap();
        let of_style = Adapter::open(style.unwrap_or(content), None).await.unwrap();
        let sources = Sources {
            content: Some(Input { adapter: &of_content, source: content }),
            style: style.map(|source| Input { adapter: &of_style, source }),
        };
        let (variants, mut sinks) = ([settings.into()], [MemorySink::default()]);
        let mut made = fusion::fuse(&sources, &variants, engine, &mut sinks, &Alone, watch).await.unwrap();
        let (finished, report) = made.remove(0);
        (finished.read(0..finished.size()).await.unwrap().into(), report)
    })
}

fn on_the_cpu(content: &MemorySource, style: &MemorySource) -> (Vec<u8>, Report) {
    fuse(content, style, &mut Engine::cpu("by hand"), &mut Saboteur::none())
}

fn fell_back(report: &Report) -> bool {
    report.warnings.iter().any(|warning| warning.code == Code::GpuFellBack)
}

#[test]
fn a_run_on_a_graphics_device_says_so() {
    let (content, style) = (file("content", 3), file("style", 4));
    let gpu = common::new_gpu();
    let name = gpu.name().to_owned();
    let mut engine = Engine::gpu(gpu, "by hand");
    let (_, report) = fuse(&content, &style, &mut engine, &mut Saboteur::none());
    assert!(!fell_back(&report), "{:?}", report.warnings);
    assert_eq!((report.backend, report.backend_reason.as_str()), (ComputedOn::WebGpu, "by hand"));
    assert_eq!(report.adapter, Some(name));
    assert!(report.recomputed > 0 && report.recomputed_worst <= 1e-6, "{}", report.recomputed_worst);
}

#[test]
fn the_faster_backend_is_found_by_trying_and_the_report_says_so() {
    let (content, style) = (file("content", 3), file("style", 4));
    // The only device here is one in software, which is slower than the CPU.
    let mut engine = Engine::faster(common::new_gpu());
    for _ in 0..2 {
        let (_, report) = fuse(&content, &style, &mut engine, &mut Saboteur::none());
        assert_eq!((report.backend, fell_back(&report)), (ComputedOn::Cpu, false));
        assert!(
            report.backend_reason.starts_with("The graphics device is slower here"),
            "{}",
            report.backend_reason
        );
        assert!(report.modules.iter().all(|module| module.computed_on == ComputedOn::Cpu));
    }
    // Where nothing is tried, what was found before is not said: of a single file,
    let (_, report) = run(&content, None, &mut engine, &mut Saboteur::none());
    assert_eq!(report.backend_reason, "A graphics device is available.");
    // and of what a device does not take.
    fuse(&content, &style, &mut engine, &mut Saboteur::none());
    let (_, report) = fuse(&content, &file("style", 300), &mut engine, &mut Saboteur::none());
    assert_eq!(report.backend_reason, "A graphics device is available.");
    assert!(report.modules.iter().all(|module| module.computed_on == ComputedOn::Cpu));
}

#[test]
fn a_device_lost_before_or_during_the_run_is_replaced_by_a_new_one() {
    let (content, style) = (file("content", 3), file("style", 4));
    let (expected, of_cpu) = on_the_cpu(&content, &style);
    for after in [0, 1, 3] {
        let gpu = common::new_gpu();
        let mut watch = Saboteur { gpu: Some(gpu.clone()), after, ..Saboteur::none() };
        if after == 0 {
            watch.gpu.take().inspect(Gpu::destroy);
        }
        let mut engine = Engine::gpu(gpu, "by hand");
        let (bytes, report) = fuse(&content, &style, &mut engine, &mut watch);
        assert!(watch.gpu.is_none());
        assert!(!fell_back(&report), "after {after}: {:?}", report.warnings);
        assert_eq!((report.backend, engine.backend()), (ComputedOn::WebGpu, ComputedOn::WebGpu));
        assert!(engine.failure().is_none());
        assert_eq!(report.modules.len(), of_cpu.modules.len());
        assert!(report.recomputed_worst <= 1e-6, "{}", report.recomputed_worst);
        let (header, values) = differences(&bytes, &expected);
        assert!(header, "the same header");
        assert!(values <= 1e-6, "{values:.1e}");
    }
}

/// The header without the hash of the values.
fn header(bytes: &[u8]) -> String {
    let length = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8(bytes[8..length].to_vec()).unwrap();
    let (before, after) = text.split_once("\"sshs_model_hash\":\"").unwrap();
    format!("{before}{}", &after[64..])
}

/// Whether the headers are the same but for the hash of the values, and how far the F32 values are apart.
fn differences(ours: &[u8], theirs: &[u8]) -> (bool, f64) {
    let length = 8 + u64::from_le_bytes(theirs[..8].try_into().unwrap()) as usize;
    let values = |bytes: &[u8]| -> Vec<f64> {
        bytes[length..].chunks_exact(4).map(|w| f32::from_le_bytes(w.try_into().unwrap()).into()).collect()
    };
    let (x, y) = (values(ours), values(theirs));
    let apart = x.iter().zip(&y).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let size = y.iter().map(|b| b * b).sum::<f64>();
    (header(ours) == header(theirs) && x.len() == y.len(), (apart / size).sqrt())
}

#[test]
fn a_lost_device_answers_with_an_error_not_with_zeros() {
    let pair = common::method::Pair::new(&normal("up", 20, 4), &normal("down", 4, 30), 3, Dtype::F32);
    let jobs = [pair.job()];
    let batch = Batch { jobs: &jobs, cut: Cut::All, blends: &[Blend::without(1.0)], output: Dtype::F32 };
    let gpu = common::new_gpu();
    assert_eq!(block_on(gpu.project(&batch)).unwrap()[0][0].computed_on, Place::Gpu);
    gpu.destroy();
    for _ in 0..2 {
        assert_eq!(block_on(gpu.project(&batch)).unwrap_err().code, Code::GpuFault);
    }
}

#[test]
fn what_a_device_refuses_is_answered_with_an_error_not_with_zeros() {
    // More rows than a dispatch has workgroups for.
    let rows = vec![1.0; 16 * 65_536];
    let refused = block_on(np_lora::backend::kernels::Kernels::gram(&*common::gpu(), &rows, &[1.0], 1));
    assert_eq!(refused.unwrap_err().code, Code::GpuFault);
}

#[test]
fn content_that_vanishes_is_no_fault_of_the_device() {
    // The same file as subject and style: at full strength nothing of A_c is left but rounding, which is compared with
    // other rounding.
    let style = file("style", 4);
    let mut engine = Engine::gpu(common::new_gpu(), "by hand");
    let (_, report) = fuse(&style, &style, &mut engine, &mut Saboteur::none());
    assert!(!fell_back(&report), "{:?}", report.warnings);
    assert!(report.modules.iter().all(|module| module.overlap > 0.999));
}

#[test]
fn more_than_a_device_takes_is_done_by_the_cpu_without_a_fault() {
    let pair = common::method::Pair::new(&normal("up", 300, 300), &normal("down", 300, 40), 3, Dtype::F32);
    let jobs = [pair.job()];
    let batch = Batch { jobs: &jobs, cut: Cut::All, blends: &[Blend::without(1.0)], output: Dtype::F32 };
    let gpu = common::gpu();
    assert!(!gpu.supports(&batch), "rank 300");
    let mut engine = Engine::gpu(gpu.clone(), "by hand");
    let projected = block_on(engine.project(&batch)).unwrap();
    assert_eq!(projected[0][0].content_down, block_on(Cpu.project(&batch)).unwrap()[0][0].content_down);
    assert!(engine.failure().is_none());
    assert_eq!(engine.backend(), ComputedOn::WebGpu, "smaller modules still go there");
}

#[test]
fn a_device_takes_what_fits_its_buffers() {
    let gpu = common::gpu();
    let factor = |rows, cols| Stored { bytes: &[], dtype: Dtype::F16, rows, cols };
    let takes = |(m, n, r_s, r_c), cut, blends| {
        let (style_down, style_up, content_down) = (factor(r_s, n), factor(m, r_s), factor(r_c, n));
        let jobs = [Job { style_down, style_up, content_down, scale: 1.0 }];
        let blends = vec![Blend::without(1.0); blends];
        gpu.supports(&Batch { jobs: &jobs, cut, blends: &blends, output: Dtype::F16 })
    };
    // No buffer has more than 2^25 numbers.
    let (some, full) = (1 << 12, 1 << 22);
    assert!(takes((some, some, 256, 8), Cut::All, 1), "rank 256");
    for (n, r_s, r_c) in [(full, 8, 1), (full, 1, 8)] {
        assert!(takes((some, n, r_s, r_c), Cut::All, 1) && !takes((some, n + 1, r_s, r_c), Cut::All, 1));
    }
    // lora_up goes there only where it takes singular values.
    assert!(takes((full + 1, some, 8, 1), Cut::All, 1) && takes((full, some, 8, 1), Cut::Count(2), 1));
    assert!(!takes((full + 1, some, 8, 1), Cut::Count(2), 1));
    // A dispatch has no more than 65,535 workgroups a side.
    assert!(!takes((2, 65_535 * 256 + 1, 1, 1), Cut::All, 1));
    // Of 16-bit results two fill as much as one factor.
    assert!(takes((some, full / 2, 1, 8), Cut::All, 3) && !takes((some, full / 2, 1, 8), Cut::All, 4));
}

#[test]
fn a_choice_of_engine_is_kept_and_explained() {
    let choose = |choice| block_on(Engine::choose(choice)).unwrap();
    let cpu = choose(EngineChoice::Cpu);
    assert_eq!((cpu.backend(), cpu.reason(), cpu.adapter()), (ComputedOn::Cpu, "The CPU was chosen.", None));
    let software = common::gpu().name().ends_with("(software)");
    let auto = choose(EngineChoice::Auto);
    if software {
        assert_eq!((auto.backend(), auto.adapter()), (ComputedOn::Cpu, None));
        assert!(auto.reason().contains("software"), "{}", auto.reason());
    } else {
        assert_eq!(auto.backend(), ComputedOn::WebGpu);
    }
    assert!(auto.failure().is_none());
    // Asked for by name, a software device is taken as well.
    let webgpu = choose(EngineChoice::WebGpu);
    assert_eq!((webgpu.backend(), webgpu.reason()), (ComputedOn::WebGpu, "WebGPU was chosen."));
    assert_eq!(webgpu.adapter().is_some_and(|name| name.ends_with("(software)")), software);
}
