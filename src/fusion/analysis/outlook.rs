//! What the projection would do to a pair with some settings: figures for the whole, block by block and module by module.

use super::measured::measurable;
use super::tally::{Energies, Tally};
use super::{Analysis, Measured};
use crate::adapter::families::{ALL_KINDS, kind_of};
use crate::backend::cpu;
use crate::fusion::method::accounting::all_parallel;
use crate::fusion::plan::Plan;
use crate::fusion::plan::pairing::Unit;
use crate::fusion::settings::mu;
use crate::fusion::{Side, float};
use crate::order::{self, Places};
use serde::Serialize;

/// What the projection would do, from what is analysed so far. Shares lie between 0 and 1.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// Modules that both files have and of which the figures are known.
    pub analysed: usize,
    /// Modules that both files have, but for those that are not measured.
    pub total: usize,
    /// Modules that both files have of a rank beyond that of any graphics device: none of the figures knows of them.
    pub unmeasured: usize,
    /// So many are unmeasured that the figures, which are of the others, say little of the pair as a whole.
    pub partial: bool,
    /// All of them together.
    pub whole: Tally,
    /// In a word.
    pub verdict: Verdict,
    /// Where one update outweighs the other by far. None where the figures are [`partial`](Self::partial).
    pub balance: Option<Balance>,
    /// A μ to begin with. None where the figures are [`partial`](Self::partial), or there are none.
    pub suggested: Option<Suggested>,
    /// For every general β from 0 to 1.
    pub curve: Vec<CurvePoint>,
    /// By block, in the model's order; the last one without a name holds what is in no block.
    pub blocks: Vec<BlockOutlook>,
    /// What layers do in their block.
    pub kinds: Vec<String>,
    /// By block and kind.
    pub cells: Vec<Cell>,
    /// By module.
    pub modules: Vec<ModuleOutlook>,
}

/// What the projection does to a pair, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// No module that both have is measured.
    Unknown,
    /// At these strengths the content changes nothing in the modules that both have.
    NoContent,
    /// At these strengths the style changes nothing there, so that there is nothing to protect.
    NoStyle,
    /// Both files are the same update, but for the strength.
    Same,
    /// Whatever μ, the result is close to plain addition.
    Apart,
    /// They have hardly more in common than unrelated updates would.
    Chance,
    /// At this μ it is plain addition.
    Nothing,
    /// At this μ it is close to that.
    Little,
    /// It makes a difference.
    Usual,
    /// It takes away most of the content.
    Most,
}

/// Strengths at which both updates are equally large.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// The larger one.
    pub heavier: Side,
    /// How many times as large.
    pub times: f64,
    /// w_c.
    pub content_strength: f64,
    /// w_s.
    pub style_strength: f64,
    /// w_c of the text encoders, where that is another.
    pub content_text_strength: Option<f64>,
    /// Their w_s.
    pub style_text_strength: Option<f64>,
}

/// The smallest μ that brings the content's energy in the style's directions under a share of the style's own, in all blocks
/// without a μ of their own: ‖ΔW_c V_k‖²/(1+μ)² ≤ share·‖ΔW_s‖². A rule of thumb of this tool, not of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suggested {
    /// μ.
    pub mu: f64,
    /// Of the style's energy.
    pub share: f64,
}

/// A point of the curves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CurvePoint {
    /// β = μ/(1+μ).
    pub beta: f64,
    /// Of the overlap's energy, what it takes away.
    pub taken: f64,
    /// The content's energy that is kept.
    pub content_kept: f64,
    /// The projection's change against plain addition.
    pub change: f64,
}

/// A block of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockOutlook {
    /// What users call it; empty for what is in no block.
    pub label: String,
    /// Its modules together.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Modules of one kind in one block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Place in [`Outlook::blocks`].
    pub block: usize,
    /// Place in [`Outlook::kinds`].
    pub kind: usize,
    /// Places in [`Outlook::modules`].
    pub members: Vec<usize>,
    /// Together.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A module that both files have.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleOutlook {
    /// The layer, or the layers of a fused module.
    pub name: String,
    /// Its block.
    pub block: Option<String>,
    /// What it does there.
    pub kind: String,
    /// m.
    pub out_features: usize,
    /// n.
    pub in_features: usize,
    /// r_c.
    pub content_rank: usize,
    /// r_s.
    pub style_rank: usize,
    /// k.
    pub protected: usize,
    /// e to the entropy of σ_i/Σσ of the style (Roy and Vetterli 2007): how many directions it has in effect.
    pub effective_rank: f64,
    /// Its figures.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A change of less than this is not to be seen.
