//! Biases and norms, and other layers that stand in no table: one name for each, in the naming of the result.

use super::files::{Counting, File, Fused, close, fuse, fuse_sources, hard, random};
use nalgebra::DMatrix;
use np_lora::container::MemorySource;
use np_lora::error::Code;
use np_lora::fusion::Settings;
use np_lora::fusion::settings::BlockStrength;
use safetensors::SafeTensors;

fn column(fused: &Fused, name: &str) -> DMatrix<f64> {
    fused.tensor(name).unwrap_or_else(|| panic!("no {name} in {:?}", fused.names()))
}

/// A module of rank 1.
fn module(file: File, stem: &str, ends: [&str; 2], m: usize, n: usize) -> File {
    let [up, down] = ends;
    file.matrix(format!("{stem}{up}"), &random(&format!("{stem} b"), m, 1))
        .matrix(format!("{stem}{down}"), &random(&format!("{stem} a"), 1, n))
}

fn kohya(file: File, stem: &str, m: usize, n: usize) -> File {
    module(file, stem, [".lora_up.weight", ".lora_down.weight"], m, n)
}

fn peft(file: File, stem: &str, m: usize, n: usize) -> File {
    module(file, stem, [".lora_B.weight", ".lora_A.weight"], m, n)
}

fn vector(file: File, name: &str, length: usize) -> File {
    file.with(name, &[length], &random(name, length, 1))
}

fn wan() -> Settings {
    Settings { family: Some("Wan 1.3B".into()), ..hard() }
}

fn sdxl() -> Settings {
    Settings { family: Some("SDXL".into()), ..hard() }
}

#[test]
fn a_bias_follows_the_rows_of_its_module() {
    let (m, n) = (3072, 3072);
    let stem = "lora_unet_double_blocks_0_img_attn_qkv";
    let split = "transformer.transformer_blocks.0.attn.to_k";
    let content = vector(kohya(File::default(), stem, 3 * m, n), &format!("{stem}.diff_b"), 3 * m);
    let style = vector(peft(File::default(), split, m, n), &format!("{split}.lora_B.bias"), m);
    let settings = Settings { content_strength: 0.5, style_strength: 2.0, ..hard() };
    let note = |file: File| file.note("ss_base_model_version", "flux1");
    let fused = fuse(Some(&note(content)), Some(&note(style)), &settings).unwrap();
    let bias = random(&format!("{stem}.diff_b"), 3 * m, 1);
    let k = bias.rows(m, m) * 0.5 + random(&format!("{split}.lora_B.bias"), m, 1) * 2.0;
    close(&column(&fused, &format!("{split}.lora_B.bias")), &k.into_owned(), 1e-6, "k");
    let q = (bias.rows(0, m) * 0.5).into_owned();
    let name = "transformer.transformer_blocks.0.attn.to_q.lora_B.bias";
    close(&column(&fused, name), &q, 1e-6, "q");
}

#[test]
fn comfyui_reads_biases_and_norms_as_differences() {
    let stem = "diffusion_model.blocks.0.self_attn.q";
    let file = |file: File| {
        let file = vector(peft(file, stem, 1536, 1536), &format!("{stem}.diff_b"), 1536);
        vector(file, "diffusion_model.blocks.0.norm3.diff", 1536)
    };
    let fused = fuse(Some(&file(File::default())), Some(&file(File::default())), &wan()).unwrap();
    for name in [format!("{stem}.diff_b"), "diffusion_model.blocks.0.norm3.diff".to_owned()] {
        close(&column(&fused, &name), &(random(&name, 1536, 1) * 2.0), 1e-6, &name);
    }
    assert_eq!(fused.names().len(), 4, "{:?}", fused.names());
}

