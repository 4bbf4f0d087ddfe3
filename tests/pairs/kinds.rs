//! Every adapter kind against its definition, written out densely.

use super::files::{File, close, fuse, hard, random, reference, singular_values};
use nalgebra::DMatrix;
use np_lora::adapter::scale::ScaleChoice;
use np_lora::error::Code;
use np_lora::fusion::Settings;
use np_lora::fusion::accounting::CutOf;
use np_lora::fusion::settings::Recompress;
use safetensors::SafeTensors;

const M: usize = 24;
const N: usize = 36;
const STEM: &str = "some_new_model_layer";

fn style() -> (File, DMatrix<f64>) {
    let (b, a) = (random("s b", M, 5), random("s a", 5, N));
    (File::default().lora(STEM, &b, &a, Some(2.5)), b * a * 0.5)
}

/// The file fuses as subject, and as style, as its dense update would; exactly, or cut to `rank`.
fn check(file: &File, dense: &DMatrix<f64>, what: &str) {
    let (style, style_update) = style();
    let fused = fuse(Some(file), Some(&style), &hard()).unwrap_or_else(|e| panic!("{what}: {e}"));
    close(&fused.update(STEM).unwrap(), &reference(dense, &style_update, 1.0), 2e-6, what);
    let fused = fuse(Some(&style), Some(file), &hard()).unwrap();
    close(&fused.update(STEM).unwrap(), &reference(&style_update, dense, 1.0), 1e-5, what);
}

#[test]
fn loha_is_exact() {
    let part = |name: &str, rows, cols| random(name, rows, cols);
    let [a1, b1, a2, b2] = [part("1a", M, 3), part("1b", 3, N), part("2a", M, 3), part("2b", 3, N)];
    let file = File::default()
        .matrix(format!("{STEM}.hada_w1_a"), &a1)
        .matrix(format!("{STEM}.hada_w1_b"), &b1)
        .matrix(format!("{STEM}.hada_w2_a"), &a2)
        .matrix(format!("{STEM}.hada_w2_b"), &b2)
        .number(format!("{STEM}.alpha"), 1.5);
    check(&file, &((a1 * b1).component_mul(&(a2 * b2)) * 0.5), "LoHa");
}

#[test]
fn a_large_loha_is_cut_and_says_so() {
    let (m, n, r) = (300, 320, 17);
    let part = |name: &str, rows, cols| random(name, rows, cols);
    let [a1, b1, a2, b2] = [part("1a", m, r), part("1b", r, n), part("2a", m, r), part("2b", r, n)];
    let file = File::default()
        .matrix(format!("{STEM}.hada_w1_a"), &a1)
        .matrix(format!("{STEM}.hada_w1_b"), &b1)
        .matrix(format!("{STEM}.hada_w2_a"), &a2)
        .matrix(format!("{STEM}.hada_w2_b"), &b2);
    let dense = (a1 * b1).component_mul(&(a2 * b2));
    let fused = fuse(Some(&file), None, &Settings { dense_rank: 40, ..hard() }).unwrap();
    let sigma = singular_values(&dense);
    let energy = |part: &[f64]| part.iter().map(|s| s * s).sum::<f64>();
    let best = energy(&sigma[..40]) / energy(&sigma);
    let cut = &fused.report.cuts[0];
    assert!((cut.kept - best).abs() < 0.01 * best, "{} against {best}", cut.kept);
    let left = (&dense - fused.update(STEM).unwrap()).norm_squared() / dense.norm_squared();
    assert!((1.0 - left - cut.kept).abs() < 1e-4, "the share that is shown is the share that is left");
    assert!(fused.report.warnings.iter().any(|w| w.code == Code::EnergyCut));
}

