//! The overlap by itself: subject and style with −μ/(1+μ) times it are the fusion, for every μ and every strength.

use super::files::{File, Fused, close, fuse, hard, random, reference, without};
use nalgebra::DMatrix;
use np_lora::error::Code;
use np_lora::fusion::Settings;
use np_lora::fusion::settings::{
    BlockStrength, CutChoice, DtypeChoice, RankLayout, Recompress, ResultChoice,
};

const M: usize = 24;
const N: usize = 36;
const STEM: &str = "some_new_model_layer";
const MUS: [f64; 6] = [0.0, 0.1, 0.5, 1.0, 10.0, f64::INFINITY];
/// (w_c, w_s).
const STRENGTHS: [(f64, f64); 3] = [(1.0, 1.0), (0.7, -1.3), (-1.5, 0.4)];

fn beta(mu: f64) -> f64 {
    if mu == f64::INFINITY { 1.0 } else { mu / (1.0 + mu) }
}

fn overlap() -> Settings {
    Settings { result: ResultChoice::Overlap, ..hard() }
}

fn plain(seed: &str, rank: usize) -> (File, DMatrix<f64>) {
    let (b, a) = (random(&format!("{seed} b"), M, rank), random(&format!("{seed} a"), rank, N));
    (File::default().lora(STEM, &b, &a, Some(rank as f64 / 2.0)), b * a * 0.5)
}

/// ΔW_c·V V^T with all directions of the style.
fn inside(content: &DMatrix<f64>, style: &DMatrix<f64>) -> DMatrix<f64> {
    content + style - reference(content, style, 1.0)
}

/// Few enough columns to multiply a large layer with; all of a small one's.
fn columns(n: usize) -> DMatrix<f64> {
    if n <= 512 { DMatrix::identity(n, n) } else { random("columns", n, 3) }
}

/// Stacks what programs load of both files and of their overlap, and compares it with the fusion.
fn stacks(content: &File, style: &File, settings: &Settings, bound: f64, what: &str) -> Fused {
    let settings = Settings { dtype: DtypeChoice::F32, ..settings.clone() };
    let of_both = |settings: &Settings| {
        fuse(Some(content), Some(style), settings).unwrap_or_else(|error| panic!("{what}: {error}"))
    };
    let overlap = of_both(&Settings { result: ResultChoice::Overlap, ..settings.clone() });
    // Converted, so that all four have the same names.
    let (c, s) = (fuse(Some(content), None, &settings).unwrap(), fuse(Some(style), None, &settings).unwrap());
    for mu in MUS {
        for (content_strength, style_strength) in STRENGTHS {
            let fusion = of_both(&Settings { mu, content_strength, style_strength, ..settings.clone() });
            for stem in fusion.stems() {
                let (up, down) = fusion.factors(&stem).unwrap();
                let x = columns(down.ncols());
                let of = |file: &Fused| {
                    let nothing = || DMatrix::zeros(up.nrows(), x.ncols());
                    file.factors(&stem).map_or_else(nothing, |(up, down)| up * (down * &x))
                };
                let removed = of(&overlap) * (beta(mu) * content_strength);
                let stacked = of(&c) * content_strength + of(&s) * style_strength - removed;
                close(&stacked, &of(&fusion), bound, &format!("{what}, {stem}, μ {mu}, {content_strength}"));
            }
        }
    }
    overlap
}

#[test]
fn it_makes_the_fusion_for_every_mu() {
    for (r_c, r_s) in [(4, 4), (7, 2), (1, 9)] {
        let ((content, dense_c), (style, dense_s)) = (plain("c", r_c), plain("s", r_s));
        let what = format!("ranks {r_c} and {r_s}");
        let file = stacks(&content, &style, &hard(), 2e-6, &what);
        close(&file.update(STEM).unwrap(), &inside(&dense_c, &dense_s), 2e-6, &what);
        assert_eq!(file.report.rank, r_c, "nothing of the style is written");
    }
    for cut in [CutChoice::Count { count: 2 }, CutChoice::Energy { share: 0.8 }] {
        stacks(&plain("c", 5).0, &plain("s", 6).0, &Settings { cut, ..hard() }, 1e-5, &format!("{cut:?}"));
    }
}

