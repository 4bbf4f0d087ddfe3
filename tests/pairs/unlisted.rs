//! Models without a table: names with and without dots, and whatever stands before them.

use super::files::{File, Fused, close, fuse, hard, random, reference};
use nalgebra::DMatrix;
use np_lora::error::Code;

const PATHS: [&str; 3] = ["blocks.0.cross_attn.to_q", "blocks.0.cross_attn.to_out.0", "blocks.1.ff.net_2"];
const ALPHA: f64 = 3.0;

fn factors(of: &str, path: &str) -> (DMatrix<f64>, DMatrix<f64>) {
    (random(&format!("{of} {path} b"), 20, 2), random(&format!("{of} {path} a"), 2, 24))
}

/// What the file of kohya's spelling adds to a layer.
fn update(of: &str, path: &str, scale: f64) -> DMatrix<f64> {
    let (b, a) = factors(of, path);
    b * a * scale
}

fn dotted(of: &str, prefix: &str, paths: &[&str]) -> File {
    paths.iter().fold(File::default(), |file, path| {
        let (b, a) = factors(of, path);
        let stem = format!("{prefix}{path}");
        file.matrix(format!("{stem}.lora_A.weight"), &a).matrix(format!("{stem}.lora_B.weight"), &b)
    })
}

fn flat(of: &str, prefix: &str, paths: &[&str]) -> File {
    paths.iter().fold(File::default(), |file, path| {
        let (b, a) = factors(of, path);
        file.lora(&format!("{prefix}{}", path.replace('.', "_")), &b, &a, Some(ALPHA))
    })
}

fn stems(prefix: &str, paths: &[&str], is_flat: bool) -> Vec<String> {
    let name = |path: &&str| if is_flat { path.replace('.', "_") } else { (*path).to_owned() };
    let mut stems: Vec<String> = paths.iter().map(|path| format!("{prefix}{}", name(path))).collect();
    stems.sort();
    stems
}

fn is_fused(fused: &Fused, stem: &str, path: &str, scales: (f64, f64)) {
    let should = reference(&update("c", path, scales.0), &update("s", path, scales.1), 1.0);
    close(&fused.update(stem).unwrap(), &should, 1e-5, stem);
}

#[test]
fn names_without_dots_meet_those_with_dots_and_take_them() {
    for of_flat in ["lora_unet_", "lora_unet__", "lycoris_", "lora_transformer_"] {
        for of_dotted in ["diffusion_model.", "transformer.", ""] {
            for is_swapped in [false, true] {
                let what = format!("{of_flat} {of_dotted} {is_swapped}");
                let files = if is_swapped {
                    [dotted("c", of_dotted, &PATHS), flat("s", of_flat, &PATHS[..2])]
                } else {
                    [flat("c", of_flat, &PATHS[..2]), dotted("s", of_dotted, &PATHS)]
                };
                let fused = fuse(Some(&files[0]), Some(&files[1]), &hard()).unwrap();
                assert_eq!(fused.report.fused, 2, "{what}");
                assert_eq!(fused.stems(), stems(of_dotted, &PATHS, false), "{what}");
                assert_eq!(fused.names().len(), 6, "{what}: no alpha");
                let scales = if is_swapped { (1.0, ALPHA / 2.0) } else { (ALPHA / 2.0, 1.0) };
                for path in &PATHS[..2] {
                    is_fused(&fused, &format!("{of_dotted}{path}"), path, scales);
                }
            }
        }
    }
}

#[test]
fn where_a_layer_has_no_name_with_dots_the_whole_result_has_none() {
    let files = [flat("c", "lora_unet_", &PATHS), dotted("s", "diffusion_model.", &PATHS[..2])];
    for [content, style] in [[0, 1], [1, 0]] {
        let fused = fuse(Some(&files[content]), Some(&files[style]), &hard()).unwrap();
        assert_eq!((fused.report.fused, fused.report.passed_content + fused.report.passed_style), (2, 1));
        assert_eq!(fused.stems(), stems("lora_unet_", &PATHS, true));
        assert_eq!(fused.names().len(), 9, "every module with its alpha");
    }
    let fused = fuse(Some(&files[0]), Some(&files[1]), &hard()).unwrap();
    is_fused(&fused, "lora_unet_blocks_0_cross_attn_to_out_0", PATHS[1], (ALPHA / 2.0, 1.0));
    let more = dotted("s", "diffusion_model.", &["blocks.0.cross_attn.to_q", "blocks.9.to_v"]);
    let fused = fuse(Some(&files[0]), Some(&more), &hard()).unwrap();
    assert!(fused.update("lora_unet_blocks_9_to_v").is_some(), "{:?}", fused.stems());
}