#[test]
fn lokr_is_exact_where_it_is_low_rank() {
    let (w1, a, b) = (random("w1", 4, 3), random("w2a", 6, 2), random("w2b", 2, 12));
    let file = File::default()
        .matrix(format!("{STEM}.lokr_w1"), &w1)
        .matrix(format!("{STEM}.lokr_w2_a"), &a)
        .matrix(format!("{STEM}.lokr_w2_b"), &b)
        .number(format!("{STEM}.alpha"), 1.0);
    check(&file, &(w1.kronecker(&(&a * &b)) * 0.5), "LoKr");
    let (a, b) = (random("w2a", 8, 2), random("w2b", 2, 9));
    let (left, right) = (random("l", 3, 2), random("r", 2, 4));
    let file = File::default()
        .matrix(format!("{STEM}.lokr_w1_a"), &left)
        .matrix(format!("{STEM}.lokr_w1_b"), &right)
        .matrix(format!("{STEM}.lokr_w2_a"), &a)
        .matrix(format!("{STEM}.lokr_w2_b"), &b);
    check(&file, &(left * right).kronecker(&(&a * &b)), "LoKr of two products");
    // Both whole: cut to a rank, but a rank as large as the layer's loses nothing; alpha does not count.
    let (w1, w2) = (random("w1", 4, 3), random("w2", 6, 12));
    let file = File::default()
        .matrix(format!("{STEM}.lokr_w1"), &w1)
        .matrix(format!("{STEM}.lokr_w2"), &w2)
        .number(format!("{STEM}.alpha"), 1e10);
    check(&file, &w1.kronecker(&w2), "LoKr, whole");
}

#[test]
fn a_large_lokr_is_cut_to_its_strongest_products() {
    // So large that neither half is decomposed as a whole.
    let (w1, w2) = (random("w1", 60, 64), random("w2", 50, 48));
    let file = File::default().matrix(format!("{STEM}.lokr_w1"), &w1).matrix(format!("{STEM}.lokr_w2"), &w2);
    let fused = fuse(Some(&file), None, &Settings { dense_rank: 30, ..hard() }).unwrap();
    let (first, second) = (singular_values(&w1), singular_values(&w2));
    let mut all: Vec<f64> = first.iter().flat_map(|a| second.iter().map(move |b| (a * b).powi(2))).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    let best = all[..30].iter().sum::<f64>() / all.iter().sum::<f64>();
    let cut = &fused.report.cuts[0];
    assert!((cut.kept - best).abs() < 0.02 * best, "{} against {best}", cut.kept);
    let left = (w1.kronecker(&w2) - fused.update(STEM).unwrap()).norm_squared();
    let left = left / (w1.norm_squared() * w2.norm_squared());
    assert!((1.0 - left - cut.kept).abs() < 1e-4, "the share that is shown is the share that is left");
}

#[test]
fn tucker_cores_fold_into_the_down_factor() {
    // 24 out, 4 in, 3×3.
    let (up, down, core) = (random("up", M, 3), random("down", 3, 4), random("mid", 3, 27));
    let file = File::default()
        .with(format!("{STEM}.lora_up.weight"), &[M, 3, 1, 1], &up)
        .with(format!("{STEM}.lora_down.weight"), &[3, 4, 1, 1], &down)
        .with(format!("{STEM}.lora_mid.weight"), &[3, 3, 3, 3], &core);
    // ΔW[o, (i, k)] = Σ_{p, q} up[o, p]·mid[p, q, k]·down[q, i].
    let dense = DMatrix::from_fn(M, N, |o, ik| {
        let (i, k) = (ik / 9, ik % 9);
        (0..9).map(|pq| up[(o, pq / 3)] * core[(pq / 3, (pq % 3) * 9 + k)] * down[(pq % 3, i)]).sum()
    });
    check(&file, &dense, "Tucker");
    let fused = fuse(Some(&file), None, &hard()).unwrap();
    let shape = fused.tensor(&format!("{STEM}.lora_down.weight")).unwrap();
    assert_eq!(shape.ncols(), N);
}

#[test]
fn full_differences_are_cut_to_a_rank() {
    let dense = random("b", M, 6) * random("a", 6, N);
    let file = File::default().matrix(format!("{STEM}.diff"), &dense);
    check(&file, &dense, "diff");
    let fused = fuse(Some(&file), None, &Settings { dense_rank: 3, ..hard() }).unwrap();
    assert_eq!(fused.report.rank, 3);
    assert!(fused.report.cuts[0].kept < 0.9);
}

