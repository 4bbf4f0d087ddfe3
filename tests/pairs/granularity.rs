//! Fused against split layers: each unit has directions of its own.

use super::files::{File, close, fuse, hard, random, reference, without};
use nalgebra::DMatrix;
use np_lora::adapter::Adapter;
use np_lora::adapter::families::Program;
use np_lora::error::Code;
use np_lora::fusion::plan::fit::Fit;
use np_lora::fusion::{FamilyChoice, Pair, Plan, Settings};
use pollster::block_on;

const FUSED: &str = "lora_unet_double_blocks_0_img_attn_qkv";
const N: usize = 3072;
const PARTS: [&str; 3] = ["to_q", "to_k", "to_v"];

fn split(part: &str) -> String {
    format!("transformer.transformer_blocks.0.attn.{part}")
}

fn peft(file: File, part: &str, up: &DMatrix<f64>, down: &DMatrix<f64>) -> File {
    let stem = split(part);
    file.matrix(format!("{stem}.lora_A.weight"), down).matrix(format!("{stem}.lora_B.weight"), up)
}

/// A layer at the end of the model, and a note of the family, which so few layers do not tell.
fn flux(file: File, seed: &str) -> File {
    let stem = "lora_unet_single_blocks_37_modulation_lin";
    file.lora(
        stem,
        &random(&format!("{seed} mod b"), 3 * N, 2),
        &random(&format!("{seed} mod a"), 2, N),
        None,
    )
    .note("ss_base_model_version", "flux1")
}

fn flux_split(file: File, seed: &str) -> File {
    let stem = "transformer.single_transformer_blocks.37.norm.linear";
    let (b, a) = (random(&format!("{seed} mod b"), 3 * N, 2), random(&format!("{seed} mod a"), 2, N));
    file.matrix(format!("{stem}.lora_A.weight"), &a)
        .matrix(format!("{stem}.lora_B.weight"), &b)
        .note("ss_base_model_version", "flux1")
}

/// How two files fit, by their headers.
fn fit(content: &File, style: &File, settings: &Settings) -> Fit {
    let [content, style] =
        [content, style].map(|file| block_on(Adapter::open(&file.named("x.safetensors"), None)).unwrap());
    Plan::new(Pair { content: Some(&content), style: Some(&style) }, settings).unwrap().fit()
}

/// ‖(B₁A₁ + B₂A₂ …)·X − (up·down)·X‖ relative, for random columns X.
fn same(is: &(DMatrix<f64>, DMatrix<f64>), should: &[(DMatrix<f64>, DMatrix<f64>)], what: &str) {
    let x = random("columns", N, 3);
    let expected = should.iter().map(|(b, a)| b * (a * &x)).reduce(|p, q| p + q).unwrap();
    close(&(&is.0 * (&is.1 * &x)), &expected, 1e-5, what);
}

#[test]
fn a_fused_layer_meets_a_split_one_part_by_part() {
    let (b, a) = (random("content b", 3 * N, 4), random("content a", 4, N));
    let content = flux(File::default().lora(FUSED, &b, &a, Some(2.0)), "c");
    let mut style = flux_split(File::default(), "s");
    for part in PARTS {
        style = peft(style, part, &random(&format!("{part} b"), N, 2), &random(&format!("{part} a"), 2, N));
    }
    for scheme in [None, Some("kohya"), Some("peft"), Some("comfy")] {
        let settings = Settings { scheme: scheme.map(str::to_owned), ..hard() };
        let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
        assert_eq!(fused.report.fused, 4, "three parts and the modulation");
        if scheme.is_none() {
            assert_eq!(fused.report.scheme, Some("diffusers (PEFT)"), "nothing needs stacking there");
        }
        for (at, part) in PARTS.iter().enumerate() {
            let (b_s, a_s) = (random(&format!("{part} b"), N, 2), random(&format!("{part} a"), 2, N));
            let b_c = b.rows(at * N, N) * 0.5;
            let is = match fused.factors(&split(part)) {
                Some(split) => split,
                None => {
                    let native = fused
                        .factors(FUSED)
                        .or_else(|| fused.factors("diffusion_model.double_blocks.0.img_attn.qkv"));
                    let (up, down) = native.unwrap();
                    (up.rows(at * N, N).into_owned(), down)
                }
            };
            let kept = without(&a, &a_s, 1.0);
            same(&is, &[(b_s, a_s), (b_c, kept)], &format!("{scheme:?} {part}"));
        }
    }
}