#[test]
fn it_does_so_for_every_kind() {
    let r = |name: &str, rows, cols| random(name, rows, cols);
    let [a1, b1, a2, b2] = [r("1a", M, 3), r("1b", 3, N), r("2a", M, 3), r("2b", 3, N)];
    let loha = File::default()
        .matrix(format!("{STEM}.hada_w1_a"), &a1)
        .matrix(format!("{STEM}.hada_w1_b"), &b1)
        .matrix(format!("{STEM}.hada_w2_a"), &a2)
        .matrix(format!("{STEM}.hada_w2_b"), &b2)
        .number(format!("{STEM}.alpha"), 1.5);
    let lokr = File::default()
        .matrix(format!("{STEM}.lokr_w1"), &r("w1", 4, 3))
        .matrix(format!("{STEM}.lokr_w2_a"), &r("w2a", 6, 2))
        .matrix(format!("{STEM}.lokr_w2_b"), &r("w2b", 2, 12));
    let dense = File::default().matrix(format!("{STEM}.diff"), &(r("b", M, 6) * r("a", 6, N)));
    // A row of the style that its up factor does not use, and two that say the same.
    let (mut b, mut a) = (r("s b", M, 5), r("s a", 5, N));
    b.column_mut(3).fill(0.0);
    let row = a.row(0).into_owned();
    a.set_row(1, &row);
    let deficient = File::default().lora(STEM, &b, &a, None);
    let lora = plain("s", 5).0;
    for (file, what) in [(&loha, "LoHa"), (&lokr, "LoKr"), (&dense, "dense"), (&deficient, "deficient")] {
        stacks(file, &lora, &hard(), 1e-5, &format!("{what} as the subject"));
        stacks(&lora, file, &hard(), 1e-5, &format!("{what} as the style"));
    }
}

#[test]
fn it_does_so_where_one_file_has_fused_layers_and_the_other_split_ones() {
    const WIDTH: usize = 3072;
    let r = |seed: &str, what: &str, rows, cols| random(&format!("{seed} {what}"), rows, cols);
    let fused = |seed: &str| {
        File::default()
            .lora(
                "lora_unet_double_blocks_0_img_attn_qkv",
                &r(seed, "b", 3 * WIDTH, 4),
                &r(seed, "a", 4, WIDTH),
                Some(2.0),
            )
            .note("ss_base_model_version", "flux1")
    };
    // Only k and v, of two ranks; and a layer that the other file lacks.
    let split = |seed: &str| {
        let file = File::default().note("ss_base_model_version", "flux1");
        [("attn.to_k", 2), ("attn.to_v", 3), ("attn.to_out.0", 2)].into_iter().fold(
            file,
            |file, (part, rank)| {
                let stem = format!("transformer.transformer_blocks.0.{part}");
                file.matrix(format!("{stem}.lora_A.weight"), &r(seed, &format!("{part} a"), rank, WIDTH))
                    .matrix(format!("{stem}.lora_B.weight"), &r(seed, &format!("{part} b"), WIDTH, rank))
            },
        )
    };
    for scheme in ["kohya", "peft"] {
        let settings = Settings { scheme: Some(scheme.into()), ..hard() };
        for (content, style, what) in [(fused("c"), split("s"), "fused"), (split("c"), fused("s"), "split")] {
            let file = stacks(&content, &style, &settings, 1e-5, &format!("a {what} subject in {scheme}"));
            assert_eq!((file.report.fused, file.report.warnings.len()), (2, 0));
            let written = file.stems();
            assert!(written.iter().all(|stem| !stem.contains("proj") && !stem.contains("to_out")));
        }
    }
}

/// As the number format stores it.
fn f16(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    matrix.map(|x| half::f16::from_f64(x).to_f64())
}

#[test]
fn in_sixteen_bits_it_is_as_far_off_as_its_own_rounding() {
    let (b, a) = (f16(&random("c b", M, 6)), f16(&random("c a", 6, N)));
    let (style, of_style) = plain("s", 4);
    let content = File::default().lora(STEM, &b, &a, None);
    let settings = Settings { dtype: DtypeChoice::F16, ..overlap() };
    let file = fuse(Some(&content), Some(&style), &settings).unwrap();
    let along = &a - without(&a, &random("s a", 4, N), 1.0);
    let exact = &b * &along;
    let lost = (&b * (f16(&along) - &along)).norm();
    let apart = (file.update(STEM).unwrap() - &exact).norm();
    // Where f32 ends on the other side of two numbers it takes the other one.
    assert!(apart <= 1.01 * lost + 1e-6 * exact.norm(), "{apart:.2e}, rounding makes {lost:.2e}");
    assert!(apart > 0.1 * lost, "rounding is to show");
    let shown = file.report.modules[0].rounding * exact.norm();
    assert!((shown / apart - 1.0).abs() < 0.01, "{shown:.2e} is shown, {apart:.2e} is true");
    for mu in MUS {
        for (w_c, w_s) in STRENGTHS {
            let fusion = reference(&(&b * &a * w_c), &(&of_style * w_s), beta(mu));
            let removed = file.update(STEM).unwrap() * (beta(mu) * w_c);
            let stacked = &b * &a * w_c + &of_style * w_s - removed;
            let allowed = beta(mu) * w_c.abs() * (1.01 * lost) + 2e-6 * fusion.norm();
            let apart = (stacked - fusion).norm();
            assert!(apart <= allowed, "μ {mu}: {apart:.2e} > {allowed:.2e}");
        }
    }
}