#[test]
fn dora_is_refused_unless_told_otherwise() {
    let (b, a) = (random("c b", M, 4), random("c a", 4, N));
    let dora = File::default()
        .lora(STEM, &b, &a, None)
        .matrix(format!("{STEM}.dora_scale"), &random("m", M, 1))
        .lora("other", &b, &a, None);
    let (style, style_update) = style();
    let style = style.lora("other", &random("o b", M, 2), &random("o a", 2, N), None);
    let fused = fuse(Some(&dora), Some(&style), &hard()).unwrap();
    assert_eq!((fused.report.fused, fused.report.passed_style, fused.report.refused.len()), (1, 1, 1));
    assert_eq!(fused.report.content_tensors.refused, 3);
    let warned: Vec<_> = fused
        .report
        .warnings
        .iter()
        .filter(|w| w.code == Code::ModulesRefused)
        .map(|w| w.tensor.as_deref())
        .collect();
    assert_eq!(warned, [Some(STEM)]);
    close(&fused.update(STEM).unwrap(), &style_update, 1e-6, "the style alone");

    let settings = Settings { direction_only: true, ..hard() };
    let fused = fuse(Some(&dora), Some(&style), &settings).unwrap();
    assert!(fused.report.refused.is_empty());
    assert!(fused.report.warnings.iter().any(|w| w.code == Code::DirectionOnly));
    close(&fused.update(STEM).unwrap(), &reference(&(&b * &a), &style_update, 1.0), 1e-6, "direction only");

    // A module that only one file has passes through with its magnitudes, at strength 1.
    let plain = File::default().lora("other", &random("o b", M, 2), &random("o a", 2, N), None);
    let fused = fuse(Some(&dora), Some(&plain), &hard()).unwrap();
    assert_eq!(fused.tensor(&format!("{STEM}.dora_scale")).unwrap(), random("m", M, 1));
    close(&fused.update(STEM).unwrap(), &(&b * &a), 1e-6, "as it was");
    let weaker = Settings { content_strength: 0.5, ..hard() };
    let report = fuse(Some(&dora), Some(&plain), &weaker).unwrap().report;
    assert_eq!(report.refused.len(), 1);
    assert!(report.warnings.iter().any(|w| w.code == Code::ModulesRefused));

    let only =
        File::default().lora(STEM, &b, &a, None).matrix(format!("{STEM}.dora_scale"), &random("m", M, 1));
    let error = fuse(Some(&only), Some(&self::style().0), &hard()).err().unwrap();
    assert_eq!((error.code, error.tensor.as_deref()), (Code::AdapterKind, Some(STEM)));
}

#[test]
fn recompression_is_the_best_there_is() {
    let (b, a) = (random("c b", M, 6), random("c a", 6, N));
    let content = File::default().lora(STEM, &b, &a, None);
    let (style, style_update) = style();
    let whole = reference(&(&b * &a), &style_update, 1.0);
    let sigma = singular_values(&whole);
    let energy = |part: &[f64]| part.iter().map(|s| s * s).sum::<f64>();
    for k in [1, 4, 8, 11] {
        let settings = Settings { recompress: Recompress::Rank { rank: k }, ..hard() };
        let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
        let k = k as usize;
        assert_eq!(fused.report.rank, k);
        let left = (&whole - fused.update(STEM).unwrap()).norm();
        let best = energy(&sigma[k..]).sqrt();
        assert!(left <= best + 1e-5 * whole.norm(), "{k}: {left:.3e}, best {best:.3e}");
        let kept = energy(&sigma[..k]) / energy(&sigma);
        assert!((fused.report.cuts[0].kept - kept).abs() < 1e-6);
        let (up, down) = fused.factors(STEM).unwrap();
        assert!((up.norm() / down.norm() - 1.0).abs() < 1e-3, "balanced");
    }
    let settings = Settings { recompress: Recompress::Energy { share: 0.9 }, ..hard() };
    let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
    let fewest = (1..=11).find(|&k| energy(&sigma[..k]) >= 0.9 * energy(&sigma)).unwrap();
    assert_eq!(fused.report.rank, fewest);
}

/// A layer that is as good as off, in a format that can still say so.
#[test]
fn next_to_nothing_can_be_cut_as_well() {
    let (style, _) = style();
    let off = format!("{STEM}_off");
    for size in [1e-25, 1e-31, 1e-36] {
        let up = random("c b", M, 6) * size;
        let content = File::default().lora(STEM, &random("c b", M, 6), &random("c a", 6, N), None);
        let content = content.lora(&off, &up, &random("c a", 6, N / 2), None);
        for recompress in [Recompress::Rank { rank: 2 }, Recompress::Energy { share: 0.5 }] {
            let fused = fuse(Some(&content), Some(&style), &Settings { recompress, ..hard() });
            assert!(fused.is_ok(), "{size:e} {recompress:?}: {}", fused.err().unwrap());
        }
    }
}

