//! The names of a pair's layers: from the tables of its model family, or from the two files themselves.
//!
//! Without a table, one file may flatten its names (`lora_unet_blocks_0_attn_wq`) while the other keeps their dots. Nothing else
//! can restore the dots, but flattened names can be compared, and the names with dots can be reused. The whole result is written in
//! the spelling of one of the two files: some loaders load only half of a mix.

use super::pairing::Unit;
use crate::adapter::families::{Family, Place, Scheme, Target, denoiser_parts, flatten, is_text_encoder};
use crate::adapter::kinds::Kind;
use crate::adapter::roles::Spelling;
use crate::adapter::{Adapter, ModuleId};
use crate::error::{Code, Error, Result};
use crate::fusion::{Adapters, Pair, Side};
use std::collections::BTreeMap;

/// What is known about the names of a pair's layers.
#[derive(Clone, Debug)]
pub struct LayerNames {
    /// The model family, where it is known.
    pub family: Option<&'static Family>,
    /// The form of the result's names outside known families. `None` for single files, and if a file does not name its denoiser's
    /// layers uniformly: every layer then keeps its name.
    form: Option<Form>,
}

/// The form of the result's names.
#[derive(Clone, Debug)]
struct Form {
    /// The file whose names the result takes.
    side: Side,
    /// The prefix of paths in that file.
    prefix: String,
    is_flat: bool,
    /// The spelling of the factors in that file.
    spelling: Option<&'static Spelling>,
    /// Names with dots by their flattened form, if only one of the files has dots.
    dotted: BTreeMap<String, String>,
}

const COMFY: &str = "diffusion_model.";

/// The uniform way in which a file names all layers of its denoiser.
struct Way<'a> {
    prefix: &'a str,
    is_flat: bool,
}

impl<'a> Way<'a> {
    /// The way of a file; `None` if it has several, or if the way cannot be told.
    fn of(adapter: &'a Adapter) -> Option<Self> {
        let mut parts = stems(adapter).map(denoiser_parts).peekable();
        let (prefix, _) = *parts.peek()?;
        let mut has_dots = false;
        for (before, path) in parts {
            if before != prefix {
                return None;
            }
            has_dots |= path.contains('.');
        }
        let is_flat = prefix.ends_with('_');
        // A layer at the top level has no dots in its path either way.
        let is_clear = if is_flat { !has_dots } else { has_dots || prefix.ends_with('.') };
        is_clear.then_some(Self { prefix, is_flat })
    }
}

impl Form {
    /// # Errors
    /// `SpellingMix` if two names of one file are the same without their dots, and either the other file has that name or
    /// the result has no dots.
    fn of(files: Pair<&Adapter>) -> Result<Option<Self>> {
        let Some(ways) = files.map(Way::of).both() else { return Ok(None) };
        let (side, dotted) = match (ways.content.is_flat, ways.style.is_flat) {
            (true, false) => {
                let (dotted, all) = with_dots(files.style, files.content)?;
                (if all { Side::Style } else { Side::Content }, dotted)
            }
            (false, true) => {
                let (dotted, all) = with_dots(files.content, files.style)?;
                (if all { Side::Content } else { Side::Style }, dotted)
            }
            // ComfyUI loads models without names of their own by this prefix.
            _ if ways.style.prefix == COMFY && ways.content.prefix != COMFY => (Side::Style, BTreeMap::new()),
            _ => (Side::Content, BTreeMap::new()),
        };
        let way = ways.of(side);
        let mut modules = files.of(side).modules.iter().filter(|module| !is_text_encoder(&module.stem));
        let factored = modules.find(|module| matches!(module.kind, Kind::Lora(_)));
        Ok(Some(Self {
            side,
            prefix: way.prefix.to_owned(),
            is_flat: way.is_flat,
            spelling: factored.map(|module| module.spelling),
            dotted,
        }))
    }
}

impl LayerNames {
    /// # Errors
    /// `SpellingMix` if the files' own names do not tell a pair's layers apart.
    pub(crate) fn of(files: Adapters<'_>, family: Option<&'static Family>) -> Result<Self> {
        let form = match files.both() {
            Some(both) if family.is_none() => Form::of(both)?,
            _ => None,
        };
        Ok(Self { family, form })
    }

    /// The place of a stem in the family's tables; `None` outside known families, where a stem stands for itself.
    pub(crate) fn resolve(&self, stem: &str) -> Option<Place> {
        self.family?.resolve(stem)
    }

