//! How ranks, alphas and tensors are laid out in the result (docs/METHOD.md, "Low rank"), once the ranks are decided.

use super::outputs::{Group, Output};
use super::pairing::Unit;
use super::{Plan, magnitudes, metadata};
use crate::backend::{Cut, Dtype};
use crate::container::{Layout, TensorSpec};
use crate::error::{Code, Error, Result};
use crate::fusion::settings::RankLayout;
use crate::fusion::settings::recipe::Recipe;
use crate::fusion::{Adapters, as_f32, float};
use crate::order;

/// The largest factor by which padding may enlarge a result of more than `LARGE` values.
const MAX_PADDING: f64 = 16.0;
const LARGE: f64 = 5e8;

impl Plan {
    /// Lays the file out with the largest ranks that its modules can get.
    pub(super) fn lay_out_at_most(&mut self, files: Adapters<'_>) -> Result<()> {
        let most = match self.recipe.result_cut {
            Cut::Count(rank) => rank,
            _ => usize::MAX,
        };
        let ranks: Vec<usize> = self.outputs().map(|output| output.own_rank.min(most)).collect();
        self.set_ranks(&ranks);
        // An energy becomes ranks only once the singular values are known; until then nothing can be said about padding.
        if !self.recipe.is_cut_by_energy() {
            self.check_padding()?;
        }
        self.arrange(files)
    }

    /// Lays the file out with these ranks of its modules, in the order of [`Plan::outputs`].
    ///
    /// # Errors
    /// `Settings` if one rank for all modules makes the file too large; those of [`Layout::new`].
    pub fn lay_out(&mut self, ranks: &[usize], files: Adapters<'_>) -> Result<()> {
        self.set_ranks(ranks);
        self.check_padding()?;
        self.arrange(files)
    }

    /// Sets the rank of each module before padding.
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

    /// Pads modules as the rank layout requires, and gives every tensor its place.
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

    /// Refuses excessive padding: a single module of an absurd rank can make a huge file of a small one if all modules have one rank.
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
        let times = (padded / own).round();
        let detail = format!(
            "One rank for the whole file, {largest}, would make it {times} times as large: choose mixed ranks."
        );
        Err(Error::new(Code::Settings, detail))
    }
}

/// The alpha that, in the compact layout, lets most modules keep their style factors bit for bit (without a style: their content
/// factors in size): the most common weight·rank. A zero or negative alpha would break loaders that treat it specially; then it is
/// the common rank.
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