#[test]
fn what_is_kept_is_told_apart_by_whose_modules_were_cut() {
    let stems = ["to_q", "to_k", "to_v"].map(|layer| format!("{STEM}_{layer}"));
    let file = |of: &str, ranks: &[usize]| {
        stems.iter().zip(ranks).fold(File::default(), |file, (stem, &rank)| {
            let dense =
                random(&format!("b {of} {stem}"), M, rank) * random(&format!("a {of} {stem}"), rank, M);
            file.matrix(format!("{stem}.diff"), &dense)
        })
    };
    // The more directions there were, the less is kept; what has no more than are kept is kept whole.
    let (content, style) = (file("content", &[5, 12, 8]), file("style", &[9, 4, 3]));
    let exact = Settings { dense_rank: 4, ..hard() };
    let report = fuse(Some(&content), Some(&style), &exact).unwrap().report;
    let warned = report.warnings.iter().find(|warning| warning.code == Code::EnergyCut).cloned();
    let kept = report.energy_kept;
    let (whole, of_style) = (kept.content.unwrap(), kept.style.unwrap().spread);
    let subject = &whole.spread;
    assert!(subject.worst < whole.whole && whole.whole < 1.0, "{whole:?}");
    assert_eq!((&*subject.worst_module, &*of_style.worst_module), (&*stems[1], &*stems[0]));
    assert!(0.3 < subject.worst && subject.worst < subject.median && subject.median < 1.0, "{subject:?}");
    assert!(of_style.worst < 0.9 && (of_style.median - 1.0).abs() < 1e-6, "{of_style:?}");
    assert_eq!(kept.result, None);
    // A word is said of the one that keeps the least.
    let warned = warned.unwrap();
    assert_eq!(warned.tensor.as_deref(), Some(&*subject.worst_module));
    assert!(warned.detail.contains(&format!("subject keeps {:.1} %", 100.0 * subject.worst)), "{warned}");
    let settings = Settings { recompress: Recompress::Rank { rank: 2 }, ..exact.clone() };
    let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
    let least = fused.report.cuts.iter().filter(|cut| cut.of == CutOf::Result).map(|cut| cut.kept);
    let of_result = fused.report.energy_kept.result.clone().unwrap();
    assert_eq!(of_result.spread.worst, least.fold(1.0, f64::min));
    // By energies, over all modules.
    let exact: f64 = stems
        .iter()
        .map(|stem| fuse(Some(&content), Some(&style), &exact).unwrap().update(stem).unwrap().norm_squared())
        .sum();
    let saved: f64 = stems.iter().map(|stem| fused.update(stem).unwrap().norm_squared()).sum();
    assert!((of_result.whole - saved / exact).abs() < 1e-3, "{} {}", of_result.whole, saved / exact);
    assert_eq!(fused.report.energy_kept.content, Some(whole), "what befell the inputs is the same");
    // Where the rank is enough, nothing is cut.
    let enough = Settings { recompress: Recompress::Rank { rank: 200 }, dense_rank: 4, ..hard() };
    assert_eq!(fuse(Some(&content), Some(&style), &enough).unwrap().report.energy_kept.result, None);
}

#[test]
fn figures_that_overflow_are_not_taken_for_nothing() {
    // Together they make an ordinary update; the squares of either half are beyond f32.
    let content = File::default().lora(STEM, &(random("b", M, 3) * 1e19), &(random("a", 3, N) * 1e-19), None);
    let (style, _) = style();
    let error = fuse(Some(&content), Some(&style), &hard()).err().unwrap();
    assert_eq!(error.code, Code::OutputRange, "{error}");
}

