//! Small pairs from bytes to bytes on the CPU: finite numbers give finite numbers or `OutputRange`; every tensor is
//! accounted for; and where numbers are of ordinary size the saved update is NP-LoRA's, or its overlap, by dense arithmetic
//! in f64.

use super::choices::{Choices, Random};
use super::files::{Given, numbers, source, update};
use nalgebra::DMatrix;
use np_lora::adapter::Adapter;
use np_lora::container::{MemorySink, MemorySource, Source};
use np_lora::error::{Code, Error};
use np_lora::fusion::settings::{CutChoice, DtypeChoice, RankLayout, Recompress, ResultChoice};
use np_lora::fusion::{self, Alone, Engine, EngineChoice, Input, Progress, Report, Settings, Sources, Watch};
use pollster::block_on;
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;

/// Nobody waits, nobody cancels.
pub struct Nobody;

impl Watch for Nobody {
    fn progress(&mut self, _: &Progress) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn seconds(&self) -> f64 {
        0.0
    }
}

/// Double precision is one in eight, so that the corpus' older cases are what they were, but for that.
const DTYPES: [Dtype; 8] = [
    Dtype::F32,
    Dtype::F16,
    Dtype::BF16,
    Dtype::F8_E5M2,
    Dtype::F64,
    Dtype::F16,
    Dtype::BF16,
    Dtype::F8_E5M2,
];

/// What is special about a factor.
#[derive(Clone, Copy, PartialEq)]
enum Nature {
    Ordinary,
    Zero,
    /// Rows that say the same.
    Repeated,
    /// Some rows are zero.
    Sparse,
    /// Rows of very different sizes.
    Wild,
    /// Up to the ends of the format.
    Extreme,
}

impl Nature {
    /// Whether the directions of a product of such factors can be told apart from rounding errors.
    fn is_clear(self) -> bool {
        !matches!(self, Self::Wild | Self::Extreme)
    }

    fn any(choices: &mut Choices<'_>) -> Self {
        match choices.below(24) {
            7 => Self::Extreme,
            8 => Self::Zero,
            9 => Self::Repeated,
            10 => Self::Sparse,
            11 => Self::Wild,
            _ => Self::Ordinary,
        }
    }

    fn values(self, rows: usize, cols: usize, random: &mut Random) -> Vec<f32> {
        let mut values: Vec<f32> = (0..rows * cols).map(|_| random.unit() as f32).collect();
        let first = values[..cols].to_vec();
        for (at, row) in values.chunks_mut(cols).enumerate() {
            match self {
                Self::Ordinary => {}
                Self::Zero => row.fill(0.0),
                Self::Repeated => row.copy_from_slice(&first),
                Self::Sparse if at % 2 == 1 => row.fill(0.0),
                Self::Sparse => {}
                Self::Wild | Self::Extreme => {
                    let most = if self == Self::Wild { 30 } else { 125 };
                    let scale = 2f32.powi((random.word() % (2 * most)) as i32 - most as i32);
                    row.iter_mut().for_each(|value| *value *= scale);
                }
            }
        }
        values
    }
}

/// One file's module.
#[derive(Clone, Copy)]
struct Made {
    rank: usize,
    clear: bool,
    /// Whether its stored update is read as up·down.
    plain: bool,
}

struct AnyFile {
    source: MemorySource,
    modules: HashMap<String, Made>,
    extreme: bool,
}

/// A finite value of the format nearest to each, never infinite.
fn finite(dtype: Dtype, values: &[f32]) -> Vec<f32> {
    let most: f32 = match dtype {
        Dtype::F16 => 65504.0,
        Dtype::F8_E5M2 => 57344.0,
        _ => f32::MAX / 2.0,
    };
    values.iter().map(|value| value.clamp(-most, most)).collect()
}

