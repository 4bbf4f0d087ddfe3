//! Which layer of which model a module is.
//!
//! Today a module's identity is its stem as the file spells it, so two files are matched within one naming scheme.
//! Matching across schemes (kohya against PEFT, fused against split qkv) belongs here: [`ModuleId::of`] is the one
//! place where a spelling becomes an identity.

use std::collections::BTreeMap;
use std::fmt;

/// The identity of a layer: equal in both files of a pair exactly when they mean the same layer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(String);

impl ModuleId {
    /// The identity of the module that a file calls `stem`.
    pub fn of(stem: &str) -> Self {
        Self(stem.to_owned())
    }

    /// The name to show.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the layer belongs to a text encoder rather than to the denoiser.
    pub fn is_text_encoder(&self) -> bool {
        TEXT_ENCODERS.iter().any(|prefix| self.0.starts_with(prefix))
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Beginnings of text-encoder stems (formats.md §2.0).
const TEXT_ENCODERS: [&str; 10] = [
    "lora_te_",
    "lora_te1_",
    "lora_te2_",
    "lora_te3_",
    "text_encoder.",
    "text_encoder_2.",
    "text_encoder_3.",
    "text_encoders.",
    "te1.",
    "te2.",
];

/// A model family as its files' notes name it: (what users call it, beginnings of `ss_base_model_version`,
/// beginnings of `modelspec.architecture`). formats.md §4.1 and §4.2.
const NOTED: [(&str, &[&str], &[&str]); 11] = [
    ("Chroma", &["chroma"], &["chroma"]),
    ("FLUX.1", &["flux1", "flux.1"], &["flux-1"]),
    ("FLUX.2", &["flux_2", "flux2"], &["flux-2"]),
    ("HunyuanVideo", &["hunyuan"], &["hunyuan"]),
    ("Lumina 2", &["lumina2"], &["lumina-2"]),
    ("Qwen-Image", &["qwen_image"], &["qwen-image"]),
    ("SDXL", &["sdxl"], &["stable-diffusion-xl"]),
    ("SD 3", &["sd3"], &["stable-diffusion-3"]),
    ("SD 2", &["sd_v2"], &["stable-diffusion-v2"]),
    ("SD 1.5", &["sd_v1", "sd_1"], &["stable-diffusion-v1"]),
    ("Wan", &["wan"], &["wan"]),
];

/// Names of layers that only one family has, once punctuation is levelled: (family, part of the stem).
/// The first row that some module matches decides, so the particular stand before the general.
const TELLING: [(&str, &str); 9] = [
    ("SDXL", "lora_te2_"),
    ("SDXL", "input_blocks_4_1_transformer_blocks_1"),
    ("SDXL", "down_blocks_1_attentions_0_transformer_blocks_1"),
    ("FLUX.1 or Chroma", "double_blocks_0_img_attn"),
    ("FLUX.1 or Chroma", "single_transformer_blocks_0_"),
    ("Wan", "blocks_0_self_attn_q"),
    ("SD 3", "joint_blocks_0_"),
    ("SD 1.5 or 2", "down_blocks_0_attentions_0_transformer_blocks_0"),
    ("SD 1.5 or 2", "input_blocks_1_1_transformer_blocks_0"),
];

/// The model family as far as the notes or the layers' names tell it.
pub fn family<'a>(
    metadata: &BTreeMap<String, String>,
    mut ids: impl Iterator<Item = &'a ModuleId> + Clone,
) -> Option<&'static str> {
    let noted = |key: &str, value: &str| {
        NOTED.iter().find(|row| {
            let prefixes = if key == "modelspec.architecture" { row.2 } else { row.1 };
            prefixes.iter().any(|prefix| value.starts_with(prefix))
        })
    };
    ["ss_base_model_version", "modelspec.architecture"]
        .iter()
        .find_map(|key| noted(key, &metadata.get(*key)?.to_ascii_lowercase()))
        .map(|row| row.0)
        .or_else(|| {
            TELLING
                .iter()
                .find(|(_, part)| ids.clone().any(|id| id.as_str().replace('.', "_").contains(part)))
                .map(|row| row.0)
        })
        .or_else(|| {
            let mut any = false;
            let only_text = ids.all(|id| {
                any = true;
                id.is_text_encoder()
            });
            (any && only_text).then_some("text encoder only")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: Option<&str>, stems: &[&str]) -> Option<&'static str> {
        let metadata =
            version.map(|v| ("ss_base_model_version".to_owned(), v.to_owned())).into_iter().collect();
        let ids: Vec<_> = stems.iter().map(|s| ModuleId::of(s)).collect();
        family(&metadata, ids.iter())
    }

    #[test]
    fn notes_come_before_names() {
        assert_eq!(told(Some("chroma"), &["lora_unet_double_blocks_0_img_attn_qkv"]), Some("Chroma"));
        assert_eq!(told(None, &["lora_unet_double_blocks_0_img_attn_qkv"]), Some("FLUX.1 or Chroma"));
        assert_eq!(told(Some("sdxl_base_v1-0"), &[]), Some("SDXL"));
    }

    #[test]
    fn names_tell_the_family() {
        assert_eq!(
            told(None, &["unet.down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q"]),
            Some("SDXL")
        );
        assert_eq!(
            told(None, &["lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"]),
            Some("SD 1.5 or 2")
        );
        assert_eq!(told(None, &["lora_te_text_model_encoder_layers_0_mlp_fc1"]), Some("text encoder only"));
        assert_eq!(told(None, &["something.new"]), None);
        assert_eq!(told(None, &[]), None);
    }
}
