//! Layers of models without a table: what the two files themselves say of their names.
//!
//! One file may flatten its names (`lora_unet_blocks_0_attn_wq`) and the other have their dots. Nothing else puts dots
//! back, but flattened both can be compared, and the names with dots are there to be taken. The whole result is written in
//! the spelling of one of the two: a mix of both is what some loaders take only the half of.

use super::pairing::Unit;
use crate::adapter::families::{denoiser_parts, flatten};
use crate::adapter::kinds::Kind;
use crate::adapter::roles::Spelling;
use crate::adapter::{Adapter, ModuleId};
use crate::error::{Code, Error, Result};
use crate::fusion::Side;
use std::collections::BTreeMap;

/// What is known of a pair's names where no table says it. Empty for models that have one, for single files, and where a
/// file does not name its denoiser's layers in one way: every layer then keeps its name.
#[derive(Clone, Debug, Default)]
pub struct Unlisted(Option<Form>);

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
    /// Names with dots by what they are without, where only one of the files has dots.
    dotted: BTreeMap<String, String>,
}

/// How a file names all layers of its denoiser.
struct Way<'a> {
    prefix: &'a str,
    is_flat: bool,
}

impl<'a> Way<'a> {
    /// None where it has several ways, or none that can be told.
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
        // A layer at the top has no dots in its path either way.
        let is_clear = if is_flat { !has_dots } else { has_dots || prefix.ends_with('.') };
        is_clear.then_some(Self { prefix, is_flat })
    }
}

impl Unlisted {
    /// # Errors
    /// `SpellingMix` if two names of one file are the same without their dots, and either the other file has that name or
    /// the result has no dots.
    pub(crate) fn of(content: Option<&Adapter>, style: Option<&Adapter>) -> Result<Self> {
        let ways = |content, style| Way::of(content).zip(Way::of(style));
        let Some((content, style)) = content.zip(style) else { return Ok(Self::default()) };
        let Some((of_content, of_style)) = ways(content, style) else { return Ok(Self::default()) };
        let (side, dotted) = match (of_content.is_flat, of_style.is_flat) {
            (true, false) => {
                let (dotted, all) = with_dots(style, content)?;
                (if all { Side::Style } else { Side::Content }, dotted)
            }
            (false, true) => {
                let (dotted, all) = with_dots(content, style)?;
                (if all { Side::Content } else { Side::Style }, dotted)
            }
            _ => (Side::Content, BTreeMap::new()),
        };
        let (way, adapter) = if side == Side::Style { (of_style, style) } else { (of_content, content) };
        let mut modules = adapter.modules.iter().filter(|module| !is_text(&module.stem));
        let factored = modules.find(|module| matches!(module.kind, Kind::Lora(_)));
        Ok(Self(Some(Form {
            side,
            prefix: way.prefix.to_owned(),
            is_flat: way.is_flat,
            spelling: factored.map(|module| module.spelling),
            dotted,
        })))
    }

    /// The identity of a layer in no table: equal for its names with and without dots, and whatever stands before them.
    pub(crate) fn id(&self, stem: &str) -> ModuleId {
        let (before, path) = denoiser_parts(stem);
        match &self.0 {
            Some(form) if before.ends_with('_') && !path.contains('.') && !is_text(stem) => {
                let all_flat = || format!("{}{path}", form.prefix);
                let dotted = form.dotted.get(path).cloned();
                ModuleId::of(
                    &dotted.unwrap_or_else(|| if form.is_flat { all_flat() } else { stem.to_owned() }),
                )
            }
            _ => ModuleId::of(stem),
        }
    }

    /// The name of a layer in the result, by the one that a file gives it.
    pub(crate) fn stem(&self, side: Side, stem: &str) -> String {
        let Some(form) = self.0.as_ref().filter(|form| form.side != side && !is_text(stem)) else {
            return stem.to_owned();
        };
        let path = denoiser_parts(stem).1;
        if form.is_flat {
            return format!("{}{}", form.prefix, flatten(path));
        }
        form.dotted.get(path).cloned().unwrap_or_else(|| format!("{}{path}", form.prefix))
    }

    /// Of the files that have a unit, the one whose name it gets.
    pub(crate) fn side(&self, unit: &Unit) -> Option<Side> {
        let wanted = self.0.as_ref().map_or(Side::Content, |form| form.side);
        unit.share(wanted).map(|_| wanted).or_else(|| unit.shares().next().map(|(side, _)| side))
    }

    /// How the factors of a unit are called in the result.
    pub(crate) fn spelling(&self, unit: &Unit) -> Option<&'static Spelling> {
        let side = self.side(unit)?;
        let share = unit.share(side)?;
        let form = self.0.as_ref().filter(|form| form.side != side && !is_text(&share.module.stem));
        form.and_then(|form| form.spelling).or(Some(share.module.spelling))
    }
}

/// The names of `adapter` by what they are without dots, and whether all layers of `flat` are among them.
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
        // Flattened, all of them become one.
        None if !all => doubles.first_key_value().map(|(without, &stem)| (adapter, stem, without.as_str())),
        None => None,
    };
    let Some((file, stem, without)) = refused else { return Ok((names, all)) };
    let both = [names.get(without).map_or("", String::as_str), doubles.get(without).copied().unwrap_or("")];
    let [one, other] = both.map(path);
    let detail = format!("It is {one:?} or {other:?} with dots, and nothing says which.");
    Err(Error::new(Code::SpellingMix, detail).in_file(&file.name).at_tensor(stem))
}

/// What the denoiser's layers are called in a file.
fn stems(adapter: &Adapter) -> impl Iterator<Item = &str> {
    let modules = adapter.modules.iter().map(|module| module.stem.as_str());
    let vectors = adapter.vectors.iter().map(|vector| vector.stem.as_str());
    modules.chain(vectors).filter(|stem| !is_text(stem))
}

fn is_text(stem: &str) -> bool {
    ModuleId::of(stem).is_text_encoder()
}