#[test]
fn dora_that_cannot_be_written_as_it_is_is_refused() {
    let (b, a) = (random("b", 6144, 2), random("a", 2, 3072));
    let stem = "transformer.norm_out.linear";
    let other = "transformer.transformer_blocks.0.attn.to_q";
    let file = |magnitude: &[usize]| {
        let values = random("m", magnitude.iter().product(), 1);
        File::default()
            .matrix(format!("{stem}.lora_A.weight"), &a)
            .matrix(format!("{stem}.lora_B.weight"), &b)
            .with(format!("{stem}.lora_magnitude_vector"), magnitude, &values)
            .matrix(format!("{other}.lora_A.weight"), &random("oa", 2, 3072))
            .matrix(format!("{other}.lora_B.weight"), &random("ob", 3072, 2))
            .note("ss_base_model_version", "flux1")
    };
    let to = |scheme: &str, direction_only| {
        let settings = Settings { scheme: Some(scheme.into()), direction_only, ..hard() };
        fuse(Some(&file(&[6144])), None, &settings).unwrap()
    };
    // The halves of its rows stand the other way round there: the magnitudes would have to be turned as well.
    let refused = to("kohya", false).report;
    assert_eq!((refused.refused.len(), refused.content_tensors.refused), (1, 3));
    assert!(to("kohya", true).report.warnings.iter().any(|w| w.code == Code::DirectionOnly));
    let kept = to("peft", false);
    assert_eq!(kept.tensor(&format!("{stem}.lora_magnitude_vector")).unwrap(), random("m", 6144, 1));
    let error = fuse(Some(&file(&[7, 3])), None, &hard()).err().unwrap();
    assert_eq!(
        (error.code, error.tensor.clone().unwrap()),
        (Code::LoraShape, format!("{stem}.lora_magnitude_vector"))
    );
}

#[test]
fn kernels_where_none_belongs_are_refused() {
    let loha = |shape: &[usize]| {
        File::default()
            .with(format!("{STEM}.hada_w1_a"), shape, &random("a1", shape.iter().product(), 1))
            .with(format!("{STEM}.hada_w2_a"), shape, &random("a2", shape.iter().product(), 1))
            .matrix(format!("{STEM}.hada_w1_b"), &random("b1", 2, N))
            .matrix(format!("{STEM}.hada_w2_b"), &random("b2", 2, N))
    };
    assert!(fuse(Some(&loha(&[M, 2])), None, &hard()).is_ok());
    assert_eq!(fuse(Some(&loha(&[M, 2, 3])), None, &hard()).err().unwrap().code, Code::LoraShape);
    let lokr = |first: &[usize], second: &[usize]| {
        File::default()
            .with(format!("{STEM}.lokr_w1_a"), first, &random("1a", first.iter().product(), 1))
            .matrix(format!("{STEM}.lokr_w1_b"), &random("1b", 2, 3))
            .with(format!("{STEM}.lokr_w2_a"), second, &random("2a", second.iter().product(), 1))
            .matrix(format!("{STEM}.lokr_w2_b"), &random("2b", 2, 12))
    };
    assert!(fuse(Some(&lokr(&[4, 2], &[6, 2])), None, &hard()).is_ok());
    for (first, second) in [(&[4, 2, 3][..], &[6, 2][..]), (&[4, 2], &[6, 2, 3])] {
        assert_eq!(fuse(Some(&lokr(first, second)), None, &hard()).err().unwrap().code, Code::LoraShape);
    }
}

/// Magnitudes belong to a module as its file has it: at another scale, or cut to a rank, it is another one.
#[test]
fn dora_that_would_be_changed_on_its_way_is_refused() {
    let (b, a) = (random("c b", M, 4), random("c a", 4, N));
    let dora = File::default()
        .lora(STEM, &b, &a, Some(2.0))
        .matrix(format!("{STEM}.dora_scale"), &random("m", M, 1))
        .lora("other", &b, &a, None);
    let style = File::default().lora("other", &random("o b", M, 2), &random("o a", 2, N), None);
    for settings in [
        Settings { content_scale: ScaleChoice::Alpha { alpha: 1.0 }, ..hard() },
        Settings { content_scale: ScaleChoice::RankStabilised, ..hard() },
        Settings { recompress: Recompress::Rank { rank: 2 }, ..hard() },
        Settings { recompress: Recompress::Energy { share: 0.5 }, ..hard() },
    ] {
        let fused = fuse(Some(&dora), Some(&style), &settings).unwrap();
        assert_eq!(fused.report.refused.len(), 1, "{settings:?}");
        assert_eq!(fused.tensor(&format!("{STEM}.dora_scale")), None);
    }
}

