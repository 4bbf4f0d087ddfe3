//! Layers of models without a table: what the two files themselves say of their names.
//!
//! One file may flatten its names (`lora_unet_blocks_0_attn_wq`) and the other have their dots. Nothing else puts dots
//! back, but flattened both can be compared, and the names with dots are there to be taken. The whole result is written in
//! the spelling of one of the two: a mix of both is what some loaders take only the half of.

use super::pairing::{Side, Unit};
use crate::adapter::families::{denoiser_parts, flatten};
use crate::adapter::roles::Spelling;
use crate::adapter::{Adapter, ModuleId};
use crate::error::{Code, Error, Result};
use crate::order::Places;

/// What is known of a pair's names where no table says it. Empty for models that have one.
#[derive(Clone, Debug, Default)]
pub struct Unlisted {
    layers: Vec<Layer>,
    /// By their flattened paths.
    places: Places,
    form: Option<Form>,
}

#[derive(Clone, Debug)]
struct Layer {
    /// What the first file calls it that has it, or the first that has its dots.
    stem: String,
    /// Another path that is the same without dots.
    other: Option<String>,
}

impl Layer {
    fn path(&self) -> &str {
        path(&self.stem)
    }
}

/// How the result is named.
#[derive(Clone, Debug)]
struct Form {
    /// The file whose names it has.
    side: Side,
    /// What stands before a path there.
    prefix: String,
    is_flat: bool,
    /// How the factors are called there.
    spelling: Option<&'static Spelling>,
}

impl Unlisted {
    /// # Errors
    /// `SpellingMix` if two names of one file are the same without their dots, and the other file has that name.
    pub(super) fn of(content: Option<&Adapter>, style: Option<&Adapter>) -> Result<Self> {
        let mut names = Self::default();
        for adapter in [content, style].into_iter().flatten() {
            for stem in stems(adapter) {
                let new = || Layer { stem: stem.to_owned(), other: None };
                let layer = names.places.entry(&mut names.layers, &flatten(path(stem)), new);
                match (is_dotted(layer.path()), is_dotted(path(stem))) {
                    (false, true) => stem.clone_into(&mut layer.stem),
                    (true, true) if path(stem) != layer.path() => layer.other = Some(path(stem).to_owned()),
                    _ => {}
                }
            }
        }
        for adapter in [content, style].into_iter().flatten() {
            for stem in stems(adapter).filter(|stem| !is_dotted(path(stem))) {
                if let Some((one, other)) = names.layer(stem).and_then(|one| Some((one, one.other.as_ref()?)))
                {
                    let one = one.path();
                    let detail = format!("It is {one:?} or {other:?} with dots, and nothing says which.");
                    return Err(Error::new(Code::SpellingMix, detail).in_file(&adapter.name).at_tensor(stem));
                }
            }
        }
        names.form = content.zip(style).map(|(content, style)| names.form(content, style));
        Ok(names)
    }

    /// The spelling with dots, if every layer has a name in it; the content's where both or none have dots.
    fn form(&self, content: &Adapter, style: &Adapter) -> Form {
        let is_flat = |adapter: &Adapter| !stems(adapter).any(|stem| is_dotted(path(stem)));
        let is_named = |stem: &str| self.layer(stem).is_some_and(|layer| is_dotted(layer.path()));
        let side = match (is_flat(content), is_flat(style)) {
            (true, false) if stems(content).all(is_named) => Side::Style,
            (false, true) if !stems(style).all(is_named) => Side::Style,
            _ => Side::Content,
        };
        let adapter = if side == Side::Style { style } else { content };
        let first = stems(adapter).next().map(denoiser_parts);
        Form {
            side,
            prefix: first.map_or_else(String::new, |(prefix, _)| prefix.to_owned()),
            is_flat: is_flat(adapter),
            spelling: adapter.modules.first().map(|module| module.spelling),
        }
    }

    fn layer(&self, stem: &str) -> Option<&Layer> {
        self.layers.get(self.places.get(&flatten(path(stem)))?)
    }

    /// The identity of a layer in no table: equal for its names with and without dots, and whatever stands before them.
    pub(super) fn id(&self, stem: &str) -> ModuleId {
        let layer = self.layer(stem).filter(|layer| layer.other.is_none());
        ModuleId::of(layer.map_or(stem, |layer| &layer.stem))
    }

    /// The name of a layer in the result, by the one that a file gives it.
    pub(super) fn stem(&self, side: Side, stem: &str) -> String {
        let form = self.form.as_ref().filter(|form| form.side != side && !is_text(stem));
        let Some(form) = form else { return stem.to_owned() };
        let dotted = self.layer(stem).filter(|layer| layer.other.is_none());
        let path = dotted.map_or(path(stem), Layer::path);
        format!("{}{}", form.prefix, if form.is_flat { flatten(path) } else { path.to_owned() })
    }

    /// Of the files that have a unit, the one whose name it gets.
    pub(super) fn side(&self, unit: &Unit) -> Option<Side> {
        let wanted = self.form.as_ref().map_or(Side::Content, |form| form.side);
        unit.share(wanted).map(|_| wanted).or_else(|| unit.shares().next().map(|(side, _)| side))
    }

    /// How the factors of a unit are called in the result.
    pub(super) fn spelling(&self, unit: &Unit) -> Option<&'static Spelling> {
        let side = self.side(unit)?;
        let share = unit.share(side)?;
        let form = self.form.as_ref().filter(|form| form.side != side && !is_text(&share.module.stem));
        form.and_then(|form| form.spelling).or(Some(share.module.spelling))
    }
}

/// What the denoiser's layers are called in a file.
fn stems(adapter: &Adapter) -> impl Iterator<Item = &str> {
    let modules = adapter.modules.iter().map(|module| module.stem.as_str());
    let vectors = adapter.vectors.iter().map(|vector| vector.stem.as_str());
    modules.chain(vectors).filter(|stem| !is_text(stem))
}

fn path(stem: &str) -> &str {
    denoiser_parts(stem).1
}

fn is_dotted(path: &str) -> bool {
    path.contains('.')
}

fn is_text(stem: &str) -> bool {
    ModuleId::of(stem).is_text_encoder()
}
