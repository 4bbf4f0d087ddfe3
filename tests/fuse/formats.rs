//! Number formats: what rounding does, and that the report says it.

use crate::files::{bytes, file, fuse, kohya, pair, reference, update, values, whole, words};
use np_lora::adapter::Adapter;
use np_lora::error::Code;
use np_lora::fusion::settings::{DtypeChoice, RankLayout};
use np_lora::fusion::{Plan, Settings};
use pollster::block_on;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

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