const NOTHING: f64 = 0.01;
/// Less of the content than this is little.
const LITTLE_LEFT: f64 = 0.1;
/// Less in common than this is hardly anything.
const HARDLY: f64 = 0.1;
/// Up to so many times what unrelated updates have in common is nothing that these two have.
const CHANCE: f64 = 1.5;
/// An update so many times as large as the other drowns it.
const OUTWEIGHS: f64 = 3.0;
/// More than one unmeasured module among so many may make another picture of the whole.
const FEW: usize = 10;
/// What [`Suggested`] leaves of the content along the style's directions.
const SUGGESTED_SHARE: f64 = 0.1;
/// Points of a curve, less one.
const STEPS: usize = 50;

/// A unit of which the figures are known.
struct Known<'a> {
    unit: &'a Unit,
    measured: &'a Measured,
    energies: Energies,
}

impl Outlook {
    /// What follows from what is known of the plan's modules, for the plan's settings.
    pub fn of(plan: &Plan, analysis: &Analysis) -> Self {
        let known: Vec<Known<'_>> = plan
            .units()
            .filter_map(|unit| {
                let measured = analysis.get(unit)?;
                Some(Known { unit, measured, energies: Energies::of(plan, unit, measured)? })
            })
            .collect();
        let mut all = Energies::default();
        known.iter().for_each(|known| all += known.energies);
        let beta = plan.recipe.beta;
        let whole = all.tally(beta);
        let (blocks, kinds, cells) = map(plan, &known);
        let (_, total) = analysis.count(plan);
        let shared = plan.units().filter(|unit| unit.pair().is_some()).count();
        let partial = FEW * (shared - total) > shared;
        Self {
            analysed: known.len(),
            total,
            unmeasured: shared - total,
            partial,
            whole,
            verdict: verdict(plan, &known, &all, &whole),
            balance: balance(plan, &whole).filter(|_| !partial),
            suggested: (!partial && !known.is_empty()).then(|| suggested(plan, &known)),
            curve: (0..=STEPS)
                .map(|at| {
                    let beta = float(at) / float(STEPS);
                    let Tally { content_kept, change, .. } = all.tally(beta);
                    CurvePoint { beta, taken: mu::taken(beta), content_kept, change }
                })
                .collect(),
            blocks,
            kinds,
            cells,
            modules: known.iter().map(|known| module(plan, known)).collect(),
        }
    }
}

fn module(plan: &Plan, Known { unit, measured, energies }: &Known<'_>) -> ModuleOutlook {
    ModuleOutlook {
        name: unit.name(),
        block: plan.block(unit).map(|block| block.label),
        kind: kind(unit),
        out_features: unit.out_features(),
        in_features: unit.in_features(),
        content_rank: measured.content_sigma.len(),
        style_rank: measured.style_sigma.len(),
        protected: cpu::count(&measured.style_sigma, plan.recipe.cut),
        effective_rank: effective_rank(&measured.style_sigma),
        tally: energies.tally(plan.recipe.beta),
    }
}

/// Of a fused module all that it does: `q+k+v`.
fn kind(unit: &Unit) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for (id, _) in &unit.layers {
        let kind = kind_of(id);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.join("+")
}

fn effective_rank(sigma: &[f64]) -> f64 {
    let whole: f64 = sigma.iter().sum();
    let entropy: f64 = sigma.iter().map(|s| s / whole).filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum();
    if whole > 0.0 { entropy.exp() } else { 0.0 }
}

