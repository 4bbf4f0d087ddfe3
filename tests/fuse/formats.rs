//! Number formats: what rounding does, and that the report says it.

use crate::files::{bytes, file, fuse, kohya, pair, reference, update, values, whole, words};
use np_lora::adapter::Adapter;
use np_lora::error::Code;
use np_lora::fusion::settings::{DtypeChoice, RankLayout, Recompress, ResultChoice};
use np_lora::fusion::{Pair, Plan, Settings};
use pollster::block_on;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
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
    assert_eq!(error.detail, "Of 160 values 1 is too large for F32, the first is number 8.");
}

/// Of the smallest numbers sixteen bits keep next to nothing, also where nothing is projected.
#[test]
fn what_rounding_does_to_a_module_that_passes_through_is_said() {
    let (m, r, n) = (24, 4, 32);
    // Of the second pair F16 keeps nothing at all, and squares of its rows are nothing in f32.
    for (rows, columns) in [(1e-7, 1e-7), (1e-30, 1.0)] {
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
    let fit_as = |content, style, settings: Settings| {
        let fit = Plan::new(Pair { content: Some(&open(content)), style: Some(&open(style)) }, &settings)
            .unwrap()
            .fit();
        (fit.dtype, fit.widened)
    };
    let fit = |content, style, dtype| fit_as(content, style, Settings { dtype, ..whole() });
    let (auto, f16, bf16, f32) = (DtypeChoice::Auto, Dtype::F16, Dtype::BF16, Dtype::F32);
    assert_eq!(fit(f16, f16, auto), ("F16".into(), false));
    assert_eq!(fit(bf16, bf16, auto), ("BF16".into(), false));
    assert_eq!(fit(f16, bf16, auto), ("F32".into(), true));
    assert_eq!(fit(f16, f32, auto), ("F32".into(), false));
    assert_eq!(fit(f16, bf16, DtypeChoice::F32), ("F32".into(), false));
    // Of the style an overlap has no values.
    let overlap = Settings { dtype: auto, result: ResultChoice::Overlap, ..whole() };
    assert_eq!(fit_as(f16, bf16, overlap.clone()), ("F16".into(), false));
    assert_eq!(fit_as(bf16, f32, overlap), ("BF16".into(), false));
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

/// Numbers that F16 does not hold are no reason to refuse where it holds what a loader makes of them: in what both files have,
/// where a projection may gather a row in one value, and in what only one has.
#[test]
fn a_factor_too_large_for_f16_leaves_a_part_of_its_scale_to_the_other() {
    let (first, second) = ([1e6f32, 1e-4], [1e-4, 1e6]);
    // Of so small a factor F16 would have no digits left, if no more moved than must.
    let (far, farther) = ([1e6f32, 1e-8], [1e-9, 1e7]);
    for (content_by, style_by) in [
        (first, second),
        (second, first),
        (first, first),
        (far, farther),
        (farther, far),
        ([1200.0, 1.0], [1.0, 1.0]),
    ] {
        let scaled = |of: &str, stems: [&str; 2], rank: usize, by: [f32; 2]| {
            let mut tensors = Vec::new();
            for stem in stems {
                for (mut tensor, by) in
                    kohya(of, stem, 40, rank, &[16384], None, Dtype::F32).into_iter().zip(by)
                {
                    for word in tensor.3.as_chunks_mut::<4>().0 {
                        *word = (f32::from_le_bytes(*word) * by).to_le_bytes();
                    }
                    tensors.push(tensor);
                }
            }
            file(of, &tensors)
        };
        let content = scaled("c", ["lora_unet_q", "lora_unet_c"], 4, content_by);
        let style = scaled("s", ["lora_unet_q", "lora_unet_s"], 8, style_by);
        let settings = Settings { dtype: DtypeChoice::F16, mu: f64::INFINITY, ..whole() };
        let (out, report) = fuse(&content, &style, &settings).unwrap();
        let of = |source, stem| update(&bytes(source), stem).unwrap();
        let figures = &report.modules[0];
        let fused =
            reference(&of(&content, "lora_unet_q"), &of(&style, "lora_unet_q"), 1.0, figures.protected);
        for (stem, should) in [
            ("lora_unet_q", fused),
            ("lora_unet_c", of(&content, "lora_unet_c")),
            ("lora_unet_s", of(&style, "lora_unet_s")),
        ] {
            let apart = (update(&out, stem).unwrap() - &should).norm() / should.norm();
            assert!(apart <= 2f64.powi(-10), "{stem} {content_by:?} {style_by:?}: {apart:.2e}");
            if stem == "lora_unet_q" {
                assert!(apart <= 1.001 * figures.rounding + 1e-6, "{apart:.2e} {:.2e}", figures.rounding);
            }
        }
        let warned = report.warnings.iter().find(|warning| warning.code == Code::Rescaled).unwrap();
        let all = if style_by == [1.0, 1.0] { 1 } else { 3 };
        assert_eq!(warned.detail, format!("In all: {all}."));
    }
}

/// F16 has few digits of small numbers, which the other factor may have no need of.
#[test]
fn small_factors_keep_their_digits_in_f16() {
    for dtype in [Dtype::F32, Dtype::BF16] {
        for (down, up) in [(1e-5, 1.0), (1.0, 1e-5), (3e-7, 30.0), (1e-2, 1e-6)] {
            let scaled = |of: &str, only: &str, rank: usize| {
                let mut tensors = Vec::new();
                for stem in ["lora_unet_q", only] {
                    let module = kohya(of, stem, 40, rank, &[64], None, Dtype::F32);
                    for ((name, _, shape, bits), by) in module.into_iter().zip([down, up]) {
                        let values =
                            bits.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word) * by);
                        tensors.push((name, dtype, shape, words(&values.collect::<Vec<_>>(), dtype)));
                    }
                }
                file(of, &tensors)
            };
            let (content, style) = (scaled("c", "lora_unet_c", 4), scaled("s", "lora_unet_s", 8));
            let settings = Settings { dtype: DtypeChoice::F16, mu: f64::INFINITY, ..whole() };
            let (out, report) = fuse(&content, &style, &settings).unwrap();
            let of = |source, stem| update(&bytes(source), stem).unwrap();
            let figures = &report.modules[0];
            let (c, s) = (of(&content, "lora_unet_q"), of(&style, "lora_unet_q"));
            for (stem, should) in [
                ("lora_unet_q", reference(&c, &s, 1.0, figures.protected)),
                ("lora_unet_c", of(&content, "lora_unet_c")),
                ("lora_unet_s", of(&style, "lora_unet_s")),
            ] {
                let apart = (update(&out, stem).unwrap() - &should).norm() / should.norm();
                assert!(apart <= 2f64.powi(-10), "{stem} {dtype} {down} {up}: {apart:.2e}");
            }
            assert!(report.warnings.iter().all(|warning| warning.code != Code::Rescaled));
        }
    }
}