/// As of a T5 encoder in that naming.
#[test]
fn parts_are_stacked_where_no_program_loads_all_of_the_naming_without_fused_layers() {
    let fused = File::default().lora(FUSED, &random("c b", 3 * N, 2), &random("c a", 2, N), None);
    let content = flux(fused, "c");
    let style = peft(flux_split(File::default(), "s"), "to_k", &random("k b", N, 2), &random("k a", 2, N));
    let t5 = "lora_te2_encoder_block_5_layer_0_SelfAttention_q";
    let with_text = content.clone().lora(t5, &random("t b", 4096, 1), &random("t a", 1, 4096), None);
    for (content, scheme) in [(&content, "diffusers (PEFT)"), (&with_text, "kohya")] {
        assert_eq!(fuse(Some(content), Some(&style), &hard()).unwrap().report.scheme, Some(scheme));
    }
}

/// The layers of a fused one are cut to a rank together.
#[test]
fn a_fused_layer_that_is_taken_apart_is_cut_once() {
    let lokr = File::default()
        .matrix(format!("{FUSED}.lokr_w1"), &random("w1", 96, 32))
        .matrix(format!("{FUSED}.lokr_w2"), &random("w2", 96, 96));
    let style = PARTS.iter().fold(flux_split(File::default(), "s"), |file, part| {
        peft(file, part, &random(&format!("{part} b"), N, 2), &random(&format!("{part} a"), 2, N))
    });
    let fit = fit(&flux(lokr, "c"), &style, &hard());
    assert_eq!((fit.shared.len(), fit.cut), (4, 1));
}

#[test]
fn stacked_parts_do_not_stand_in_the_order_of_their_rows() {
    let part = |file: File, seed: &str| {
        PARTS.iter().fold(flux_split(file, seed), |file, part| {
            let (b, a) =
                (random(&format!("{seed} {part} b"), N, 2), random(&format!("{seed} {part} a"), 2, N));
            peft(file, part, &b, &a)
        })
    };
    let settings = Settings { scheme: Some("kohya".into()), ..hard() };
    let fused =
        fuse(Some(&part(File::default(), "c")), Some(&part(File::default(), "s")), &settings).unwrap();
    let (up, _) = fused.factors(FUSED).unwrap();
    let block = up.ncols() / 3;
    let is_filled = |at: usize| up.view((at * N, 0), (N, block)).iter().any(|&x| x != 0.0);
    assert_eq!([0, 1, 2].map(is_filled), [false, true, false], "k comes first");
}

/// Of biases and magnitudes it is known of few programs what they do.
#[test]
fn what_has_more_than_factors_is_said_to_be_loaded_by_fewer_programs() {
    let (content, style) = (flux(File::default(), "c"), flux(File::default(), "s"));
    let alone = |file: &File, end: &str| {
        let proj = "lora_unet_single_blocks_37_linear2";
        let file = file.clone().lora(proj, &random("p b", N, 2), &random("p a", 2, 5 * N), None);
        if end.is_empty() { file } else { file.with(format!("{proj}{end}"), &[N], &random("v", N, 1)) }
    };
    let programs = |content: &File| {
        let scheme = fit(content, &style, &hard()).scheme.unwrap();
        scheme.loaded_by.iter().map(|by| by.program).collect::<Vec<_>>()
    };
    let all = programs(&alone(&content, ""));
    assert_eq!(all, [Program::ComfyUI, Program::Forge, Program::Diffusers, Program::InvokeAI]);
    for end in [".diff_b", ".dora_scale"] {
        assert_eq!(programs(&alone(&content, end)), [Program::ComfyUI], "{end}");
    }
}

#[test]
fn two_fused_layers_stay_one() {
    // Block-diagonal, as a trainer that keeps q, k and v apart writes it: the directions of all three are protected.
    let a_s = random("style a", 6, N);
    let b_s = DMatrix::from_fn(3 * N, 6, |row, col| {
        if row / N == col / 2 {
            random("b", 1, 1)[(0, 0)] + (row % 7) as f64 * 0.1 + (col % 2) as f64 * ((row % 5) as f64 - 2.0)
        } else {
            0.0
        }
    });
    let (b_c, a_c) = (random("content b", 3 * N, 4), random("content a", 4, N));
    let content = flux(File::default().lora(FUSED, &b_c, &a_c, None), "c");
    let style = flux(File::default().lora(FUSED, &b_s, &a_s, None), "s");
    let fused = fuse(Some(&content), Some(&style), &hard()).unwrap();
    assert_eq!((fused.report.fused, fused.report.scheme), (2, Some("kohya")));
    same(&fused.factors(FUSED).unwrap(), &[(b_s, a_s.clone()), (b_c, without(&a_c, &a_s, 1.0))], "fused");
    let module = fused.report.modules.iter().find(|module| module.name.contains("attn")).unwrap();
    assert_eq!(module.name, "transformer.transformer_blocks.0.attn.to_q + to_k + to_v");
    assert_eq!((module.protected, module.block.as_deref()), (6, Some("double 0")));
}

