//! Layers that stand in no table (norms, and what only some trainers train), named after the known layers beside them.
//!
//! `input_blocks.4.1.norm` is in no table, but `input_blocks.4.1.proj_in` is, and so is that diffusers calls it
//! `down_blocks.1.attentions.0.proj_in`. Where all that is known below a parent ends alike in both namings, what is not
//! known is taken to do so too. Elsewhere it has a name in the naming of its file alone.

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
    /// Where in the path the known parent ends; 0 where nothing beside it is known.
    parent: usize,
    /// The parent's name in each naming in which the layer has one.
    diffusers: Option<String>,
    native: Option<String>,
}

impl Family {
    /// What a file of this family means by a `stem` that is in no table.
    pub fn beside(&self, stem: &str) -> Option<Beside<'_>> {
        let bodies = self.models().iter().flat_map(|model| model.bodies(stem).map(move |body| (model, body)));
        // Of a text encoder's name the denoiser's empty prefix would leave all.
        let (component, body) = bodies.min_by_key(|(_, body)| body.len())?;
        // Only diffusers' names stand behind the name of its component.
        let is_component =
            unwrapped(stem).strip_prefix(component.name).is_some_and(|rest| rest.starts_with('.'));
        Some(Beside::of(component, &unwrapped(body).replace(".processor.", "."), is_component))
    }

    /// How `scheme` names a layer that is in no table, by the names that files give it; those with dots say more.
    pub fn name_beside<'a>(&self, stems: impl Iterator<Item = &'a str>, scheme: &Scheme) -> Option<String> {
        let mut found: Vec<Beside<'_>> = stems.filter_map(|stem| self.beside(stem)).collect();
        order::sort_by(&mut found, |a, b| b.path.contains('.').cmp(&a.path.contains('.')));
        found.iter().find_map(|beside| beside.stem(scheme))
    }
}

impl<'a> Beside<'a> {
    fn of(component: &'a Component, path: &str, is_component: bool) -> Self {
        let none = Self { component, path: path.to_owned(), parent: 0, diffusers: None, native: None };
        let Some((parent, siblings)) = component.table.beside(&flatten(path)) else { return none };
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
        let whole = |own: &str| Some(own[..parent].to_owned());
        let (own, other) = if is_diffusers { (&diffusers, &native) } else { (&native, &diffusers) };
        let of_own: Vec<_> = own.iter().filter(|(own, name)| own == name).collect();
        let Some(name) = of_own.first().and_then(|(own, _)| whole(own)) else { return none };
        let translated = translated(parent, other);
        let (diffusers, native) =
            if is_diffusers { (Some(name), translated) } else { (translated, Some(name)) };
        Self { parent: parent + 1, diffusers, native, ..none }
    }

    /// The identity: equal for all spellings of the layer that can be told to be one.
    pub fn id(&self) -> ModuleId {
        let parent = self.diffusers.as_ref().or(self.native.as_ref());
        let rest = flatten(self.rest());
        let path = parent.map_or(rest.clone(), |parent| format!("{parent}.{rest}"));
        ModuleId::in_component(self.component.name, &path)
    }

    /// How `scheme` names the layer. `None`: that cannot be told.
    pub fn stem(&self, scheme: &Scheme) -> Option<String> {
        let native = scheme.naming == Naming::Native && self.component.is_denoiser();
        let parent = if native { &self.native } else { &self.diffusers };
        match parent {
            Some(parent) => Some(self.component.stem(&format!("{parent}.{}", self.rest()), scheme.prefix)),
            // Nothing tells whose name it is: it stays, and dots cannot be put back.
            None if self.parent == 0 && (scheme.prefix == Prefix::Kohya || self.path.contains('.')) => {
                Some(self.component.stem(&self.path, scheme.prefix))
            }
            None => None,
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
