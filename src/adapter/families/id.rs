//! The identity of a layer.

use super::resolve::{denoiser_parts, unwrapped};
use std::fmt;

/// The identity of a layer: equal in both files of a pair when they are known to mean the same layer.
///
/// For a known family it is the layer's path in diffusers at the finest split (q, k and v by themselves) with the name
/// of the model before it: `unet.down_blocks.1.…`, `text_encoder_2.text_model.…`. In an unknown family it is the layer's
/// path as the file spells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(String);

impl ModuleId {
    /// The identity of the module that a file of an unknown family calls `stem`, without prefixes that only mark it as part of the
    /// denoiser.
    pub fn of(stem: &str) -> Self {
        let (before, path) = denoiser_parts(stem);
        // Without dots, no boundary in a name is certain; and a name that looks like a text encoder's would be taken for one.
        let is_apart = before.ends_with('.') && !is_text_encoder(path);
        Self(if is_apart { path } else { unwrapped(stem) }.to_owned())
    }

    /// The identity of the layer at `path` of a model's `component`.
    pub(super) fn in_component(component: &str, path: &str) -> Self {
        Self(format!("{component}.{path}"))
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the layer belongs to a text encoder rather than to the denoiser.
    pub fn is_text_encoder(&self) -> bool {
        is_text_encoder(&self.0)
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a stem belongs to a text encoder, in any naming. [`ModuleId::is_text_encoder`] says the same of an identity.
pub fn is_text_encoder(stem: &str) -> bool {
    let stem = unwrapped(stem);
    TEXT_ENCODERS.iter().any(|prefix| stem.starts_with(prefix))
}

/// The beginning of CLIP's layer names in its own code.
pub(super) const CLIP: &str = "text_model.";

/// Beginnings of text-encoder stems in the files of kohya, diffusers, ComfyUI, InvokeAI, OneTrainer (OMI) and, where PEFT saved a
/// text encoder by itself, in CLIP's own naming.
const TEXT_ENCODERS: [&str; 17] = [
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
    "clip_l.",
    "clip_g.",
    "t5.",
    "llama.",
    "lora_clip_l_",
    "lora_clip_g_",
    CLIP,
];
