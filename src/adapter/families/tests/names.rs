//! Prefixes, old spellings, fused and swapped rows, and the words for users.

use crate::adapter::families::*;

/// The identity of the layer that `stem` names; several are joined by `|`.
fn means(family: &str, stem: &str) -> String {
    let place = by_name(family).unwrap().resolve(stem);
    let ids = place.iter().flat_map(|place| &place.parts).map(|piece| piece.id.as_str());
    ids.collect::<Vec<_>>().join("|")
}

#[test]
fn every_prefix_is_known() {
    let (path, flat) = ("transformer_blocks.0.attn.to_q", "transformer_blocks_0_attn_to_q");
    for stem in [
        format!("transformer.{path}"),
        format!("diffusion_model.{path}"),
        format!("model.diffusion_model.{path}"),
        format!("base_model.model.{path}"),
        format!("base_model.model.transformer.{path}"),
        format!("transformer.base_model.model.{path}"),
        path.to_owned(),
        format!("lora_unet_{flat}"),
        format!("lora_unet__{flat}"),
        format!("lora_transformer_{flat}"),
        format!("lycoris_{flat}"),
    ] {
        assert_eq!(means("FLUX.1", &stem), format!("transformer.{path}"), "{stem}");
    }
    for stem in ["", "transformer.", "lora_unet_", "transformer.nothing", "lora_te1_nothing", "ü"] {
        assert_eq!(means("FLUX.1", stem), "", "{stem}");
    }
}

#[test]
fn old_diffusers_names_are_known() {
    let block = "down_blocks.0.attentions.0.transformer_blocks.0";
    for (old, new) in [("processor.to_q", "to_q"), ("processor.to_out", "to_out.0")] {
        assert_eq!(
            means("SD 1.5", &format!("unet.{block}.attn1.{old}")),
            format!("unet.{block}.attn1.{new}")
        );
        assert_eq!(means("SD 1.5", &format!("{block}.attn1.{old}")), format!("unet.{block}.attn1.{new}"));
    }
    let layer = "text_encoder.text_model.encoder.layers.3";
    assert_eq!(means("SDXL", &format!("{layer}.self_attn.to_q")), format!("{layer}.self_attn.q_proj"));
    assert_eq!(means("SDXL", "text_encoder.encoder.layers.3.mlp.fc1"), format!("{layer}.mlp.fc1"));
}

#[test]
fn text_encoders_are_told_by_their_prefix() {
    let clip = "text_model_encoder_layers_0_mlp_fc1";
    let path = "text_model.encoder.layers.0.mlp.fc1";
    assert_eq!(means("SD 1.5", &format!("lora_te_{clip}")), format!("text_encoder.{path}"));
    assert_eq!(means("SDXL", &format!("lora_te2_{clip}")), format!("text_encoder_2.{path}"));
    assert_eq!(
        means("SDXL", &format!("text_encoders.clip_g.transformer.{path}")),
        format!("text_encoder_2.{path}")
    );
    // As PEFT saves one by itself: of two, the size tells which.
    let bare = format!("base_model.model.{path}");
    assert_eq!(means("SD 1.5", &bare), format!("text_encoder.{path}"));
    let sdxl = by_name("SDXL").unwrap();
    for (width, encoder) in [(768, "text_encoder"), (1280, "text_encoder_2")] {
        let place = sdxl.place(&bare, (4 * width, width)).unwrap();
        assert_eq!(place.parts[0].id.as_str(), format!("{encoder}.{path}"));
        assert!(place.parts[0].id.is_text_encoder() && is_text_encoder(&bare));
    }
    assert_eq!(sdxl.place(&bare, (4 * 640, 640)), None);
    for place in ["gemma2_2b.transformer.model", "gemma2_2b.transformer", "gemma2_2b"] {
        assert_eq!(
            means("Lumina 2", &format!("text_encoders.{place}.layers.3.mlp.up_proj")),
            "text_encoder.layers.3.mlp.up_proj"
        );
    }
    let t5 = "encoder_block_5_layer_0_SelfAttention_q";
    for prefix in ["lora_te2_", "lora_te3_"] {
        let layer = "text_encoder_2.encoder.block.5.layer.0.SelfAttention.q";
        assert_eq!(means("FLUX.1", &format!("{prefix}{t5}")), layer);
    }
    assert_eq!(
        means("SD 3.5 Large", &format!("lora_te3_{t5}")),
        "text_encoder_3.encoder.block.5.layer.0.SelfAttention.q"
    );
    // Those that no naming writes; tables.rs has the others.
    for before in [
        "te1.",
        "te2.",
        "clip_l.",
        "clip_g.",
        "t5.",
        "llama.",
        "lora_clip_l_",
        "lora_clip_g_",
        "base_model.model.text_encoder.",
    ] {
        let stem = format!("{before}layers_0_q");
        assert!(ModuleId::of(&stem).is_text_encoder() && is_text_encoder(&stem), "{before}");
    }
    // A denoiser may call a part of itself like one of those.
    for before in [
        "lora_unet_",
        "unet.",
        "transformer.",
        "diffusion_model.",
        "lora_transformer_",
        "",
        "transformer.t5.",
    ] {
        let stem = format!("{before}layers_0_q");
        assert!(!ModuleId::of(&stem).is_text_encoder() && !is_text_encoder(&stem), "{before}");
    }
}

