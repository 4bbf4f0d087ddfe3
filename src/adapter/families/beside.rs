//! Layers that stand in no table (norms, and what only some trainers train), named after the known layers beside them.
//!
//! `input_blocks.4.1.norm` is in no table, but `input_blocks.4.1.proj_in` is, and so is that diffusers calls it
//! `down_blocks.1.attentions.0.proj_in`. Where all that is known below a parent ends alike in both namings, what is not
//! known is taken to do so too. Elsewhere it has a name in the naming of its file alone.

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
    /// Its path with the file's dots, if it has any.
    path: String,
    /// Whether the dots are where they belong: nothing can put them back.
    is_dotted: bool,
    /// Where in the path the known parent ends; 0 where nothing beside it is known.
    parent: usize,
    /// The parent's name in each naming in which the layer has one.
    diffusers: Option<String>,
    native: Option<String>,
}

impl Family {
    /// What a file of this family means by a `stem` that is in no table. `None`: nothing of any model that the family has.
    pub fn beside(&self, stem: &str) -> Option<Beside<'_>> {
        let bodies = self.models().iter().flat_map(|model| model.bodies(stem).map(move |body| (model, body)));
        // Of a text encoder's name the denoiser's empty prefix would leave all.
        let (component, body) = bodies.min_by_key(|(_, body)| body.len())?;
        // Of a text encoder that the family does not have.
        if component.is_denoiser() && is_text_encoder(stem) {
            return None;
        }
        // Only diffusers' names stand behind the name of its component.
        let is_component =
            unwrapped(stem).strip_prefix(component.name).is_some_and(|rest| rest.starts_with('.'));
        let path = unwrapped(body).replace(".processor.", ".");
        let prefix = &stem[..stem.len() - body.len()];
        let is_dotted = prefix.ends_with('.') || path.contains('.') || !path.contains('_');
        Some(Beside::of(component, path, is_dotted, is_component))
    }

    /// How `scheme` names a layer that is in no table, by the names that files give it; those with dots say more.
    pub fn name_beside<'a>(&self, stems: impl Iterator<Item = &'a str>, scheme: &Scheme) -> Option<String> {
        let mut found: Vec<Beside<'_>> = stems.filter_map(|stem| self.beside(stem)).collect();
        order::sort_by(&mut found, |a, b| b.is_dotted.cmp(&a.is_dotted));
        found.iter().find_map(|beside| beside.stem(scheme))
    }
}

/// Names of norms beside a layer's projections that have no dot in them.
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
        // Of every sibling the name it was found by, and that in a naming; its own naming is the one where both are one.
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

    /// The identity: equal for all spellings of the layer that can be told to be one. Of spellings that have nothing in
    /// common, as in SDXL's residual blocks, each has its own.
    pub fn id(&self) -> ModuleId {
        let parent = self.diffusers.as_ref().or(self.native.as_ref());
        let rest = flatten(self.rest());
        let path = parent.map_or(rest.clone(), |parent| format!("{parent}.{rest}"));
        ModuleId::in_component(self.component.name, &path)
    }

    /// How `scheme` names the layer. `None`: that cannot be told.
    pub fn stem(&self, scheme: &Scheme) -> Option<String> {
        let rest = self.rest();
        // Behind a known parent one word is one word, and of these it is known.
        let is_word = self.parent > 0 && (!rest.contains('_') || WORDS.contains(&rest));
        if scheme.prefix != Prefix::Kohya && !self.is_dotted && !is_word {
            return None;
        }
        let native = scheme.naming == Naming::Native && self.component.is_denoiser();
        let parent = if native { &self.native } else { &self.diffusers };
        match parent {
            Some(parent) => Some(self.component.stem(&format!("{parent}.{rest}"), scheme.prefix)),
            // Nothing tells whose name it is: it stays.
            None => (self.parent == 0).then(|| self.component.stem(&self.path, scheme.prefix)),
        }
    }

    fn rest(&self) -> &str {
        &self.path[self.parent..]
    }
}

/// The parent's name in the other naming, if all that is known below it ends alike there.
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