#[test]
fn one_norm_has_one_name_however_the_files_spell_it() {
    let stem = "blocks_0_self_attn_q";
    let content = kohya(File::default(), &format!("lora_unet_{stem}"), 1536, 1536);
    let content = vector(content, "lora_unet_blocks_0_norm3.w_norm", 1536);
    let content = vector(content, "lora_unet_blocks_0_norm3.b_norm", 1536);
    let content = vector(content, "lora_unet_blocks_0_self_attn_norm_q.w_norm", 1536);
    let style = peft(File::default(), "diffusion_model.blocks.0.self_attn.q", 1536, 1536);
    let style = vector(style, "diffusion_model.blocks.0.norm3.diff", 1536);
    let style = vector(style, "diffusion_model.blocks.0.norm3.diff_b", 1536);
    let settings = Settings { content_strength: 0.5, ..wan() };
    for (scheme, [weight, bias, of_q]) in [
        (
            "comfy",
            [
                "diffusion_model.blocks.0.norm3.diff",
                "diffusion_model.blocks.0.norm3.diff_b",
                "diffusion_model.blocks.0.self_attn.norm_q.diff",
            ],
        ),
        (
            "kohya",
            [
                "lora_unet_blocks_0_norm3.w_norm",
                "lora_unet_blocks_0_norm3.b_norm",
                "lora_unet_blocks_0_self_attn_norm_q.w_norm",
            ],
        ),
    ] {
        let settings = Settings { scheme: Some(scheme.into()), ..settings.clone() };
        let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
        let sum = |ours: &str, theirs: &str| {
            random(&format!("lora_unet_blocks_0_{ours}"), 1536, 1) * 0.5
                + random(&format!("diffusion_model.blocks.0.{theirs}"), 1536, 1)
        };
        close(&column(&fused, weight), &sum("norm3.w_norm", "norm3.diff"), 1e-6, weight);
        close(&column(&fused, bias), &sum("norm3.b_norm", "norm3.diff_b"), 1e-6, bias);
        let only = random("lora_unet_blocks_0_self_attn_norm_q.w_norm", 1536, 1) * 0.5;
        close(&column(&fused, of_q), &only, 1e-6, of_q);
        assert!(fused.report.refused.is_empty() && fused.report.content_tensors.fused == 4);
    }
    // diffusers calls the layers of a Wan block otherwise, and norm3 among them.
    let settings = Settings { scheme: Some("peft".into()), ..settings };
    let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
    let left: Vec<&str> = fused.report.refused.iter().map(|refusal| refusal.module.as_str()).collect();
    assert_eq!(left.len(), 5, "{left:?}");
    assert!(fused.names().iter().all(|name| !name.contains("norm")), "{:?}", fused.names());
}

#[test]
fn a_file_never_mixes_the_two_spellings_of_sdxl() {
    let up_down = |stem: &str| kohya(File::default(), stem, 640, 640);
    let content = up_down("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q");
    let content = vector(content, "lora_unet_down_blocks_1_attentions_0_norm.w_norm", 640);
    let content =
        vector(content, "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_norm1.b_norm", 640);
    let content = vector(content, "lora_unet_down_blocks_1_resnets_0_norm1.w_norm", 320);
    let style = up_down("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q");
    let style = vector(style, "lora_unet_input_blocks_4_1_norm.w_norm", 640);
    let fused = fuse(Some(&content), Some(&style), &sdxl()).unwrap();
    let names = fused.names();
    assert!(names.iter().all(|name| name.starts_with("lora_unet_input_blocks_4_1_")), "{names:?}");
    let sum = random("lora_unet_down_blocks_1_attentions_0_norm.w_norm", 640, 1)
        + random("lora_unet_input_blocks_4_1_norm.w_norm", 640, 1);
    close(&column(&fused, "lora_unet_input_blocks_4_1_norm.w_norm"), &sum, 1e-6, "norm");
    column(&fused, "lora_unet_input_blocks_4_1_transformer_blocks_0_norm1.b_norm");
    // In a residual block the two namings have nothing in common.
    let [left] = fused.report.refused.as_slice() else { panic!("{:?}", fused.report.refused) };
    assert_eq!(left.module, "lora_unet_down_blocks_1_resnets_0_norm1.w_norm");
    assert!(left.why.contains("no name"), "{}", left.why);
    let settings = Settings { scheme: Some("kohya-diffusers".into()), ..sdxl() };
    let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
    assert!(fused.report.refused.is_empty(), "{:?}", fused.report.refused);
    assert!(fused.names().iter().all(|name| name.starts_with("lora_unet_down_blocks_1_")));
}

