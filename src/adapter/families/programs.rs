//! Which programs load a file, depending on its naming and its layers.
//!
//! A family file says it in a line a program: `loads <program> <scheme>=<how> …`. Of the pairs the first that applies counts;
//! `*` is any scheme, and `<how>@<part>,…` only applies to a file with a layer that has one of these parts in its name, or
//! (`!<part>`) without one. What no pair applies to is not known; a program that does not know the model has no line.
//!
//! The lines come from the programs' own loaders (ComfyUI 0.26, Forge of June 2025, A1111 1.10, diffusers 0.42, InvokeAI of August
//! 2026): most were run, on models without weights; some were only read, or are those of a sister model (FLUX.2 dev and klein 9B, the
//! SD 3 sizes, Wan's).

use super::{Family, ModuleId, Prefix, Scheme};
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
    /// All programs, each with its keyword in the family files.
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
    /// The program loads the whole file.
    All,
    /// The program loads some of the file's layers, but not all.
    Part,
    /// The program loads nothing, or no attention layers, which are all that most files contain.
    None,
}

/// How much of a file one program loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LoadedBy {
    /// The program.
    pub program: Program,
    /// How much of the file the program loads.
    pub loaded: Loaded,
}

impl Family {
    /// How much each program loads of a file written in this scheme with these layers; programs for which this is unknown are left
    /// out. `plain` means that the file has factors only, no vectors and no magnitudes.
    pub fn loaded_by(&self, scheme: &Scheme, layers: &[&ModuleId], plain: bool) -> Vec<LoadedBy> {
        let has = |part: &str| layers.iter().any(|id| has_part(id, part));
        let applies = |part: &str| part.strip_prefix('!').map_or_else(|| has(part), |part| !has(part));
        let is_tried = layers.iter().all(|id| self.target(id, scheme).is_some());
        let is_read = layers.iter().all(|id| self.is_read(id, scheme));
        let mut known = Vec::new();
        for (program, line) in Program::ALL {
            for pair in self.field(line).split(' ') {
                let Some((of, how)) = pair.split_once('=') else { continue };
                let (how, parts) = how.split_once('@').unwrap_or((how, ""));
                let is_of = of == scheme.id || of == "*";
                if !is_of || !(parts.is_empty() || parts.split(',').any(applies)) {
                    continue;
                }
                let loaded = match how {
                    "none" => Loaded::None,
                    // Layers that are in no table have not been tried, and vectors make some programs load nothing. ComfyUI reads
                    // biases and magnitudes, but not under the names that diffusers gives them.
                    _ if !is_tried || !(plain || program == Program::ComfyUI) => break,
                    "all" if is_read && (plain || scheme.prefix != Prefix::Component) => Loaded::All,
                    "all" | "part" => Loaded::Part,
                    _ => break,
                };
                known.push(LoadedBy { program, loaded });
                break;
            }
        }
        known
    }
}

/// Whether `part` is a run of consecutive names in the layer's path.
fn has_part(id: &ModuleId, part: &str) -> bool {
    format!(".{}.", id.as_str()).contains(&format!(".{part}."))
}
