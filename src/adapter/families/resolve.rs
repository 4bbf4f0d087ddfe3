//! Resolves a file's stem to canonical layers, and canonical layers to the stems of a scheme.

use super::scheme::{Prefix, Scheme};
use super::table::{Naming, Size, flatten};
use super::{Component, Family, ModuleId, id};
use crate::adapter::roles::Spelling;
use std::ops::Range;

/// What a stem names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The canonical layers that the module holds, in the order of their rows.
    pub parts: Vec<Piece>,
    /// Rows of the whole module.
    pub out_features: usize,
    /// Columns, in·kh·kw.
    pub in_features: usize,
    /// The kernel of a convolution; the factors of a 1×1 one are sometimes stored in two dimensions.
    pub kernel: Option<[usize; 2]>,
    /// The naming that the stem belongs to.
    pub naming: Naming,
}

/// A canonical layer within a module of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The identity of the layer.
    pub id: ModuleId,
    /// The layer's rows within the module.
    pub rows: Range<usize>,
    /// Whether the two halves of these rows are in the opposite order to the canonical layer (shift and scale of the last modulation).
    pub halves_swapped: bool,
}

/// Where `rows` land when they are written from row `to` on: as (rows, first target row), in one piece or with the second half
/// before the first.
pub fn moved(rows: &Range<usize>, to: usize, halves_swapped: bool) -> Vec<(Range<usize>, usize)> {
    let Range { start, end } = *rows;
    if !halves_swapped {
        return vec![(start..end, to)];
    }
    let middle = start + (end - start) / 2;
    vec![(middle..end, to), (start..middle, to + (end - middle))]
}

/// How a scheme writes a canonical layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name of the module to write.
    pub stem: String,
    /// The layer's rows within that module.
    pub rows: Range<usize>,
    /// Rows of the whole module.
    pub out_features: usize,
    /// Columns, in·kh·kw.
    pub in_features: usize,
    /// In features or in channels, without the kernel.
    pub in_channels: usize,
    /// The kernel of a convolution, whose factors have four dimensions even if the kernel is 1×1.
    pub kernel: Option<[usize; 2]>,
    /// Whether the two halves of the rows are to be swapped.
    pub halves_swapped: bool,
}

/// Prefixes of the denoiser's names, longer ones before their own beginnings. `lora_transformer_` is OneTrainer's, `lycoris_`
/// SimpleTuner's; Wan-Fun writes two underscores, Tencent's trainer the model's name, DiffSynth-Studio and plain PyTorch the names
/// of their own variables.
const DENOISER: [&str; 14] = [
    "model.diffusion_model.",
    "pipe.dit.",
    "dit.",
    "module.",
    "diffusion_model.",
    "transformer.",
    "unet.",
    "lora_transformer_",
    "lora_unet__",
    "lora_unet_",
    "lycoris_",
    "oft_unet_",
    "Hunyuan_video_I2V_lora_",
    "",
];

/// The path without the prefix that PEFT adds when it saves a wrapped model; that prefix may also follow the component's name.
pub(super) fn unwrapped(stem: &str) -> &str {
    stem.strip_prefix("base_model.model.").unwrap_or(stem)
}

/// Splits a denoiser's stem into its prefix and its path.
pub fn denoiser_parts(stem: &str) -> (&str, &str) {
    let inner = unwrapped(stem);
    let path = DENOISER.iter().find_map(|prefix| inner.strip_prefix(prefix)).map_or(inner, unwrapped);
    stem.split_at(stem.len() - path.len())
}

/// What stands before the names of a denoiser, and whose it is.
const PREFIXES: [(&str, Prefix); 4] = [
    ("lora_unet_", Prefix::Kohya),
    ("diffusion_model.", Prefix::Comfy),
    ("transformer.", Prefix::Component),
    ("unet.", Prefix::Component),
];

impl Family {
    /// The layers that a file of this family means by `stem`. `None` if the family has no such layer.
    pub fn resolve(&self, stem: &str) -> Option<Place> {
        self.places(stem).next()
    }

    /// Like [`resolve`](Self::resolve), for a module of this size (out and in features). `None` if none of the family's layers that
    /// `stem` means has that size.
    pub fn place(&self, stem: &str, size: (usize, usize)) -> Option<Place> {
        self.places(stem).find(|place| (place.out_features, place.in_features) == size)
    }

    /// The places of a stem in each of the family's models: without a prefix, two text encoders share the names of their layers.
    fn places(&self, stem: &str) -> impl Iterator<Item = Place> {
        self.models()
            .iter()
            .filter_map(move |model| model.bodies(stem).find_map(|body| model.resolve(unwrapped(body))))
    }

