//! Strengths, scales, vectors and what the result says about itself.

use super::files::{File, close, fuse, hard, random, reference};
use nalgebra::DMatrix;
use np_lora::adapter::scale::ScaleChoice;
use np_lora::container::MemorySource;
use np_lora::error::Code;
use np_lora::fusion::settings::{BlockStrength, RankLayout};
use np_lora::fusion::{Report, SavedRecipe, Settings};
use pollster::block_on;
use sha2::{Digest, Sha256};

const UNET: &str = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k";
const TEXT: &str = "lora_te1_text_model_encoder_layers_3_mlp_fc1";

fn sdxl(seed: &str) -> File {
    let r = |what: &str, rows, cols| random(&format!("{seed} {what}"), rows, cols);
    let file = File::default().lora(UNET, &r("ub", 640, 3), &r("ua", 3, 2048), Some(1.5));
    file.lora(TEXT, &r("tb", 3072, 2), &r("ta", 2, 768), None)
}

#[test]
fn text_encoders_and_blocks_have_strengths_of_their_own() {
    let settings = Settings {
        mu: 0.0,
        content_strength: 0.7,
        content_text_strength: Some(0.25),
        style_text_strength: Some(0.0),
        blocks: [("IN04".to_owned(), BlockStrength { content: 0.5, style: -2.0, mu: None })].into(),
        ..hard()
    };
    let fused = fuse(Some(&sdxl("c")), Some(&sdxl("s")), &settings).unwrap();
    let update = |seed: &str, what: [&str; 2], m, r, n| {
        random(&format!("{seed} {}", what[0]), m, r) * random(&format!("{seed} {}", what[1]), r, n)
    };
    let unet = |seed: &str| update(seed, ["ub", "ua"], 640, 3, 2048) * 0.5;
    close(&fused.update(UNET).unwrap(), &(unet("c") * 0.35 - unet("s") * 2.0), 1e-6, "IN04");
    let text = update("c", ["tb", "ta"], 3072, 2, 768) * 0.25;
    close(&fused.update(TEXT).unwrap(), &text, 1e-6, "CLIP-L");
}

/// What is left of the content where the share β of its part in the rows of `style_down` is taken away.
fn kept(content: &DMatrix<f64>, style_down: &DMatrix<f64>, beta: f64) -> DMatrix<f64> {
    let rows = (style_down * style_down.transpose()).try_inverse().unwrap();
    content - beta * (content * style_down.transpose()) * rows * style_down
}