fn any_file(choices: &mut Choices<'_>, name: &str, sizes: &[(usize, usize)], random: &mut Random) -> AnyFile {
    let dtype = choices.of(&DTYPES);
    let peft = choices.rarely(4);
    let (mut tensors, mut modules, mut extreme) = (Vec::new(), HashMap::new(), false);
    let mut nature = |choices: &mut Choices<'_>| {
        let nature = Nature::any(choices);
        extreme |= nature == Nature::Extreme;
        nature
    };
    for (at, &(m, n)) in sizes.iter().enumerate() {
        if choices.rarely(5) {
            continue;
        }
        let stem = if peft { format!("unit.m{at}") } else { format!("lora_unet_m{at}") };
        let rank = 1 + choices.below(5);
        let (of_down, of_up) = (nature(choices), nature(choices));
        let down = finite(dtype, &of_down.values(rank, n, random));
        let up = finite(dtype, DMatrix::from_row_slice(rank, m, &of_up.values(rank, m, random)).as_slice());
        let ends = if peft {
            [".lora_A.weight", ".lora_B.weight"]
        } else {
            [".lora_down.weight", ".lora_up.weight"]
        };
        tensors.push(Given::of(format!("{stem}{}", ends[0]), dtype, &[rank, n], &down));
        tensors.push(Given::of(format!("{stem}{}", ends[1]), dtype, &[m, rank], &up));
        if !peft && choices.rarely(2) {
            let alpha = choices.of(&[1.0f32, 4.0, 0.5, -2.0, 0.0, 1e5]);
            tensors.push(Given::of(format!("{stem}.alpha"), Dtype::F32, &[], &[alpha]));
        }
        modules.insert(stem, Made { rank, clear: of_down.is_clear() && of_up.is_clear(), plain: true });
    }
    if !peft && choices.rarely(4) {
        let (m, n) = sizes[0];
        let whole = nature(choices).values(m, n, random);
        tensors.push(Given::of("lora_unet_d.diff", Dtype::F32, &[m, n], &whole));
        tensors.push(Given::of("lora_unet_d.diff_b", Dtype::F16, &[m], &vec![0.25; m]));
        modules.insert("lora_unet_d".into(), Made { rank: m.min(n), clear: false, plain: false });
    }
    if !peft && choices.rarely(6) {
        let sizes = [("w1_a", 4, 2), ("w1_b", 2, 5), ("w2_a", 4, 2), ("w2_b", 2, 5)];
        for (part, rows, cols) in sizes {
            let values = finite(dtype, &nature(choices).values(rows, cols, random));
            tensors.push(Given::of(format!("lora_unet_h.hada_{part}"), dtype, &[rows, cols], &values));
        }
        modules.insert("lora_unet_h".into(), Made { rank: 4, clear: false, plain: false });
    }
    AnyFile { source: source(name, &tensors, &[]), modules, extreme }
}

fn any_settings(choices: &mut Choices<'_>) -> Settings {
    Settings {
        mu: choices.of(&[0.5, 0.0, f64::INFINITY, 1.0, 10.0, 1e-9, 1e300]),
        content_strength: choices.of(&[1.0, 0.7, -1.0, 0.0, 1000.0, 1e-6]),
        style_strength: choices.of(&[1.0, 1.3, -0.5, 0.0, 1000.0]),
        layout: choices.of(&[RankLayout::Compatible, RankLayout::Compact]),
        dtype: choices.of(&[DtypeChoice::F32, DtypeChoice::Auto, DtypeChoice::F16, DtypeChoice::BF16]),
        cut: choices.of(&[
            CutChoice::All,
            CutChoice::All,
            CutChoice::Count { count: 2 },
            CutChoice::Energy { share: 0.9 },
        ]),
        recompress: choices.of(&[
            Recompress::Exact,
            Recompress::Exact,
            Recompress::Exact,
            Recompress::Rank { rank: 3 },
            Recompress::Energy { share: 0.99 },
        ]),
        output_name: "out".into(),
        ..Settings::default()
    }
}

fn fuse(
    content: &MemorySource,
    style: &MemorySource,
    settings: &Settings,
) -> Result<(Vec<u8>, Report), Error> {
    block_on(async {
        let (of_content, of_style) = (Adapter::open(content, None).await?, Adapter::open(style, None).await?);
        let sources = Sources {
            content: Some(Input { adapter: &of_content, source: content }),
            style: Some(Input { adapter: &of_style, source: style }),
        };
        let mut engine = Engine::choose(EngineChoice::Cpu).await?;
        let (variants, mut sinks) = ([settings.clone().into()], [MemorySink::default()]);
        let mut made =
            fusion::fuse(&sources, &variants, &mut engine, &mut sinks, &Alone, &mut Nobody).await?;
        let (file, report) = made.remove(0);
        Ok((file.read(0..file.size()).await?.into(), report))
    })
}

/// The promises of a whole run on a case.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut settings = any_settings(&mut choices);
    let sizes: Vec<(usize, usize)> =
        (0..1 + choices.below(3)).map(|_| (1 + choices.below(9), 1 + choices.below(9))).collect();
    let mut random = Random(u64::from(choices.byte()));
    let content = any_file(&mut choices, "content", &sizes, &mut random);
    let style = any_file(&mut choices, "style", &sizes, &mut random);
    if choices.rarely(5) {
        settings.result = ResultChoice::Overlap;
    }
    let (result, report) = match fuse(&content.source, &style.source, &settings) {
        Ok(done) => done,
        Err(error) => {
            let mut expected = vec![Code::OutputRange, Code::NoCommonModules, Code::NoLora];
            // At the ends of f32 intermediate results may vanish or overflow. Then nothing is offered.
            if content.extreme || style.extreme {
                expected.extend([Code::Verify, Code::NonFinite]);
            }
            let files = || [&content, &style].map(|file| shown(&file.source)).concat();
            assert!(expected.contains(&error.code), "{error}\n{settings:?}\n{}", files());
            return;
        }
    };
    all_finite(&result);
    accounted(&report);
    if settings.recompress != Recompress::Exact {
        return;
    }
    for (stem, of_content) in &content.modules {
        let Some(of_style) = style.modules.get(stem) else { continue };
        if of_content.plain && of_style.plain && of_content.clear && of_style.clear {
            right(stem, [&content.source, &style.source], &result, &report, &settings, of_style.rank);
        }
    }
}

