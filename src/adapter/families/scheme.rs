//! The schemes in which a LoRA file can be written: its prefix, its naming and the names of its two factors.

use super::table::Naming;
use crate::adapter::roles::Spelling;

/// The prefix of a module's name, and the separator of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `lora_unet_`, `lora_te1_` …, with `_` as the only separator: sd-scripts and its relatives.
    Kohya,
    /// `unet.`, `transformer.`, `text_encoder.`: the component of the diffusers pipeline.
    Component,
    /// `diffusion_model.`, `text_encoders.clip_l.transformer.`: ComfyUI's own.
    Comfy,
}

/// A scheme: one way to name everything in a LoRA file.
#[derive(Debug, PartialEq, Eq)]
pub struct Scheme {
    /// A stable identifier for settings.
    pub id: &'static str,
    /// The scheme's name for users.
    pub name: &'static str,
    /// The prefix of module names.
    pub prefix: Prefix,
    /// The naming of the layers.
    pub naming: Naming,
    /// The name of the factors' spelling: `roles::Spelling::name`.
    pub spelling: &'static str,
}

impl Scheme {
    /// The spelling of the factors.
    pub fn spelling(&self) -> Option<&'static Spelling> {
        crate::adapter::roles::SPELLINGS.iter().find(|spelling| spelling.name == self.spelling)
    }

    /// The scheme with this identifier.
    pub fn by_id(id: &str) -> Option<&'static Self> {
        SCHEMES.iter().find(|scheme| scheme.id == id)
    }

    /// The scheme that a user names by its id or by its name, with or without the part in brackets.
    pub fn called(by_user: &str) -> Option<&'static Self> {
        let short = |name: &'static str| name.split(" (").next().unwrap_or(name);
        let names = |scheme: &Scheme| [scheme.id, scheme.name, short(scheme.name)];
        SCHEMES.iter().find(|scheme| names(scheme).iter().any(|name| name.eq_ignore_ascii_case(by_user)))
    }
}

/// All schemes. The family file says which of them a family has, and which one most programs load.
pub static SCHEMES: [Scheme; 6] = [
    Scheme { id: "kohya", name: "kohya", prefix: Prefix::Kohya, naming: Naming::Native, spelling: "kohya" },
    // The variant of kohya's scheme for families whose native names sd-scripts does not use.
    Scheme {
        id: "kohya-sd",
        name: "kohya",
        prefix: Prefix::Kohya,
        naming: Naming::Diffusers,
        spelling: "kohya",
    },
    Scheme {
        id: "kohya-diffusers",
        name: "kohya, diffusers names",
        prefix: Prefix::Kohya,
        naming: Naming::Diffusers,
        spelling: "kohya",
    },
    Scheme {
        id: "peft",
        name: "diffusers (PEFT)",
        prefix: Prefix::Component,
        naming: Naming::Diffusers,
        spelling: "PEFT",
    },
    Scheme { id: "comfy", name: "ComfyUI", prefix: Prefix::Comfy, naming: Naming::Native, spelling: "PEFT" },
    Scheme {
        id: "comfy-diffusers",
        name: "ComfyUI, diffusers names",
        prefix: Prefix::Comfy,
        naming: Naming::Diffusers,
        spelling: "PEFT",
    },
];