#[test]
fn the_figures_are_those_of_what_is_written() {
    let ((content, dense_c), (style, dense_s)) = (plain("c", 5), plain("s", 3));
    let report = fuse(Some(&content), Some(&style), &overlap()).unwrap().report;
    let part = inside(&dense_c, &dense_s);
    let near = |is: f64, should: f64, what: &str| assert!((is - should).abs() < 1e-6, "{what}: {is}");
    let energy = part.norm_squared() / dense_c.norm_squared();
    near(report.modules[0].overlap, energy, "overlap");
    near(report.modules[0].content_kept, energy, "what is written of the subject");
    near(report.content_kept, energy, "of the whole");
    near(report.change, part.norm() / (&dense_c + &dense_s).norm(), "what all of it changes");
    assert_eq!((report.recomputed, report.modules[0].rounding_of_change.is_some()), (1, true));
    assert!(report.recomputed_worst < 1e-5, "{}", report.recomputed_worst);
}

#[test]
fn mu_and_strengths_make_no_difference_to_a_single_byte() {
    let (content, style) = (plain("c", 5).0, plain("s", 3).0);
    let first = fuse(Some(&content), Some(&style), &overlap()).unwrap();
    let block = BlockStrength { content: 0.5, style: 0.0, mu: Some(3.0) };
    let other = Settings {
        mu: 0.0,
        content_strength: -3.0,
        style_strength: 0.0,
        content_text_strength: Some(0.25),
        style_text_strength: Some(0.0),
        blocks: [("IN04".to_owned(), block)].into(),
        ..overlap()
    };
    assert!(fuse(Some(&content), Some(&style), &other).unwrap().bytes == first.bytes);
    let compact = Settings { layout: RankLayout::Compact, ..overlap() };
    let compact = fuse(Some(&content), Some(&style), &compact).unwrap();
    close(&compact.update(STEM).unwrap(), &first.update(STEM).unwrap(), 1e-6, "compact");
    // One file has none: it is converted as ever.
    let [one, same] = [overlap(), hard()].map(|settings| fuse(Some(&content), None, &settings).unwrap());
    assert!(one.bytes == same.bytes);
}

#[test]
fn what_only_one_file_has_is_no_part_of_it_but_accounted_for() {
    let file = |seed: &str, own: &str| {
        let r = |what: &str, rows, cols| random(&format!("{seed} {what}"), rows, cols);
        plain(seed, 3)
            .0
            .lora(own, &r("b", M, 2), &r("a", 2, N), None)
            .matrix(format!("{own}.dora_scale"), &r("m", M, 1))
            .with("some_norm.w_norm", &[N], &r("norm", N, 1))
    };
    let (content, style) = (file("c", "own_subject"), file("s", "own_style"));
    for settings in [overlap(), Settings { recompress: Recompress::Rank { rank: 2 }, ..overlap() }] {
        let file = fuse(Some(&content), Some(&style), &settings).unwrap();
        assert_eq!(file.stems(), [STEM]);
        let report = &file.report;
        for tensors in [report.content_tensors, report.style_tensors] {
            let counted = (tensors.total, tensors.fused, tensors.outside, tensors.refused, tensors.passed);
            assert_eq!(counted, (7, 3, 4, 0, 0));
        }
        assert_eq!((report.fused, report.passed_content, report.passed_style, report.vectors), (1, 0, 0, 0));
    }
    let fusion = fuse(Some(&content), Some(&style), &hard()).unwrap().report;
    assert_eq!((fusion.content_tensors.outside, fusion.style_tensors.outside), (0, 0));
    let apart = File::default().lora("other", &random("b", M, 2), &random("a", 2, N), None);
    let error = fuse(Some(&content), Some(&apart), &overlap()).err();
    assert_eq!(error.map(|error| error.code), Some(Code::NoCommonModules));
}

