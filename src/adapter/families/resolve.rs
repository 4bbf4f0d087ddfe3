//! A file's stem → canonical layers, and back to a stem of any scheme.

use super::scheme::{Prefix, Scheme};
use super::table::{Naming, Size, flatten};
use super::{Component, Family, ModuleId, id};
use crate::adapter::roles::Spelling;
use std::ops::Range;

/// What a stem names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The canonical layers it holds, in the order of their rows.
    pub parts: Vec<Piece>,
    /// Rows of the whole module.
    pub out_features: usize,
    /// Columns, in·kh·kw.
    pub in_features: usize,
    /// The kernel of a convolution; 1×1 ones occur with two-dimensional factors too.
    pub kernel: Option<[usize; 2]>,
    /// Whose name it is.
    pub naming: Naming,
}

/// A canonical layer in a module of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which layer.
    pub id: ModuleId,
    /// Its rows in the module.
    pub rows: Range<usize>,
    /// The two halves of these rows stand the other way round than in the canonical layer (shift and scale of the
    /// last modulation).
    pub halves_swapped: bool,
}

/// Rows that are written from row `to` on, and where they land: in one piece, or the second half before the first.
pub fn moved(rows: &Range<usize>, to: usize, halves_swapped: bool) -> Vec<(Range<usize>, usize)> {
    let Range { start, end } = *rows;
    if !halves_swapped {
        return vec![(start..end, to)];
    }
    let middle = start + (end - start) / 2;
    vec![(middle..end, to), (start..middle, to + (end - middle))]
}

/// How a canonical layer is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name of the module to write.
    pub stem: String,
    /// The layer's rows in that module.
    pub rows: Range<usize>,
    /// Rows of the whole module.
    pub out_features: usize,
    /// Columns, in·kh·kw.
    pub in_features: usize,
    /// In features or in channels, without the kernel.
    pub in_channels: usize,
    /// The kernel of a convolution, whose factors are four-dimensional even when it is 1×1.
    pub kernel: Option<[usize; 2]>,
    /// The two halves of the rows are to be swapped.
    pub halves_swapped: bool,
}

/// What stands before the names of the denoiser, the longer before its own beginning. `lora_transformer_` is
/// OneTrainer's, `lycoris_` SimpleTuner's; Wan-Fun writes two underscores, Tencent's trainer the model's name, DiffSynth-Studio
/// and plain PyTorch their own variables'.
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

/// Without what PEFT puts before a path when it saves a wrapped model; it may also stand behind the component's name.
pub(super) fn unwrapped(stem: &str) -> &str {
    stem.strip_prefix("base_model.model.").unwrap_or(stem)
}

/// A stem of a denoiser in two: what stands before its path, and the path.
pub fn denoiser_parts(stem: &str) -> (&str, &str) {
    let inner = unwrapped(stem);
    let path = DENOISER.iter().find_map(|prefix| inner.strip_prefix(prefix)).map_or(inner, unwrapped);
    stem.split_at(stem.len() - path.len())
}

impl Family {
    /// The layers that a file of this family means by `stem`. `None`: none that the family has.
    pub fn resolve(&self, stem: &str) -> Option<Place> {
        self.places(stem).next()
    }

    /// As [`resolve`](Self::resolve), for a module of this size, out and in: one of another size is not the family's.
    pub fn place(&self, stem: &str, size: (usize, usize)) -> Option<Place> {
        self.places(stem).find(|place| (place.out_features, place.in_features) == size)
    }

    /// What `stem` means in each of its models: without a prefix, two text encoders have one name for a layer.
    fn places(&self, stem: &str) -> impl Iterator<Item = Place> {
        self.models()
            .iter()
            .filter_map(move |model| model.bodies(stem).find_map(|body| model.resolve(unwrapped(body))))
    }

    /// The naming in which most of a file's modules, given by stem and spelling, are written just so. `None`: fewer than half are, in any.
    pub fn naming_of(&self, modules: &[(&str, &Spelling)]) -> Option<&'static Scheme> {
        let layers: Vec<Option<ModuleId>> =
            modules.iter().map(|(stem, _)| Some(self.resolve(stem)?.parts.into_iter().next()?.id)).collect();
        let written = |scheme: &Scheme| {
            let same = modules.iter().zip(&layers).filter(|((stem, spelling), layer)| {
                let target = layer.as_ref().and_then(|layer| self.target(layer, scheme));
                spelling.name == scheme.spelling && target.is_some_and(|target| target.stem == *stem)
            });
            same.count()
        };
        let counted = self.schemes().map(|scheme| (written(scheme), scheme));
        // The first of those that are alike: it is what most programs load.
        let (most, scheme) = counted.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        (2 * most > modules.len()).then_some(scheme)
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

    /// What may be left of a stem without its prefix.
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

    /// What stands behind a text encoder's name in OneTrainer's OMI files: the first of its place in ComfyUI, T5 without its size.
    fn below_omi<'a>(&self, stem: &'a str) -> Option<&'a str> {
        if self.is_inside_denoiser() {
            return None;
        }
        let (name, _) = self.comfy.split_once('.')?;
        let name = name.strip_suffix("xxl").unwrap_or(name);
        let behind = |stem: &'a str, end: char| stem.strip_prefix(name)?.strip_prefix(end);
        behind(stem, '.').or_else(|| behind(stem.strip_prefix("lora_")?, '_'))
    }

    /// Whether the original code has it inside the denoiser, as Anima's adapter of the text.
    fn is_inside_denoiser(&self) -> bool {
        self.comfy.starts_with("diffusion_model.")
    }

    /// What stands behind its place in ComfyUI; of a text encoder's place, some leave out all but the first name.
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
        // Old diffusers and XLabs train through attention processors, which are no layers.
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

    /// The stem of `name` below a prefix.
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
