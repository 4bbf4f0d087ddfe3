//! The plan of a pair: every module and every size of the result, before any arithmetic.
//!
//! A module of the result stacks the halves of its units: up = [B_s | B_c], down = [A_s ; A_c'], of rank r_s + r_c
//! (docs/METHOD.md). What a loader multiplies in (alpha/rank) and what is folded into the factors is decided here, once, for
//! both rank layouts (`arrange`), as is the result's number format (`format`).
//!
//! [`model`] asks whether both files are for one model; [`layer_names`] what is known of their names; [`pairing`] finds the units
//! they share; [`refusals`] lists what must stay out, [`magnitudes`] what of DoRA may come along; [`outputs`] and [`vectors`] say how the result is written,
//! [`metadata`] what its header says; [`fit`] sums all of it up for the user. A run makes one file or [`several`]; those
//! that share the arithmetic make up a [`pass`], which is done in [`portions`].

pub mod fit;
pub mod layer_names;
pub(crate) mod magnitudes;
pub(crate) mod metadata;
pub(crate) mod model;
pub mod outputs;
pub mod pairing;
pub mod pass;
pub(crate) mod portions;
pub mod refusals;
pub(crate) mod several;
pub mod vectors;

mod arrange;
mod format;

use crate::adapter::families::{Block, Family, Scheme};
use crate::backend::{Blend, Dtype};
use crate::container::{Layout, Tensor};
use crate::error::{Code, Error, Result};
use crate::fusion::settings::mu;
use crate::fusion::settings::recipe::Recipe;
use crate::fusion::settings::{ResultChoice, Settings};
use crate::fusion::{Adapters, Side};
use fit::{Fit, Tensors};
use format::Formats;
use layer_names::LayerNames;
use outputs::{Group, Output};
use pairing::{Pairing, Unit};
use refusals::Refusal;
use std::collections::{BTreeMap, HashSet};
use vectors::VectorOutput;

/// What is fused, what passes through, and where each byte of the result will stand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The settings as the user made them, without those of blocks that the files do not have, for the report.
    pub settings: Settings,
    /// The settings in the method's terms.
    pub recipe: Recipe,
    /// All modules of the result.
    pub groups: Vec<Group>,
    /// All vectors of the result.
    pub vectors: Vec<VectorOutput>,
    /// What only one file has, where the result is the overlap of both.
    pub outside: Vec<Unit>,
    /// The model family, if any, and what else is known of the files' names.
    pub layer_names: LayerNames,
    /// All families that it may be as well, itself among them.
    pub fitting: Vec<&'static Family>,
    /// The result's naming; none: as the inputs are spelled.
    pub scheme: Option<&'static Scheme>,
    /// The result's number format.
    pub dtype: Dtype,
    /// It is F32 only because the files' own formats differ.
    pub widened: bool,
    /// The largest rank in the result.
    pub rank: usize,
    /// The one alpha value of the file (meaningless where no alpha is written).
    pub alpha: f64,
    /// The result's header and tensor positions.
    pub layout: Layout,
    /// Modules that are left out, and why.
    pub refusals: Vec<Refusal>,
    /// What becomes of the content's tensors.
    pub content_tensors: Tensors,
    /// What becomes of the style's.
    pub style_tensors: Tensors,
    /// What a user should know although the pair is accepted.
    pub warnings: Vec<Error>,
}

/// What becomes of the units of a pair.
struct Sorted {
    groups: Vec<Group>,
    /// Of an overlap: what only one file has.
    outside: Vec<Unit>,
    scheme: Option<&'static Scheme>,
    refusals: Vec<Refusal>,
}

impl Sorted {
    fn of(paired: &Pairing, files: Adapters<'_>, names: &LayerNames, recipe: &Recipe) -> Result<Self> {
        let mut barred = HashSet::new();
        loop {
            let (units, refusals) = refusals::split(paired, files, recipe, &barred);
            if let Some(both) = files.both().filter(|_| !units.iter().any(|unit| unit.pair().is_some())) {
                return Err(refusals::nothing_shared(both, &refusals));
            }
            if let Some(file) = files.either().filter(|file| units.is_empty() && file.vectors.is_empty()) {
                return Err(refusals::nothing_left(file, &refusals));
            }
            let (units, outside): (Vec<Unit>, Vec<Unit>) =
                units.into_iter().partition(|unit| unit.is_part(recipe.result));
            let scheme = outputs::scheme(&units, names.family, recipe)?;
            let mut groups = outputs::groups(units, names, scheme, recipe);
            magnitudes::carry(&mut groups, recipe, scheme);
            // Whether a DoRA module can pass through as it is shows only when it is known how it is written.
            let behind = magnitudes::left_behind(&groups);
            if recipe.direction_only || behind.is_empty() {
                return Ok(Self { groups, outside, scheme, refusals });
            }
            barred.extend(behind);
        }
    }
}