#[test]
fn fused_rows_and_their_slices() {
    let flux = by_name("FLUX.1").unwrap();
    let rows =
        |stem: &str| -> Vec<_> { flux.resolve(stem).unwrap().parts.into_iter().map(|p| p.rows).collect() };
    assert_eq!(rows("lora_unet_single_blocks_7_linear1"), [0..3072, 3072..6144, 6144..9216, 9216..21504]);
    let qkv = "transformer.single_transformer_blocks.7.attn.to_q|transformer.single_transformer_blocks.7.attn.to_k|\
               transformer.single_transformer_blocks.7.attn.to_v";
    for stem in [
        "single_blocks.7.processor.qkv_lora",
        "single_blocks.7.processor.qkv",
        "diffusion_model.single_blocks.7.linear1_qkv",
    ] {
        assert_eq!(means("FLUX.1", stem), qkv);
        assert_eq!(flux.resolve(stem).unwrap().naming, Naming::Alias);
    }
    assert_eq!(
        means("FLUX.1", "double_blocks.3.processor.proj_lora2"),
        "transformer.transformer_blocks.3.attn.to_add_out"
    );
}

#[test]
fn parts_of_fused_layers_are_known_by_number_and_fused_ones_by_diffusers() {
    let double = "transformer.transformer_blocks.3.attn";
    let single = "transformer.single_transformer_blocks.7";
    for family in ["FLUX.1", "Chroma", "HunyuanVideo"] {
        for (stem, part) in [
            ("transformer.double_blocks.3.img_attn.qkv.0", format!("{double}.to_q")),
            ("lora_transformer_double_blocks.3.img_attn.qkv.1", format!("{double}.to_k")),
            ("lora_unet_double_blocks_3_txt_attn_qkv_2", format!("{double}.add_v_proj")),
            ("transformer.single_blocks.7.linear1.2", format!("{single}.attn.to_v")),
            ("transformer.single_blocks.7.linear1.3", format!("{single}.proj_mlp")),
            (
                "transformer.transformer_blocks.3.attn.to_added_qkv",
                format!("{double}.add_q_proj|{double}.add_k_proj|{double}.add_v_proj"),
            ),
        ] {
            assert_eq!(means(family, stem), part, "{family}");
        }
    }
    let of = |part: &str| format!("transformer.transformer_blocks.5.attn.{part}");
    let krea = by_name("Krea 2").unwrap().resolve("transformer.transformer_blocks.5.attn.to_qkv").unwrap();
    let rows: Vec<_> = krea.parts.iter().map(|part| (part.id.to_string(), part.rows.clone())).collect();
    assert_eq!(rows, [(of("to_q"), 0..6144), (of("to_k"), 6144..7680), (of("to_v"), 7680..9216)]);
    assert_eq!(
        means("HunyuanVideo", "Hunyuan_video_I2V_lora_double_blocks_3_img_attn_proj"),
        format!("{double}.to_out.0")
    );
}