#[test]
fn a_block_that_is_off_takes_its_norms_with_it() {
    let stem = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q";
    let file = vector(kohya(File::default(), stem, 640, 640), "lora_unet_input_blocks_4_1_norm.w_norm", 640);
    let off = BlockStrength { content: 0.0, style: 0.25, mu: None };
    let settings = Settings { blocks: [("IN04".to_owned(), off)].into(), ..sdxl() };
    let fused = fuse(Some(&file), Some(&file), &settings).unwrap();
    let name = "lora_unet_input_blocks_4_1_norm.w_norm";
    close(&column(&fused, name), &(random(name, 640, 1) * 0.25), 1e-6, name);
}

#[test]
fn what_only_says_denoiser_is_no_part_of_a_name() {
    let file = |prefix: &str| {
        let file = peft(File::default(), &format!("{prefix}blocks.0.attn.qq"), 24, 36);
        vector(file, &format!("{prefix}blocks.0.norm.diff"), 24)
    };
    for prefix in ["", "transformer.", "base_model.model.", "model.diffusion_model."] {
        let fused = fuse(Some(&file("diffusion_model.")), Some(&file(prefix)), &hard()).unwrap();
        assert_eq!(fused.report.fused, 1, "{prefix}");
        assert_eq!(fused.stems(), ["diffusion_model.blocks.0.attn.qq"], "{prefix}");
        let norm = column(&fused, "diffusion_model.blocks.0.norm.diff");
        let sum = random("diffusion_model.blocks.0.norm.diff", 24, 1)
            + random(&format!("{prefix}blocks.0.norm.diff"), 24, 1);
        close(&norm, &sum, 1e-6, prefix);
    }
    // What PyTorch and an early diffusers put there as well, alone or with it.
    for prefix in [
        "_orig_mod.",
        "unet._orig_mod.",
        "_orig_mod.base_model.model.",
        "base_model.model._orig_mod.",
        "transformer._fsdp_wrapped_module.",
        "unet.unet.",
    ] {
        let fused = fuse(Some(&file("diffusion_model.")), Some(&file(prefix)), &hard()).unwrap();
        assert_eq!(
            (fused.report.fused, fused.stems()),
            (1, vec!["diffusion_model.blocks.0.attn.qq".into()]),
            "{prefix}"
        );
    }
    let inside = peft(File::default(), "unet.blocks.0._checkpoint_wrapped_module.attn.qq", 24, 36);
    assert_eq!(fuse(Some(&inside), None, &hard()).unwrap().stems(), ["unet.blocks.0.attn.qq"]);
    let flat = kohya(File::default(), "lora_unet__orig_mod_blocks_0__orig_mod_self_attn_q", 1536, 1536);
    let named = Settings { scheme: Some("comfy".into()), ..wan() };
    assert_eq!(fuse(Some(&flat), None, &named).unwrap().stems(), ["diffusion_model.blocks.0.self_attn.q"]);
    // The same in a known family.
    let known = |file: File, prefix: &str| peft(file, &format!("{prefix}blocks.0.self_attn.q"), 1536, 1536);
    let ours = known(file("diffusion_model."), "diffusion_model.");
    let theirs = known(file(""), "");
    let fused = fuse(Some(&ours), Some(&theirs), &wan()).unwrap();
    assert_eq!(fused.report.fused, 2);
    assert!(fused.report.warnings.iter().any(|warning| warning.code == Code::UnknownModules));
}

#[test]
fn halves_of_a_layer_of_unusual_size_stay_where_they_are() {
    let rows = DMatrix::from_fn(8, 1, |i, _| i as f64);
    let stem = "lora_unet_final_layer_adaLN_modulation_1";
    let file = kohya(File::default(), "lora_unet_double_blocks_0_img_attn_proj", 3072, 3072)
        .lora(stem, &rows, &DMatrix::from_element(1, 4, 1.0), None)
        .note("ss_base_model_version", "flux1");
    let fused = fuse(Some(&file), None, &hard()).unwrap();
    close(&fused.update(stem).unwrap(), &(rows * DMatrix::from_element(1, 4, 1.0)), 1e-6, stem);
}

