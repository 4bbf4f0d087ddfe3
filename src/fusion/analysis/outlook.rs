//! What the projection would do to a pair with given settings: figures for the whole, for each block and for each module.

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

/// What the projection would do, from the modules measured so far. Shares lie between 0 and 1.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// The number of modules that both files have and that have been measured.
    pub analysed: usize,
    /// The number of modules that both files have, without those that are never measured.
    pub total: usize,
    /// The number of modules that both files have at a rank above that of any graphics device; no figure includes them.
    pub unmeasured: usize,
    /// Whether so many are unmeasured (more than one in ten) that the whole pair may look different.
    pub partial: bool,
    /// The figures of all measured modules together.
    pub whole: Tally,
    /// The effect of the projection, summed up in one word.
    pub verdict: Verdict,
    /// The strengths that would balance the updates. `None` unless one far outweighs the other, or if the figures are
    /// [`partial`](Self::partial).
    pub balance: Option<Balance>,
    /// A suggestion for the first μ to try. `None` if the figures are [`partial`](Self::partial), or if there are none.
    pub suggested: Option<Suggested>,
    /// The figures for every general β from 0 to 1.
    pub curve: Vec<CurvePoint>,
    /// The figures of each block, in the model's order; a last one without a name holds the modules outside all blocks.
    pub blocks: Vec<BlockOutlook>,
    /// The kinds of layers that occur in the pair.
    pub kinds: Vec<String>,
    /// The figures of each kind of layer in each block.
    pub cells: Vec<Cell>,
    /// The figures of each module.
    pub modules: Vec<ModuleOutlook>,
}

/// The effect of the projection on a pair, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// No module that both files have has been measured.
    Unknown,
    /// At these strengths, the content changes nothing in the modules that both files have.
    NoContent,
    /// At these strengths, the style changes nothing in the modules that both files have, so there is nothing to protect.
    NoStyle,
    /// Both files contain the same update, up to the strength.
    Same,
    /// For every μ, the result is close to plain addition.
    Apart,
    /// The updates have hardly more in common than unrelated ones.
    Chance,
    /// At this μ, the result is plain addition.
    Nothing,
    /// At this μ, the result is close to plain addition.
    Little,
    /// The projection makes a difference.
    Usual,
    /// The projection removes most of the content.
    Most,
}

/// Strengths at which both updates are equally large.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// The file with the larger update.
    pub heavier: Side,
    /// The ratio of the larger norm to the smaller.
    pub times: f64,
    /// The balancing strength of the content, w_c.
    pub content_strength: f64,
    /// The balancing strength of the style, w_s.
    pub style_strength: f64,
    /// The balancing w_c of the text encoders, if they have a strength of their own.
    pub content_text_strength: Option<f64>,
    /// The balancing w_s of the text encoders, if they have a strength of their own.
    pub style_text_strength: Option<f64>,
}

/// The smallest μ that brings the content's energy in the style's directions below a share of the style's own energy, in all blocks
/// without a μ of their own: ‖ΔW_c V_k‖²/(1+μ)² ≤ share·‖ΔW_s‖². This is a rule of thumb of this tool, not of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suggested {
    /// The suggested μ.
    pub mu: f64,
    /// The share of the style's energy.
    pub share: f64,
}

/// One point of the curves over β.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CurvePoint {
    /// The fraction removed, β = μ/(1+μ).
    pub beta: f64,
    /// The share of the overlap's energy that the projection removes.
    pub taken: f64,
    /// The share of the content's energy that is kept.
    pub content_kept: f64,
    /// The change that the projection makes against plain addition.
    pub change: f64,
}

/// The figures of one block of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockOutlook {
    /// The block's name for users; empty for modules outside all blocks.
    pub label: String,
    /// The figures of the block's modules together.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Modules of one kind in one block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// The index in [`Outlook::blocks`].
    pub block: usize,
    /// The index in [`Outlook::kinds`].
    pub kind: usize,
    /// The indices in [`Outlook::modules`].
    pub members: Vec<usize>,
    /// The figures of these modules together.
    #[serde(flatten)]
    pub tally: Tally,
}

/// The figures of a module that both files have.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleOutlook {
    /// The layer, or the layers of a fused module.
    pub name: String,
    /// The module's block, if it is in one.
    pub block: Option<String>,
    /// The kind of layer, or the kinds in a fused module.
    pub kind: String,
    /// The number of out features, m.
    pub out_features: usize,
    /// The number of in features, n.
    pub in_features: usize,
    /// The content's rank, r_c.
    pub content_rank: usize,
    /// The style's rank, r_s.
    pub style_rank: usize,
    /// The number of protected directions, k.
    pub protected: usize,
    /// The effective number of the style's directions: e to the entropy of σ_i/Σσ (Roy and Vetterli 2007).
    pub effective_rank: f64,
    /// The figures of the module.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A change smaller than this cannot be seen.
const NOTHING: f64 = 0.01;
/// If less of the content than this is left, little is.
const LITTLE_LEFT: f64 = 0.1;
/// Less in common than this is hardly anything.
const HARDLY: f64 = 0.1;
/// An overlap of up to this many times that of unrelated updates counts as chance.
const CHANCE: f64 = 1.5;
/// An update so many times as large as the other drowns it.
const OUTWEIGHS: f64 = 3.0;
/// More than one unmeasured module in this many shared ones may change the overall picture.
const FEW: usize = 10;
/// The share that [`Suggested`] allows the content along the style's directions.
const SUGGESTED_SHARE: f64 = 0.1;
/// The number of steps of a curve, which has one more point.
const STEPS: usize = 50;

/// A unit that has been measured.
struct Known<'a> {
    unit: &'a Unit,
    measured: &'a Measured,
    energies: Energies,
}

impl Outlook {
    /// Derives the outlook for the plan's settings from the measured modules.
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

/// The kind of a unit's layer; for a fused module, all kinds joined: `q+k+v`.
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

/// The blocks and kinds that occur in the pair, and the modules of each kind in each block.
fn map(plan: &Plan, known: &[Known<'_>]) -> (Vec<BlockOutlook>, Vec<String>, Vec<Cell>) {
    let of = |unit: &Unit| plan.row(unit);
    // All modules count, measured or not, so that the map does not grow while it is filled.
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
    // Whether unmeasured modules were trained is unknown, but a strength of 0 is enough to tell.
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

/// Whether both files change the model in the same direction, regardless of the strengths' signs.
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
    // Rounded up, so that the promise holds for the number that is shown.
    let mu = if times.is_finite() { significant((times - 1.0).max(0.0), 2, f64::ceil) } else { 0.0 };
    Suggested { mu, share: SUGGESTED_SHARE }
}

/// Rounds to this many significant digits; nobody chooses more precisely.
fn significant(value: f64, digits: i32, round: fn(f64) -> f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let behind = f64::from(digits) - 1.0 - value.abs().log10().floor();
    // Dividing by a whole number gives the number nearest to the decimal digits.
    match behind > 0.0 {
        true => round(value * 10f64.powf(behind)) / 10f64.powf(behind),
        false => round(value / 10f64.powf(-behind)) * 10f64.powf(-behind),
    }
}