    /// The scheme that a stem and its factors are written in, if it is one of the family's.
    pub fn scheme_of(&self, stem: &str, spelling: &Spelling) -> Option<&'static Scheme> {
        let (_, prefix) = PREFIXES.iter().find(|(begins, _)| stem.starts_with(begins))?;
        let naming = self.resolve(stem)?.naming;
        let is_it = |scheme: &&Scheme| {
            (scheme.prefix, scheme.naming, scheme.spelling) == (*prefix, naming, spelling.name)
        };
        self.schemes().find(is_it)
    }

    /// How `scheme` writes the layer. `None`: the family has no such layer.
    pub fn target(&self, id: &ModuleId, scheme: &Scheme) -> Option<Target> {
        let (model, path) = self.model_of(id)?;
        let module = model.table.module(path)?;
        let Size { out, inputs, kernel } = module.size;
        // Text encoders have one naming, that of transformers.
        let native = scheme.naming == Naming::Native && !id.is_text_encoder();
        let (name, out_features, rows) =
            if native { model.table.native(module)? } else { (module.path.as_str(), out, 0..out) };
        Some(Target {
            stem: model.stem(name, scheme.prefix),
            rows,
            out_features,
            in_features: module.size.in_features(),
            in_channels: inputs,
            kernel,
            halves_swapped: native && module.swapped,
        })
    }
}

impl Component {
    pub(super) fn is_denoiser(&self) -> bool {
        self.comfy.is_empty()
    }

    /// The possible paths of a stem within the component, once its prefix is removed.
    pub(super) fn bodies<'a>(&'a self, stem: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        let stem = unwrapped(stem);
        let denoiser: &[&str] = if self.is_denoiser() { &DENOISER } else { &[] };
        let kohya = self.kohya.iter().filter_map(|prefix| stem.strip_prefix(prefix));
        let component = stem.strip_prefix(self.name).and_then(|rest| rest.strip_prefix('.'));
        let bare = (!self.is_denoiser() && stem.starts_with(id::CLIP)).then_some(stem);
        denoiser
            .iter()
            .filter_map(|prefix| stem.strip_prefix(prefix))
            .chain(kohya)
            .chain(component)
            .chain(bare)
            .chain(self.below_comfy(stem))
            .chain(self.below_omi(stem))
    }

    /// The path behind a text encoder's name in OneTrainer's OMI files, which is the first part of its place in ComfyUI (for T5,
    /// without the size).
    fn below_omi<'a>(&self, stem: &'a str) -> Option<&'a str> {
        if self.is_inside_denoiser() {
            return None;
        }
        let (name, _) = self.comfy.split_once('.')?;
        let name = name.strip_suffix("xxl").unwrap_or(name);
        let behind = |stem: &'a str, end: char| stem.strip_prefix(name)?.strip_prefix(end);
        behind(stem, '.').or_else(|| behind(stem.strip_prefix("lora_")?, '_'))
    }

    /// Whether the original code has the component inside the denoiser, as it has Anima's text adapter.
    fn is_inside_denoiser(&self) -> bool {
        self.comfy.starts_with("diffusion_model.")
    }

    /// The path behind the component's place in ComfyUI; some files shorten a text encoder's place to its first name.
    fn below_comfy<'a>(&self, stem: &'a str) -> Option<&'a str> {
        let below = |path: &'a str, place: &str| path.strip_prefix(place)?.strip_prefix('.');
        if self.is_inside_denoiser() {
            return below(stem, self.comfy);
        }
        let path = stem.strip_prefix("text_encoders.")?;
        let (name, _) = self.comfy.split_once('.')?;
        below(path, self.comfy)
            .or_else(|| below(path, name).map(|rest| rest.strip_prefix("transformer.").unwrap_or(rest)))
    }

    fn resolve(&self, body: &str) -> Option<Place> {
        // Old diffusers and XLabs train through attention processors, which are not layers themselves.
        let flat = flatten(&body.replace(".processor.", "."));
        let spelling = self.table.find(&flat)?;
        let modules = || spelling.parts.iter().filter_map(|&part| self.table.modules.get(part));
        let first = modules().next()?;
        let mut row = 0;
        let parts = modules()
            .map(|module| {
                let rows = row..row + module.size.out;
                row = rows.end;
                let halves_swapped = module.swapped && spelling.naming != Naming::Diffusers;
                Piece { id: ModuleId::in_component(self.name, &module.path), rows, halves_swapped }
            })
            .collect();
        Some(Place {
            parts,
            out_features: row,
            in_features: first.size.in_features(),
            kernel: first.size.kernel,
            naming: spelling.naming,
        })
    }

    /// The stem for `name` under a prefix.
    pub(super) fn stem(&self, name: &str, prefix: Prefix) -> String {
        let component = self.name;
        match prefix {
            Prefix::Component => format!("{component}.{name}"),
            Prefix::Kohya => {
                let prefix = self.kohya.first().unwrap_or(&"lora_unet_");
                format!("{prefix}{}", flatten(name))
            }
            Prefix::Comfy if self.is_denoiser() => format!("diffusion_model.{name}"),
            Prefix::Comfy if self.is_inside_denoiser() => format!("{}.{name}", self.comfy),
            Prefix::Comfy => format!("text_encoders.{}.{name}", self.comfy),
        }
    }
}