#[test]
fn a_block_can_have_a_mu_of_its_own() {
    let layers = [("input_blocks_4_1", 640), ("input_blocks_5_1", 640), ("middle_block_1", 1280)]
        .map(|(at, n)| (format!("lora_unet_{at}_transformer_blocks_0_attn1_to_q"), n));
    let half = |side: &str, stem: &str, n| {
        (random(&format!("{side} {stem} b"), n, 3), random(&format!("{side} {stem} a"), 3, n))
    };
    let file = |side: &str| {
        layers.iter().fold(File::default(), |file, (stem, n)| {
            let (up, down) = half(side, stem, *n);
            file.lora(stem, &up, &down, None)
        })
    };
    let own = |mu| BlockStrength { content: 0.5, mu: Some(mu), ..BlockStrength::default() };
    let blocks = [("IN04".to_owned(), own(f64::INFINITY)), ("MID".to_owned(), own(0.0))].into();
    let settings = Settings { mu: 1.0, blocks, family: Some("SDXL".into()), ..hard() };
    let fused = fuse(Some(&file("c")), Some(&file("s")), &settings).unwrap();
    let should = [("IN04", 0.5, 1.0), ("IN05", 1.0, 0.5), ("MID", 0.5, 0.0)];
    for ((stem, n), (block, strength, beta)) in layers.iter().zip(should) {
        let [(b_c, a_c), (b_s, a_s)] = ["c", "s"].map(|side| half(side, stem, *n));
        let should = b_s * &a_s + strength * b_c * kept(&a_c, &a_s, beta);
        close(&fused.update(stem).unwrap(), &should, 1e-6, stem);
        let module =
            fused.report.modules.iter().find(|module| module.block.as_deref() == Some(block)).unwrap();
        assert!((module.content_kept - (1.0 - module.overlap * beta * (2.0 - beta))).abs() < 1e-9, "{stem}");
    }
    assert!(fused.metadata("np_lora.recipe").unwrap().contains(r#""mu":"infinity""#));
    assert!(fused.metadata("modelspec.description").unwrap().contains("mu 1 (2 blocks have their own)"));
    assert!(fused.report.recomputed > 0 && fused.report.recomputed_worst < 1e-6);
}

#[test]
fn a_block_with_either_strength_of_its_own_is_counted() {
    for (content, style, own) in [(0.5, 1.0, true), (1.0, 0.5, true), (1.0, 1.0, false)] {
        let blocks = [("IN04".to_owned(), BlockStrength { content, style, mu: None })].into();
        let fused = fuse(Some(&sdxl("c")), Some(&sdxl("s")), &Settings { blocks, ..hard() }).unwrap();
        let description = fused.metadata("modelspec.description").unwrap();
        assert_eq!(description.contains("(1 blocks have their own)"), own, "{description}");
    }
}

#[test]
fn blocks_that_the_files_do_not_have_are_named_and_have_no_part_in_the_result() {
    let made = |blocks: &[&str]| {
        let own = BlockStrength { content: 0.5, ..BlockStrength::default() };
        let blocks = blocks.iter().map(|label| ((*label).to_owned(), own)).collect();
        fuse(Some(&sdxl("c")), Some(&sdxl("s")), &Settings { blocks, ..hard() }).unwrap()
    };
    let (with, without) = (made(&["IN04", "IN4", "DOUBLE00"]), made(&["IN04"]));
    assert!(with.bytes == without.bytes, "the file speaks of blocks that it does not have");
    assert_eq!(with.report.settings, without.report.settings);
    let told = |report: &Report| {
        let told = report.warnings.iter().filter(|warning| warning.code == Code::NoBlock);
        told.map(|warning| warning.detail.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(&with.report), ["One of those that they lack is \"DOUBLE00\"."]);
    assert!(told(&without.report).is_empty());
}

#[test]
fn a_wrong_scale_can_be_put_right() {
    let stem = "layer";
    let (b, a) = (random("b", 20, 4), random("a", 4, 30));
    let content = File::default().lora(stem, &b, &a, Some(8.0));
    let style = File::default().lora(stem, &random("sb", 20, 2), &random("sa", 2, 30), None);
    let of_style = random("sb", 20, 2) * random("sa", 2, 30);
    for (choice, scale) in [
        (ScaleChoice::Auto, 2.0),
        (ScaleChoice::Alpha { alpha: 1.0 }, 0.25),
        (ScaleChoice::RankStabilised, 4.0),
    ] {
        let settings = Settings { content_scale: choice, ..hard() };
        let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
        let should = reference(&(&b * &a * scale), &of_style, 1.0);
        close(&fused.update(stem).unwrap(), &should, 1e-6, &format!("{choice:?}"));
    }
}

#[test]
fn the_result_says_what_it_is() {
    let content = sdxl("c")
        .note("modelspec.title", "My dog")
        .note("modelspec.trigger_phrase", "sks dog")
        .note("lora_adapter_metadata", "{}");
    let style = sdxl("s")
        .note("ss_output_name", "ink")
        .note("modelspec.trigger_phrase", "ink, sks dog")
        .note("modelspec.thumbnail", "data:");
    let fused = fuse(Some(&content), Some(&style), &Settings { mu: 0.5, ..hard() }).unwrap();
    let note = |key: &str| fused.metadata(key).unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(note("ss_base_model_version"), "sdxl_base_v1-0");
    assert_eq!(note("modelspec.architecture"), "stable-diffusion-xl-v1-base/lora");
    assert_eq!((note("ss_network_dim"), note("ss_network_alpha")), ("6".to_owned(), "6".to_owned()));
    assert_eq!(note("modelspec.trigger_phrase"), "sks dog, ink");
    // A1111 offers the words of this table for prompts.
    assert_eq!(note("ss_tag_frequency"), r#"{"trigger words":{"sks dog":1,"ink":1}}"#);
    assert_eq!(note("modelspec.merged_from"), "My dog, ink");
    assert_eq!(fused.metadata("lora_adapter_metadata").or(fused.metadata("modelspec.thumbnail")), None);
    let start = 8 + u64::from_le_bytes(fused.bytes[..8].try_into().unwrap()) as usize;
    let hash: String = Sha256::digest(&fused.bytes[start..]).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!((note("sshs_model_hash"), fused.report.model_hash.clone()), (hash.clone(), hash));
    let recipe = note("np_lora.recipe");
    // Both show in the file itself.
    assert!(!recipe.contains("outputName") && !recipe.contains("keepSources"), "{recipe}");
    let again: Settings = serde_json::from_str(&recipe).unwrap();
    assert_eq!(again.mu, 0.5);
    let saved = block_on(SavedRecipe::open(&MemorySource::new("fused", fused.bytes.clone()))).unwrap();
    let again = Settings { output_name: note("modelspec.title"), ..again };
    assert_eq!((saved.settings, saved.version.as_str()), (again, env!("CARGO_PKG_VERSION")));
    let names = [saved.content, saved.style].map(|source| source.unwrap().name);
    assert_eq!(names, ["content.safetensors", "style.safetensors"]);

    let private = fuse(Some(&content), Some(&style), &Settings { keep_sources: false, ..hard() }).unwrap();
    let text = String::from_utf8_lossy(&private.bytes[8..start.min(private.bytes.len())]).into_owned();
    let saved = block_on(SavedRecipe::open(&MemorySource::new("fused", private.bytes))).unwrap();
    assert_eq!((saved.settings.mu, saved.content, saved.style), (hard().mu, None, None));
    assert!(!saved.settings.keep_sources, "it stays so");
    let other = block_on(SavedRecipe::open(&content.named("content")));
    assert_eq!(other.unwrap_err().code, Code::Recipe);
    for secret in ["My dog", "content.safetensors", "style.safetensors"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn vectors_follow_their_modules_scale_and_agree_about_their_length() {
    let peft = |bias: usize| {
        File::default()
            .matrix("layer.lora_A.weight", &random("a", 4, 30))
            .matrix("layer.lora_B.weight", &random("b", 20, 4))
            .with("layer.lora_B.bias", &[bias], &random("bias", bias, 1))
    };
    let settings = Settings { content_scale: ScaleChoice::Alpha { alpha: 8.0 }, ..hard() };
    let fused = fuse(Some(&peft(20)), None, &settings).unwrap();
    close(
        &fused.tensor("layer.lora_B.bias").unwrap(),
        &(random("bias", 20, 1) * 2.0),
        1e-6,
        "alpha/rank = 2",
    );
    let error = fuse(Some(&peft(20)), Some(&peft(24)), &hard()).err().unwrap();
    assert_eq!((error.code, error.tensor.as_deref()), (Code::ShapeMismatch, Some("layer.lora_B.bias")));
}

#[test]
fn notes_of_another_model_are_not_passed_on() {
    let content =
        sdxl("c").note("ss_base_model_version", "flux1").note("modelspec.architecture", "flux-1-dev/lora");
    let fused = fuse(Some(&content), Some(&sdxl("s")), &hard()).unwrap();
    assert_eq!(fused.report.family.as_deref(), Some("SDXL"));
    assert_eq!(fused.metadata("ss_base_model_version").as_deref(), Some("sdxl_base_v1-0"));
    assert_eq!(fused.metadata("modelspec.architecture").as_deref(), Some("stable-diffusion-xl-v1-base/lora"));
    let forced = Settings { family: Some("FLUX.1".into()), ..hard() };
    assert_eq!(fuse(Some(&content), None, &forced).err().map(|e| e.code), Some(Code::BaseMismatch));
}

#[test]
fn a_file_with_itself_is_noticed() {
    let codes = |content: &File, style: &File, settings: &Settings| -> Vec<Code> {
        let report = fuse(Some(content), Some(style), settings).unwrap().report;
        report.warnings.iter().map(|warning| warning.code).collect()
    };
    let weaker = Settings { mu: 0.5, content_strength: 0.6, ..hard() };
    assert_eq!(codes(&sdxl("c"), &sdxl("c"), &weaker), [Code::SameFile]);
    assert_eq!(codes(&sdxl("c"), &sdxl("s"), &weaker), []);
    // The same directions are not the same change; nor is its opposite.
    let one = |up: DMatrix<f64>| File::default().lora("layer", &up, &random("a", 4, 30), None);
    let style = one(random("b", 20, 4));
    assert_eq!(codes(&one(random("c", 20, 4)), &style, &weaker), [Code::Parallel]);
    assert_eq!(codes(&one(-random("b", 20, 4)), &style, &weaker), [Code::Parallel]);
    assert_eq!(codes(&one(random("b", 20, 4)), &style, &weaker), [Code::SameFile]);
    // A multiple is another file, however large it is.
    let twice = one(2.0 * random("b", 20, 4));
    assert_eq!(codes(&twice, &style, &weaker), [Code::Parallel]);
    assert_eq!(codes(&twice, &twice, &weaker), [Code::SameFile]);
    // A strength's sign is none of the file's.
    let against = Settings { content_strength: -0.5, ..weaker.clone() };
    assert_eq!(codes(&one(random("b", 20, 4)), &style, &against), [Code::SameFile]);
    assert_eq!(codes(&one(-random("b", 20, 4)), &style, &against), [Code::Parallel]);
}

#[test]
fn a_style_without_strength_changes_nothing() {
    let settings = Settings { style_strength: 0.0, ..hard() };
    let report = fuse(Some(&sdxl("c")), Some(&sdxl("s")), &settings).unwrap().report;
    assert_eq!((report.change, report.content_kept), (0.0, 1.0));
}

#[test]
fn notes_that_the_files_disagree_about_are_not_passed_on() {
    let noted = |of: &str, prediction: &str| {
        sdxl(of).note("modelspec.prediction_type", prediction).note("ss_base_model_version", "sdxl_base_v1-0")
    };
    let note = |content: &File, style: &File| {
        fuse(Some(content), Some(style), &hard()).unwrap().metadata("modelspec.prediction_type")
    };
    assert_eq!(note(&noted("c", "v"), &noted("s", "v")).as_deref(), Some("v"));
    assert_eq!(note(&noted("c", "v"), &noted("s", "epsilon")), None);
}

#[test]
fn a_conversion_can_leave_its_source_unnamed_too() {
    let content = sdxl("c").note("modelspec.title", "My dog");
    let private = fuse(Some(&content), None, &Settings { keep_sources: false, ..hard() }).unwrap();
    let start = 8 + u64::from_le_bytes(private.bytes[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8_lossy(&private.bytes[8..start]).into_owned();
    for secret in ["My dog", "content.safetensors"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(private.metadata("modelspec.description").unwrap().starts_with("Converted"));
}

#[test]
fn the_alpha_in_the_notes_is_the_rank_where_none_is_written() {
    let peft = |of: &str, rank: usize, stem: &str| {
        File::default()
            .matrix(format!("{stem}.lora_A.weight"), &random(&format!("{of} a"), rank, 30))
            .matrix(format!("{stem}.lora_B.weight"), &random(&format!("{of} b"), 20, rank))
    };
    let settings = Settings { layout: RankLayout::Compact, style_strength: 0.5, ..hard() };
    let fused =
        fuse(Some(&peft("c", 4, "layer.to_q")), Some(&peft("s", 3, "layer.to_q")), &settings).unwrap();
    assert_eq!(fused.metadata("ss_network_dim").as_deref(), Some("7"));
    assert_eq!(fused.metadata("ss_network_alpha").as_deref(), Some("7"));
}

#[test]
fn a_chosen_family_must_be_that_of_both_files() {
    let flux = File::default().lora(
        "lora_unet_double_blocks_0_img_attn_proj",
        &random("b", 3072, 2),
        &random("a", 2, 3072),
        None,
    );
    let chosen = Settings { family: Some("SDXL".into()), ..hard() };
    for (content, style, file) in
        [(&sdxl("c"), &flux, "style.safetensors"), (&flux, &sdxl("s"), "content.safetensors")]
    {
        let error = fuse(Some(content), Some(style), &chosen).err().unwrap();
        assert_eq!((error.code, error.file.as_deref()), (Code::BaseMismatch, Some(file)));
    }
    // One known layer among many is no file of the family.
    let odd = |at: usize| format!("lora_unet_something_{at}");
    let mostly = (0..3)
        .fold(sdxl("c"), |file, at| file.lora(&odd(at), &random("b", 20, 2), &random("a", 2, 30), None));
    let error = fuse(Some(&mostly), Some(&sdxl("s")), &chosen).err().unwrap();
    assert_eq!((error.code, error.file.as_deref()), (Code::BaseMismatch, Some("content.safetensors")));
}

#[test]
fn files_of_two_bases_of_one_family_are_fused_with_a_word() {
    let noted = |of: &str, base: &str| sdxl(of).note("ss_base_model_version", base);
    let fused =
        fuse(Some(&noted("c", "sdxl_base_v1-0")), Some(&noted("s", "sdxl_base_v0-9")), &hard()).unwrap();
    let warned =
        |fused: &super::files::Fused| fused.report.warnings.iter().any(|w| w.code == Code::BaseDiffers);
    assert!(warned(&fused), "{:?}", fused.report.warnings);
    let same =
        fuse(Some(&noted("c", "sdxl_base_v1-0")), Some(&noted("s", "sdxl_base_v1-0")), &hard()).unwrap();
    assert!(!warned(&same));
}

/// Nobody can tell what free texts say.
#[test]
fn notes_of_an_unknown_model_are_left_out_where_sources_are_to_stay_unnamed() {
    let file = |of: &str| {
        File::default()
            .lora("layer", &random(&format!("{of} b"), 20, 2), &random(&format!("{of} a"), 2, 30), None)
            .note("modelspec.implementation", "/home/me/secret")
    };
    let note = |keep_sources| {
        let settings = Settings { keep_sources, ..hard() };
        fuse(Some(&file("c")), Some(&file("s")), &settings).unwrap().metadata("modelspec.implementation")
    };
    assert_eq!(note(true).as_deref(), Some("/home/me/secret"));
    assert_eq!(note(false), None);
}

#[test]
fn notes_of_a_known_model_are_its_own_where_sources_are_to_stay_unnamed() {
    let file = |of: &str| {
        sdxl(of)
            .note("ss_base_model_version", "sdxl_base_v1-0 of my cat")
            .note("modelspec.implementation", "my cat.safetensors")
            .note("modelspec.prediction_type", "v")
            .note("modelspec.resolution", "1024x1024")
    };
    let notes = |keep_sources| {
        let settings = Settings { keep_sources, ..hard() };
        let fused = fuse(Some(&file("c")), Some(&file("s")), &settings).unwrap();
        [
            "ss_base_model_version",
            "modelspec.implementation",
            "modelspec.prediction_type",
            "modelspec.resolution",
        ]
        .map(|key| fused.metadata(key))
    };
    let some = |text: &str| Some(text.to_owned());
    let open = notes(true);
    assert_eq!(open[..2], [some("sdxl_base_v1-0 of my cat"), some("my cat.safetensors")]);
    let unnamed = notes(false);
    assert_eq!(unnamed[0], some("sdxl_base_v1-0"));
    // What says which version of a model it is is no free text.
    for version in ["sdxl_base_v0-9", "SDXL_1.0", "sdxl_turbo", "sdxl_base_v1-0_edit2"] {
        let file = |of: &str| sdxl(of).note("ss_base_model_version", version);
        let settings = Settings { keep_sources: false, ..hard() };
        let fused = fuse(Some(&file("c")), Some(&file("s")), &settings).unwrap();
        assert_eq!(fused.metadata("ss_base_model_version").as_deref(), Some(version));
    }
    for private in ["sdxl_bibi", "sdxl_base_v1-0_of_my_cat", "sdxl 1.0", "sdxl_12031987", "sdxl__"] {
        let file = |of: &str| sdxl(of).note("ss_base_model_version", private);
        let settings = Settings { keep_sources: false, ..hard() };
        let fused = fuse(Some(&file("c")), Some(&file("s")), &settings).unwrap();
        assert_eq!(fused.metadata("ss_base_model_version").as_deref(), Some("sdxl_base_v1-0"), "{private}");
    }
    // What is longer than a resolution may be anything.
    for private in ["12031987x031987", "198703121200", "1024 x 1024", "cat"] {
        let file =
            |of: &str| sdxl(of).note("ss_base_model_version", "sdxl").note("modelspec.resolution", private);
        let settings = Settings { keep_sources: false, ..hard() };
        let fused = fuse(Some(&file("c")), Some(&file("s")), &settings).unwrap();
        assert_eq!(fused.metadata("modelspec.resolution").as_deref(), Some("1024x1024"), "{private}");
    }
    assert!(unnamed[1].as_ref().is_none_or(|text| !text.contains("cat")), "{unnamed:?}");
    assert_eq!(
        [&unnamed[2..], &open[2..]].concat(),
        [some("v"), some("1024x1024"), some("v"), some("1024x1024")]
    );
}

/// By the names that such files have; a model with such a word in its name has LoRAs of every kind.
#[test]
fn a_lora_for_fewer_steps_is_told_by_its_name() {
    let told = |content: &str, style: &str| -> Vec<String> {
        let [content, style] =
            [("c", content), ("s", style)].map(|(of, name)| sdxl(of).note("ss_output_name", name));
        let warnings = fuse(Some(&content), Some(&style), &hard()).unwrap().report.warnings;
        let told = warnings.into_iter().filter(|warning| warning.code == Code::Distilled);
        told.map(|warning| warning.file.clone().unwrap()).collect()
    };
    let warned = |name: &str| !told(name, "ink").is_empty();
    for name in [
        "sdxl_lightning_4step_lora",
        "Qwen-Image-Lightning-8steps-V1.0",
        "lcm_lora",
        "lcm-lora-sdv1-5",
        "pytorch_lora_LCM",
        "Hyper-SD15-8steps-lora",
        "Hyper-SDXL-8steps-lora",
        "Hyper-FLUX.1-dev-8steps-lora",
        "FLUX.1-Turbo-Alpha",
        "Wan21_CausVid_14B_T2V_lora_rank32",
        "dmd2_sdxl_4step_lora",
    ] {
        assert!(warned(name), "{name}");
    }
    for name in [
        "dog-z-image-turbo",
        "ink_zimage_turbo_v2",
        "ink-sdxl-turbo",
        "lightningbolt",
        "hyperrealism",
        "calcmaster",
    ] {
        assert!(!warned(name), "{name}");
    }
    assert_eq!(told("dog", "lcm_lora"), ["style.safetensors"]);
    assert_eq!(told("lcm_lora", "lcm_lora"), ["content.safetensors", "style.safetensors"]);
}
