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
    /// The settings of the result, with the roles that the files have in it.
    pub settings: Settings,
    /// Whether the two files change places: the style then becomes the subject.
    pub swapped: bool,
}

impl From<Settings> for Variant {
    fn from(settings: Settings) -> Self {
        Self { settings, swapped: false }
    }
}

impl Variant {
    /// Whether both results can be made in one pass, because only μ and the name differ.
    fn goes_with(&self, other: &Self) -> bool {
        let rest = |of: &Self| Settings { mu: 0.0, output_name: String::new(), ..of.settings.clone() };
        self.swapped == other.swapped && rest(self) == rest(other)
    }
}

/// Results with the same modules and the same V_k, which differ in μ. Their sizes may differ if ranks follow from an energy.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Whether the two files have changed places.
    pub swapped: bool,
    /// The number of the pass's first result in the run.
    pub first: usize,
    /// The plan of the first result, which speaks for all of them in what they share.
    pub lead: Plan,
    /// The plans of the other results.
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

    /// The number of results.
    pub fn count(&self) -> usize {
        1 + self.more.len()
    }
}

/// All results of a run, in the order in which they were asked for.
#[derive(Clone, Debug)]
pub struct Passes(Vec<Pass>);

impl Passes {
    /// Plans the results of a run; consecutive results that go together share a pass.
    ///
    /// # Errors
    /// `Settings` if no result is asked for; those of [`Plan::new`].
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

    /// Lays out every result with these ranks; a result without ranks stays as it is. See [`Plan::lay_out`].
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

    /// A checksum of all headers (before the tensors' hashes are filled in), which two different runs hardly share.
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

    /// The pass with this number.
    ///
    /// # Errors
    /// `Internal` if there is none.
    pub fn pass(&self, number: usize) -> Result<&Pass> {
        self.0.get(number).ok_or_else(unknown)
    }

    /// The plan of the result with this number, and whether the two files have changed places in it.
    ///
    /// # Errors
    /// `Internal` if there is none.
    pub fn file(&self, number: usize) -> Result<(&Plan, bool)> {
        let mut all = self.iter().flat_map(|pass| pass.plans().map(|plan| (plan, pass.swapped)));
        all.nth(number).ok_or_else(unknown)
    }

    /// The plans of all results, in order.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.iter().flat_map(Pass::plans)
    }

    /// The plans of all results, in order, to be changed.
    pub(crate) fn plans_mut(&mut self) -> impl Iterator<Item = &mut Plan> {
        self.0.iter_mut().flat_map(Pass::plans_mut)
    }
}

fn unknown() -> Error {
    Error::new(Code::Internal, "A task is none of this run's.")
}