#[test]
fn layers_of_other_models_and_blocks_are_left_what_they_are() {
    let known = |file: File| peft(file, "diffusion_model.blocks.0.self_attn.q", 1536, 1536);
    let encoder = "text_encoder.model.layers.0.self_attn.q_proj";
    let file = peft(known(File::default()), encoder, 24, 36);
    let file = peft(file, "diffusion_model.blocks.99.self_attn.q", 24, 36);
    let file = vector(file, "diffusion_model.patch_embedding.diff_b", 1536);
    let off = BlockStrength { content: 0.0, style: 0.0, mu: None };
    let settings = Settings {
        content_text_strength: Some(0.5),
        style_text_strength: Some(0.0),
        blocks: [("block 0".to_owned(), off)].into(),
        ..wan()
    };
    let fused = fuse(Some(&file), Some(&file), &settings).unwrap();
    assert_eq!(fused.report.refused, [], "{:?}", fused.names());
    let own = |stem: &str| random(&format!("{stem} b"), 24, 1) * random(&format!("{stem} a"), 1, 36);
    close(&fused.update(encoder).unwrap(), &(own(encoder) * 0.5), 1e-6, "a text encoder's strength");
    let stem = "diffusion_model.blocks.99.self_attn.q";
    // At μ = ∞ nothing is left of the same directions, so that this is the style's.
    close(&fused.update(stem).unwrap(), &own(stem), 1e-6, "another block than block 0");
    column(&fused, "diffusion_model.patch_embedding.diff_b");
}

#[test]
fn dots_that_nobody_knows_are_not_invented() {
    let stem = "lora_unet_double_blocks_0_img_attn_proj";
    let file = kohya(File::default(), stem, 3072, 3072).note("ss_base_model_version", "flux1");
    let file = vector(file, "lora_unet_double_blocks_0_img_attn_norm_query_norm.w_norm", 128);
    let settings = Settings { scheme: Some("comfy".into()), ..hard() };
    let fused = fuse(Some(&file), None, &settings).unwrap();
    assert_eq!(fused.stems(), ["diffusion_model.double_blocks.0.img_attn.proj"]);
    assert_eq!((fused.names().len(), fused.report.refused.len()), (2, 1));
}

#[test]
fn a_bias_goes_with_its_module_under_whatever_name() {
    let (known, odd) = ("diffusion_model.double_blocks.0.img_attn.proj", "diffusion_model.img_in");
    let file = peft(peft(File::default(), known, 3072, 3072), odd, 3072, 384);
    let file = vector(file, &format!("{odd}.diff_b"), 3072).note("ss_base_model_version", "flux1");
    let fused = fuse(Some(&file), None, &hard()).unwrap();
    assert_eq!(fused.stems(), [odd, "lora_unet_double_blocks_0_img_attn_proj"]);
    column(&fused, &format!("{odd}.diff_b"));
}

#[test]
fn one_vector_under_many_names_is_refused_at_once() {
    let stem = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q";
    let names = (0..1 << 12).map(|bits: usize| {
        let letters = ('a'..='m').enumerate();
        letters.fold(String::new(), |name, (at, letter)| {
            let divided = if at == 0 {
                ""
            } else if bits >> (at - 1) & 1 == 1 {
                "."
            } else {
                "_"
            };
            format!("{name}{divided}{letter}")
        })
    });
    let file = names.fold(kohya(File::default(), stem, 640, 640), |file, name| {
        file.with(format!("{name}.w_norm"), &[1], &DMatrix::zeros(1, 1))
    });
    let refused = fuse(Some(&file), None, &sdxl()).err().unwrap();
    assert_eq!(refused.code, Code::SpellingMix);
}

