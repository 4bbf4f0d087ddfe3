//! What a run is to make: one file or several, in passes that read and decompose every module once.

use super::Plan;
use crate::error::{Code, Error, Result};
use crate::fusion::Adapters;
use crate::fusion::settings::Settings;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

/// One result of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variant {
    /// What it is made with, by the roles that the files have in it.
    pub settings: Settings,
    /// Whether the two files change places for it: the style becomes the subject.
    pub swapped: bool,
}

impl From<Settings> for Variant {
    fn from(settings: Settings) -> Self {
        Self { settings, swapped: false }
    }
}

impl Variant {
    /// Whether both can be made in one pass: they differ in nothing but μ and name.
    fn goes_with(&self, other: &Self) -> bool {
        let rest = |of: &Self| Settings { mu: 0.0, output_name: String::new(), ..of.settings.clone() };
        self.swapped == other.swapped && rest(self) == rest(other)
    }
}

/// Results of the same modules with the same V_k, which differ in μ. Sizes may differ where ranks follow from an energy.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Whether the two files have changed places.
    pub swapped: bool,
    /// The first result's number in the run.
    pub first: usize,
    /// The first result: of what is the same in all of them, it speaks for all.
    pub lead: Plan,
    /// The others.
    pub more: Vec<Plan>,
}

impl Pass {
    /// All results, in order.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        std::iter::once(&self.lead).chain(&self.more)
    }

    fn plans_mut(&mut self) -> impl Iterator<Item = &mut Plan> {
        std::iter::once(&mut self.lead).chain(&mut self.more)
    }

    /// How many results there are.
    pub fn count(&self) -> usize {
        1 + self.more.len()
    }
}

/// All that a run makes, in the order in which it was asked for.
#[derive(Clone, Debug)]
pub struct Passes(Vec<Pass>);

impl Passes {
    /// Plans the results of a run; those that go together share a pass where they follow each other.
    ///
    /// # Errors
    /// `Settings` if nothing is wanted; those of [`Plan::new`].
    pub fn new(files: Adapters<'_>, variants: &[Variant]) -> Result<Self> {
        if variants.is_empty() {
            return Err(Error::new(Code::Settings, "There is nothing to make."));
        }
        let mut passes: Vec<(&Variant, Pass)> = Vec::new();
        for (number, variant) in variants.iter().enumerate() {
            let swapped = variant.swapped;
            let plan = Plan::new(files.swapped(swapped), &variant.settings)?;
            match passes.last_mut() {
                Some((like, pass)) if variant.goes_with(like) => pass.more.push(plan),
                _ => passes.push((variant, Pass { swapped, first: number, lead: plan, more: Vec::new() })),
            }
        }
        Ok(Self(passes.into_iter().map(|(_, pass)| pass).collect()))
    }

    /// Lays every result out with these ranks; one without ranks stays as it is. See [`Plan::lay_out`].
    ///
    /// # Errors
    /// Those of [`Plan::lay_out`].
    pub fn lay_out(&mut self, ranks: &[Vec<usize>], files: Adapters<'_>) -> Result<()> {
        for pass in &mut self.0 {
            let files = files.swapped(pass.swapped);
            let ranks = ranks.iter().skip(pass.first);
            for (plan, ranks) in pass.plans_mut().zip(ranks).filter(|(_, ranks)| !ranks.is_empty()) {
                plan.lay_out(ranks, files)?;
            }
        }
        Ok(())
    }

    /// A checksum of all headers (before they have the hashes of the rest), which two different runs hardly share.
    pub fn checksum(&self) -> u32 {
        let mut checksum = Xxh3Default::new();
        self.plans().for_each(|plan| checksum.update(&plan.layout.header));
        let [a, b, c, d, ..] = checksum.digest().to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// All passes.
    pub fn iter(&self) -> impl Iterator<Item = &Pass> {
        self.0.iter()
    }

    /// A pass by its number.
    ///
    /// # Errors
    /// `Internal` if there is none.
    pub fn pass(&self, number: usize) -> Result<&Pass> {
        self.0.get(number).ok_or_else(unknown)
    }

    /// The result of this number, and whether the two files have changed places in it.
    ///
    /// # Errors
    /// `Internal` if there is none.
    pub fn file(&self, number: usize) -> Result<(&Plan, bool)> {
        let mut all = self.iter().flat_map(|pass| pass.plans().map(|plan| (plan, pass.swapped)));
        all.nth(number).ok_or_else(unknown)
    }

    /// All results, in order.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.iter().flat_map(Pass::plans)
    }

    /// All results, in order, to be changed.
    pub(crate) fn plans_mut(&mut self) -> impl Iterator<Item = &mut Plan> {
        self.0.iter_mut().flat_map(Pass::plans_mut)
    }
}

fn unknown() -> Error {
    Error::new(Code::Internal, "A task is none of this run's.")
}
