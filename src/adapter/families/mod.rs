//! Which layer of which model a module is: every spelling of a layer's name ↔ one canonical layer.
//!
//! Flattened names (`lora_unet_…_to_out_0`) cannot be taken apart again, so names are looked up in tables. A table is
//! data: `models/` holds one small text file a family, `parts/` what several of them share, and `text.rs` says how they
//! are to be read. A new family is one more file and one more word in `FAMILIES`.
//!
//! - [`Family::resolve`]: a file's stem → the canonical layers it holds, and in which of its rows.
//! - [`Family::target`]: a canonical layer → how a [`Scheme`] writes it.
//! - [`Family::loaded_by`]: a file's layers and its scheme → the programs that load it.
//! - [`Family::beside`]: both for layers that stand in no table.
//! - [`detect`]: a file's modules → its family.
//! - [`Family::block`] and [`kind_of`]: how users speak of a layer.
//!
//! Sources of the tables: ComfyUI's key maps, diffusers' converters, sd-scripts, musubi-tuner, ai-toolkit, OneTrainer.

mod beside;
mod chart;
mod detect;
mod id;
mod programs;
mod resolve;
mod scheme;
mod table;
mod text;

#[cfg(test)]
mod tests;

pub use beside::Beside;
pub use chart::{ALL_KINDS, Block, kind_of};
pub use detect::{Detected, detect, family, is_name_of_model, is_noted};
pub use id::{ModuleId, is_text_encoder};
pub use programs::{Loaded, LoadedBy, Program};
pub use resolve::{Piece, Place, Target, denoiser_parts, moved};
pub use scheme::{Prefix, SCHEMES, Scheme};
pub use table::{Naming, Size, flatten};

use std::sync::OnceLock;
use table::{Builder, Table};
use text::{Fault, Line};

/// Includes the prepared text files of a folder; comments in them have been removed.
macro_rules! texts {
    ($folder:literal: $($stem:literal)*) => {
        &[$({
            const TEXT: &str = include_str!(concat!($folder, "/", $stem, ".txt"));
            const LENGTH: usize = text::copy(TEXT, &mut []);
            const SAID: [u8; LENGTH] = {
                let mut said = [0; LENGTH];
                text::copy(TEXT, &mut said);
                said
            };
            match std::str::from_utf8(&SAID) {
                Ok(said) => said,
                Err(_) => "",
            }
        }),*]
    };
}

/// The texts of all families, in the order in which users see them, also where a file may belong to several.
const FAMILIES: &[&str] = texts!("models":
    "sd15" "sd2" "sdxl" "sd3-medium" "sd35-medium" "sd35-large"
    "flux1" "chroma" "flux2-dev" "flux2-klein-4b" "flux2-klein-9b"
    "z-image" "qwen-image" "krea2" "anima" "lumina2" "auraflow" "hidream-i1"
    "wan-1.3b" "wan-5b" "wan-14b" "hunyuan-video" "hunyuan-video15" "ltx-2" "ltx-2b" "ltx-13b" "minimax-h3"
);

/// Lines that several family files share, one text per part.
const PARTS: &[&str] = texts!("parts": "unet" "encoders" "flux" "flux2" "sd3" "dit");

/// A model family: base models whose LoRAs have the same layers.
#[derive(Debug)]
pub struct Family {
    text: &'static str,
    models: OnceLock<Vec<Component>>,
}

/// One model of a family: the denoiser or a text encoder.
#[derive(Debug)]
struct Component {
    /// The component's name in a diffusers pipeline.
    name: &'static str,
    /// A text encoder's place in ComfyUI, below `text_encoders` unless it is inside the denoiser; empty for the denoiser.
    comfy: &'static str,
    /// A text encoder's prefixes in kohya's naming; the first one is written.
    kohya: Vec<&'static str>,
    /// A text encoder's name for users; empty for the denoiser.
    label: String,
    table: Table,
}

/// All families that are known.
pub fn all() -> &'static [Family] {
    static ALL: OnceLock<Vec<Family>> = OnceLock::new();
    ALL.get_or_init(|| FAMILIES.iter().map(|text| Family { text, models: OnceLock::new() }).collect())
}

/// The family that users call `name`.
pub fn by_name(name: &str) -> Option<&'static Family> {
    all().iter().find(|family| family.name() == name)
}

/// The module of sd-scripts that trains LoRAs of most families.
pub const NETWORK: &str = "networks.lora";

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Family {}