/// PEFT's magnitudes are a vector; kohya's loaders multiply by a column, and a vector would be taken for a row.
#[test]
fn magnitudes_have_the_shape_of_the_naming_they_are_written_in() {
    let (stem, kohya) =
        ("transformer.single_transformer_blocks.0.norm.linear", "lora_unet_single_blocks_0_modulation_lin");
    let (out, inputs) = (9216, 3072);
    let file = |magnitude: &[usize]| {
        File::default()
            .matrix(format!("{stem}.lora_A.weight"), &random("a", 2, inputs))
            .matrix(format!("{stem}.lora_B.weight"), &random("b", out, 2))
            .with(
                format!("{stem}.lora_magnitude_vector"),
                magnitude,
                &random("m", magnitude.iter().product(), 1),
            )
            .note("ss_base_model_version", "flux1")
    };
    let to = |file: &File, scheme: &str| {
        fuse(Some(file), None, &Settings { scheme: Some(scheme.into()), ..hard() })
    };
    let shape = |fused: &super::files::Fused, name: &str| {
        SafeTensors::deserialize(&fused.bytes).unwrap().tensor(name).unwrap().shape().to_vec()
    };
    let fused = to(&file(&[out]), "kohya").unwrap();
    assert_eq!(shape(&fused, &format!("{kohya}.dora_scale")), [out, 1]);
    assert_eq!(fused.tensor(&format!("{kohya}.dora_scale")).unwrap(), random("m", out, 1));
    let fused = to(&file(&[out, 1]), "peft").unwrap();
    assert_eq!(shape(&fused, &format!("{stem}.lora_magnitude_vector")), [out]);
    // ComfyUI spells the factors as PEFT does, but of magnitudes it reads only LyCORIS'.
    let comfy = "diffusion_model.single_blocks.0.modulation.lin.dora_scale";
    for (magnitude, written) in [(vec![out], [out, 1]), (vec![1, inputs], [1, inputs])] {
        let fused = to(&file(&magnitude), "comfy").unwrap();
        assert_eq!(shape(&fused, comfy), written);
        assert_eq!(fused.tensor(comfy).unwrap().len(), written[0] * written[1]);
    }
    // Of a model that nobody knows they keep their name.
    let strange = "diffusion_model.strange.0.lin";
    let unknown = File::default()
        .matrix(format!("{strange}.lora_A.weight"), &random("a", 2, 24))
        .matrix(format!("{strange}.lora_B.weight"), &random("b", 40, 2))
        .matrix(format!("{strange}.dora_scale"), &random("m", 40, 1));
    let fused = fuse(Some(&unknown), None, &hard()).unwrap();
    assert_eq!(shape(&fused, &format!("{strange}.dora_scale")), [40, 1]);
    // PEFT has none of columns.
    let refused = to(&file(&[1, inputs]), "peft").err().unwrap();
    assert_eq!((refused.code, refused.tensor.as_deref()), (Code::AdapterKind, Some(stem)));
    assert_eq!(
        shape(&to(&file(&[1, inputs]), "kohya").unwrap(), &format!("{kohya}.dora_scale")),
        [1, inputs]
    );
}

/// Where nothing is known of the model: four dimensions load on a matrix too, two do not on a convolution.
#[test]
fn a_convolution_that_one_file_keeps_as_a_matrix_is_written_as_one() {
    let (b, a) = (random("b", M, 3), random("a", 3, N));
    let flat = File::default().lora(STEM, &b, &a, None);
    let conv = File::default()
        .with(format!("{STEM}.lora_down.weight"), &[3, N, 1, 1], &random("c", 3, N))
        .with(format!("{STEM}.lora_up.weight"), &[M, 3, 1, 1], &b);
    for (content, style) in [(&flat, &conv), (&conv, &flat)] {
        let fused = fuse(Some(content), Some(style), &hard()).unwrap();
        let tensors = SafeTensors::deserialize(&fused.bytes).unwrap();
        let shape =
            |end: &str| tensors.tensor(&format!("{STEM}.lora_{end}.weight")).unwrap().shape().to_vec();
        assert_eq!((shape("down"), shape("up")), (vec![6, N, 1, 1], vec![M, 6, 1, 1]));
    }
}
