//! Files in memory, a run over them, and arithmetic of its own to hold its result against.

use nalgebra::DMatrix;
use np_lora::adapter::Adapter;
use np_lora::container::{MemorySink, MemorySource, Sink, Source};
use np_lora::error::Error;
use np_lora::fusion::settings::DtypeChoice;
use np_lora::fusion::{self, Alone, Engine, EngineChoice, Input, Progress, Report, Settings, Sources, Watch};
use pollster::block_on;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::cell::Cell;

/// A tensor to write: name, dtype, shape, bytes.
pub(crate) type Given = (String, Dtype, Vec<usize>, Vec<u8>);

/// Deterministic values of about unit size.
pub(crate) fn values(seed: &str, count: usize) -> Vec<f32> {
    let mut state =
        seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next() + next()).collect()
}

pub(crate) fn words(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F64 => values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect(),
        Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Dtype::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect(),
        _ => panic!("{dtype}"),
    }
}

pub(crate) fn numbers(bytes: &[u8], dtype: Dtype) -> Vec<f64> {
    match dtype {
        Dtype::F32 => bytes.chunks(4).map(|w| f32::from_le_bytes(w.try_into().unwrap()).into()).collect(),
        Dtype::F16 => {
            bytes.chunks(2).map(|w| half::f16::from_le_bytes(w.try_into().unwrap()).to_f64()).collect()
        }
        Dtype::BF16 => {
            bytes.chunks(2).map(|w| half::bf16::from_le_bytes(w.try_into().unwrap()).to_f64()).collect()
        }
        _ => panic!("{dtype}"),
    }
}

/// One module in kohya's naming.
pub(crate) fn kohya(
    file: &str,
    stem: &str,
    m: usize,
    r: usize,
    n: &[usize],
    alpha: Option<f32>,
    dtype: Dtype,
) -> Vec<Given> {
    let cols: usize = n.iter().product();
    let ones = vec![1; n.len() - 1];
    let mut tensors = vec![
        (
            format!("{stem}.lora_down.weight"),
            dtype,
            [&[r], n].concat(),
            words(&values(&format!("{file}{stem}a"), r * cols), dtype),
        ),
        (
            format!("{stem}.lora_up.weight"),
            dtype,
            [&[m, r], &ones[..]].concat(),
            words(&values(&format!("{file}{stem}b"), m * r), dtype),
        ),
    ];
    tensors.extend(alpha.map(|a| (format!("{stem}.alpha"), Dtype::F32, vec![], a.to_le_bytes().to_vec())));
    tensors
}

pub(crate) fn file(name: &str, tensors: &[Given]) -> MemorySource {
    let views = tensors.iter().map(|(n, d, s, b)| (n.as_str(), TensorView::new(*d, s.clone(), b).unwrap()));
    MemorySource::new(name, safetensors::serialize(views, None).unwrap())
}

pub(crate) struct Patience {
    pub(crate) steps: usize,
    pub(crate) cancel_after: usize,
    pub(crate) asked: Cell<usize>,
}

impl Patience {
    pub(crate) fn endless() -> Self {
        Self { steps: 0, cancel_after: usize::MAX, asked: Cell::new(0) }
    }
}

impl Watch for Patience {
    fn progress(&mut self, progress: &Progress) {
        assert!(
            progress.bytes_done <= progress.bytes_total && progress.modules_done <= progress.modules_total
        );
        self.steps += 1;
    }

    fn cancelled(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() > self.cancel_after
    }

    fn seconds(&self) -> f64 {
        0.0
    }
}

pub(crate) fn fuse(
    content: &MemorySource,
    style: &MemorySource,
    settings: &Settings,
) -> Result<(Vec<u8>, Report), Error> {
    let (finished, report) =
        fuse_into(MemorySink::default(), content, style, settings, &mut Patience::endless())?;
    Ok((block_on(finished.read(0..finished.size()))?.into(), report))
}

