//! The plan of a pair: every module and every size of the result, before any arithmetic.
//!
//! A module of the result stacks the halves of its units: up = [B_s | B_c], down = [A_s ; A_c'], of rank r_s + r_c
//! (docs/METHOD.md). What a loader multiplies in (alpha/rank) and what is folded into the factors is decided here, once, for
//! both rank layouts.
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

use crate::adapter::families::{Block, Scheme};
use crate::backend::{Blend, Cut, Dtype};
use crate::container::{Layout, Tensor, TensorSpec};
use crate::error::{Code, Error, Result};
use crate::fusion::settings::mu;
use crate::fusion::settings::recipe::Recipe;
use crate::fusion::settings::{RankLayout, ResultChoice, Settings};
use crate::fusion::{Adapters, Side};
use crate::order;
use fit::{Fit, Tensors};
use layer_names::LayerNames;
use outputs::{Group, Output};
use pairing::{Pairing, Unit};
use refusals::Refusal;
use std::collections::{BTreeMap, HashSet};
use vectors::VectorOutput;

/// What is fused, what passes through, and where each byte of the result will stand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The settings as the user made them, for the report.
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
            let (units, refusals) = refusals::sort_out(paired, files, recipe, &barred);
            if let Some(both) = files.both().filter(|_| !units.iter().any(|unit| unit.pair().is_some())) {
                return Err(refusals::nothing_shared(both, &refusals));
            }
            if let Some(file) = files.either().filter(|file| units.is_empty() && file.vectors.is_empty()) {
                return Err(refusals::nothing_left(file, &refusals));
            }
            let is_part = |unit: &Unit| recipe.result == ResultChoice::Fusion || unit.pair().is_some();
            let (units, outside): (Vec<Unit>, Vec<Unit>) = units.into_iter().partition(is_part);
            let scheme = outputs::scheme(&units, names.family, recipe)?;
            let mut groups = outputs::groups(units, names, scheme, recipe);
            magnitudes::carry(&mut groups, recipe);
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
        let settings = &Settings { result, ..settings.clone() };
        let recipe = settings.check()?;
        let family = model::family(files, &recipe)?;
        model::check_stages(files, family)?;
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

        let needs = Needs::of(&groups, &vectors, &recipe);
        let dtype = recipe.dtype.unwrap_or(needs.narrowest());
        let widened = recipe.dtype.is_none() && needs.differ();
        let units = || groups.iter().flat_map(|group| &group.units).chain(&outside);
        let count = |side| fit::count(side, *files.of(side), units(), &vectors, &refusals, &recipe);
        let (content_tensors, style_tensors) = (count(Side::Content), count(Side::Style));
        let mut warnings = model::warnings(files, family.zip(scheme), &groups, &recipe);
        warnings.extend(magnitudes::left_out(&groups));
        let mut plan = Self {
            settings: settings.clone(),
            recipe,
            groups,
            vectors,
            outside,
            layer_names: names,
            scheme,
            dtype,
            widened,
            rank: 0,
            alpha: 0.0,
            layout: Layout::new(Vec::new(), &BTreeMap::new())?,
            refusals,
            content_tensors,
            style_tensors,
            warnings,
        };
        let most = match plan.recipe.result_cut {
            Cut::Count(rank) => rank,
            _ => usize::MAX,
        };
        let ranks: Vec<usize> = plan.outputs().map(|output| output.own_rank.min(most)).collect();
        plan.set_ranks(&ranks);
        // An energy is turned into ranks only when the singular values are known; until then it promises nothing.
        if !plan.recipe.is_cut_by_energy() {
            plan.check_padding()?;
        }
        plan.arrange(files)?;
        Ok(plan)
    }

    /// Lays the file out with these ranks of its modules, in the order of [`Plan::outputs`].
    ///
    /// # Errors
    /// `Settings` where one rank for all makes too much of them; those of [`Layout::new`].
    pub fn lay_out(&mut self, ranks: &[usize], files: Adapters<'_>) -> Result<()> {
        self.set_ranks(ranks);
        self.check_padding()?;
        self.arrange(files)
    }

    /// The rank that each module has by itself.
    fn set_ranks(&mut self, ranks: &[usize]) {
        let outputs = self.groups.iter_mut().flat_map(|group| &mut group.outputs);
        for (output, &rank) in outputs.zip(ranks) {
            let inputs = output.dims.iter().product::<u64>();
            let whole = output.out_features.min(usize::try_from(inputs).unwrap_or(usize::MAX));
            // A recompressed module needs no more directions than its layer has.
            output.rank = if self.recipe.is_exact() { rank } else { rank.min(whole) }.max(1);
        }
        self.rank = self.outputs().map(|output| output.rank).max().unwrap_or(0);
    }

    /// Pads modules as the rank layout wants it, and gives every tensor its place.
    fn arrange(&mut self, files: Adapters<'_>) -> Result<()> {
        let largest = self.rank;
        match self.recipe.layout {
            RankLayout::Compatible => self.alpha = float(largest),
            RankLayout::Compact => self.alpha = common_alpha(&self.groups, largest, &self.recipe),
        }
        for group in &mut self.groups {
            let together = group.outputs.iter().map(|output| output.rank).max().unwrap_or(1);
            let rank = if self.recipe.layout == RankLayout::Compatible { largest } else { together };
            let writes_alpha = group.outputs.iter().any(|output| output.names.alpha.is_some());
            group.loader_scale = if writes_alpha { self.alpha / float(rank) } else { 1.0 };
            group.outputs.iter_mut().for_each(|output| output.rank = rank);
        }
        let outputs = self.groups.iter().flat_map(|group| &group.outputs);
        let mut specs: Vec<TensorSpec> = outputs.flat_map(|output| specs(output, self.dtype)).collect();
        specs.extend(self.vectors.iter().map(|vector| vector.spec(self.dtype)));
        let metadata = metadata::of_result(self, files);
        self.layout = Layout::new(specs, &metadata)?;
        Ok(())
    }

    /// One rank for all can make a huge file of a small one: a single module of an absurd rank is enough.
    fn check_padding(&self) -> Result<()> {
        if self.recipe.layout == RankLayout::Compact {
            return Ok(());
        }
        let largest = self.rank;
        let values = |rank: fn(&Output, usize) -> usize| -> f64 {
            let size = |output: &Output| {
                float(output.out_features) + output.dims.iter().map(|&d| d as f64).product::<f64>()
            };
            self.outputs().map(|output| size(output) * float(rank(output, largest))).sum()
        };
        let (padded, own) = (values(|_, largest| largest), values(|output, _| output.rank));
        if padded <= MAX_PADDING * own || padded < LARGE {
            return Ok(());
        }
        let detail = format!(
            "One rank for the whole file, {largest}, would make it {:.0} times as large: choose mixed ranks.",
            padded / own
        );
        Err(Error::new(Code::Settings, detail))
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

/// How much larger padding may make a result of more than this many values.
const MAX_PADDING: f64 = 16.0;
const LARGE: f64 = 5e8;

/// The alpha that lets most modules keep their style factors bit for bit (compact layout; without a style: their content's
/// in size): the most common weight·rank. A zero or negative one would break loaders that treat it specially; then alpha is the common rank.
fn common_alpha(groups: &[Group], largest: usize, recipe: &Recipe) -> f64 {
    let mut alphas: Vec<f64> = Vec::new();
    for group in groups {
        let rank = group.outputs.iter().map(|output| output.rank).max().unwrap_or(1);
        let mut shares = group.units.iter().take(1).flat_map(Unit::shares);
        let Some((_, share)) = shares.find(|(side, _)| recipe.writes(*side)) else { continue };
        alphas.push(share.weight * float(rank));
    }
    order::sort_by(&mut alphas, |a, b| a.to_bits().cmp(&b.to_bits()));
    let alike = alphas.chunk_by(|a, b| a.to_bits() == b.to_bits());
    let common =
        alike.max_by_key(|alike| alike.len()).and_then(|alike| alike.first()).copied().unwrap_or(1.0);
    let usable = f64::from(as_f32(common)) == common && common > 0.0;
    if usable { common } else { float(largest.max(1)) }
}

/// Formats of the values that the result has of the inputs.
#[derive(Default)]
struct Needs {
    f16: bool,
    bf16: bool,
    f32: bool,
}

impl Needs {
    fn of(groups: &[Group], vectors: &[VectorOutput], recipe: &Recipe) -> Self {
        let mut needs = Self::default();
        let shares = groups.iter().flat_map(|group| &group.units).flat_map(Unit::shares);
        let written = shares.filter(|(side, _)| recipe.writes(*side));
        let factors = written.flat_map(|(_, share)| share.module.kind.tensors());
        let magnitudes =
            groups.iter().flat_map(|g| &g.outputs).filter_map(|o| o.magnitude.as_ref().map(|m| &m.1));
        let terms = vectors.iter().flat_map(|vector| &vector.terms).map(|term| &term.tensor);
        for tensor in factors.chain(magnitudes).chain(terms) {
            match tensor.dtype {
                Dtype::F32 | Dtype::F64 => needs.f32 = true,
                Dtype::BF16 => needs.bf16 = true,
                _ => needs.f16 = true, // F16, and F8 whose two formats F16 contains
            }
        }
        needs
    }

    /// The narrowest that holds all of them exactly, as they are read: F64 is F32 by then.
    fn narrowest(&self) -> Dtype {
        match (self.f16, self.bf16, self.f32) {
            (true, false, false) => Dtype::F16,
            (false, true, false) => Dtype::BF16,
            _ => Dtype::F32,
        }
    }

    /// Whether none of the inputs' own holds them all.
    fn differ(&self) -> bool {
        self.f16 && self.bf16 && !self.f32
    }
}

fn specs(output: &Output, dtype: Dtype) -> Vec<TensorSpec> {
    let rank = output.rank as u64;
    let ones = vec![1; output.dims.len().saturating_sub(1)];
    let names = &output.names;
    let mut specs = vec![
        TensorSpec { name: names.down.clone(), dtype, shape: [&[rank], output.dims.as_slice()].concat() },
        TensorSpec {
            name: names.up.clone(),
            dtype,
            shape: [vec![output.out_features as u64, rank], ones].concat(),
        },
    ];
    specs.extend(names.alpha.iter().map(|name| TensorSpec {
        name: name.clone(),
        dtype: Dtype::F32,
        shape: vec![],
    }));
    specs.extend(output.magnitude.iter().map(|(_, tensor)| TensorSpec {
        name: magnitudes::name(output),
        dtype,
        shape: magnitudes::shape(output, tensor),
    }));
    specs
}

#[allow(clippy::cast_precision_loss, reason = "ranks are far below 2^53")]
pub(crate) fn float(value: usize) -> f64 {
    value as f64
}

/// The value as the result stores it.
#[allow(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
pub(crate) fn as_f32(value: f64) -> f32 {
    value as f32
}

/// A tensor that the layout does not have.
pub(crate) fn unplanned(name: &str) -> Error {
    Error::new(Code::Internal, "A tensor was not planned.").at_tensor(name)
}