impl Plan {
    /// Plans the fusion of two files, or the conversion of one.
    ///
    /// # Errors
    /// `Settings`; `BaseMismatch`, `FamilyUnclear`, `NoiseStage`; `NoCommonModules` where the files share nothing;
    /// `AdapterKind` where nothing is left; `ShapeMismatch`, `SpellingMix` naming the first module at fault.
    pub fn new(files: Adapters<'_>, settings: &Settings) -> Result<Self> {
        // A single file is converted, whatever is made of pairs.
        let result = files.both().map_or(ResultChoice::Fusion, |_| settings.result);
        let settings = Settings { result, ..settings.clone() };
        let recipe = settings.check()?;
        let family = model::family(files, &recipe)?;
        model::check_stages(files)?;
        model::check_rows(files, family)?;
        let names = LayerNames::of(files, family)?;
        let paired = pairing::pair(files, &names, &recipe)?;
        let Sorted { groups, outside, scheme, refusals } = Sorted::of(&paired, files, &names, &recipe)?;
        let (vectors, nameless) = match recipe.result {
            ResultChoice::Fusion => vectors::plan(files, &names, scheme, &recipe, &groups)?,
            ResultChoice::Overlap => Default::default(),
        };
        let refusals = [refusals, nameless].concat();
        if let Some(file) = files.either().filter(|_| groups.is_empty() && vectors.is_empty()) {
            return Err(refusals::nothing_left(file, &refusals));
        }

        let formats = Formats::of(&groups, &vectors, &recipe);
        let dtype = recipe.dtype.unwrap_or(formats.narrowest());
        let widened = recipe.dtype.is_none() && formats.differ();
        let units = || groups.iter().flat_map(|group| &group.units).chain(&outside);
        let count = |side| fit::count(side, *files.of(side), units(), &vectors, &refusals, &recipe);
        let (content_tensors, style_tensors) = (count(Side::Content), count(Side::Style));
        let mut warnings = model::warnings(files, family.zip(scheme), (&groups, &outside), &recipe);
        warnings.extend(magnitudes::left_out(&groups));
        warnings.extend(refusals::warning(&refusals));
        let (settings, no_block) = model::in_force(settings, family, &groups);
        warnings.extend(no_block);
        let fitting = model::fitting(files, &recipe);
        let mut plan = Self {
            settings,
            recipe,
            groups,
            vectors,
            outside,
            layer_names: names,
            fitting,
            scheme,
            dtype,
            widened,
            // These three as soon as the rest is known.
            rank: 0,
            alpha: 0.0,
            layout: Layout::new(Vec::new(), &BTreeMap::new())?,
            refusals,
            content_tensors,
            style_tensors,
            warnings,
        };
        plan.lay_out_at_most(files)?;
        Ok(plan)
    }

    /// All modules of the result, in order.
    pub fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.groups.iter().flat_map(|group| &group.outputs)
    }

    /// The tensors of one of its groups, as far as they are made with its modules.
    pub(crate) fn tensors(&self, group: &Group) -> impl Iterator<Item = &Tensor> {
        let names = group.outputs.iter().flat_map(|output| {
            let magnitude = output.magnitude.as_ref().map(|_| magnitudes::name(output));
            [output.names.down.clone(), output.names.up.clone()].into_iter().chain(magnitude)
        });
        names.filter_map(|name| self.layout.find(&name))
    }

    /// All units, in order.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.groups.iter().flat_map(|group| &group.units)
    }

    /// What users call the model: "FLUX.1", or "FLUX.1 or Chroma" where that makes no difference.
    pub(crate) fn family(&self) -> Option<String> {
        (!self.fitting.is_empty()).then(|| model::names(&self.fitting))
    }

    /// The plan in the words of its user.
    pub fn fit(&self) -> Fit {
        Fit::of(self)
    }

    /// The block of the model that a unit is in.
    pub fn block(&self, unit: &Unit) -> Option<Block> {
        self.layer_names.family?.block(&unit.layers.first()?.0)
    }

    /// A unit's row among the blocks: its place and its label. Last and nameless is what is in no block.
    pub(crate) fn row(&self, unit: &Unit) -> (usize, String) {
        self.block(unit).map_or((usize::MAX, String::new()), |block| (block.order, block.label))
    }

    /// μ of a unit, where its block has one of its own.
    pub fn own_mu(&self, unit: &Unit) -> Option<f64> {
        self.recipe.own_mu(self.layer_names.family, &unit.layers.first()?.0)
    }

    /// β for a unit: without style there is nothing to protect (docs/METHOD.md: w_s = 0 means no projection).
    pub fn beta(&self, unit: &Unit) -> f64 {
        let style = unit.share(Side::Style).map_or(0.0, |share| share.strength);
        if style == 0.0 { 0.0 } else { self.own_mu(unit).map_or(self.recipe.beta, mu::beta) }
    }

    /// What is made of a unit's content.
    pub fn blend(&self, unit: &Unit) -> Blend {
        match self.recipe.result {
            ResultChoice::Fusion => Blend::without(self.beta(unit)),
            ResultChoice::Overlap => Blend::OVERLAP,
        }
    }
}

/// A tensor that the layout does not have.
pub(crate) fn unplanned(name: &str) -> Error {
    Error::new(Code::Internal, "A tensor was not planned.").at_tensor(name)
}