#[test]
fn what_stands_before_the_names_is_comfyuis_or_else_the_contents() {
    for [of_content, of_style, of_result] in [
        ["diffusion_model.", "transformer.", "diffusion_model."],
        ["", "diffusion_model.", "diffusion_model."],
        ["transformer.", "", "transformer."],
        ["pipe.dit.", "diffusion_model.", "diffusion_model."],
        ["module.", "dit.", "module."],
    ] {
        let (content, style) = (dotted("c", of_content, &PATHS[..2]), dotted("s", of_style, &PATHS[1..]));
        let fused = fuse(Some(&content), Some(&style), &hard()).unwrap();
        assert_eq!((fused.report.fused, fused.stems()), (1, stems(of_result, &PATHS, false)));
        is_fused(&fused, &format!("{of_result}{}", PATHS[1]), PATHS[1], (1.0, 1.0));
    }
    let (content, style) = (flat("c", "lycoris_", &PATHS[..2]), flat("s", "lora_unet_", &PATHS[1..]));
    let fused = fuse(Some(&content), Some(&style), &hard()).unwrap();
    assert_eq!((fused.report.fused, fused.stems()), (1, stems("lycoris_", &PATHS, true)));
}

/// As where one trainer fuses q, k and v and another one does not.
#[test]
fn layers_that_the_files_may_call_otherwise_are_told() {
    let told = |content: &File, style: &File| {
        let warnings = fuse(Some(content), Some(style), &hard()).unwrap().report.warnings;
        warnings.into_iter().find(|warning| warning.code == Code::NamesDiffer)
    };
    let (fused, split) = (["a.qkv", "a.w1"], ["a.to_q", "a.to_k", "a.w1"]);
    let told_of_both = told(&dotted("c", "", &fused), &dotted("s", "", &split)).unwrap();
    assert!(told_of_both.detail.contains("\"a.qkv\" and \"a.to_k\""), "{told_of_both:?}");
    assert!(told(&dotted("c", "", &fused[1..]), &dotted("s", "", &split)).is_none(), "only one has more");
    // Text encoders are called alike everywhere.
    let (text, more) = (["text_encoder.l.0.q", "a.w1"], ["text_encoder.l.1.q", "a.w1", "a.qkv"]);
    for (content, style) in [(&text[..], &more[..]), (&more, &text), (&text, &more[..2])] {
        assert!(told(&dotted("c", "", content), &dotted("s", "", style)).is_none(), "{content:?} {style:?}");
    }
}

/// As some loaders want them.
#[test]
fn what_only_the_style_has_ends_as_all_names_of_the_result() {
    let plain = |of: &str, paths: &[&str]| {
        paths.iter().fold(File::default(), |file, path| {
            let (b, a) = factors(of, path);
            file.lora(&format!("diffusion_model.{path}"), &b, &a, Some(ALPHA))
        })
    };
    let peft = |of: &str, paths: &[&str]| dotted(of, "diffusion_model.", paths);
    for (content, style, ends) in [
        (peft("c", &PATHS[..2]), plain("s", &PATHS), &[".lora_A.weight", ".lora_B.weight"][..]),
        (plain("c", &PATHS[..2]), peft("s", &PATHS), &[".lora_down.weight", ".lora_up.weight", ".alpha"]),
    ] {
        let fused = fuse(Some(&content), Some(&style), &hard()).unwrap();
        assert_eq!((fused.report.fused, fused.report.passed_style), (2, 1));
        let mut names: Vec<String> = PATHS
            .iter()
            .flat_map(|path| ends.iter().map(move |end| format!("diffusion_model.{path}{end}")))
            .collect();
        names.sort();
        assert_eq!(fused.names(), names);
    }
}

#[test]
fn biases_go_with_the_names() {
    let bias = random("bias", 20, 1);
    let content =
        flat("c", "lora_unet_", &PATHS[..2]).with("lora_unet_blocks_1_ff_net_2.diff_b", &[20], &bias);
    let style = dotted("s", "diffusion_model.", &PATHS);
    let fused = fuse(Some(&content), Some(&style), &hard()).unwrap();
    close(&fused.tensor("diffusion_model.blocks.1.ff.net_2.diff_b").unwrap(), &bias, 1e-6, "the bias");
}

#[test]
fn dots_that_could_stand_in_two_places_are_refused() {
    let (content, one) = (flat("c", "lora_unet_", &["a.b.c"]), dotted("s", "", &["a.b.c", "x.y"]));
    assert!(fuse(Some(&content), Some(&one), &hard()).is_ok());
    let two = dotted("s", "", &["a.b.c", "a.b_c"]);
    let error = fuse(Some(&content), Some(&two), &hard()).err().unwrap();
    assert_eq!((error.code, error.tensor.as_deref()), (Code::SpellingMix, Some("lora_unet_a_b_c")));
    let fused = fuse(Some(&two), Some(&dotted("s", "", &["a.b_c"])), &hard()).unwrap();
    assert_eq!((fused.report.fused, fused.report.passed_content), (1, 1), "with dots they are two layers");
}

