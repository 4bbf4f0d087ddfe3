//! The plan of a pair: every module and every size of the result, before any arithmetic.
//!
//! A module of the result stacks the halves of its units: up = [B_s | B_c], down = [A_s ; A_c'], of rank r_s + r_c
//! (docs/METHOD.md). What a loader multiplies in (alpha/rank) and what is folded into the factors is decided here, once, for
//! both rank layouts (`arrange`), as is the result's number format (`format`).
//!
//! [`model`] checks that both files are for one model; [`layer_names`] collects what is known of their names; [`pairing`] finds the
//! units that they share; [`refusals`] lists what must stay out, and [`magnitudes`] what of DoRA may be kept; [`outputs`] and
//! [`vectors`] decide how the result is written and [`metadata`] what its header says; [`fit`] sums it all up for the user. A run
//! makes one file or [`several`]; files that share the arithmetic form a [`pass`], which is done in [`portions`].

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

/// The plan of one result: what is fused, what passes through, and where each byte of the file will be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The user's settings for the report, without those of blocks that the files do not have.
    pub settings: Settings,
    /// The settings in the terms of the method.
    pub recipe: Recipe,
    /// The groups of units, which make up all modules of the result.
    pub groups: Vec<Group>,
    /// All vectors of the result.
    pub vectors: Vec<VectorOutput>,
    /// The units that only one file has, if the result is the overlap of both.
    pub outside: Vec<Unit>,
    /// The model family, if it is known, and what else is known of the files' names.
    pub layer_names: LayerNames,
    /// All families that fit the files, including the one in `layer_names`.
    pub fitting: Vec<&'static Family>,
    /// The naming of the result; `None` if it is spelled like the inputs.
    pub scheme: Option<&'static Scheme>,
    /// The result's number format.
    pub dtype: Dtype,
    /// Whether the format is F32 only because the formats of the files differ.
    pub widened: bool,
    /// The largest rank in the result.
    pub rank: usize,
    /// The single alpha value of the file (meaningless if no alpha is written).
    pub alpha: f64,
    /// The header and tensor positions of the result.
    pub layout: Layout,
    /// The modules that are left out, and the reasons.
    pub refusals: Vec<Refusal>,
    /// What becomes of the content's tensors.
    pub content_tensors: Tensors,
    /// What becomes of the style's tensors.
    pub style_tensors: Tensors,
    /// Warnings for the user about a pair that is accepted.
    pub warnings: Vec<Error>,
}

/// The units of a pair, sorted by what becomes of them.
struct Sorted {
    groups: Vec<Group>,
    /// The units that only one file has, if the result is the overlap.
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
            // Whether a DoRA module can pass through unchanged is known only once its output is.
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
        // A single file is always converted, whatever is chosen for pairs.
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
        let (mut settings, no_block) = model::in_force(settings, family, &groups);
        warnings.extend(no_block);
        // The same naming, however it was called, makes the same file.
        settings.scheme = recipe.scheme.map(|scheme| scheme.id.to_owned());
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
            // These three are set as soon as the rest is known.
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

    /// The tensors of a group that are made together with its modules.
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

    /// The model's name for users: "FLUX.1", or "FLUX.1 or Chroma" if that makes no difference.
    pub(crate) fn family(&self) -> Option<String> {
        (!self.fitting.is_empty()).then(|| model::names(&self.fitting))
    }

    /// The summary of the plan for its user.
    pub fn fit(&self) -> Fit {
        Fit::of(self)
    }

    /// The block of the model that a unit belongs to.
    pub fn block(&self, unit: &Unit) -> Option<Block> {
        self.layer_names.family?.block(&unit.layers.first()?.0)
    }

    /// A unit's block as (order, label); units outside all blocks come last and have an empty label.
    pub(crate) fn row(&self, unit: &Unit) -> (usize, String) {
        self.block(unit).map_or((usize::MAX, String::new()), |block| (block.order, block.label))
    }

    /// The unit's own μ, if its block has one.
    pub fn own_mu(&self, unit: &Unit) -> Option<f64> {
        self.recipe.own_mu(self.layer_names.family, &unit.layers.first()?.0)
    }

    /// β for a unit: without style there is nothing to protect (docs/METHOD.md: w_s = 0 means no projection).
    pub fn beta(&self, unit: &Unit) -> f64 {
        let style = unit.share(Side::Style).map_or(0.0, |share| share.strength);
        if style == 0.0 { 0.0 } else { self.own_mu(unit).map_or(self.recipe.beta, mu::beta) }
    }

    /// How a unit's content is blended in this result.
    pub fn blend(&self, unit: &Unit) -> Blend {
        match self.recipe.result {
            ResultChoice::Fusion => Blend::without(self.beta(unit)),
            ResultChoice::Overlap => Blend::OVERLAP,
        }
    }
}

/// The error for a tensor that the layout does not have.
pub(crate) fn unplanned(name: &str) -> Error {
    Error::new(Code::Internal, "A tensor was not planned.").at_tensor(name)
}
