//! Which programs load what.

use crate::adapter::families::*;

/// What a program loads of a file in a scheme that has all layers of the denoiser's blocks, except `add_k_proj` and `add_v_proj`,
/// and the layers in `more`.
fn loaded(family: &str, scheme: &str, program: Program, more: &str) -> Option<Loaded> {
    let (family, scheme) = (by_name(family).unwrap(), Scheme::by_id(scheme).unwrap());
    let all: Vec<ModuleId> = family.modules().map(|(id, _)| id).collect();
    let is_usual = |id: &ModuleId| {
        family.block(id).is_some()
            && !is_text_encoder(id.as_str())
            && !id.as_str().contains("add_k_proj")
            && !id.as_str().contains("add_v_proj")
    };
    let mut layers: Vec<&ModuleId> = all.iter().filter(|id| is_usual(id)).collect();
    for name in more.split_whitespace() {
        layers.push(all.iter().find(|id| id.as_str() == name).unwrap());
    }
    of_layers(family, scheme, program, &layers, true)
}

fn of_layers(
    family: &Family,
    scheme: &Scheme,
    program: Program,
    layers: &[&ModuleId],
    plain: bool,
) -> Option<Loaded> {
    family.loaded_by(scheme, layers, plain).into_iter().find(|by| by.program == program).map(|by| by.loaded)
}

#[test]
fn what_programs_do_not_load_is_known() {
    use Loaded::{All, None as Nothing, Part};
    use Program::{A1111, ComfyUI, Diffusers, Forge, InvokeAI};
    for family in [
        "SD 1.5",
        "SD 2",
        "SDXL",
        "Wan 1.3B",
        "Wan 14B",
        "HunyuanVideo",
        "LTX-Video 2B",
        "LTX-2",
        "Anima",
        "MiniMax-H3",
        "Lumina 2",
    ] {
        assert_eq!(loaded(family, "peft", ComfyUI, ""), Some(Nothing), "{family}");
    }
    for (family, scheme, program, layer, expected) in [
        ("Z-Image", "kohya-diffusers", ComfyUI, "", Some(Part)),
        ("FLUX.2 dev", "peft", ComfyUI, "", Some(All)),
        ("FLUX.2 dev", "peft", ComfyUI, "transformer.single_stream_modulation.linear", Some(Part)),
        ("FLUX.2 klein 4B", "comfy", InvokeAI, "", None),
        ("FLUX.2 klein 4B", "kohya", Diffusers, "", Some(All)),
        ("FLUX.2 klein 4B", "kohya", Diffusers, "transformer.single_stream_modulation.linear", Some(Part)),
        ("FLUX.2 klein 4B", "peft", Diffusers, "transformer.single_stream_modulation.linear", Some(All)),
        ("FLUX.1", "kohya", Diffusers, "", Some(All)),
        ("FLUX.1", "kohya", Diffusers, "transformer.x_embedder", Some(Part)),
        ("FLUX.1", "peft", Diffusers, "transformer.x_embedder", Some(All)),
        ("LTX-Video 2B", "comfy", Diffusers, "", Some(All)),
        ("LTX-Video 2B", "comfy", Diffusers, "transformer.proj_in", Some(Part)),
        ("FLUX.2 klein 4B", "peft", InvokeAI, "", Some(All)),
        ("FLUX.1", "peft", ComfyUI, "", Some(All)),
        ("FLUX.1", "kohya", A1111, "", None),
        ("FLUX.1", "kohya", InvokeAI, "", Some(All)),
        ("FLUX.1", "kohya", InvokeAI, "transformer.x_embedder", Some(Nothing)),
        ("FLUX.1", "kohya", InvokeAI, "transformer.proj_out", Some(Part)),
        ("FLUX.1", "peft", InvokeAI, "transformer.proj_out", Some(Nothing)),
        ("FLUX.1", "kohya", InvokeAI, "text_encoder.text_model.encoder.layers.0.mlp.fc1", Some(All)),
        ("FLUX.1", "peft", InvokeAI, "text_encoder.text_model.encoder.layers.0.mlp.fc1", None),
        ("FLUX.1", "comfy", InvokeAI, "transformer.proj_out", Some(All)),
        ("FLUX.1", "comfy", Forge, "", Some(All)),
        ("FLUX.1", "comfy", Forge, "text_encoder.text_model.encoder.layers.0.mlp.fc1", Some(Nothing)),
        ("FLUX.1", "peft", Forge, "text_encoder.text_model.encoder.layers.0.mlp.fc1", None),
        ("FLUX.1", "kohya", Forge, "text_encoder.text_model.encoder.layers.0.mlp.fc1", Some(All)),
        ("FLUX.1", "peft", InvokeAI, "", Some(All)),
        (
            "FLUX.1",
            "peft",
            InvokeAI,
            "transformer.x_embedder text_encoder.text_model.encoder.layers.0.mlp.fc1",
            Some(Nothing),
        ),
        ("FLUX.1", "peft", Diffusers, "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q", Some(Part)),
        ("SD 3.5 Large", "peft", Forge, "", Some(Nothing)),
        ("SD 3.5 Large", "kohya", Forge, "", Some(All)),
        ("SD 3.5 Large", "kohya", A1111, "", Some(Nothing)),
        ("Wan 14B", "comfy", InvokeAI, "", Some(All)),
        ("Wan 14B", "comfy", InvokeAI, "transformer.blocks.39.attn2.add_k_proj", Some(Part)),
        ("Wan 14B", "peft", InvokeAI, "transformer.blocks.39.attn2.add_k_proj", Some(All)),
        ("Wan 14B", "peft", InvokeAI, "transformer.condition_embedder.time_proj", Some(Part)),
        ("Chroma", "kohya", InvokeAI, "", None),
        ("Chroma", "kohya", Diffusers, "", Some(All)),
        ("Chroma", "kohya", Diffusers, "transformer.distilled_guidance_layer.in_proj", Some(Nothing)),
        ("Chroma", "peft", ComfyUI, "", Some(All)),
        ("Chroma", "peft", ComfyUI, "transformer.distilled_guidance_layer.in_proj", Some(Part)),
        ("HiDream-I1", "peft", ComfyUI, "", Some(All)),
        ("HunyuanVideo", "comfy", Diffusers, "", Some(Nothing)),
    ] {
        assert_eq!(loaded(family, scheme, program, layer), expected, "{family} {scheme} {program:?} {layer}");
    }
}