#[test]
fn diffsynth_has_names_of_its_own_for_flux() {
    for (own, kohya) in [
        ("blocks.3.attn.a_to_qkv", "double_blocks_3_img_attn_qkv"),
        ("blocks.3.attn.b_to_qkv", "double_blocks_3_txt_attn_qkv"),
        ("blocks.3.attn.a_to_out", "double_blocks_3_img_attn_proj"),
        ("blocks.3.attn.b_to_out", "double_blocks_3_txt_attn_proj"),
        ("blocks.3.ff_a.0", "double_blocks_3_img_mlp_0"),
        ("blocks.3.ff_a.2", "double_blocks_3_img_mlp_2"),
        ("blocks.3.ff_b.0", "double_blocks_3_txt_mlp_0"),
        ("blocks.3.ff_b.2", "double_blocks_3_txt_mlp_2"),
        ("blocks.3.norm1_a.linear", "double_blocks_3_img_mod_lin"),
        ("blocks.3.norm1_b.linear", "double_blocks_3_txt_mod_lin"),
        ("single_blocks.7.to_qkv_mlp", "single_blocks_7_linear1"),
        ("single_blocks.7.proj_out", "single_blocks_7_linear2"),
        ("single_blocks.7.norm.linear", "single_blocks_7_modulation_lin"),
    ] {
        assert_eq!(means("FLUX.1", own), means("FLUX.1", &format!("lora_unet_{kohya}")), "{own}");
    }
}

#[test]
fn text_encoders_are_known_by_their_own_names() {
    for (family, stem, layer) in [
        (
            "FLUX.1",
            "clip_l.text_model.encoder.layers.0.mlp.fc1",
            "text_encoder.text_model.encoder.layers.0.mlp.fc1",
        ),
        (
            "SDXL",
            "lora_clip_g_text_model_encoder_layers_0_mlp_fc1",
            "text_encoder_2.text_model.encoder.layers.0.mlp.fc1",
        ),
        (
            "FLUX.1",
            "t5.encoder.block.0.layer.0.SelfAttention.q",
            "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q",
        ),
    ] {
        assert_eq!(means(family, stem), layer);
    }
}

#[test]
fn swapped_halves_are_marked_in_native_names_only() {
    for (family, native, diffusers) in [
        ("FLUX.1", "lora_unet_final_layer_adaLN_modulation_1", "transformer.norm_out.linear"),
        (
            "SD 3.5 Large",
            "diffusion_model.joint_blocks.37.context_block.adaLN_modulation.1",
            "transformer.transformer_blocks.37.norm1_context.linear",
        ),
        ("AuraFlow", "diffusion_model.modF.1", "transformer.norm_out.linear"),
    ] {
        let swapped = |stem: &str| by_name(family).unwrap().resolve(stem).unwrap().parts[0].halves_swapped;
        assert!(swapped(native) && !swapped(diffusers));
        assert_eq!(means(family, native), diffusers);
    }
    let first = by_name("SD 3.5 Large").unwrap().resolve("joint_blocks.0.context_block.adaLN_modulation.1");
    assert!(!first.unwrap().parts[0].halves_swapped);
}

#[test]
fn hunyuan_videos_original_names() {
    for (original, comfy) in [
        ("double_blocks.0.img_attn_qkv", "double_blocks.0.img_attn.qkv"),
        ("double_blocks.0.img_mlp.fc1", "double_blocks.0.img_mlp.0"),
        ("single_blocks.9.modulation.linear", "single_blocks.9.modulation.lin"),
        (
            "txt_in.individual_token_refiner.blocks.0.self_attn_qkv",
            "txt_in.individual_token_refiner.blocks.0.self_attn.qkv",
        ),
    ] {
        assert_ne!(means("HunyuanVideo", original), "");
        assert_eq!(means("HunyuanVideo", original), means("HunyuanVideo", comfy));
    }
    for (original, diffusers) in [
        ("double_blocks.53.img_attn_q", "transformer_blocks.53.attn.to_q"),
        ("double_blocks.53.txt_attn_v", "transformer_blocks.53.attn.add_v_proj"),
        ("double_blocks.53.img_attn_proj", "transformer_blocks.53.attn.to_out.0"),
        ("txt_in.c_embedder.linear_1", "context_embedder.time_text_embed.text_embedder.linear_1"),
    ] {
        for stem in [format!("lora_unet_{}", flatten(original)), format!("transformer.{diffusers}")] {
            assert_eq!(means("HunyuanVideo 1.5", &stem), format!("transformer.{diffusers}"));
        }
    }
}