/// As sd-scripts writes them unless told otherwise, with lora_up still near the zeros that it begins with.
#[test]
fn an_alpha_of_one_costs_no_digits() {
    // Also where the scale is 1 and lora_down is small: what is saved of the content's is a projection, which is rounded anew.
    for (alpha, down, size) in [(1.0, 0.03, 1.0), (1.0, 0.03, 1e-3), (1.0, 0.03, 3e-5), (64.0, 1e-4, 0.03)] {
        let both = |of: &str, only: &str| {
            let mut tensors = Vec::new();
            for stem in ["lora_unet_q", only] {
                let mut module = kohya(of, stem, 40, 64, &[320], Some(alpha), Dtype::F32);
                for ((_, dtype, _, bits), by) in module.iter_mut().zip([down, size]) {
                    let values = bits.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word) * by);
                    (*dtype, *bits) = (Dtype::F16, words(&values.collect::<Vec<_>>(), Dtype::F16));
                }
                tensors.extend(module);
            }
            file(of, &tensors)
        };
        let (content, style) = (both("c", "lora_unet_c"), both("s", "lora_unet_s"));
        for (content_strength, layout) in
            [(1.0, RankLayout::Compatible), (0.7, RankLayout::Compatible), (1.0, RankLayout::Compact)]
        {
            let settings = Settings { content_strength, layout, dtype: DtypeChoice::Auto, ..whole() };
            let (out, report) = fuse(&content, &style, &settings).unwrap();
            assert_eq!(report.dtype, "F16");
            let of = |source, stem, by: f64| update(&bytes(source), stem).unwrap() * by;
            let (c, s) = (of(&content, "lora_unet_q", content_strength), of(&style, "lora_unet_q", 1.0));
            for (stem, should) in [
                ("lora_unet_q", reference(&c, &s, 1.0 / 3.0, report.modules[0].protected)),
                ("lora_unet_c", of(&content, "lora_unet_c", content_strength)),
                ("lora_unet_s", of(&style, "lora_unet_s", 1.0)),
            ] {
                let apart = (update(&out, stem).unwrap() - &should).norm() / should.norm();
                assert!(
                    apart <= 2f64.powi(-11),
                    "{stem} {alpha} {down} {size} {content_strength} {layout:?}: {apart:.2e}"
                );
            }
        }
    }
}

