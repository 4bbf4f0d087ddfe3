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
