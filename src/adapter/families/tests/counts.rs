//! One test a family: the numbers of its layers that are known from real models and trainers.

use crate::adapter::families::*;
use std::collections::BTreeSet;

/// Number of modules that a file of `scheme` has for the canonical layers that `pick` picks.
fn written(family: &str, scheme: &str, pick: impl Fn(&str) -> bool) -> usize {
    let family = by_name(family).unwrap();
    let scheme = Scheme::by_id(scheme).unwrap();
    let stems: BTreeSet<String> = family
        .modules()
        .filter(|(id, _)| pick(id.as_str()))
        .map(|(id, _)| family.target(&id, scheme).unwrap().stem)
        .collect();
    stems.len()
}

fn in_blocks(id: &str) -> bool {
    id.contains("blocks.") && !id.starts_with("text_encoder")
}

/// The layers sd-scripts trains in a UNet: those of the transformers, with their projections.
fn attentions(id: &str) -> bool {
    id.contains(".attentions.")
}

fn text(encoder: &'static str) -> impl Fn(&str) -> bool {
    move |id| id.starts_with(encoder) && id.contains("layers.")
}

#[test]
fn sd15() {
    let family = by_name("SD 1.5").unwrap();
    assert_eq!(family.module_count("unet"), 282);
    assert_eq!(written("SD 1.5", "kohya-diffusers", attentions), 192);
    assert_eq!(written("SD 1.5", "kohya-diffusers", text("text_encoder.")), 72);
}

#[test]
fn sd2() {
    assert_eq!(by_name("SD 2").unwrap().module_count("unet"), 282);
    assert_eq!(written("SD 2", "kohya-diffusers", attentions), 192);
    assert_eq!(written("SD 2", "kohya-diffusers", text("text_encoder.")), 138);
}

#[test]
fn sdxl() {
    assert_eq!(by_name("SDXL").unwrap().module_count("unet"), 794);
    assert_eq!(written("SDXL", "kohya", attentions), 722);
    assert_eq!(written("SDXL", "peft", |id| attentions(id) && id.contains(".attn")), 560);
    assert_eq!(written("SDXL", "kohya", text("text_encoder.")), 72);
    assert_eq!(written("SDXL", "kohya", text("text_encoder_2.")), 192);
}

#[test]
fn flux1() {
    assert_eq!(by_name("FLUX.1").unwrap().module_count("transformer"), 504);
    assert_eq!(written("FLUX.1", "peft", in_blocks), 494);
    assert_eq!(written("FLUX.1", "kohya", in_blocks), 304);
}

#[test]
fn chroma() {
    assert_eq!(written("Chroma", "peft", in_blocks), 418);
    assert_eq!(written("Chroma", "kohya", in_blocks), 228);
}

#[test]
fn flux2() {
    for (family, comfy, peft) in
        [("FLUX.2 dev", 160, 192), ("FLUX.2 klein 4B", 80, 100), ("FLUX.2 klein 9B", 112, 144)]
    {
        assert_eq!(written(family, "comfy", in_blocks), comfy);
        assert_eq!(written(family, "peft", in_blocks), peft);
    }
}

#[test]
fn auraflow() {
    // ComfyUI's model has 326 layers of two dimensions; of a double block 16, of a single one 8.
    assert_eq!(by_name("AuraFlow").unwrap().module_count("transformer"), 4 * 16 + 32 * 8 + 6);
    assert_eq!(written("AuraFlow", "peft", in_blocks), 320);
    assert_eq!(written("AuraFlow", "comfy", |_| true), 326);
}

#[test]
fn sd3() {
    assert_eq!(written("SD 3.5 Large", "peft", in_blocks), 529);
    assert_eq!(written("SD 3.5 Large", "kohya", in_blocks), 377);
    // One block more is 14 layers, or 10 that are fused; attending twice is 4 layers or 2.
    assert_eq!(written("SD 3 Medium", "peft", in_blocks), 529 - 14 * 14);
    assert_eq!(written("SD 3 Medium", "kohya", in_blocks), 377 - 14 * 10);
    assert_eq!(written("SD 3.5 Medium", "peft", in_blocks), 529 - 14 * 14 + 13 * 4);
    assert_eq!(written("SD 3.5 Medium", "kohya", in_blocks), 377 - 14 * 10 + 13 * 2);
    for encoder in [("text_encoder.", 72), ("text_encoder_2.", 192)] {
        assert_eq!(written("SD 3.5 Medium", "peft", text(encoder.0)), encoder.1);
    }
}

#[test]
fn z_image() {
    let main = |id: &str| id.starts_with("transformer.layers.");
    assert_eq!(by_name("Z-Image").unwrap().module_count("transformer"), 270 + 6);
    assert_eq!(written("Z-Image", "comfy-diffusers", main), 240);
    assert_eq!(written("Z-Image", "comfy", main), 180);
}