#[test]
fn blocks_have_the_names_that_users_give_them() {
    for (family, stem, label) in [
        ("SDXL", "lora_unet_input_blocks_4_1_proj_in", Some("IN04")),
        ("SDXL", "lora_unet_middle_block_1_proj_in", Some("MID")),
        ("SD 1.5", "lora_unet_up_blocks_3_attentions_2_proj_out", Some("OUT11")),
        ("SDXL", "unet.time_embedding.linear_1", None),
        ("SDXL", "lora_te2_text_projection", Some("CLIP-G")),
        ("FLUX.1", "lora_unet_single_blocks_12_linear1", Some("single 12")),
        ("Wan 14B", "blocks.3.ffn.0", Some("block 3")),
    ] {
        let family = by_name(family).unwrap();
        let id = family.resolve(stem).unwrap().parts.remove(0).id;
        assert_eq!(family.block(&id).map(|block| block.label).as_deref(), label, "{stem}");
    }
}

#[test]
fn blocks_stand_in_the_order_of_the_model() {
    let labels = |family: &str| -> Vec<String> {
        let family = by_name(family).unwrap();
        let blocks: std::collections::BTreeSet<_> =
            family.modules().filter_map(|(id, _)| family.block(&id)).collect();
        blocks.into_iter().map(|block| block.label).collect()
    };
    let sd = labels("SD 1.5");
    assert_eq!(sd.len(), 12 + 1 + 12 + 1);
    assert_eq!([&sd[0], &sd[11], &sd[12], &sd[13], &sd[25]], ["IN00", "IN11", "MID", "OUT00", "CLIP-L"]);
    assert_eq!(labels("SDXL").len(), 9 + 1 + 9 + 2);
    let flux = labels("FLUX.1");
    assert_eq!(flux.len(), 19 + 38 + 2);
    assert_eq!([&flux[2], &flux[19], &flux[57]], ["double 2", "single 0", "CLIP-L"]);
}

#[test]
fn kinds_are_told() {
    for (id, kind) in [
        ("unet.a.attn1.to_q", "q"),
        ("transformer.a.attn.add_k_proj", "k"),
        ("text_encoder.a.self_attn.v_proj", "v"),
        ("unet.a.attn1.to_out.0", "out"),
        ("text_encoder_2.encoder.block.0.layer.0.SelfAttention.o", "out"),
        ("unet.a.ff.net.0.proj", "ff"),
        ("transformer.single_transformer_blocks.0.proj_mlp", "ff"),
        ("unet.a.resnets.0.conv1", "conv"),
        ("unet.a.proj_in", "proj"),
        ("transformer.a.norm1.linear", "mod"),
        ("transformer.a.img_mod.1", "mod"),
        ("transformer.x_embedder", "other"),
    ] {
        assert_eq!(kind_of(&ModuleId::of(id)), kind, "{id}");
    }
    let gate = |id: &str| id.contains("to_gate_logits");
    for family in ["FLUX.1", "Anima", "LTX-2", "HiDream-I1", "MiniMax-H3"] {
        let blocks = by_name(family).unwrap().modules().filter(|(id, _)| id.as_str().contains("_blocks."));
        for (id, _) in blocks.filter(|(id, _)| !gate(id.as_str())) {
            assert_ne!(kind_of(&id), "other", "{id}");
        }
    }
}

#[test]
fn z_images_ends_are_the_same_layers_in_both_namings() {
    for (native, diffusers) in [
        ("x_embedder", "all_x_embedder.2-1"),
        ("final_layer.linear", "all_final_layer.2-1.linear"),
        ("final_layer.adaLN_modulation.1", "all_final_layer.2-1.adaLN_modulation.1"),
        ("cap_embedder.1", "cap_embedder.1"),
    ] {
        for name in [native, diffusers] {
            let layer = format!("transformer.{diffusers}");
            assert_eq!(means("Z-Image", &format!("diffusion_model.{name}")), layer);
            assert_eq!(means("Z-Image", &format!("lycoris_{}", flatten(name))), layer);
        }
    }
}

#[test]
fn krea_2s_names_in_the_original_code() {
    for (native, diffusers) in [
        ("blocks.27.attn.wo", "transformer_blocks.27.attn.to_out.0"),
        ("blocks.0.attn.gate", "transformer_blocks.0.attn.to_gate"),
        ("blocks.0.mlp.gate", "transformer_blocks.0.ff.gate"),
        ("txtfusion.refiner_blocks.1.attn.wk", "text_fusion.refiner_blocks.1.attn.to_k"),
        ("first", "img_in"),
        ("last.linear", "final_layer.linear"),
    ] {
        for stem in [
            format!("diffusion_model.{native}"),
            format!("base_model.model.{native}"),
            format!("lora_unet_{}", flatten(native)),
            format!("transformer.{diffusers}"),
        ] {
            assert_eq!(means("Krea 2", &stem), format!("transformer.{diffusers}"), "{stem}");
        }
    }
}