/// On a server every read is a request.
#[test]
fn vectors_are_read_together() {
    let reads = |biases: bool| {
        let [content, style] = ["content", "style"].map(|of| {
            let file = (0..150).fold(File::default(), |file, at| {
                let stem = format!("lora_unet_layer_{at}");
                let file = kohya(file, &stem, 8, 8);
                if biases { vector(file, &format!("{stem}.diff_b"), 8) } else { file }
            });
            file.named(of)
        });
        let [content, style] = [&content, &style].map(Counting::new);
        let fused = fuse_sources(Some(&content), Some(&style), &hard()).unwrap();
        assert_eq!(fused.report.vectors, if biases { 150 } else { 0 });
        content.reads.get() + style.reads.get()
    };
    let (with, without) = (reads(true), reads(false));
    assert!(with < without + 20, "{with} reads, {without} without biases");
}

/// Shift and scale of the last modulation stand the other way round in diffusers, and so do their biases.
#[test]
fn a_bias_is_turned_with_its_module() {
    let (native, diffusers) = ("lora_unet_final_layer_adaLN_modulation_1", "transformer.norm_out.linear");
    let flux = |file: File| file.note("ss_base_model_version", "flux1");
    let other = "lora_unet_double_blocks_0_img_attn_proj";
    let file = flux(kohya(kohya(File::default(), native, 6144, 3072), other, 3072, 3072));
    let file = vector(file, &format!("{native}.diff_b"), 6144);
    let bias = random(&format!("{native}.diff_b"), 6144, 1);
    let to =
        |scheme: &str| fuse(Some(&file), None, &Settings { scheme: Some(scheme.into()), ..hard() }).unwrap();
    close(&column(&to("kohya"), &format!("{native}.diff_b")), &bias, 1e-6, "as it was");
    let turned = DMatrix::from_fn(6144, 1, |at, _| bias[((at + 3072) % 6144, 0)]);
    close(&column(&to("peft"), &format!("{diffusers}.lora_B.bias")), &turned, 1e-6, "turned");
}

/// Distillation files of Wan change what is no layer of the model as a whole.
#[test]
fn a_full_difference_of_what_is_no_layer_stays_what_it_is() {
    let weights = [("patch_embedding", vec![1536, 16, 1, 2, 2]), ("blocks.0.modulation", vec![1, 6, 1536])];
    let add = |file: File, prefix: &str, seed: &str| {
        weights.iter().fold(file, |file, (stem, shape)| {
            let size = shape.iter().product();
            let name = if prefix.ends_with('.') { (*stem).to_owned() } else { stem.replace('.', "_") };
            file.with(format!("{prefix}{name}.diff"), shape, &random(&format!("{seed} {stem}"), size, 1))
        })
    };
    let layers = ["q", "k", "v", "o"];
    let dotted = |file, layer| peft(file, &format!("diffusion_model.blocks.0.self_attn.{layer}"), 1536, 1536);
    let flat = |file, layer| kohya(file, &format!("lora_unet_blocks_0_self_attn_{layer}"), 1536, 1536);
    let content = add(layers.iter().fold(File::default(), dotted), "diffusion_model.", "c");
    let style = add(layers.iter().fold(File::default(), flat), "lora_unet_", "s");
    let settings = Settings { content_strength: 0.5, ..wan() };
    for (scheme, prefix) in [("comfy", "diffusion_model."), ("kohya", "lora_unet_")] {
        let settings = Settings { scheme: Some(scheme.into()), ..settings.clone() };
        let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
        assert_eq!((fused.report.refused.len(), fused.report.cuts.len(), fused.report.rank), (0, 0, 2));
        let file = SafeTensors::deserialize(&fused.bytes).unwrap();
        for (stem, shape) in &weights {
            let name = if scheme == "comfy" { (*stem).to_owned() } else { stem.replace('.', "_") };
            let name = format!("{prefix}{name}.diff");
            assert_eq!(file.tensor(&name).unwrap().shape(), shape, "{name}");
            let size = shape.iter().product();
            let sum = random(&format!("c {stem}"), size, 1) * 0.5 + random(&format!("s {stem}"), size, 1);
            let is = column(&fused, &name);
            close(&DMatrix::from_iterator(size, 1, is.transpose().iter().copied()), &sum, 1e-6, &name);
        }
        // What was written is read as what it is.
        let again =
            fuse_sources(Some(&MemorySource::new("fused", fused.bytes.clone())), None, &settings).unwrap();
        assert_eq!(again.names(), fused.names());
    }
    // Text and image to video share all layers, and not this.
    let other = layers.iter().fold(File::default(), dotted);
    let other = other.with(
        "diffusion_model.patch_embedding.diff",
        &[1536, 36, 1, 2, 2],
        &random("other", 1536 * 144, 1),
    );
    let fused = fuse(Some(&other), Some(&style), &wan()).unwrap();
    let [refused] = fused.report.refused.as_slice() else { panic!("{:?}", fused.report.refused) };
    assert_eq!(refused.module, "diffusion_model.patch_embedding.diff");
    assert!(refused.why.contains("another size"), "{}", refused.why);
    let file = SafeTensors::deserialize(&fused.bytes).unwrap();
    assert_eq!(file.tensor("diffusion_model.patch_embedding.diff").unwrap().shape(), [1536, 16, 1, 2, 2]);
    // diffusers would load nothing of a file with such names.
    let named = Settings { scheme: Some("peft".into()), ..wan() };
    let fused = fuse(Some(&content), Some(&style), &named).unwrap();
    assert_eq!(fused.report.refused.len(), 4, "both weights of both files");
    assert!(fused.names().iter().all(|name| name.contains("lora")), "{:?}", fused.names());
}