#[test]
fn sizes_are_to_agree_without_dots_as_well() {
    let content = File::default().lora(
        "lora_unet_blocks_0_cross_attn_to_q",
        &random("b", 16, 2),
        &random("a", 2, 24),
        None,
    );
    let error = fuse(Some(&content), Some(&dotted("s", "", &PATHS)), &hard()).err().unwrap();
    assert_eq!(error.code, Code::ShapeMismatch);
}

#[test]
fn names_that_are_the_same_without_dots_are_refused_where_the_result_has_none() {
    let content = flat("c", "lora_unet_", &["x.y", "z.w"]);
    let error =
        fuse(Some(&content), Some(&dotted("s", "diffusion_model.", &["x.y", "a.b.c", "a.b_c"])), &hard());
    assert_eq!(error.err().unwrap().code, Code::SpellingMix);
}

#[test]
fn layers_at_the_top_have_no_dots_and_are_no_flat_names() {
    let (content, style) = (
        dotted("c", "diffusion_model.", &["final_linear"]),
        dotted("s", "diffusion_model.", &["blocks.0.q", "final_linear"]),
    );
    for [one, other] in [[&content, &style], [&style, &content]] {
        let fused = fuse(Some(one), Some(other), &hard()).unwrap();
        assert_eq!(fused.stems(), stems("diffusion_model.", &["blocks.0.q", "final_linear"], false));
    }
    let fused =
        fuse(Some(&flat("c", "lora_unet_", &["blocks.0.q", "final_linear"])), Some(&style), &hard()).unwrap();
    assert_eq!(
        (fused.report.fused, fused.stems()),
        (2, stems("diffusion_model.", &["blocks.0.q", "final_linear"], false))
    );
    // Neither are they what only sounds alike.
    let (one, other) = (
        dotted("c", "diffusion_model.", &["img_in", "x.y"]),
        dotted("s", "diffusion_model.", &["img.in", "x.y"]),
    );
    assert_eq!(fuse(Some(&one), Some(&other), &hard()).unwrap().report.fused, 1);
    let alone = dotted("c", "diffusion_model.", &["a.b", "a_b"]);
    assert!(fuse(Some(&alone), None, &hard()).is_ok());
}

#[test]
fn text_encoders_lend_the_denoiser_neither_names_nor_spelling() {
    let text =
        |file: File, of: &str, stem: &str| file.lora(stem, &random(of, 20, 2), &random(of, 2, 24), None);
    let content = text(File::default(), "c", "lora_te_model_layers_0_q");
    let style = text(flat("s", "lora_unet_", &["blocks.0.q"]), "s", "lora_te_model_layers_0_q");
    let fused = fuse(Some(&content), Some(&style), &hard()).unwrap();
    assert!(fused.update("lora_unet_blocks_0_q").is_some(), "{:?}", fused.stems());
    // The result has the dots of the style; of the text encoder nothing says where they belong.
    let content = text(flat("c", "lora_unet_", &PATHS[..1]), "c", "lora_te_model_layers_0_q");
    let fused = fuse(Some(&content), Some(&dotted("s", "diffusion_model.", &PATHS)), &hard()).unwrap();
    let mut expected = stems("diffusion_model.", &PATHS, false);
    expected.push("lora_te_model_layers_0_q".into());
    assert_eq!(fused.stems(), expected);
    let content = text(dotted("c", "diffusion_model.", &["a.b"]), "c", "text_encoder.l.0.q");
    let style = text(flat("s", "lora_unet_", &["a.b"]), "s", "lora_unet_text_encoder_l_0_q");
    assert_eq!(fuse(Some(&content), Some(&style), &hard()).unwrap().report.fused, 1);
}

#[test]
fn a_bias_that_the_files_call_differently_is_one() {
    let (one, other) = (random("one", 20, 1), random("other", 20, 1));
    let content = flat("c", "lora_unet_", &PATHS).with("lora_unet_blocks_1_ff_net_2.diff_b", &[20], &one);
    let style = dotted("s", "diffusion_model.", &PATHS).with(
        "diffusion_model.blocks.1.ff.net_2.lora_B.bias",
        &[20],
        &other,
    );
    let fused = fuse(Some(&content), Some(&style), &hard()).unwrap();
    let biases: Vec<_> =
        fused.names().into_iter().filter(|name| name.ends_with("bias") || name.ends_with("diff_b")).collect();
    assert_eq!(biases.len(), 1, "{biases:?}");
    close(&fused.tensor(&biases[0]).unwrap(), &(one + other), 1e-6, "the bias");
}