impl Family {
    /// The family's name for users.
    pub fn name(&self) -> &'static str {
        self.field("name")
    }

    /// The schemes in which the family's files are written, the one that most programs load first.
    pub fn schemes(&self) -> impl Iterator<Item = &'static Scheme> + use<> {
        self.field("schemes").split(' ').filter_map(Scheme::by_id)
    }

    /// The scheme that most programs load.
    pub fn default_scheme(&self) -> &'static Scheme {
        self.schemes().next().unwrap_or(&SCHEMES[0])
    }

    /// The scheme without fused layers that most programs load too, if there is one.
    pub fn split_scheme(&self) -> Option<&'static Scheme> {
        Scheme::by_id(self.field("split"))
    }

    /// Whether the rows of the module `stem`, in a file in PEFT's raw spelling, are in another order than the model's.
    pub fn is_interleaved(&self, stem: &str) -> bool {
        let ending = self.field("interleaved");
        !ending.is_empty() && stem.ends_with(ending)
    }

    /// Whether `other` means the same layers by this stem, and both families write them alike in every scheme.
    pub fn is_alike(&self, other: &Self, stem: &str) -> bool {
        let place = self.resolve(stem);
        let layers = place.iter().flat_map(|place| &place.parts);
        place == other.resolve(stem)
            && layers.flat_map(|layer| self.schemes().map(move |scheme| (&layer.id, scheme))).all(
                |(id, scheme)| {
                    self.target(id, scheme) == other.target(id, scheme)
                        && self.is_read(id, scheme) == other.is_read(id, scheme)
                },
            )
    }

    /// Whether files of `other` are written in the same schemes, leaving aside the layers and any metadata by which no program
    /// tells the two families apart.
    pub fn is_written_alike(&self, other: &Self) -> bool {
        ["schemes", "split", "network", "stages", "told"]
            .iter()
            .all(|word| self.field(word) == other.field(word))
    }

    /// Whether any program loads this layer from files written in `scheme`.
    pub fn is_read(&self, id: &ModuleId, scheme: &Scheme) -> bool {
        let mut unread = self.field("unread").split(' ').filter_map(|pair| pair.split_once('='));
        let component = self.model_of(id).map(|(model, _)| model.name);
        !unread.any(|(of, name)| of == scheme.id && Some(name) == component)
    }

    /// Metadata that programs look for in files of this family: (key, value).
    pub fn default_notes(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        self.field("writes").split(' ').filter_map(|note| note.split_once('='))
    }

    /// The module of sd-scripts that trains the family's LoRAs.
    pub fn network(&self) -> &'static str {
        match self.field("network") {
            "" => NETWORK,
            own => own,
        }
    }

    /// Whether the family's LoRAs come in two files with the same layers, one for the noisy and one for the clean half of the steps.
    pub fn has_stages(&self) -> bool {
        self.field("stages") == "high low"
    }

    /// The number of canonical modules in a component of the family (`unet`, `text_encoder` …).
    #[cfg(test)]
    fn module_count(&self, component: &str) -> usize {
        self.models()
            .iter()
            .find(|model| model.name == component)
            .map_or(0, |model| model.table.modules.len())
    }

    /// All canonical modules with their sizes, the denoiser's first.
    pub fn modules(&self) -> impl Iterator<Item = (ModuleId, Size)> + '_ {
        self.models().iter().flat_map(|model| {
            let modules = model.table.modules.iter();
            modules.map(|module| (ModuleId::in_component(model.name, &module.path), module.size))
        })
    }

    /// The text that follows a keyword in the head of the family file; empty if the keyword is absent.
    fn field(&self, word: &str) -> &'static str {
        let mut lines = self.text.lines();
        lines.find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).unwrap_or_default()
    }

    /// The family's models: the denoiser, then the text encoders.
    fn models(&self) -> &[Component] {
        self.models.get_or_init(|| components(self.text).unwrap_or_default())
    }

    /// The model that a canonical identity belongs to, and the layer's path in that model.
    fn model_of<'a>(&self, id: &'a ModuleId) -> Option<(&Component, &'a str)> {
        self.models()
            .iter()
            .find_map(|model| Some((model, id.as_str().strip_prefix(model.name)?.strip_prefix('.')?)))
    }
}

/// Reads the models of a family file.
fn components(text: &'static str) -> Result<Vec<Component>, Fault> {
    let lines = text::lines(text);
    let mut components = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.indent == 0) {
        let mut words = line.text.split(' ');
        let kind = words.next().unwrap_or_default();
        if !["denoiser", "encoder"].contains(&kind) {
            continue;
        }
        let mut word = || words.next().unwrap_or_default();
        let (name, comfy, kohya) = (word(), word(), word());
        let mut table = Builder::default();
        text::expand(text::block(&lines, at), &text::Place::default(), &part, &mut table)?;
        components.push(Component {
            name,
            comfy,
            kohya: kohya.split(',').filter(|prefix| !prefix.is_empty()).collect(),
            label: words.collect::<Vec<_>>().join(" "),
            table: table.build(),
        });
    }
    Ok(components)
}

/// The lines of the shared part called `name`.
fn part(name: &str) -> Option<Vec<Line<'static>>> {
    PARTS.iter().find_map(|text| {
        let lines = text::lines(text);
        let at = lines.iter().position(|line| line.text.strip_prefix("part ") == Some(name))?;
        Some(text::block(&lines, at).to_vec())
    })
}
