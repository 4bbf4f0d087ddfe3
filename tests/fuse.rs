//! The whole run on memory: two files in, one file out, its bytes checked by arithmetic of its own.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use nalgebra::DMatrix;
use np_lora::adapter::Adapter;
use np_lora::container::{MemorySink, MemorySource, Sink, Source};
use np_lora::error::{Code, Error};
use np_lora::fusion::settings::{CutChoice, DtypeChoice, RankLayout};
use np_lora::fusion::{
    self, Alone, Engine, EngineChoice, Input, Plan, Progress, Report, Settings, Sources, Watch,
};
use pollster::block_on;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::cell::Cell;
use std::collections::BTreeMap;

/// A tensor to write: name, dtype, shape, bytes.
type Given = (String, Dtype, Vec<usize>, Vec<u8>);

/// Deterministic values of about unit size.
fn values(seed: &str, count: usize) -> Vec<f32> {
    let mut state =
        seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next() + next()).collect()
}

fn words(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F64 => values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect(),
        Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Dtype::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect(),
        _ => panic!("{dtype}"),
    }
}

fn numbers(bytes: &[u8], dtype: Dtype) -> Vec<f64> {
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
fn kohya(
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

fn file(name: &str, tensors: &[Given]) -> MemorySource {
    let views = tensors.iter().map(|(n, d, s, b)| (n.as_str(), TensorView::new(*d, s.clone(), b).unwrap()));
    MemorySource::new(name, safetensors::serialize(views, None).unwrap())
}

struct Patience {
    steps: usize,
    cancel_after: usize,
    asked: Cell<usize>,
}

impl Patience {
    fn endless() -> Self {
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

fn fuse(
    content: &MemorySource,
    style: &MemorySource,
    settings: &Settings,
) -> Result<(Vec<u8>, Report), Error> {
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
            &mut [MemorySink::default()],
            &Alone,
            &mut Patience::endless(),
        )
        .await?;
        let (finished, report) = made.remove(0);
        Ok((finished.read(0..finished.size()).await?.into(), report))
    })
}

/// The update a loader makes of a module: alpha/r · up · down, flattened.
fn update(bytes: &[u8], stem: &str) -> Option<DMatrix<f64>> {
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
fn reference(content: &DMatrix<f64>, style: &DMatrix<f64>, beta: f64, k: usize) -> DMatrix<f64> {
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

fn close(is: &DMatrix<f64>, should: &DMatrix<f64>, bound: f64) {
    let apart = (is - should).norm() / should.norm();
    assert!(apart <= bound, "{apart:.2e} > {bound:.0e}");
}

fn bytes(source: &MemorySource) -> Vec<u8> {
    block_on(source.read(0..source.size())).unwrap().into()
}

fn whole() -> Settings {
    Settings { dtype: DtypeChoice::F32, output_name: "out".into(), ..Settings::default() }
}

/// A pair with a linear, a square, a conv and a passing module each way; ranks and alphas differ.
fn pair(dtype: Dtype) -> (MemorySource, MemorySource) {
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

#[test]
fn the_saved_update_is_the_methods() {
    let (content, style) = pair(Dtype::F32);
    for (mu, beta) in [(0.0, 0.0), (0.5, 1.0 / 3.0), (10.0, 10.0 / 11.0), (f64::INFINITY, 1.0)] {
        for layout in [RankLayout::Compatible, RankLayout::Compact] {
            let settings = Settings { mu, content_strength: 0.7, style_strength: -1.5, layout, ..whole() };
            let (out, report) = fuse(&content, &style, &settings).unwrap();
            for (stem, k) in [("lora_unet_q", 8), ("lora_unet_square", 8), ("lora_unet_conv", 2)] {
                let (c, s) = (update(&bytes(&content), stem).unwrap(), update(&bytes(&style), stem).unwrap());
                let expected = reference(&(c * 0.7), &(s * -1.5), beta, k);
                close(&update(&out, stem).unwrap(), &expected, 1e-6);
                assert_eq!(report.modules.iter().find(|m| m.name == stem).unwrap().protected, k);
            }
            let alone = update(&bytes(&content), "lora_te_only_content").unwrap() * 0.7;
            close(&update(&out, "lora_te_only_content").unwrap(), &alone, 1e-6);
            let alone = update(&bytes(&style), "lora_unet_only_style").unwrap() * -1.5;
            close(&update(&out, "lora_unet_only_style").unwrap(), &alone, 1e-6);
            assert_eq!((report.fused, report.passed_content, report.passed_style), (3, 1, 1));
            assert_eq!(report.recomputed, 5, "a module of each shape, those that pass through too");
            assert!(report.recomputed_worst < 1e-6, "{}", report.recomputed_worst);
        }
    }
}

#[test]
fn roles_matter_and_a_capped_k_removes_less() {
    let (content, style) = pair(Dtype::F32);
    let hard = Settings { mu: f64::INFINITY, ..whole() };
    let straight = update(&fuse(&content, &style, &hard).unwrap().0, "lora_unet_q").unwrap();
    let swapped = update(&fuse(&style, &content, &hard).unwrap().0, "lora_unet_q").unwrap();
    assert!((&straight - &swapped).norm() > 1e-2 * straight.norm());
    for (cut, k) in [(CutChoice::Count { count: 3 }, 3), (CutChoice::Energy { share: 1.0 }, 8)] {
        let (out, report) = fuse(&content, &style, &Settings { cut, ..hard.clone() }).unwrap();
        let (c, s) = (
            update(&bytes(&content), "lora_unet_q").unwrap(),
            update(&bytes(&style), "lora_unet_q").unwrap(),
        );
        close(&update(&out, "lora_unet_q").unwrap(), &reference(&c, &s, 1.0, k), 1e-5);
        assert_eq!(report.modules.iter().find(|m| m.name == "lora_unet_q").unwrap().protected, k);
    }
}

#[test]
fn read_outs_are_those_of_the_dense_matrices() {
    let (content, style) = pair(Dtype::F32);
    let settings = Settings { mu: 1.0, content_strength: 0.8, cut: CutChoice::Count { count: 5 }, ..whole() };
    let (_, report) = fuse(&content, &style, &settings).unwrap();
    let figures = report.modules.iter().find(|m| m.name == "lora_unet_q").unwrap();
    let (c, s) = (
        update(&bytes(&content), "lora_unet_q").unwrap() * 0.8,
        update(&bytes(&style), "lora_unet_q").unwrap(),
    );
    let hard = reference(&c, &s, 1.0, 5);
    let outside = &hard - &s;
    let inside = &c - &outside;
    let expected = [
        (figures.content_norm, c.norm()),
        (figures.style_norm, s.norm()),
        (figures.overlap, inside.norm_squared() / c.norm_squared()),
        (figures.chance, 5.0 / 64.0),
        (figures.content_kept, (outside + 0.5 * &inside).norm_squared() / c.norm_squared()),
        (figures.change, 0.5 * inside.norm() / (&s + &c).norm()),
    ];
    for (at, (is, should)) in expected.into_iter().enumerate() {
        assert!((is - should).abs() <= 1e-5 * should, "figure {at}: {is} instead of {should}");
    }
}

#[test]
fn sixteen_bit_results_are_rounded_once_and_the_report_says_how_much() {
    for dtype in [Dtype::F16, Dtype::BF16] {
        let (content, style) = pair(dtype);
        for layout in [RankLayout::Compatible, RankLayout::Compact] {
            let settings = Settings { dtype: DtypeChoice::Auto, layout, ..whole() };
            let (out, report) = fuse(&content, &style, &settings).unwrap();
            let tensors = SafeTensors::deserialize(&out).unwrap();
            assert!(tensors.iter().all(|(name, t)| name.ends_with(".alpha") || t.dtype() == dtype));
            for figures in &report.modules {
                let stem = figures.name.as_str();
                let (c, s) = (update(&bytes(&content), stem).unwrap(), update(&bytes(&style), stem).unwrap());
                let expected = reference(&c, &s, 1.0 / 3.0, figures.protected);
                let apart = (update(&out, stem).unwrap() - &expected).norm() / expected.norm();
                let unit = if dtype == Dtype::F16 { 2f64.powi(-11) } else { 2f64.powi(-8) };
                assert!(apart <= unit, "{stem}: {apart:.2e}");
                // Exact where only A_c' was rounded, else a bound that is not far off.
                assert!(
                    apart <= 1.001 * figures.rounding + 1e-6,
                    "{stem}: {apart:.2e} {:.2e}",
                    figures.rounding
                );
                assert!(
                    figures.rounding <= 2.0 * apart + 1e-6,
                    "{stem}: {apart:.2e} {:.2e}",
                    figures.rounding
                );
            }
        }
    }
}

#[test]
fn double_precision_is_fused_as_single() {
    // The same values: those of the narrower file are exact in the wider.
    let [double, single] = [Dtype::F64, Dtype::F32].map(|dtype| {
        let (content, style) = pair(dtype);
        fuse(&content, &style, &Settings { dtype: DtypeChoice::Auto, ..whole() }).unwrap()
    });
    assert_eq!(double.1.dtype, "F32");
    let tensors = |bytes| -> BTreeMap<String, (Dtype, Vec<u8>)> {
        let found = SafeTensors::deserialize(bytes).unwrap();
        found.iter().map(|(name, view)| (name.to_owned(), (view.dtype(), view.data().to_vec()))).collect()
    };
    assert_eq!(tensors(&double.0), tensors(&single.0));

    let mut too_large = kohya("c", "lora_unet_q", 40, 4, &[64], Some(2.0), Dtype::F64);
    too_large[1].3[8 * 7..8 * 8].copy_from_slice(&1e39f64.to_le_bytes());
    let error =
        fuse(&file("large.safetensors", &too_large), &pair(Dtype::F64).1, &Settings::default()).unwrap_err();
    assert_eq!((error.code, error.tensor.as_deref()), (Code::NonFinite, Some("lora_unet_q.lora_up.weight")));
    assert_eq!(error.file.as_deref(), Some("large.safetensors"));
    assert_eq!(error.detail, "Of 160 values 1 are too large for F32, the first is number 7.");
}

#[test]
fn the_compatible_layout_has_one_rank_and_alpha_equal_to_it() {
    let (content, style) = pair(Dtype::F16);
    let (out, _) = fuse(&content, &style, &Settings { dtype: DtypeChoice::Auto, ..whole() }).unwrap();
    let tensors = SafeTensors::deserialize(&out).unwrap();
    for (name, tensor) in tensors.iter() {
        match name.rsplit_once(".lora_") {
            Some((_, "down.weight")) => assert_eq!(tensor.shape()[0], 12, "{name}"),
            Some((_, "up.weight")) => assert_eq!(tensor.shape()[1], 12, "{name}"),
            _ => assert_eq!(numbers(tensor.data(), tensor.dtype()), [12.0], "{name}"),
        }
    }
    let conv = tensors.tensor("lora_unet_conv.lora_down.weight").unwrap();
    assert_eq!(conv.shape(), [12, 8, 3, 3]);
    assert_eq!(tensors.tensor("lora_unet_conv.lora_up.weight").unwrap().shape(), [20, 12, 1, 1]);
    // The ups pass bit for bit: rows of [B_s | B_c | 0].
    let of = |source: &MemorySource| {
        let bytes = bytes(source);
        SafeTensors::deserialize(&bytes)
            .unwrap()
            .tensor("lora_unet_q.lora_up.weight")
            .unwrap()
            .data()
            .to_vec()
    };
    let up = tensors.tensor("lora_unet_q.lora_up.weight").unwrap();
    for (row, (s, c)) in up.data().chunks(24).zip(of(&style).chunks(16).zip(of(&content).chunks(8))) {
        assert_eq!(row, [s, c].concat());
    }
}

#[test]
fn peft_files_stay_peft_and_carry_no_alpha() {
    let peft = |file_name: &str, seed: &str, r: usize| {
        let (a, b) = (values(&format!("{seed}a"), r * 32), values(&format!("{seed}b"), 24 * r));
        let stem = "transformer.transformer_blocks.0.attn.to_q";
        file(
            file_name,
            &[
                (format!("{stem}.lora_A.weight"), Dtype::BF16, vec![r, 32], words(&a, Dtype::BF16)),
                (format!("{stem}.lora_B.weight"), Dtype::BF16, vec![24, r], words(&b, Dtype::BF16)),
            ],
        )
    };
    let (content, style) = (peft("c", "c", 4), peft("s", "s", 6));
    let (out, report) = fuse(&content, &style, &Settings { mu: f64::INFINITY, ..whole() }).unwrap();
    let stem = "transformer.transformer_blocks.0.attn.to_q";
    let (c, s) = (update(&bytes(&content), stem).unwrap(), update(&bytes(&style), stem).unwrap());
    close(&update(&out, stem).unwrap(), &reference(&c, &s, 1.0, 6), 1e-6);
    assert_eq!(SafeTensors::deserialize(&out).unwrap().len(), 2);
    assert_eq!(report.rank, 10);
}

#[test]
fn f32_is_written_where_no_narrower_format_holds_both_files() {
    let open = |dtype| block_on(Adapter::open(&pair(dtype).0, None)).unwrap();
    let fit = |content, style, dtype| {
        let settings = Settings { dtype, ..whole() };
        let fit = Plan::new(Some(&open(content)), Some(&open(style)), &settings).unwrap().fit();
        (fit.dtype, fit.widened)
    };
    let (auto, f16, bf16, f32) = (DtypeChoice::Auto, Dtype::F16, Dtype::BF16, Dtype::F32);
    assert_eq!(fit(f16, f16, auto), ("F16".into(), false));
    assert_eq!(fit(bf16, bf16, auto), ("BF16".into(), false));
    assert_eq!(fit(f16, bf16, auto), ("F32".into(), true));
    assert_eq!(fit(f16, f32, auto), ("F32".into(), false));
    assert_eq!(fit(f16, bf16, DtypeChoice::F32), ("F32".into(), false));
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let (content, style) = pair(Dtype::F16);
    let once = fuse(&content, &style, &whole()).unwrap();
    let again = fuse(&content, &style, &whole()).unwrap();
    assert!(once.0 == again.0);
    assert_eq!(once.1.model_hash, again.1.model_hash);
}

#[test]
fn nothing_of_the_style_is_left_when_its_strength_is_zero() {
    let (content, style) = pair(Dtype::F32);
    let settings = Settings { style_strength: 0.0, mu: f64::INFINITY, ..whole() };
    let (out, _) = fuse(&content, &style, &settings).unwrap();
    close(&update(&out, "lora_unet_q").unwrap(), &update(&bytes(&content), "lora_unet_q").unwrap(), 1e-6);
    assert_eq!(update(&out, "lora_unet_only_style").unwrap().norm(), 0.0);
}

#[test]
fn bad_values_are_refused_by_file_and_tensor() {
    let (content, _) = pair(Dtype::F16);
    let mut tensors = kohya("s", "lora_unet_q", 40, 8, &[64], Some(1.0), Dtype::F16);
    // Infinity in value 50, NaN in the last two of 512.
    tensors[0].3[100..102].copy_from_slice(&[0, 0x7c]);
    tensors[0].3[1020..].copy_from_slice(&[1, 0x7e, 0xff, 0xff]);
    let style = file("broken.safetensors", &tensors);
    let error = fuse(&content, &style, &whole()).unwrap_err();
    assert_eq!(error.code, Code::NonFinite);
    assert_eq!(error.file.as_deref(), Some("broken.safetensors"));
    assert_eq!(error.tensor.as_deref(), Some("lora_unet_q.lora_down.weight"));
    assert_eq!(error.detail, "Of 512 values 3 are not finite, the first is number 50.");
}

/// Small rows beside large columns: sixteen bits keep next to nothing of the rows, also where nothing is projected.
#[test]
fn what_rounding_does_to_a_module_that_passes_through_is_said() {
    let (m, r, n) = (24, 4, 32);
    // Of the second pair F16 keeps nothing at all, and squares of its rows are nothing in f32.
    for (rows, columns) in [(1e-7, 1e3), (1e-30, 1.0)] {
        let mut tensors = kohya("c", "lora_unet_q", 40, r, &[64], None, Dtype::F32);
        for (part, shape, size) in [("down", vec![r, n], rows), ("up", vec![m, r], columns)] {
            let values: Vec<f32> =
                values(part, shape.iter().product()).iter().map(|value| value * size).collect();
            let name = format!("lora_unet_only.lora_{part}.weight");
            tensors.push((name, Dtype::F32, shape, words(&values, Dtype::F32)));
        }
        let lone = file("lone", &tensors);
        let other = file("other", &kohya("s", "lora_unet_q", 40, 8, &[64], None, Dtype::F32));
        for (content, style) in [(&lone, &other), (&other, &lone)] {
            for layout in [RankLayout::Compatible, RankLayout::Compact] {
                let settings = Settings { dtype: DtypeChoice::F16, layout, ..whole() };
                let (out, report) = fuse(content, style, &settings).unwrap();
                let should = update(&bytes(&lone), "lora_unet_only").unwrap();
                let apart = (update(&out, "lora_unet_only").unwrap() - &should).norm() / should.norm();
                let said = report.rounding.unwrap();
                assert_eq!(said.worst_module, "lora_unet_only");
                let bounds = apart <= 1.001 * said.worst && said.worst <= 2.0 * apart;
                assert!(apart > 0.05 && bounds, "{apart} {said:?}");
            }
            let settings = Settings { dtype: DtypeChoice::F32, ..whole() };
            let exact = fuse(content, style, &settings).unwrap().1;
            assert!(exact.rounding.unwrap().worst < 1e-7);
        }
    }
}

/// An alpha of 1 at rank 64 and more would leave lora_down few digits in F16, a large one none at all.
#[test]
fn a_scale_far_from_one_is_shared_by_both_factors() {
    for power in [-14, -5, 5, 12] {
        let scale = 2f32.powi(power);
        let both = |of: &str, rank: usize, only: &str| {
            let mut tensors =
                kohya(of, "lora_unet_q", 40, rank, &[64], Some(scale * rank as f32), Dtype::F16);
            tensors.extend(kohya(of, only, 24, rank, &[32], Some(scale * rank as f32 * 0.7), Dtype::F16));
            file(of, &tensors)
        };
        let (content, style) = (both("c", 4, "lora_unet_c"), both("s", 8, "lora_unet_s"));
        let settings = Settings { dtype: DtypeChoice::F16, ..whole() };
        let (out, report) = fuse(&content, &style, &settings).unwrap();
        let (c, s) = (
            update(&bytes(&content), "lora_unet_q").unwrap(),
            update(&bytes(&style), "lora_unet_q").unwrap(),
        );
        let figures = &report.modules[0];
        let expected = reference(&c, &s, 1.0 / 3.0, figures.protected);
        let apart = (update(&out, "lora_unet_q").unwrap() - &expected).norm() / expected.norm();
        assert!(apart <= 2f64.powi(-11), "2^{power}: {apart:.2e}");
        assert!(apart <= 1.001 * figures.rounding + 1e-6, "2^{power}: {apart:.2e} {:.2e}", figures.rounding);
        assert!(figures.rounding <= 2.0 * apart + 1e-6, "2^{power}: {apart:.2e} {:.2e}", figures.rounding);
        for (source, stem) in [(&content, "lora_unet_c"), (&style, "lora_unet_s")] {
            let should = update(&bytes(source), stem).unwrap();
            let apart = (update(&out, stem).unwrap() - &should).norm() / should.norm();
            assert!(apart <= 2f64.powi(-11), "{stem} 2^{power}: {apart:.2e}");
        }
    }
}

#[test]
fn results_too_large_for_f16_are_refused_not_written() {
    let (content, style) = pair(Dtype::F32);
    let settings =
        Settings { dtype: DtypeChoice::F16, content_strength: 1000.0, style_strength: 1000.0, ..whole() };
    // Values of about 1, strength 1000, scale 1: too large only where a scale adds to it.
    let mut large = kohya("s", "lora_unet_q", 40, 8, &[64], Some(2e9), Dtype::F32);
    large.extend(kohya("s", "lora_unet_conv", 20, 2, &[8, 3, 3], None, Dtype::F32));
    let error = fuse(&content, &file("s", &large), &settings).unwrap_err();
    assert_eq!(error.code, Code::OutputRange);
    assert!(error.tensor.is_some());
    assert!(fuse(&content, &style, &Settings { dtype: DtypeChoice::F32, ..settings }).is_ok());
}

#[test]
fn pairs_that_do_not_fit_are_refused() {
    let (content, _) = pair(Dtype::F16);
    let other = file("other", &kohya("s", "lora_unet_else", 40, 8, &[64], None, Dtype::F16));
    assert_eq!(fuse(&content, &other, &whole()).unwrap_err().code, Code::NoCommonModules);
    let wide = file("wide", &kohya("s", "lora_unet_q", 40, 8, &[65], None, Dtype::F16));
    let error = fuse(&content, &wide, &whole()).unwrap_err();
    assert_eq!((error.code, error.tensor.as_deref()), (Code::ShapeMismatch, Some("lora_unet_q")));
}

/// Outside its family's sizes a name stands for itself, but it must not end up beside the layer it names.
#[test]
fn a_known_layer_of_another_size_is_refused() {
    let names = ["attn1_to_q", "attn1_to_k", "attn1_to_v", "attn1_to_out_0"]
        .map(|end| format!("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_{end}"));
    let of = |name: &str, inputs: [usize; 4]| {
        let modules = names.iter().zip(inputs);
        let tensors: Vec<Given> =
            modules.flat_map(|(stem, n)| kohya(name, stem, 320, 4, &[n], None, Dtype::F16)).collect();
        file(name, &tensors)
    };
    let (right, wide) = (of("right", [320; 4]), of("wide", [328, 320, 320, 320]));
    for (content, style) in [(&right, &wide), (&wide, &right)] {
        let settings = Settings { family: Some("SD 1.5".into()), ..whole() };
        let error = fuse(content, style, &settings).unwrap_err();
        assert_eq!(error.code, Code::ShapeMismatch);
        assert_eq!((error.file.as_deref(), error.tensor.as_deref()), (Some("wide"), Some(names[0].as_str())));
    }
}

#[test]
fn cancelling_stops_between_modules() {
    let (content, style) = pair(Dtype::F16);
    block_on(async {
        let (of_content, of_style) =
            (Adapter::open(&content, None).await.unwrap(), Adapter::open(&style, None).await.unwrap());
        let mut engine = Engine::choose(EngineChoice::Cpu).await.unwrap();
        let mut watch = Patience { cancel_after: 4, ..Patience::endless() };
        let error = fusion::fuse(
            &Sources {
                content: Some(Input { adapter: &of_content, source: &content }),
                style: Some(Input { adapter: &of_style, source: &style }),
            },
            &[whole().into()],
            &mut engine,
            &mut [MemorySink::default()],
            &Alone,
            &mut watch,
        )
        .await
        .err();
        assert_eq!(error.map(|e| e.code), Some(Code::Aborted));
        assert!(watch.steps < 5);
    });
}

/// A sink that loses a bit on the way.
#[derive(Default)]
struct Flipping {
    file: MemorySink,
    at: u64,
    /// Whether it can be read before it is finished.
    early: bool,
}

impl Sink for Flipping {
    type Finished = MemorySource;

    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut bytes = bytes.to_vec();
        if let Some(byte) = self.at.checked_sub(at).and_then(|offset| bytes.get_mut(offset as usize)) {
            *byte ^= 1;
        }
        self.file.write(at, &bytes).await
    }

    fn so_far(&self) -> Option<impl Source> {
        self.early.then(|| MemorySource::new("result", self.file.bytes.clone()))
    }

    async fn finish(&mut self) -> Result<MemorySource, Error> {
        self.file.finish().await
    }
}

#[test]
fn a_single_wrong_bit_anywhere_is_found() {
    let (content, style) = pair(Dtype::F16);
    let size = fuse(&content, &style, &whole()).unwrap().0.len() as u64;
    for (at, early) in
        (0..size).step_by(997).chain([0, 8, 9, size - 1]).zip([true, false].into_iter().cycle())
    {
        block_on(async {
            let (of_content, of_style) =
                (Adapter::open(&content, None).await.unwrap(), Adapter::open(&style, None).await.unwrap());
            let mut engine = Engine::choose(EngineChoice::Cpu).await.unwrap();
            let error = fusion::fuse(
                &Sources {
                    content: Some(Input { adapter: &of_content, source: &content }),
                    style: Some(Input { adapter: &of_style, source: &style }),
                },
                &[whole().into()],
                &mut engine,
                &mut [Flipping { at, early, ..Flipping::default() }],
                &Alone,
                &mut Patience::endless(),
            )
            .await
            .err();
            let metadata = 120..1400;
            assert!(
                error.is_some_and(|e| e.code == Code::Verify) || metadata.contains(&at),
                "byte {at} of {size}"
            );
        });
    }
}