#[test]
fn qwen_image() {
    assert_eq!(written("Qwen-Image", "peft", in_blocks), 840);
    assert_eq!(written("Qwen-Image", "comfy", in_blocks), 840);
}

#[test]
fn krea2() {
    // diffusers' training script trains the attention; 28 blocks and 4 that put the text together.
    let attention = |id: &str| id.contains(".attn.");
    assert_eq!(written("Krea 2", "peft", attention), (28 + 4) * 5);
    assert_eq!(written("Krea 2", "comfy", |_| true), (28 + 4) * 8 + 8);
    assert_eq!(by_name("Krea 2").unwrap().default_scheme().id, "comfy", "diffusers converts it, all of it");
}

#[test]
fn lumina2() {
    // 7 layers a block and the modulation of all but the 2 context refiners; q, k and v are one in the original.
    let blocks = |id: &str| id.contains("layers.") || id.contains("_refiner.");
    let denoiser = |id: &str| id.starts_with("transformer.") && blocks(id);
    assert_eq!(written("Lumina 2", "peft", denoiser), 30 * 7 + 28);
    assert_eq!(written("Lumina 2", "kohya", denoiser), 30 * 5 + 28);
    let family = by_name("Lumina 2").unwrap();
    assert_eq!(family.default_scheme().id, "comfy", "ComfyUI reads kohya's too, diffusers only this");
    let value = family.resolve("transformer.layers.3.attn.to_v").unwrap();
    let target = family.target(&value.parts[0].id, family.default_scheme()).unwrap();
    assert_eq!((target.rows, target.out_features), (3072..3840, 3840), "768 rows of v behind 2304 + 768");
}

#[test]
fn wan() {
    let in_image = |id: &str| in_blocks(id) && id.contains("add_");
    for (family, layers, image) in [("Wan 1.3B", 300, 0), ("Wan 2.2 5B", 300, 0), ("Wan 14B", 400, 80)] {
        assert_eq!(written(family, "comfy", in_blocks), layers + image);
        assert_eq!(written(family, "peft", in_image), image);
    }
}

#[test]
fn hunyuan_video() {
    assert_eq!(
        written("HunyuanVideo", "peft", |id| in_blocks(id) && !id.contains("refiner")),
        20 * 14 + 40 * 6
    );
    assert_eq!(
        written("HunyuanVideo", "comfy", |id| in_blocks(id) && !id.contains("refiner")),
        20 * 10 + 40 * 3
    );
}

#[test]
fn hunyuan_video_15() {
    let double = |id: &str| id.contains(".transformer_blocks.");
    assert_eq!(written("HunyuanVideo 1.5", "peft", double), 54 * 14);
    // ComfyUI's model has 566: two are a table, and a convolution of three dimensions.
    assert_eq!(written("HunyuanVideo 1.5", "comfy", double), 54 * 10);
    assert_eq!(written("HunyuanVideo 1.5", "comfy", |_| true), 566 - 2);
}

#[test]
fn ltx() {
    assert_eq!(written("LTX-Video 2B", "peft", in_blocks), 28 * 10);
    assert_eq!(written("LTX-Video 13B", "peft", in_blocks), 48 * 10);
}

#[test]
fn ltx_2() {
    // Six attentions of four projections, and two feed-forward layers of two; later versions gate each attention.
    let gates = |id: &str| id.contains("to_gate_logits");
    assert_eq!(written("LTX-2", "peft", |id| in_blocks(id) && !gates(id)), 48 * 28);
    assert_eq!(written("LTX-2", "comfy", gates), 48 * 6);
}

#[test]
fn anima() {
    // What sd-scripts trains: no modulation; and its adapter of the text where it is asked to.
    let trained = |id: &str| id.starts_with("transformer.") && in_blocks(id) && !id.contains(".norm");
    assert_eq!(written("Anima", "kohya", trained), 28 * 10);
    assert_eq!(by_name("Anima").unwrap().module_count("transformer"), 454);
    assert_eq!(written("Anima", "kohya", |id| id.starts_with("text_conditioner.blocks.")), 6 * 10);
    assert_eq!(written("Anima", "kohya", text("text_encoder.")), 28 * 7);
}

#[test]
fn hidream() {
    assert_eq!(by_name("HiDream-I1").unwrap().module_count("transformer"), 1128);
}

#[test]
fn minimax_h3() {
    assert_eq!(by_name("MiniMax-H3").unwrap().module_count("transformer"), 370);
    assert_eq!(written("MiniMax-H3", "kohya", in_blocks), 50 * 5 + 2 * 4);
    let family = by_name("MiniMax-H3").unwrap();
    let gated = family.resolve("lora_unet_blocks_7_mlp_fc1").unwrap();
    assert!(gated.parts[0].halves_swapped, "the original has the gate first, diffusers the value");
}
