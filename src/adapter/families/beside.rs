//! Layers that no table lists (norms, and layers that only some trainers train), named after the known layers beside them.
//!
//! `input_blocks.4.1.norm` is in no table, but `input_blocks.4.1.proj_in` is, and so is its name in diffusers,
//! `down_blocks.1.attentions.0.proj_in`. Where all known layers below a parent end alike in both namings, an unknown layer is
//! assumed to do so too. Otherwise it has a name only in the naming of its own file.

use super::id::is_text_encoder;
use super::resolve::unwrapped;
use super::scheme::{Prefix, Scheme};
use super::table::{Naming, Spelling, flatten};
use super::{Component, Family, ModuleId};
use crate::order;

/// A layer that is in no table of the family.
#[derive(Clone, Debug)]
pub struct Beside<'a> {
    component: &'a Component,
    /// The layer's path, with dots if the file's name has them.
    path: String,
    /// Whether the path has its dots; once they are flattened to underscores, they cannot be put back.
    is_dotted: bool,
    /// The index in `path` at which the known parent ends; 0 if no known layer is beside this one.
    parent: usize,
    /// The parent's name in diffusers' and in the native naming, where the layer has one there.
    diffusers: Option<String>,
    native: Option<String>,
}

impl Family {
    /// The layer that a file of this family means by a `stem` that is in no table. `None` if it belongs to no model of the family.
    pub fn beside(&self, stem: &str) -> Option<Beside<'_>> {
        let bodies = self.models().iter().flat_map(|model| model.bodies(stem).map(move |body| (model, body)));
        // For a text encoder's name, the denoiser's empty prefix would match the whole stem, so the shortest rest wins.
        let (component, body) = bodies.min_by_key(|(_, body)| body.len())?;
        // This is the name of a text encoder that the family does not have.
        if component.is_denoiser() && is_text_encoder(stem) {
            return None;
        }
        // Only diffusers' names follow the name of a pipeline component.
        let is_component =
            unwrapped(stem).strip_prefix(component.name).is_some_and(|rest| rest.starts_with('.'));
        let path = unwrapped(body).replace(".processor.", ".");
        let prefix = &stem[..stem.len() - body.len()];
        let is_dotted = prefix.ends_with('.') || path.contains('.') || !path.contains('_');
        Some(Beside::of(component, path, is_dotted, is_component))
    }

    /// How `scheme` names a layer that is in no table, given the names that files use for it; names with dots are tried first.
    pub fn name_beside<'a>(&self, stems: impl Iterator<Item = &'a str>, scheme: &Scheme) -> Option<String> {
        let mut found: Vec<Beside<'_>> = stems.filter_map(|stem| self.beside(stem)).collect();
        order::sort_by(&mut found, |a, b| b.is_dotted.cmp(&a.is_dotted));
        found.iter().find_map(|beside| beside.stem(scheme))
    }
}

/// Names of norms beside a layer's projections that contain an underscore but no dot.
const WORDS: [&str; 9] = [
    "norm_q",
    "norm_k",
    "q_norm",
    "k_norm",
    "norm_k_img",
    "norm_added_q",
    "norm_added_k",
    "layer_norm1",
    "layer_norm2",
];

impl<'a> Beside<'a> {
    fn of(component: &'a Component, path: String, is_dotted: bool, is_component: bool) -> Self {
        let flat = flatten(&path);
        let none = Self { component, path, is_dotted, parent: 0, diffusers: None, native: None };
        let Some((parent, siblings)) = component.table.beside(&flat) else { return none };
        // Pairs every sibling's own name with its name in a naming; where the two are equal, that is the naming of the file.
        let names = |naming: Naming| {
            let of = move |&(own, module): &(&'a Spelling, usize)| {
                let other = component.table.name(module, naming)?;
                Some((own.name.as_str(), other))
            };
            siblings.iter().filter_map(of).collect::<Vec<_>>()
        };
        let (diffusers, native) = (names(Naming::Diffusers), names(Naming::Native));
        let is = |names: &[(&str, &str)]| names.iter().any(|(own, name)| own == name);
        let is_diffusers = match (is(&diffusers), is(&native)) {
            // The parent has the same name in both namings.
            (true, true) => is_component || !component.is_denoiser(),
            (only, _) => only,
        };
        let (own, other) = if is_diffusers { (&diffusers, &native) } else { (&native, &diffusers) };
        let Some((sibling, _)) = own.iter().find(|(own, name)| own == name) else { return none };
        let (name, translated) = (Some(sibling[..parent].to_owned()), translated(parent, other));
        let (diffusers, native) = if is_diffusers { (name, translated) } else { (translated, name) };
        Self { parent: parent + 1, diffusers, native, ..none }
    }

    /// The identity of the layer, equal for all spellings that can be recognised as the same layer. Spellings that have nothing in
    /// common, as in SDXL's residual blocks, each get an identity of their own.
    pub fn id(&self) -> ModuleId {
        let parent = self.diffusers.as_ref().or(self.native.as_ref());
        let rest = flatten(self.rest());
        let path = parent.map_or(rest.clone(), |parent| format!("{parent}.{rest}"));
        ModuleId::in_component(self.component.name, &path)
    }

    /// How `scheme` names the layer. `None`: that cannot be told.
    pub fn stem(&self, scheme: &Scheme) -> Option<String> {
        let rest = self.rest();
        // Below a known parent, a name without underscores is a single word, and so is one of `WORDS`.
        let is_word = self.parent > 0 && (!rest.contains('_') || WORDS.contains(&rest));
        if scheme.prefix != Prefix::Kohya && !self.is_dotted && !is_word {
            return None;
        }
        let native = scheme.naming == Naming::Native && self.component.is_denoiser();
        let parent = if native { &self.native } else { &self.diffusers };
        match parent {
            Some(parent) => Some(self.component.stem(&format!("{parent}.{rest}"), scheme.prefix)),
            // Nothing tells which naming the name belongs to, so it stays as it is.
            None => (self.parent == 0).then(|| self.component.stem(&self.path, scheme.prefix)),
        }
    }

    fn rest(&self) -> &str {
        &self.path[self.parent..]
    }
}

/// The parent's name in the other naming, if all known names below the parent end alike in both namings.
fn translated(parent: usize, names: &[(&str, &str)]) -> Option<String> {
    let mut found: Option<&str> = None;
    for (own, other) in names {
        let before = other.strip_suffix(&own[parent..])?;
        if found.is_some_and(|found| found != before) {
            return None;
        }
        found = Some(before);
    }
    found.map(str::to_owned)
}