/// Of one name, loaders take either a difference or factors.
#[test]
fn a_full_difference_and_factors_of_one_weight_are_not_both_written() {
    let layers = |file| {
        ["q", "k", "v", "o"].iter().fold(file, |file, layer| {
            peft(file, &format!("diffusion_model.blocks.0.self_attn.{layer}"), 1536, 1536)
        })
    };
    let name = "diffusion_model.patch_embedding.diff";
    let content = layers(File::default()).with(name, &[1536, 16, 1, 2, 2], &random("w", 1536 * 64, 1));
    let style = peft(layers(File::default()), "diffusion_model.patch_embedding", 1536, 64);
    // However the two spell it.
    let flat = kohya(layers(File::default()), "lora_unet_patch_embedding", 1536, 64);
    for scheme in ["comfy", "kohya"] {
        let settings = Settings { scheme: Some(scheme.into()), ..wan() };
        let fused = fuse(Some(&content), Some(&flat), &settings).unwrap();
        assert_eq!(fused.report.refused.len(), 1, "{scheme}: {:?}", fused.names());
    }
    for (one, other) in [(&content, &style), (&style, &content)] {
        let fused = fuse(Some(one), Some(other), &wan()).unwrap();
        let [refused] = fused.report.refused.as_slice() else { panic!("{:?}", fused.report.refused) };
        assert_eq!(refused.module, name);
        assert!(refused.why.contains("factors"), "{}", refused.why);
        assert!(fused.update("diffusion_model.patch_embedding").is_some() && fused.tensor(name).is_none());
    }
    // A layer that no table has is a layer all the same: of the same name in both, it is projected. Magnitudes stay with their module.
    let stem = "diffusion_model.another.proj";
    let dense = |seed: &str| layers(File::default()).matrix(format!("{stem}.diff"), &random(seed, 32, 48));
    let fused = fuse(Some(&dense("c")), Some(&dense("s")), &wan()).unwrap();
    assert_eq!(fused.report.fused, 5);
    let dora = content.matrix("diffusion_model.patch_embedding.dora_scale", &random("m", 1536, 1));
    let fused = fuse(Some(&dora), Some(&layers(File::default())), &wan()).unwrap();
    assert!(
        fused.names().iter().any(|name| name.ends_with("patch_embedding.dora_scale")),
        "{:?}",
        fused.names()
    );
}
