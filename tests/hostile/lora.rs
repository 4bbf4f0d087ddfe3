//! Small LoRA files, and runs on any source, sink and patience.

use np_lora::adapter::Adapter;
use np_lora::container::{MemorySink, MemorySource, Sink, Source};
use np_lora::error::Error;
use np_lora::fusion::{self, Alone, Engine, EngineChoice, Input, Progress, Report, Settings, Sources, Watch};
use pollster::block_on;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::cell::Cell;

/// One module: stem, m, r, n.
pub(crate) type Shape<'a> = (&'a str, usize, usize, usize);

/// F16 values that differ from place to place and file to file.
pub(crate) fn words(seed: &str, count: usize) -> Vec<u8> {
    let mut state =
        seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (0..count)
        .flat_map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            half::f16::from_f32((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0).to_le_bytes()
        })
        .collect()
}

/// A file of kohya modules with alphas.
pub(crate) fn file(name: &str, modules: &[Shape<'_>]) -> MemorySource {
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for &(stem, m, r, n) in modules {
        let seed = |part: &str| format!("{name}{stem}{part}");
        tensors.push((
            format!("{stem}.lora_down.weight"),
            Dtype::F16,
            vec![r, n],
            words(&seed("down"), r * n),
        ));
        tensors.push((format!("{stem}.lora_up.weight"), Dtype::F16, vec![m, r], words(&seed("up"), m * r)));
        tensors.push((format!("{stem}.alpha"), Dtype::F32, vec![], (r as f32).to_le_bytes().to_vec()));
    }
    let views = tensors.iter().map(|(n, d, s, b)| (n.as_str(), TensorView::new(*d, s.clone(), b).unwrap()));
    MemorySource::new(name, safetensors::serialize(views, None).unwrap())
}

pub(crate) fn bytes(source: &impl Source) -> Vec<u8> {
    block_on(source.read(0..source.size())).unwrap().into()
}

/// Waits for a run, and cancels it at the n-th question.
pub(crate) struct Patience {
    pub(crate) asked: Cell<usize>,
    pub(crate) until: usize,
}

impl Patience {
    pub(crate) fn until(until: usize) -> Self {
        Self { asked: Cell::new(0), until }
    }
}

impl Watch for Patience {
    fn progress(&mut self, _: &Progress) {}

    fn cancelled(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() > self.until
    }

    fn seconds(&self) -> f64 {
        0.0
    }
}

/// Opens both files and fuses them into a sink.
pub(crate) fn run<S: Source, K: Sink>(
    [content, style]: [&S; 2],
    settings: &Settings,
    sink: &mut K,
    patience: &mut Patience,
) -> Result<(K::Finished, Report), Error> {
    block_on(async {
        let (of_content, of_style) = (Adapter::open(content, None).await?, Adapter::open(style, None).await?);
        let sources = Sources {
            content: Some(Input { adapter: &of_content, source: content }),
            style: Some(Input { adapter: &of_style, source: style }),
        };
        let mut engine = Engine::choose(EngineChoice::Cpu).await?;
        let (variants, sinks) = ([settings.clone().into()], std::slice::from_mut(sink));
        let mut made = fusion::fuse(&sources, &variants, &mut engine, sinks, &Alone, patience).await?;
        Ok(made.remove(0))
    })
}

/// A run that nothing disturbs.
pub(crate) fn fuse<S: Source>(files: [&S; 2], settings: &Settings) -> Result<(Vec<u8>, Report), Error> {
    let (finished, report) =
        run(files, settings, &mut MemorySink::default(), &mut Patience::until(usize::MAX))?;
    Ok((bytes(&finished), report))
}