/// Bits that fit stay as they are.
#[test]
fn a_scale_is_shared_as_ever_where_f16_holds_all() {
    let (content, style) = pair(Dtype::F16);
    let settings = Settings { dtype: DtypeChoice::F16, ..whole() };
    let (_, report) = fuse(&content, &style, &settings).unwrap();
    assert!(report.warnings.iter().all(|warning| warning.code != Code::Rescaled));
}

/// The sign of a strength is in one of the two factors, however the scale is shared.
#[test]
fn a_negative_strength_keeps_its_sign_where_the_scale_is_far_from_one() {
    for power in [-12, 10] {
        let alpha = |rank: usize| Some(2f32.powi(power) * rank as f32);
        let both = |of: &str, rank: usize, only: &str| {
            let mut tensors = kohya(of, "lora_unet_q", 40, rank, &[64], alpha(rank), Dtype::F16);
            tensors.extend(kohya(of, only, 24, rank, &[32], alpha(rank), Dtype::F16));
            file(of, &tensors)
        };
        let (content, style) = (both("c", 4, "lora_unet_c"), both("s", 8, "lora_unet_s"));
        let (content_strength, style_strength) = (-0.7, -1.0);
        let settings = Settings { dtype: DtypeChoice::F16, content_strength, style_strength, ..whole() };
        let (out, report) = fuse(&content, &style, &settings).unwrap();
        let of = |source, stem, by: f64| update(&bytes(source), stem).unwrap() * by;
        let (c, s) = (of(&content, "lora_unet_q", -0.7), of(&style, "lora_unet_q", -1.0));
        let expected = reference(&c, &s, 1.0 / 3.0, report.modules[0].protected);
        let alone = [
            ("lora_unet_q", expected),
            ("lora_unet_c", of(&content, "lora_unet_c", -0.7)),
            ("lora_unet_s", of(&style, "lora_unet_s", -1.0)),
        ];
        for (stem, should) in alone {
            let apart = (update(&out, stem).unwrap() - &should).norm() / should.norm();
            assert!(apart <= 2f64.powi(-10), "{stem} 2^{power}: {apart:.2e}");
        }
    }
}

/// Of all that is written, not of the factors alone.
#[test]
fn f32_is_written_where_a_bias_or_a_magnitude_needs_it() {
    let narrow = |of: &str, stem: &str| kohya(of, stem, 40, 4, &[64], None, Dtype::F16);
    let bits = words(&values("small", 40), Dtype::F32);
    for (end, shape) in [(".diff_b", vec![40]), (".dora_scale", vec![40, 1])] {
        let mut tensors = [narrow("c", "lora_unet_q"), narrow("c", "lora_unet_only")].concat();
        tensors.push((format!("lora_unet_only{end}"), Dtype::F32, shape, bits.clone()));
        let (content, style) = (file("c", &tensors), file("s", &narrow("s", "lora_unet_q")));
        let settings = Settings { dtype: DtypeChoice::Auto, ..whole() };
        let (out, report) = fuse(&content, &style, &settings).unwrap();
        assert_eq!(report.dtype, "F32", "{end}");
        let out = SafeTensors::deserialize(&out).unwrap();
        assert_eq!(out.tensor(&format!("lora_unet_only{end}")).unwrap().data(), bits, "{end}");
    }
}