#[test]
fn what_is_said_of_programs_is_said_in_known_words() {
    for family in all() {
        let mut names: Vec<&str> = family.schemes().map(|scheme| scheme.name).collect();
        let schemes = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), schemes, "{}: a naming is chosen by its name", family.name());
        let is_scheme = |id: &str| id == "*" || family.schemes().any(|scheme| scheme.id == id);
        let names: Vec<String> = family.modules().map(|(id, _)| format!(".{}.", id.as_str())).collect();
        for pair in Program::ALL
            .iter()
            .flat_map(|(_, line)| family.field(line).split(' '))
            .filter(|pair| !pair.is_empty())
        {
            let (scheme, how) = pair.split_once('=').unwrap();
            let (how, parts) = how.split_once('@').map_or((how, None), |(how, parts)| (how, Some(parts)));
            assert!(is_scheme(scheme), "{}: {pair}", family.name());
            assert!(["all", "part", "none", "unknown"].contains(&how), "{}: {pair}", family.name());
            for part in parts.into_iter().flat_map(|parts| parts.split(',')) {
                let part = part.strip_prefix('!').unwrap_or(part);
                let is_one = names.iter().any(|name| name.contains(&format!(".{part}.")));
                assert!(is_one, "{}: {part}", family.name());
            }
        }
        // Each once, and of no other program.
        let mut lines: Vec<&str> = family.text.lines().filter(|line| line.starts_with("loads ")).collect();
        for (_, line) in Program::ALL {
            let before = lines.len();
            lines.retain(|other| !other.starts_with(&format!("{line} ")));
            assert!(before - lines.len() <= 1, "{}: {line}", family.name());
        }
        assert!(lines.is_empty(), "{}: {lines:?}", family.name());
        let unread = family.field("unread").split(' ').filter_map(|pair| pair.split_once('='));
        for (scheme, component) in unread {
            assert!(is_scheme(scheme), "{}", family.name());
            let modules = family.modules().map(|(id, _)| id);
            let of_it =
                modules.into_iter().find(|id| id.as_str().starts_with(&format!("{component}."))).unwrap();
            let by = family.loaded_by(Scheme::by_id(scheme).unwrap(), &[&of_it], true);
            assert!(by.iter().all(|by| by.loaded != Loaded::All), "{} {scheme} {component}", family.name());
        }
        let usual = family.modules().map(|(id, _)| id).find(|id| family.block(id).is_some()).unwrap();
        let of = |scheme, plain| of_layers(family, scheme, Program::ComfyUI, &[&usual], plain);
        assert_eq!(of(family.default_scheme(), true), Some(Loaded::All), "{}", family.name());
        // Biases and magnitudes as diffusers calls them it does not read.
        for scheme in family.schemes().filter(|scheme| of(scheme, true) == Some(Loaded::All)) {
            let all = scheme.prefix != Prefix::Component;
            let found = of(scheme, false);
            assert_eq!(
                found,
                Some(if all { Loaded::All } else { Loaded::Part }),
                "{} {}",
                family.name(),
                scheme.id
            );
        }
    }
}

#[test]
fn nothing_is_promised_of_what_nobody_has_tried() {
    let sd = by_name("SD 1.5").unwrap();
    let (scheme, layer) = (sd.default_scheme(), sd.modules().next().unwrap().0);
    let stray = ModuleId::of("unet.nowhere");
    let of = |layers: &[&ModuleId], plain| of_layers(sd, scheme, Program::Diffusers, layers, plain);
    assert_eq!(of(&[&layer], true), Some(Loaded::All));
    // Of vectors, and of layers in no table.
    assert_eq!(of(&[&layer], false), None);
    assert_eq!(of(&[&layer, &stray], true), None);
    // That nothing is loaded is sure all the same.
    let peft = Scheme::by_id("peft").unwrap();
    assert_eq!(of_layers(sd, peft, Program::A1111, &[&layer, &stray], false), Some(Loaded::None));
    // Where two layers tell InvokeAI what a file is.
    let flux = by_name("FLUX.1").unwrap();
    let id = |name: &str| flux.modules().map(|(id, _)| id).find(|id| id.as_str() == name).unwrap();
    let block = id("transformer.transformer_blocks.3.attn.to_q");
    assert_eq!(of_layers(flux, peft, Program::InvokeAI, &[&block], true), Some(Loaded::None));
}