/// Blocks and kinds that the pair has, and what is of one kind in one block.
fn map(plan: &Plan, known: &[Known<'_>]) -> (Vec<BlockOutlook>, Vec<String>, Vec<Cell>) {
    let of = |unit: &Unit| plan.row(unit);
    // Of all modules, known or not, so that the map does not grow while it is filled.
    let mut rows: Vec<(usize, String)> = Vec::new();
    let mut kinds: Vec<String> = Vec::new();
    for unit in plan.units().filter(|unit| measurable(unit).is_some()) {
        rows.push(of(unit));
        kinds.push(kind(unit));
    }
    order::sort_by(&mut rows, Ord::cmp);
    rows.dedup();
    let place = |kind: &String| ALL_KINDS.iter().position(|known| kind.split('+').next() == Some(known));
    order::sort_by(&mut kinds, |a, b| (place(a), a).cmp(&(place(b), b)));
    kinds.dedup();

    let mut sums = vec![Energies::default(); rows.len()];
    let mut cells: Vec<(usize, usize, Energies, Vec<usize>)> = Vec::new();
    let mut places = Places::default();
    for (at, known) in known.iter().enumerate() {
        let (row, own) = (of(known.unit), kind(known.unit));
        let position =
            (rows.iter().position(|other| *other == row), kinds.iter().position(|other| *other == own));
        let (Some(block), Some(kind)) = position else { continue };
        sums[block] += known.energies;
        let name = format!("{block} {kind}");
        let cell = places.entry(&mut cells, &name, || (block, kind, Energies::default(), Vec::new()));
        cell.2 += known.energies;
        cell.3.push(at);
    }
    let beta = plan.recipe.beta;
    let blocks =
        rows.into_iter().zip(sums).map(|((_, label), sum)| BlockOutlook { label, tally: sum.tally(beta) });
    let cell = |(block, kind, sum, members): (usize, usize, Energies, Vec<usize>)| Cell {
        block,
        kind,
        members,
        tally: sum.tally(beta),
    };
    (blocks.collect(), kinds, cells.into_iter().map(cell).collect())
}

fn verdict(plan: &Plan, known: &[Known<'_>], all: &Energies, whole: &Tally) -> Verdict {
    // Of what is not measured nobody knows whether it was trained, but a strength of 0 is enough.
    let shared = || plan.units().filter_map(Unit::pair);
    let (is_some, is_all) = (shared().next().is_some(), shared().count() == known.len());
    let has_no = |side: Side, norm: f64| {
        is_some && (is_all && norm == 0.0 || shared().all(|pair| pair.of(side).weight == 0.0))
    };
    if has_no(Side::Content, whole.content_norm) {
        Verdict::NoContent
    } else if has_no(Side::Style, whole.style_norm) {
        Verdict::NoStyle
    } else if known.is_empty() {
        Verdict::Unknown
    } else if is_same(known) {
        Verdict::Same
    } else if all.utmost() < NOTHING && whole.overlap < HARDLY {
        Verdict::Apart
    } else if whole.overlap < HARDLY && whole.overlap <= CHANCE * whole.chance {
        Verdict::Chance
    } else if whole.change == 0.0 {
        Verdict::Nothing
    } else if whole.change < NOTHING {
        Verdict::Little
    } else if whole.content_kept < LITTLE_LEFT {
        Verdict::Most
    } else {
        Verdict::Usual
    }
}

/// Whether both files change the model in the same direction, whichever way round they are applied.
fn is_same(known: &[Known<'_>]) -> bool {
    all_parallel(known.iter().filter_map(|Known { unit, measured, .. }| {
        let signs = unit.pair()?.map(|share| (share.weight * share.strength).signum());
        let sign = signs.content * signs.style;
        Some((sign * measured.inner, [measured.content_energy(), measured.style_energy()]))
    }))
}

fn balance(plan: &Plan, whole: &Tally) -> Option<Balance> {
    let times = whole.style_norm / whole.content_norm;
    let (heavier, times) = if times > 1.0 { (Side::Style, times) } else { (Side::Content, times.recip()) };
    if !times.is_finite() || times < OUTWEIGHS {
        return None;
    }
    let settings = &plan.settings;
    let of = |side: Side, strength: f64| {
        if side == heavier { significant(strength / times, 3, f64::round) } else { strength }
    };
    Some(Balance {
        heavier,
        times,
        content_strength: of(Side::Content, settings.content_strength),
        style_strength: of(Side::Style, settings.style_strength),
        content_text_strength: settings.content_text_strength.map(|strength| of(Side::Content, strength)),
        style_text_strength: settings.style_text_strength.map(|strength| of(Side::Style, strength)),
    })
}

fn suggested(plan: &Plan, known: &[Known<'_>]) -> Suggested {
    let mut general = Energies::default();
    known
        .iter()
        .filter(|known| plan.own_mu(known.unit).is_none())
        .for_each(|known| general += known.energies);
    let times = (general.projected / (SUGGESTED_SHARE * general.style)).sqrt();
    // Rounded up: the promise holds for what is shown.
    let mu = if times.is_finite() { significant((times - 1.0).max(0.0), 2, f64::ceil) } else { 0.0 };
    Suggested { mu, share: SUGGESTED_SHARE }
}

/// So many significant digits: nobody chooses by more.
fn significant(value: f64, digits: i32, round: fn(f64) -> f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let behind = f64::from(digits) - 1.0 - value.abs().log10().floor();
    // Divided by a whole number, so that what comes is the nearest to its decimals.
    match behind > 0.0 {
        true => round(value * 10f64.powf(behind)) / 10f64.powf(behind),
        false => round(value / 10f64.powf(-behind)) * 10f64.powf(-behind),
    }
}