/// Both figures of what rounding did, where every factor is rounded and scales are shared by both.
#[test]
fn rounding_is_told_against_the_update_and_against_the_projections_change() {
    for power in [-14, 0, 12] {
        let alpha = |rank: usize| Some(2f32.powi(power) * rank as f32);
        let both = |of: &str, rank: usize| {
            file(of, &kohya(of, "lora_unet_q", 40, rank, &[64], alpha(rank), Dtype::F32))
        };
        let (content, style) = (both("c", 4), both("s", 8));
        let settings = Settings { dtype: DtypeChoice::F16, mu: f64::INFINITY, ..whole() };
        let (out, report) = fuse(&content, &style, &settings).unwrap();
        let of = |source| update(&bytes(source), "lora_unet_q").unwrap();
        let figures = &report.modules[0];
        let expected = reference(&of(&content), &of(&style), 1.0, figures.protected);
        let change = (of(&content) + of(&style) - &expected).norm();
        let apart = (update(&out, "lora_unet_q").unwrap() - &expected).norm();
        for (what, said, whole) in [
            ("update", figures.rounding, expected.norm()),
            ("change", figures.rounding_of_change.unwrap(), change),
        ] {
            let is = apart / whole;
            assert!(is <= 1.001 * said && said <= 2.5 * is, "2^{power}, of the {what}: {is:.3e} {said:.3e}");
        }
    }
}

/// No decomposition ends on what is not finite.
#[test]
fn a_strength_that_makes_a_value_infinite_is_refused_before_it_is_cut_to_a_rank() {
    let shared = kohya("s", "lora_unet_shared", 24, 4, &[32], None, Dtype::F32);
    let mut large = kohya("c", "lora_unet_q", 40, 4, &[64], None, Dtype::F32);
    large[0].3[..4].copy_from_slice(&1e37f32.to_le_bytes());
    let (content, style) = (file("c", &[&large[..], &shared].concat()), file("s", &shared));
    let settings = Settings { content_strength: 1000.0, recompress: Recompress::Rank { rank: 2 }, ..whole() };
    let error = fuse(&content, &style, &settings).unwrap_err();
    assert_eq!((error.code, error.tensor.as_deref()), (Code::OutputRange, Some("lora_unet_q")));
}

/// What is written in several parts is hashed in as many.
#[test]
fn the_hash_is_of_all_of_a_large_module() {
    let large = |of: &str| file(of, &kohya(of, "lora_unet_q", 64, 8, &[150_000], None, Dtype::F32));
    let (out, report) = fuse(&large("c"), &large("s"), &whole()).unwrap();
    let start = 8 + u64::from_le_bytes(out[..8].try_into().unwrap()) as usize;
    assert!(out.len() - start > 9 << 20);
    let hash: String = Sha256::digest(&out[start..]).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(report.model_hash, hash);
}

/// Where a loader multiplies what is cut to a rank by a scale of its own.
#[test]
fn rounding_of_what_is_cut_to_a_rank_is_told_in_mixed_ranks_too() {
    let both = |of: &str, rank: usize| {
        file(of, &kohya(of, "lora_unet_q", 40, rank, &[64], Some(0.02 * rank as f32), Dtype::F32))
    };
    let (content, style) = (both("c", 4), both("s", 8));
    let run = |dtype| {
        let (layout, recompress) = (RankLayout::Compact, Recompress::Rank { rank: 3 });
        fuse(&content, &style, &Settings { dtype, layout, recompress, ..whole() }).unwrap()
    };
    let (cut, (saved, report)) = (run(DtypeChoice::F32).0, run(DtypeChoice::F16));
    let [cut, saved] = [cut, saved].map(|out| update(&out, "lora_unet_q").unwrap());
    let (is, said) = ((&saved - &cut).norm() / cut.norm(), report.modules[0].rounding);
    assert!(is <= 1.001 * said + 1e-6 && said <= 2.5 * is, "{is:.3e} {said:.3e}");
}