#[test]
fn a_part_that_only_one_file_has_passes_through() {
    let (b, a) = (random("content b", 3 * N, 4), random("content a", 4, N));
    let content = flux(File::default().lora(FUSED, &b, &a, None), "c");
    let (b_s, a_s) = (random("k b", N, 2), random("k a", 2, N));
    let style = peft(flux_split(File::default(), "s"), "to_k", &b_s, &a_s);
    let fused = fuse(Some(&content), Some(&style), &hard()).unwrap();
    assert_eq!((fused.report.fused, fused.report.passed_content), (2, 1), "q and v are one piece");
    let of_content = fused.report.content_tensors;
    assert_eq!((of_content.fused, of_content.passed), (4, 0), "a module is fused where any of its layers is");
    let whole = Settings { scheme: Some("kohya".into()), ..hard() };
    let warned = |content: &File| {
        let report = fuse(Some(content), Some(&style), &whole).unwrap().report;
        report.warnings.iter().any(|warning| warning.code == Code::PartsMissing)
    };
    assert!(!warned(&content), "the content has all parts");
    assert!(warned(&peft(flux_split(File::default(), "c"), "to_q", &b_s, &a_s)), "nobody has v");
    for (at, part) in PARTS.iter().enumerate() {
        let own = b.rows(at * N, N).into_owned();
        let should = match *part {
            "to_k" => vec![(b_s.clone(), a_s.clone()), (own, without(&a, &a_s, 1.0))],
            _ => vec![(own, a.clone())],
        };
        same(&fused.factors(&split(part)).unwrap(), &should, part);
    }
}

