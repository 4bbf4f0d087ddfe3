//! Which programs load a file, by how it is named and which layers are in it.
//!
//! A family file says it in a line a program: `loads <program> <scheme>=<how> …`. Of the pairs the first that applies counts;
//! `*` is any scheme, and `<how>@<part>,…` only applies to a file with a layer that has one of these parts in its name. What
//! no pair applies to, nobody has tried. The lines were found out with the programs' own loaders (ComfyUI 0.26, Forge of June
//! 2025, A1111 1.10, diffusers 0.42, InvokeAI of August 2026), most of them by running these.

use super::{Family, ModuleId, Scheme};
use serde::Serialize;

/// A program that loads LoRAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "they are called so")]
pub enum Program {
    ComfyUI,
    Forge,
    A1111,
    #[serde(rename = "diffusers")]
    Diffusers,
    InvokeAI,
}

impl Program {
    /// All of them, and what family files call them.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::ComfyUI, "loads comfyui"),
        (Self::Forge, "loads forge"),
        (Self::A1111, "loads a1111"),
        (Self::Diffusers, "loads diffusers"),
        (Self::InvokeAI, "loads invokeai"),
    ];
}

/// How much of a file a program loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Loaded {
    /// All of it.
    All,
    /// Not all of its layers.
    Part,
    /// Nothing, or nothing of the attention, which most files have nothing besides.
    None,
}

/// What becomes of a file in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LoadedBy {
    /// The program.
    pub program: Program,
    /// How much of the file it loads.
    pub loaded: Loaded,
}

impl Family {
    /// The programs of which it is known how much they load of a file in this scheme with these layers.
    pub fn loaded_by(&self, scheme: &Scheme, layers: &[&ModuleId]) -> Vec<LoadedBy> {
        let has = |part: &str| layers.iter().any(|id| has_part(id, part));
        let of = |(program, line): (Program, &str)| {
            let applies = |(of, how): (&str, &'static str)| {
                let (how, parts) = how.split_once('@').unwrap_or((how, ""));
                ([scheme.id, "*"].contains(&of) && (parts.is_empty() || parts.split(',').any(has)))
                    .then_some(how)
            };
            let mut pairs = self.field(line).split(' ').filter_map(|pair| pair.split_once('='));
            let loaded = match pairs.find_map(applies)? {
                "all" => Loaded::All,
                "part" => Loaded::Part,
                "none" => Loaded::None,
                _ => return None,
            };
            Some(LoadedBy { program, loaded })
        };
        Program::ALL.into_iter().filter_map(of).collect()
    }
}

/// Whether these are some of the names in a layer's path, in order.
fn has_part(id: &ModuleId, part: &str) -> bool {
    id.as_str().match_indices(part).any(|(at, part)| {
        let (before, after) = (&id.as_str()[..at], &id.as_str()[at + part.len()..]);
        (before.is_empty() || before.ends_with('.')) && (after.is_empty() || after.starts_with('.'))
    })
}
