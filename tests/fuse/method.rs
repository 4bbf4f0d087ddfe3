//! That the saved update is the method's, whatever the layout, and what is said of it.

use crate::files::{bytes, close, file, fuse, kohya, numbers, pair, reference, update, values, whole, words};
use nalgebra::DMatrix;
use np_lora::container::MemorySource;
use np_lora::fusion::Settings;
use np_lora::fusion::settings::{CutChoice, DtypeChoice, RankLayout};
use safetensors::{Dtype, SafeTensors};

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

/// Loaders treat an alpha of 0 as the rank, and some refuse a negative one.
#[test]
fn alpha_is_positive_whatever_the_strengths() {
    let (content, style) = pair(Dtype::F32);
    for style_strength in [1.0, -1.0, 0.0] {
        let settings = Settings { style_strength, layout: RankLayout::Compact, ..whole() };
        let (out, _) = fuse(&content, &style, &settings).unwrap();
        let tensors = SafeTensors::deserialize(&out).unwrap();
        let alphas: Vec<f64> = tensors
            .iter()
            .filter(|(name, _)| name.ends_with(".alpha"))
            .map(|(_, alpha)| numbers(alpha.data(), alpha.dtype())[0])
            .collect();
        assert!(
            !alphas.is_empty() && alphas.iter().all(|alpha| *alpha > 0.0),
            "{style_strength}: {alphas:?}"
        );
        let should = update(&bytes(&style), "lora_unet_only_style").unwrap() * style_strength;
        let is = update(&out, "lora_unet_only_style").unwrap();
        assert!((is - &should).norm() <= 1e-6 * should.norm(), "{style_strength}");
    }
}

#[test]
fn median_and_worst_are_those_of_the_modules() {
    let (content, style) = pair(Dtype::F32);
    let (_, report) = fuse(&content, &style, &whole()).unwrap();
    let mut overlaps: Vec<(f64, &str)> =
        report.modules.iter().map(|m| (m.overlap, m.name.as_str())).collect();
    overlaps.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(overlaps.len(), 3);
    let spread = report.overlap.as_ref().unwrap();
    assert_eq!(
        (spread.median, spread.worst, spread.worst_module.as_str()),
        (overlaps[1].0, overlaps[2].0, overlaps[2].1)
    );
    assert!(spread.median < spread.worst);
}

/// A content that the projection takes away nearly as a whole, beside a style that is nearly off.
#[test]
fn what_little_is_left_of_a_content_is_right_to_its_own_digits() {
    let style = kohya("s", "lora_unet_q", 40, 8, &[64], None, Dtype::F32);
    let down: Vec<f32> = style[0].3.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect();
    let mix = values("mix", 4 * 8);
    let inside = (0..4 * 64).map(|at| {
        let (row, column) = (at / 64, at % 64);
        (0..8).map(|of| mix[row * 8 + of] * down[of * 64 + column]).sum::<f32>()
    });
    let mut content = kohya("c", "lora_unet_q", 40, 4, &[64], None, Dtype::F32);
    content[0].3 = words(&inside.collect::<Vec<_>>(), Dtype::F32);
    let (content, style) = (file("c", &content), file("s", &style));
    let (c, s) =
        (update(&bytes(&content), "lora_unet_q").unwrap(), update(&bytes(&style), "lora_unet_q").unwrap());
    let rows = DMatrix::from_row_slice(8, 64, &numbers(&words(&down, Dtype::F32), Dtype::F32));
    let along = &c * rows.transpose() * (&rows * rows.transpose()).try_inverse().unwrap() * &rows;
    for (mu, style_strength) in [(10.0, 1e-3), (1e3, 1e-3), (1e5, 1e-4), (f64::INFINITY, 1e-4)] {
        let settings = Settings { mu, style_strength, ..whole() };
        let (out, _) = fuse(&content, &style, &settings).unwrap();
        let beta = if mu.is_finite() { mu / (1.0 + mu) } else { 1.0 };
        close(&update(&out, "lora_unet_q").unwrap(), &(&s * style_strength + &c - beta * &along), 1e-6);
    }
}
