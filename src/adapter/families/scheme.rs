//! The ways to write a LoRA file: prefix, naming, and how the two factors are called.

use super::table::Naming;
use crate::adapter::roles::Spelling;

/// What stands before a module's name, and what divides its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `lora_unet_`, `lora_te1_` …, and `_` everywhere: sd-scripts and its relatives.
    Kohya,
    /// `unet.`, `transformer.`, `text_encoder.`: the component of the diffusers pipeline.
    Component,
    /// `diffusion_model.`, `text_encoders.clip_l.transformer.`: ComfyUI's own.
    Comfy,
}

/// A way to write a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Scheme {
    /// A stable name for settings.
    pub id: &'static str,
    /// What users call it.
    pub name: &'static str,
    /// What stands before a module's name.
    pub prefix: Prefix,
    /// Whose names.
    pub naming: Naming,
    /// `roles::Spelling::name` of the factors.
    pub spelling: &'static str,
}

impl Scheme {
    /// How the factors are called.
    pub fn spelling(&self) -> Option<&'static Spelling> {
        crate::adapter::roles::SPELLINGS.iter().find(|spelling| spelling.name == self.spelling)
    }

    /// The scheme of that stable name.
    pub fn by_id(id: &str) -> Option<&'static Self> {
        SCHEMES.iter().find(|scheme| scheme.id == id)
    }

    /// The scheme that a user means: by its id or its name, the latter also without what it has in brackets.
    pub fn called(by_user: &str) -> Option<&'static Self> {
        let short = |name: &'static str| name.split(" (").next().unwrap_or(name);
        let is_it = |one: &str| one.eq_ignore_ascii_case(by_user);
        SCHEMES.iter().find(|scheme| [scheme.id, scheme.name, short(scheme.name)].into_iter().any(is_it))
    }
}

/// All schemes. Which of them a family has, and the one its loaders take best, says the family's file.
pub static SCHEMES: [Scheme; 6] = [
    Scheme { id: "kohya", name: "kohya", prefix: Prefix::Kohya, naming: Naming::Native, spelling: "kohya" },
    // What kohya means for the families whose original names sd-scripts does not use.
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