#[test]
fn old_spellings_mean_the_same_layers() {
    let (m, n) = (320, 320);
    let stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0";
    let context = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k";
    let kohya = |seed: &str| {
        let (b, a) = (random(&format!("{seed} b"), m, 3), random(&format!("{seed} a"), 3, n));
        let file = File::default().lora(stem, &b, &a, None);
        file.lora(context, &random(&format!("{seed} cb"), m, 2), &random(&format!("{seed} ca"), 2, 768), None)
    };
    let (b, a) = (random("s b", m, 3), random("s a", 3, n));
    for name in [
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.down.weight",
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.lora.down.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_A.weight",
        "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_A.default.weight",
        "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_out.0.lora_down.weight",
    ] {
        let up = name.replace(".down.", ".up.").replace("lora_A", "lora_B").replace("lora_down", "lora_up");
        let style = File::default().matrix(name, &a).matrix(up, &b);
        let fused = fuse(Some(&kohya("c")), Some(&style), &hard()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((fused.report.fused, fused.report.family.as_deref()), (1, Some("SD 1.5")), "{name}");
        let content = random("c b", m, 3) * random("c a", 3, n);
        close(&fused.update(stem).unwrap(), &reference(&content, &(&b * &a), 1.0), 1e-6, name);
    }
}

#[test]
fn pairs_of_different_models_are_refused() {
    let lora = |stem: &str, m, n| File::default().lora(stem, &random("b", m, 2), &random("a", 2, n), None);
    let sd15 = lora("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 320, 768);
    let sd2 = lora("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 320, 1024);
    let sdxl = lora("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 640, 2048);
    let code = |content: &File, style: &File| fuse(Some(content), Some(style), &hard()).err().map(|e| e.code);
    assert_eq!(code(&sd15, &sd2), Some(Code::BaseMismatch));
    assert_eq!(code(&sd15, &sdxl), Some(Code::BaseMismatch));
    let error = fuse(Some(&sdxl), Some(&sd15), &hard()).err().unwrap();
    assert_eq!((error.code, error.file.as_deref()), (Code::BaseMismatch, Some("style.safetensors")));
    // Nothing in these tells the two families apart.
    let either = |seed: &str| {
        let stem = "lora_unet_double_blocks_3_img_attn_proj";
        File::default().lora(
            stem,
            &random(&format!("{seed} b"), N, 2),
            &random(&format!("{seed} a"), 2, N),
            None,
        )
    };
    assert_eq!(code(&either("c"), &either("s")), Some(Code::FamilyUnclear));
    // Where the answer makes no difference to tensors, nobody is asked: FLUX.1 and Chroma have these alike, and nothing else has.
    let image = |seed: &str| {
        let (b, a) = (random(&format!("{seed} b"), N, 2), random(&format!("{seed} a"), 2, 64));
        either(seed).lora("lora_unet_img_in", &b, &a, None)
    };
    let notes = |settings: &Settings| {
        let fused = fuse(Some(&image("c")), Some(&image("s")), settings).unwrap();
        let note = |key: &str| fused.metadata(key);
        (fused.report.family.clone(), note("ss_base_model_version"), note("modelspec.architecture"))
    };
    assert_eq!(notes(&hard()), (Some("FLUX.1 or Chroma".into()), None, None));
    // Of programs, only what is true of both is said.
    let programs = |settings: &Settings| {
        let scheme = fit(&image("c"), &image("s"), settings).scheme.unwrap();
        scheme.loaded_by.iter().map(|by| by.program).collect::<Vec<_>>()
    };
    assert!(programs(&hard()).contains(&Program::ComfyUI) && !programs(&hard()).contains(&Program::Forge));
    let known = Settings { family: Some("FLUX.1".into()), ..hard() };
    assert!(programs(&known).contains(&Program::Forge), "{:?}", programs(&known));
    let chosen = Settings { family: Some("Chroma".into()), ..hard() };
    assert_eq!(notes(&chosen).1.as_deref(), Some("chroma"));
    let video = |seed: &str, stem: &str| {
        let (b, a) = (random(&format!("{seed} b"), 4096, 2), random(&format!("{seed} a"), 2, 4096));
        File::default().lora(stem, &b, &a, None)
    };
    let (content, style) = (
        video("c", "transformer.transformer_blocks.47.attn1.to_q"),
        video("s", "lora_unet_transformer_blocks_47_attn1_to_q"),
    );
    assert_eq!(code(&content, &style), None, "LTX-2 or LTX-Video 13B");
    // Rows of one head after the other are no q, k and v.
    let h3 = |adapter: &str| {
        let name = |factor| format!("blocks.3.attn.qkv_proj.{factor}{adapter}.weight");
        let (b, a) = (random("h b", 3 * 7168, 1), random("h a", 1, 5376));
        File::default().matrix(name("lora_A"), &a).matrix(name("lora_B"), &b)
    };
    assert_eq!(code(&h3(""), &h3("")), None);
    assert_eq!(code(&h3(""), &h3(".default")), Some(Code::LoraShape));
    let to_choose = |content: Option<&File>, style: Option<&File>| {
        let open = |file: &File| block_on(Adapter::open(&file.named("x"), None)).unwrap();
        let [content, style] = [content, style].map(|file| file.map(open));
        FamilyChoice::of(Pair { content: content.as_ref(), style: style.as_ref() })
    };
    // It may be chosen all the same.
    let may = FamilyChoice { names: vec!["FLUX.1", "Chroma"], must: false };
    assert_eq!(to_choose(Some(&image("c")), Some(&image("s"))), may);
    for (content, style) in
        [(Some(either("c")), None), (None, Some(either("s"))), (Some(either("c")), Some(either("s")))]
    {
        let FamilyChoice { names: families, must } = to_choose(content.as_ref(), style.as_ref());
        assert!(must);
        assert!(families.contains(&"FLUX.1") && families.contains(&"Chroma"), "{families:?}");
    }
    let none = FamilyChoice::default();
    assert_eq!(
        [to_choose(Some(&sd15), None), to_choose(Some(&sd15), Some(&sdxl))],
        [none.clone(), none.clone()]
    );
    assert_eq!(to_choose(Some(&either("c")), Some(&sdxl)), none);
    let chosen = Settings { family: Some("Chroma".into()), ..hard() };
    let fused = fuse(Some(&either("c")), Some(&either("s")), &chosen).unwrap();
    assert_eq!(fused.metadata("ss_base_model_version").as_deref(), Some("chroma"));
    let noted = either("s").note("ss_base_model_version", "flux1");
    let family = fuse(Some(&either("c")), Some(&noted), &hard()).unwrap().report.family;
    assert_eq!(family.as_deref(), Some("FLUX.1"));
    assert_eq!(to_choose(Some(&either("c")), Some(&noted)), none, "one of them is sure");

    let twice = either("c")
        .matrix("transformer.transformer_blocks.3.attn.to_out.0.lora_A.weight", &random("x", 2, N));
    let twice =
        twice.matrix("transformer.transformer_blocks.3.attn.to_out.0.lora_B.weight", &random("y", N, 2));
    assert_eq!(code(&flux(twice, "c"), &flux(either("s"), "s")), Some(Code::SpellingMix));

    let wan = |seed: &str| {
        let stem = "diffusion_model.blocks.0.self_attn.q";
        let (a, b) = (random(&format!("{seed} a"), 2, 5120), random(&format!("{seed} b"), 5120, 2));
        File::default()
            .matrix(format!("{stem}.lora_A.weight"), &a)
            .matrix(format!("{stem}.lora_B.weight"), &b)
    };
    let high = wan("c").named("cat_high_noise.safetensors");
    let low = wan("s").named("ink-LowNoise.safetensors");
    let both = super::files::fuse_sources(Some(&high), Some(&low), &hard()).err().map(|e| e.code);
    assert_eq!(both, Some(Code::NoiseStage));
    // By itself the word may be about something else.
    for (content, style, told) in [
        ("cat_high", "ink_low", true),
        ("cat-HN", "ink-LN", true),
        ("High contrast cat", "low poly", true),
        ("cat_high", "ink", false),
    ] {
        let (content, style) = (wan("c").named(content), wan("s").named(style));
        let fused = super::files::fuse_sources(Some(&content), Some(&style), &hard()).unwrap();
        let is_told = fused.report.warnings.iter().any(|warning| warning.code == Code::StagesUnclear);
        assert_eq!(is_told, told, "{:?}", fused.report.warnings);
    }
    // A name that speaks of both says of neither that it is the file's.
    let either = wan("c").named("cat_high_and_low_noise_low_noise_high.safetensors");
    for (content, style) in [(&either, &low), (&high, &either)] {
        assert!(super::files::fuse_sources(Some(content), Some(style), &hard()).is_ok());
    }
}

#[test]
fn a_known_layer_of_another_size_is_that_layer_all_the_same() {
    let key = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k";
    let value = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_v";
    let file = |seed: &str, m: usize| {
        let r = |what: &str, rows, cols| random(&format!("{seed} {what}"), rows, cols);
        let file = File::default().lora(key, &r("kb", 640, 2), &r("ka", 2, 2048), None);
        file.lora(value, &r("vb", m, 2), &r("va", 2, 2048), None)
            .note("ss_base_model_version", "sdxl_base_v1-0")
    };
    let error = fuse(Some(&file("c", 640)), Some(&file("s", 320)), &hard()).err().unwrap();
    assert_eq!((error.code, error.tensor.as_deref()), (Code::ShapeMismatch, Some(value)));
    // Where both say so it is right, and keeps its name and size.
    let fused = fuse(Some(&file("c", 320)), Some(&file("s", 320)), &hard()).unwrap();
    assert_eq!((fused.report.fused, fused.update(value).unwrap().shape()), (2, (320, 2048)));
    // A control LoRA widens a layer that the model has.
    let wide = |seed: &str| {
        let stem = "transformer.x_embedder";
        let (b, a) = (random(&format!("{seed} xb"), N, 2), random(&format!("{seed} xa"), 2, 128));
        flux_split(File::default(), seed)
            .matrix(format!("{stem}.lora_A.weight"), &a)
            .matrix(format!("{stem}.lora_B.weight"), &b)
    };
    let warnings =
        fuse(Some(&wide("c")), Some(&flux(File::default(), "s")), &hard()).unwrap().report.warnings;
    let unknown = warnings.iter().find(|warning| warning.code == Code::UnknownModules).unwrap();
    assert_eq!(unknown.tensor.as_deref(), Some("transformer.x_embedder"));
}

/// All parts beside a fused layer say it again; only some of them say something else, and nobody knows which is meant.
#[test]
fn a_fused_layer_beside_some_of_its_parts_is_refused() {
    let module = |file: File, stem: &str, m: usize, n: usize| {
        file.matrix(format!("{stem}.lora_A.weight"), &random(&format!("{stem} a"), 2, n))
            .matrix(format!("{stem}.lora_B.weight"), &random(&format!("{stem} b"), m, 2))
    };
    let attention = "diffusion_model.layers.0.attention";
    let file = |parts: &[&str]| {
        let file = File::default().note("ss_base_model_version", "z_image");
        let file = module(file, &format!("{attention}.qkv"), 3 * 3840, 3840);
        let file = module(file, "diffusion_model.layers.0.feed_forward.w1", 10240, 3840);
        parts.iter().fold(file, |file, part| module(file, &format!("{attention}.{part}"), 3840, 3840))
    };
    let fused = fuse(Some(&file(&PARTS)), None, &hard()).unwrap();
    assert_eq!(fused.report.refused.len(), 1, "{:?}", fused.report.refused);
    for some in [&PARTS[..1], &PARTS[1..]] {
        assert_eq!(fuse(Some(&file(some)), None, &hard()).err().map(|e| e.code), Some(Code::SpellingMix));
    }
}