/// A file's numbers, for a failure's message.
fn shown(source: &MemorySource) -> String {
    let bytes = block_on(source.read(0..source.size())).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut lines: Vec<String> = tensors
        .iter()
        .map(|(name, t)| {
            format!(
                "{} {name} {} {:?} {:?}\n",
                source.name(),
                t.dtype(),
                t.shape(),
                numbers(t.dtype(), t.data())
            )
        })
        .collect();
    lines.sort();
    lines.concat()
}

fn all_finite(result: &[u8]) {
    let tensors = SafeTensors::deserialize(result).expect("the result is a good file");
    for (name, tensor) in tensors.iter() {
        let bad = numbers(tensor.dtype(), tensor.data()).iter().filter(|value| !value.is_finite()).count();
        assert_eq!(bad, 0, "{name}");
    }
}

fn accounted(report: &Report) {
    for tensors in [report.content_tensors, report.style_tensors] {
        let sum = tensors.fused + tensors.passed + tensors.outside + tensors.refused + tensors.left_out;
        assert_eq!(sum, tensors.total, "{tensors:?}");
    }
    assert_eq!(report.modules.len(), report.fused);
    for module in &report.modules {
        let shares = [module.overlap, module.content_kept, module.chance];
        assert!(shares.iter().all(|share| (-1e-9..=1.0 + 1e-9).contains(share)), "{module:?}");
        let figures = [module.change, module.content_norm, module.style_norm, module.rounding];
        assert!(figures.iter().all(|figure| figure.is_finite() && *figure >= 0.0), "{module:?}");
        assert!(module.protected <= module.style_rank.min(module.in_features), "{module:?}");
    }
}

/// ΔW = ΔW_s + ΔW_c·(I − β V_k V_kᵀ), or ΔW_c·V_k V_kᵀ, from the dense matrices. V_k are eigenvectors of ΔW_sᵀ·ΔW_s.
fn right(
    stem: &str,
    [content, style]: [&MemorySource; 2],
    result: &[u8],
    report: &Report,
    settings: &Settings,
    style_rank: usize,
) {
    let whole = |source: &MemorySource| {
        let bytes = block_on(source.read(0..source.size())).unwrap();
        update(&bytes, stem).unwrap()
    };
    let (of_content, of_style) = (whole(content), whole(style));
    let (w_c, w_s) = match settings.result {
        ResultChoice::Fusion => (settings.content_strength, settings.style_strength),
        ResultChoice::Overlap => (1.0, 0.0),
    };
    let (c, s) = (of_content.whole * w_c, of_style.whole);
    let saved = update(result, stem).expect("the module is in the result");
    let id = stem.trim_start_matches("lora_unet_");
    let figures =
        report.modules.iter().find(|module| module.name.ends_with(id)).expect("it is accounted for");
    let eigen = s.tr_mul(&s).symmetric_eigen();
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let sigma = |at: usize| order.get(at).map_or(0.0, |&at| eigen.eigenvalues[at].max(0.0).sqrt());
    let k = figures.protected;
    assert!(k <= style_rank);
    // Directions that are nearly equally strong, or nearly nothing, may be told apart either way.
    let gap = if k == 0 { 1.0 } else { (sigma(k - 1) - sigma(k)) / sigma(0).max(f64::MIN_POSITIVE) };
    let beta = if settings.result == ResultChoice::Overlap {
        1.0
    } else if w_s == 0.0 {
        0.0
    } else if settings.mu.is_infinite() {
        1.0
    } else {
        settings.mu / (1.0 + settings.mu)
    };
    if beta > 0.0 && gap < 1e-3 {
        return;
    }
    let mut kept = c.clone();
    for &at in order.iter().take(k) {
        let v = eigen.eigenvectors.column(at);
        kept -= beta * (&c * v) * v.transpose();
    }
    let intended = match settings.result {
        ResultChoice::Fusion => &s * w_s + &kept,
        ResultChoice::Overlap => &c - &kept,
    };
    let size = saved.size + of_style.size * w_s.abs() + of_content.size * w_c.abs();
    let unit = match result_dtype(result, stem) {
        Dtype::F16 => 2f64.powi(-10),
        Dtype::BF16 => 2f64.powi(-7),
        _ => 0.0,
    };
    let apart = (&saved.whole - &intended).norm();
    // Half the smallest number of F16, in every value of down or up.
    let floor = if unit > 0.0 { 1e-6 * (1.0 + saved.up) } else { 1e-30 };
    assert!(apart <= size * (1e-5 + 2.0 * unit) + floor, "{stem}: {apart:.2e} of {size:.2e}, k = {k}");
}

fn result_dtype(result: &[u8], stem: &str) -> Dtype {
    let tensors = SafeTensors::deserialize(result).unwrap();
    let names = [format!("{stem}.lora_down.weight"), format!("{stem}.lora_A.weight")];
    names.iter().find_map(|name| tensors.tensor(name).ok()).map_or(Dtype::F32, |tensor| tensor.dtype())
}