#[test]
fn auraflows_names_in_the_original_code() {
    for (native, diffusers) in [
        ("double_layers.3.attn.w2q", "joint_transformer_blocks.3.attn.to_q"),
        ("double_layers.3.attn.w1q", "joint_transformer_blocks.3.attn.add_q_proj"),
        ("double_layers.0.mlpC.c_proj", "joint_transformer_blocks.0.ff_context.out_projection"),
        ("single_layers.31.attn.w1q", "single_transformer_blocks.31.attn.to_q"),
        ("modF.1", "norm_out.linear"),
    ] {
        assert_eq!(
            means("AuraFlow", &format!("diffusion_model.{native}")),
            format!("transformer.{diffusers}")
        );
        assert_eq!(
            means("AuraFlow", &format!("transformer.{diffusers}")),
            format!("transformer.{diffusers}")
        );
    }
}

#[test]
fn text_encoders_are_written_where_comfyui_has_them() {
    for (family, layer, scheme, stem) in [
        (
            "Chroma",
            "encoder.block.5.layer.0.SelfAttention.q",
            "kohya",
            "lora_te1_encoder_block_5_layer_0_SelfAttention_q",
        ),
        (
            "Lumina 2",
            "layers.3.mlp.up_proj",
            "comfy",
            "text_encoders.gemma2_2b.transformer.model.layers.3.mlp.up_proj",
        ),
        (
            "SDXL",
            "text_model.encoder.layers.3.mlp.fc1",
            "comfy",
            "text_encoders.clip_l.transformer.text_model.encoder.layers.3.mlp.fc1",
        ),
    ] {
        let (known, scheme) = (by_name(family).unwrap(), Scheme::by_id(scheme).unwrap());
        let place = known.resolve(&format!("text_encoder.{layer}")).unwrap();
        assert_eq!(known.target(&place.parts[0].id, scheme).unwrap().stem, stem);
        assert_eq!(known.resolve(stem), Some(place));
    }
    assert_eq!(
        means("Chroma", "lora_te3_encoder_block_5_layer_0_SelfAttention_q"),
        means("Chroma", "lora_te1_encoder_block_5_layer_0_SelfAttention_q")
    );
}

#[test]
fn animas_adapter_of_the_text_is_inside_its_denoiser() {
    let anima = by_name("Anima").unwrap();
    let names = [
        ("comfy", "diffusion_model.llm_adapter.blocks.2.cross_attn.o_proj"),
        ("kohya", "lora_unet_llm_adapter_blocks_2_cross_attn_o_proj"),
        ("peft", "text_conditioner.blocks.2.cross_attn.o_proj"),
    ];
    for (scheme, stem) in names {
        let id = &anima.resolve(stem).unwrap().parts[0].id;
        assert_eq!(id.as_str(), names[2].1, "{stem}");
        assert!(!id.is_text_encoder(), "programs load it with the denoiser's strength");
        assert_eq!(anima.block(id).unwrap().label, "LLM adapter");
        assert_eq!(anima.target(id, Scheme::by_id(scheme).unwrap()).unwrap().stem, stem);
    }
    assert_eq!(anima.resolve("diffusion_model.llm_adapter.blocks.6.mlp.0"), None, "it has six blocks");
}

#[test]
fn the_last_layers_are_known_in_both_namings() {
    for (family, native, diffusers, size) in [
        ("Lumina 2", "final_layer_adaLN_modulation_1", "norm_out.linear_1", (2304, 1024)),
        ("Lumina 2", "final_layer_linear", "norm_out.linear_2", (64, 2304)),
        ("HunyuanVideo", "final_layer_adaLN_modulation_1", "norm_out.linear", (6144, 3072)),
        ("HunyuanVideo", "final_layer_linear", "proj_out", (64, 3072)),
    ] {
        let id = format!("transformer.{diffusers}");
        assert_eq!(means(family, &id), id, "{family}");
        let found = by_name(family).unwrap().resolve(&format!("lora_unet_{native}")).unwrap();
        assert_eq!(found.parts[0].id.as_str(), id, "{family}");
        // Scale and shift, where diffusers has them the other way round.
        assert_eq!(found.parts[0].halves_swapped, diffusers == "norm_out.linear", "{family}");
        assert_eq!((found.out_features, found.in_features), size, "{family} {native}");
    }
}