    /// The place of a stem in a module of this size (out and in features).
    pub(crate) fn place(&self, stem: &str, size: (usize, usize)) -> Option<Place> {
        self.family?.place(stem, size)
    }

    /// How a naming writes a layer.
    pub(crate) fn target(&self, id: &ModuleId, scheme: Option<&Scheme>) -> Option<Target> {
        self.family?.target(id, scheme?)
    }

    /// The identity of a layer that is in no table: the same for its names with and without dots, whatever their prefix.
    pub(crate) fn id(&self, stem: &str) -> ModuleId {
        if let Some(beside) = self.family.and_then(|family| family.beside(stem)) {
            return beside.id();
        }
        let (before, path) = denoiser_parts(stem);
        match &self.form {
            Some(form) if before.ends_with('_') && !path.contains('.') && !is_text_encoder(stem) => {
                let all_flat = || format!("{}{path}", form.prefix);
                let dotted = form.dotted.get(path).cloned();
                ModuleId::of(
                    &dotted.unwrap_or_else(|| if form.is_flat { all_flat() } else { stem.to_owned() }),
                )
            }
            _ => ModuleId::of(stem),
        }
    }

    /// The name of a layer in the result, given its name in a file.
    pub(crate) fn stem(&self, side: Side, stem: &str) -> String {
        let Some(form) = self.form.as_ref().filter(|form| form.side != side && !is_text_encoder(stem)) else {
            return stem.to_owned();
        };
        let path = denoiser_parts(stem).1;
        if form.is_flat {
            return format!("{}{}", form.prefix, flatten(path));
        }
        form.dotted.get(path).cloned().unwrap_or_else(|| format!("{}{path}", form.prefix))
    }

    /// The file whose name a unit gets, among the files that have the unit.
    pub(crate) fn side(&self, unit: &Unit) -> Option<Side> {
        let wanted = self.form.as_ref().map_or(Side::Content, |form| form.side);
        unit.share(wanted).map(|_| wanted).or_else(|| unit.shares().next().map(|(side, _)| side))
    }

    /// The spelling of a unit's factors in the result.
    pub(crate) fn spelling(&self, unit: &Unit) -> Option<&'static Spelling> {
        let side = self.side(unit)?;
        let share = unit.share(side)?;
        let form =
            self.form.as_ref().filter(|form| form.side != side && !is_text_encoder(&share.module.stem));
        form.and_then(|form| form.spelling).or(Some(share.module.spelling))
    }
}

/// The names of `adapter` by their flattened forms, and whether they include all layers of `flat`.
fn with_dots(adapter: &Adapter, flat: &Adapter) -> Result<(BTreeMap<String, String>, bool)> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut doubles: BTreeMap<String, &str> = BTreeMap::new();
    for stem in stems(adapter) {
        let without = flatten(denoiser_parts(stem).1);
        match names.get(&without) {
            Some(name) if name != stem => _ = doubles.entry(without).or_insert(stem),
            Some(_) => {}
            None => _ = names.insert(without, stem.to_owned()),
        }
    }
    let path = |stem| denoiser_parts(stem).1;
    let all = stems(flat).all(|stem| names.contains_key(path(stem)));
    let meant = stems(flat).find(|stem| doubles.contains_key(path(stem)));
    let refused = match meant {
        Some(stem) => Some((flat, stem, path(stem))),
        // Flattened, all of these names become one.
        None if !all => doubles.first_key_value().map(|(without, &stem)| (adapter, stem, without.as_str())),
        None => None,
    };
    let Some((file, stem, without)) = refused else { return Ok((names, all)) };
    let both = [names.get(without).map_or("", String::as_str), doubles.get(without).copied().unwrap_or("")];
    let [one, other] = both.map(path);
    let detail = format!("It is {one:?} or {other:?} with dots, and nothing says which.");
    Err(Error::new(Code::SpellingMix, detail).in_file(&file.name).at_tensor(stem))
}

/// The stems of the denoiser's layers in a file.
fn stems(adapter: &Adapter) -> impl Iterator<Item = &str> {
    let modules = adapter.modules.iter().map(|module| module.stem.as_str());
    let vectors = adapter.vectors.iter().map(|vector| vector.stem.as_str());
    modules.chain(vectors).filter(|stem| !is_text_encoder(stem))
}
