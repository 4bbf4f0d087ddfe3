//! A result can be made again from what it says about itself.

use crate::lora::{file, fuse};
use np_lora::container::{Header, MemorySource};
use np_lora::fusion::Settings;
use np_lora::fusion::settings::{BlockStrength, CutChoice, DtypeChoice, RankLayout, Recompress};
use pollster::block_on;

/// The settings in a result's `np_lora.recipe`. Only the names are kept beside it.
fn recipe_of(result: &[u8]) -> Settings {
    let header = block_on(Header::read(&MemorySource::new("result", result.to_vec()))).unwrap();
    let recipe = &header.metadata["np_lora.recipe"];
    let mut settings: Settings = serde_json::from_str(recipe).expect("the recipe is made of settings");
    settings.output_name = header.metadata["ss_output_name"].clone();
    settings.keep_sources = header.metadata.contains_key("np_lora.content");
    settings
}

#[test]
fn the_recipe_in_a_result_makes_the_same_bytes_again() {
    let shared = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q";
    let text = "lora_te1_text_model_encoder_layers_3_mlp_fc1";
    let middle = "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q";
    let content = file("content", &[(shared, 640, 3, 640), (text, 3072, 2, 768)]);
    let style = file("style", &[(shared, 640, 4, 640), (middle, 1280, 1, 1280)]);
    let base = || Settings { output_name: "out".into(), family: Some("SDXL".into()), ..Settings::default() };
    let block = BlockStrength { content: 0.25, style: 0.1, mu: Some(f64::INFINITY) };
    let choices = [
        base(),
        Settings { mu: f64::INFINITY, keep_sources: false, ..base() },
        Settings { mu: 0.1 + 0.2, content_strength: 1.0 / 3.0, style_strength: -1e-3, ..base() },
        Settings { cut: CutChoice::Energy { share: 0.9 }, layout: RankLayout::Compact, ..base() },
        Settings { cut: CutChoice::Count { count: 2 }, dtype: DtypeChoice::BF16, ..base() },
        Settings {
            recompress: Recompress::Energy { share: 0.95 },
            content_text_strength: Some(0.5),
            ..base()
        },
        Settings {
            blocks: [("IN04".to_owned(), block)].into(),
            dense_rank: 8,
            direction_only: true,
            ..base()
        },
    ];
    let mut seen = Vec::new();
    for settings in choices {
        let (bytes, _) = fuse([&content, &style], &settings).unwrap();
        let again = recipe_of(&bytes);
        assert_eq!(again, settings);
        assert!(fuse([&content, &style], &again).unwrap().0 == bytes, "{settings:?}");
        assert!(!seen.contains(&bytes), "every one of these settings matters: {settings:?}");
        seen.push(bytes);
    }
}
