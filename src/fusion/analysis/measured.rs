//! The facts about every module of a pair that do not depend on strengths, μ and k, and how they are measured.

use crate::backend::cpu::{self, Half, Relation};
use crate::backend::products::MAX_RANK;
use crate::container::Source;
use crate::error::{Code, Error, Result};
use crate::fusion::method::factors::Factors;
use crate::fusion::method::loaded;
use crate::fusion::plan::Plan;
use crate::fusion::plan::pairing::{Share, Unit};
use crate::fusion::{Pair, Sources, Watch, go_on};
use crate::order::Places;
use serde::{Deserialize, Serialize};

/// One module of a pair, both updates as their files have them: B·A, without scales and strengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The style's singular values in descending order, r_s of them.
    pub style_sigma: Vec<f64>,
    /// The content's singular values in descending order, r_c of them.
    pub content_sigma: Vec<f64>,
    /// The content's energy ‖ΔW_c·v_i‖² along each right singular vector v_i that the style really has.
    pub content_along: Vec<f64>,
    /// The style's energy ‖ΔW_s·v_i‖² along each right singular vector v_i that the content really has.
    pub style_along: Vec<f64>,
    /// The inner product ⟨ΔW_s, ΔW_c⟩.
    pub inner: f64,
    /// Cosines of the principal angles between the two row spaces, in descending order.
    pub cosines: Vec<f64>,
}

impl From<Relation> for Measured {
    fn from(relation: Relation) -> Self {
        let Relation { style, content, inner, cosines } = relation;
        let (
            Half { sigma: style_sigma, along: content_along },
            Half { sigma: content_sigma, along: style_along },
        ) = (style, content);
        Self { style_sigma, content_sigma, content_along, style_along, inner, cosines }
    }
}

impl Measured {
    /// The style's energy ‖ΔW_s‖².
    pub(super) fn style_energy(&self) -> f64 {
        energy(&self.style_sigma)
    }

    /// The content's energy ‖ΔW_c‖².
    pub(super) fn content_energy(&self) -> f64 {
        energy(&self.content_sigma)
    }

    /// The same facts with the roles of the two files swapped.
    fn swapped(self) -> Self {
        Self {
            style_sigma: self.content_sigma,
            content_sigma: self.style_sigma,
            content_along: self.style_along,
            style_along: self.content_along,
            ..self
        }
    }

    pub(super) fn of(pair: &Pair<Factors>) -> Self {
        cpu::relate(&pair.style.update(), &pair.content.update()).into()
    }
}

/// Both halves of a unit, if the unit is analysed. The cost grows with the cube of the rank: above the highest rank of a graphics
/// device it would keep everything else waiting.
pub(super) fn measurable(unit: &Unit) -> Option<Pair<&Share>> {
    unit.pair().filter(|pair| pair.content.rank.max(pair.style.rank) <= MAX_RANK)
}

fn energy(sigma: &[f64]) -> f64 {
    sigma.iter().map(|s| s * s).sum()
}

/// All measured modules that two files share.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    places: Places,
    modules: Vec<(Key, Measured)>,
}

/// What a module's figures depend on: its layers, and for each file the module and the rank it is taken at.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    name: String,
    halves: Pair<String>,
}

impl Key {
    fn of(unit: &Unit) -> Option<Self> {
        let half = |share: &Share| format!("{} {}", share.rank, share.module.stem);
        Some(Self { name: unit.name(), halves: measurable(unit)?.map(half) })
    }

    fn text(&self) -> String {
        // The parts are escaped, so that a name with line ends cannot be mistaken for another key.
        let Self { name, halves: Pair { content, style } } = self;
        format!("{name:?}\n{style:?}\n{content:?}")
    }
}

impl Analysis {
    /// The figures of a module, if it has been measured.
    pub fn get(&self, unit: &Unit) -> Option<&Measured> {
        let at = self.places.get(&Key::of(unit)?.text())?;
        self.modules.get(at).map(|(_, measured)| measured)
    }

    /// The same analysis with the roles of the two files swapped.
    #[must_use]
    pub fn swapped(self) -> Self {
        let mut swapped = Self::default();
        for (Key { name, halves }, measured) in self.modules {
            swapped.put(Key { name, halves: halves.swapped(true) }, measured.swapped());
        }
        swapped
    }

    fn put(&mut self, key: Key, measured: Measured) {
        let text = key.text();
        let entry = (key, measured);
        *self.places.entry(&mut self.modules, &text, || entry.clone()) = entry.clone();
    }

    /// The number of the plan's modules that have been measured, and of those that can be.
    pub(in crate::fusion) fn count(&self, plan: &Plan) -> (usize, usize) {
        let all = || plan.units().filter(|unit| measurable(unit).is_some());
        (all().filter(|unit| self.get(unit).is_some()).count(), all().count())
    }

    /// Reduces these pieces of the plan's groups to the groups that have modules still to be measured.
    pub(in crate::fusion) fn lacking(&self, plan: &Plan, mut pieces: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        let lacks = |unit: &Unit| measurable(unit).is_some() && self.get(unit).is_none();
        for piece in &mut pieces {
            piece.retain(|&at| plan.groups.get(at).is_some_and(|group| group.units.iter().any(lacks)));
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// Stores what [`measure`] found in these groups.
    ///
    /// # Errors
    /// `Internal` if there are not as many findings as the groups have modules.
    pub(in crate::fusion) fn keep(
        &mut self,
        plan: &Plan,
        groups: &[usize],
        found: Vec<Measured>,
    ) -> Result<()> {
        let groups = groups.iter().filter_map(|&at| plan.groups.get(at));
        let keys: Vec<Key> = groups.flat_map(|group| &group.units).filter_map(Key::of).collect();
        if keys.len() != found.len() {
            return Err(Error::new(Code::Internal, "An analysis is of other modules."));
        }
        keys.into_iter().zip(found).for_each(|(key, measured)| self.put(key, measured));
        Ok(())
    }
}

/// Measures those modules of some groups that both files have, in order.
///
/// # Errors
/// Those of the sources; `NonFinite`, `Aborted`.
pub(in crate::fusion) async fn measure<S: Source>(
    plan: &Plan,
    groups: &[usize],
    sources: &Sources<'_, S>,
    watch: &impl Watch,
) -> Result<Vec<Measured>> {
    let mut all = Vec::new();
    for group in groups.iter().filter_map(|&at| plan.groups.get(at)) {
        go_on(watch)?;
        if !group.units.iter().any(|unit| measurable(unit).is_some()) {
            continue;
        }
        for (unit, values) in group.units.iter().zip(loaded::read(&group.units, sources).await?) {
            let pair = values.halves.both().filter(|_| measurable(unit).is_some());
            all.extend(pair.map(|pair| Measured::of(&pair)));
        }
    }
    Ok(all)
}