/// Fuses into a sink, while somebody watches.
pub(crate) fn fuse_into<K: Sink>(
    sink: K,
    content: &MemorySource,
    style: &MemorySource,
    settings: &Settings,
    watch: &mut impl Watch,
) -> Result<(K::Finished, Report), Error> {
    block_on(async {
        let (of_content, of_style) = (Adapter::open(content, None).await?, Adapter::open(style, None).await?);
        let mut engine = Engine::choose(EngineChoice::Cpu).await?;
        let mut made = fusion::fuse(
            &Sources {
                content: Some(Input { adapter: &of_content, source: content }),
                style: Some(Input { adapter: &of_style, source: style }),
            },
            &[settings.clone().into()],
            &mut engine,
            &mut [sink],
            &Alone,
            watch,
        )
        .await?;
        Ok(made.remove(0))
    })
}

/// The update a loader makes of a module: alpha/r · up · down, flattened.
pub(crate) fn update(bytes: &[u8], stem: &str) -> Option<DMatrix<f64>> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let (down, up) = (["lora_down", "lora_A"], ["lora_up", "lora_B"]);
    let find = |names: [&str; 2]| {
        names.iter().find_map(|name| tensors.tensor(&format!("{stem}.{name}.weight")).ok())
    };
    let (down, up) = (find(down)?, find(up)?);
    let (m, r) = (up.shape()[0], up.shape()[1]);
    let alpha = tensors.tensor(&format!("{stem}.alpha")).ok().map(|t| numbers(t.data(), t.dtype())[0]);
    let n = down.shape()[1..].iter().product();
    let up = DMatrix::from_row_slice(m, r, &numbers(up.data(), up.dtype()));
    let down = DMatrix::from_row_slice(r, n, &numbers(down.data(), down.dtype()));
    Some(up * down * alpha.map_or(1.0, |a| a / r as f64))
}

/// ΔW_s + ΔW_c·(I − β V_k V_kᵀ) with V_k from the dense SVD of ΔW_s.
pub(crate) fn reference(content: &DMatrix<f64>, style: &DMatrix<f64>, beta: f64, k: usize) -> DMatrix<f64> {
    let svd = style.clone().svd(false, true);
    let v_t = svd.v_t.unwrap();
    let mut order: Vec<usize> = (0..svd.singular_values.len()).collect();
    order.sort_by(|&a, &b| svd.singular_values[b].total_cmp(&svd.singular_values[a]));
    let mut kept = content.clone();
    for &at in order.iter().take(k) {
        let v = v_t.row(at).transpose();
        kept -= beta * (content * &v) * v.transpose();
    }
    style + kept
}

pub(crate) fn close(is: &DMatrix<f64>, should: &DMatrix<f64>, bound: f64) {
    let apart = (is - should).norm() / should.norm();
    assert!(apart <= bound, "{apart:.2e} > {bound:.0e}");
}

pub(crate) fn bytes(source: &MemorySource) -> Vec<u8> {
    block_on(source.read(0..source.size())).unwrap().into()
}

pub(crate) fn whole() -> Settings {
    Settings { dtype: DtypeChoice::F32, output_name: "out".into(), ..Settings::default() }
}

/// A pair with a linear, a square, a conv and a passing module each way; ranks and alphas differ.
pub(crate) fn pair(dtype: Dtype) -> (MemorySource, MemorySource) {
    let content = [
        kohya("c", "lora_unet_q", 40, 4, &[64], Some(2.0), dtype),
        kohya("c", "lora_unet_square", 48, 3, &[48], Some(3.0), dtype),
        kohya("c", "lora_unet_conv", 20, 4, &[8, 3, 3], None, dtype),
        kohya("c", "lora_te_only_content", 12, 2, &[24], Some(1.0), dtype),
    ];
    let style = [
        kohya("s", "lora_unet_q", 40, 8, &[64], Some(1.0), dtype),
        kohya("s", "lora_unet_square", 48, 8, &[48], Some(8.0), dtype),
        kohya("s", "lora_unet_conv", 20, 2, &[8, 3, 3], Some(0.5), dtype),
        kohya("s", "lora_unet_only_style", 16, 2, &[30], Some(4.0), dtype),
    ];
    (file("content.safetensors", &content.concat()), file("style.safetensors", &style.concat()))
}