#[test]
fn an_overlap_of_nothing_is_said_to_be_that() {
    let codes = |content: &File, style: &File| -> Vec<Code> {
        let file = fuse(Some(content), Some(style), &overlap()).unwrap();
        assert!(file.update(STEM).unwrap().iter().all(|&x| x == 0.0));
        file.report.warnings.iter().map(|warning| warning.code).collect()
    };
    let half = |seed: &str, from: usize| {
        let mut a = random(&format!("{seed} a"), 3, N);
        a.columns_mut(from, N / 2).fill(0.0);
        File::default().lora(STEM, &random(&format!("{seed} b"), M, 3), &a, None)
    };
    assert_eq!(codes(&half("c", 0), &half("s", N / 2)), [Code::NoOverlap]);
    let dead = File::default().lora(STEM, &DMatrix::zeros(M, 3), &random("a", 3, N), None);
    assert_eq!(codes(&plain("c", 4).0, &dead), [Code::ZeroEffect, Code::NoOverlap]);
    let report = fuse(Some(&plain("c", 4).0), Some(&plain("s", 4).0), &overlap()).unwrap().report;
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    // What rounding makes of nothing is small, and no reason to refuse the file, whatever its rank.
    let mirrored = |seed: &str, rank: usize, sign: f64| {
        let half = random(seed, rank, N / 2);
        DMatrix::from_fn(rank, N, |i, j| if j < N / 2 { half[(i, j)] } else { sign * half[(i, j - N / 2)] })
    };
    let [b, a] = [random("c b", M, 6), mirrored("c a", 6, -1.0)];
    let content = File::default().lora(STEM, &b, &a, None);
    let style = File::default().lora(STEM, &random("s b", M, 4), &mirrored("s a", 4, 1.0), None);
    for recompress in [Recompress::Exact, Recompress::Rank { rank: 2 }, Recompress::Energy { share: 0.5 }] {
        let settings = Settings { recompress, ..overlap() };
        let file = fuse(Some(&content), Some(&style), &settings).unwrap();
        assert!(file.report.warnings.iter().any(|warning| warning.code == Code::NoOverlap), "{recompress:?}");
        assert!(file.update(STEM).unwrap().norm() < 1e-6 * (&b * &a).norm());
    }
}

#[test]
fn a_style_of_few_directions_leaves_few_to_write() {
    let ((content, dense_c), (style, dense_s)) = (plain("c", 8), plain("s", 2));
    let settings = Settings { recompress: Recompress::Energy { share: 0.999_999 }, ..overlap() };
    let file = fuse(Some(&content), Some(&style), &settings).unwrap();
    assert_eq!(file.report.rank, 2);
    close(&file.update(STEM).unwrap(), &inside(&dense_c, &dense_s), 1e-5, "rank 2 of 8");
}

#[test]
fn it_says_what_it_is_and_how_it_is_used() {
    let content = plain("c", 4).0.note("modelspec.title", "My dog").note("modelspec.trigger_phrase", "sks");
    let style = plain("s", 4).0.note("modelspec.title", "ink");
    let note =
        |settings: &Settings, key: &str| fuse(Some(&content), Some(&style), settings).unwrap().metadata(key);
    let description = note(&overlap(), "modelspec.description").unwrap();
    for part in ["My dog where it overlaps with ink", "-mu/(1+mu)"] {
        assert!(description.contains(part), "{description}");
    }
    assert_eq!(note(&overlap(), "modelspec.trigger_phrase"), None);
    let recipe = note(&overlap(), "np_lora.recipe").unwrap();
    let again: Settings = serde_json::from_str(&recipe).unwrap();
    assert_eq!(again.result, ResultChoice::Overlap);
    assert!(!recipe.contains("\"mu\"") && !recipe.contains("Strength"), "{recipe}");
    assert!(!note(&hard(), "np_lora.recipe").unwrap().contains("result"));
}

/// Where there are blocks and a text encoder to have strengths of their own.
#[test]
fn strengths_of_blocks_and_text_encoders_make_no_difference_either() {
    let modules = [
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 640, 2048),
        ("lora_te1_text_model_encoder_layers_3_mlp_fc1", 3072, 768),
    ];
    let file = |of: &str| {
        modules.iter().fold(File::default(), |file, (stem, m, n)| {
            file.lora(
                stem,
                &random(&format!("{of} {stem} b"), *m, 2),
                &random(&format!("{of} {stem} a"), 2, *n),
                None,
            )
        })
    };
    let (content, style) = (file("c"), file("s"));
    let of = |settings: &Settings| fuse(Some(&content), Some(&style), settings).unwrap();
    let first = of(&overlap());
    assert_eq!(first.report.family.as_deref(), Some("SDXL"));
    let block = BlockStrength { content: 0.5, style: 0.0, mu: Some(3.0) };
    for other in [
        Settings { content_text_strength: Some(0.25), ..overlap() },
        Settings { style_text_strength: Some(0.0), ..overlap() },
        Settings { blocks: [("IN04".to_owned(), block)].into(), ..overlap() },
    ] {
        assert!(of(&other).bytes == first.bytes, "{other:?}");
    }
}
