//! What a comparison says, of the whole file, of every block and of every module.

use super::closest::{self, Closest, Kind};
use super::judgement::Judgement;
use super::sums::{CONTENT, Mixture, STYLE, SUM, Sums};
use crate::fusion::plan::Plan;
use crate::fusion::plan::pairing::Unit;
use crate::fusion::{Pair, Settings, ratio};
use crate::order::{self, Places};
use serde::Serialize;

/// A file beside a pair.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// All modules together.
    pub whole: Likeness,
    /// What is said of it besides.
    pub judgement: Judgement,
    /// What it could be, each with how far it is from that.
    pub targets: Vec<Target>,
    /// With which settings the file says that it was made of the two.
    pub recipe: Option<Settings>,
    /// What there is to compare.
    pub parts: Parts,
    /// Modules of the file that neither of the pair has.
    pub outside: Vec<String>,
    /// The share of the file's energy that is in these.
    pub outside_share: f64,
    /// Modules that cannot be compared: DoRA, kinds that depend on the base model, absurd ranks.
    pub skipped: usize,
    /// Changes of biases, norms, and weights that are no layers, which are not compared.
    pub vectors: usize,
    /// Modules of the file that had to be cut to a rank first.
    pub cut: usize,
    /// By block, in the model's order; the last one without a name holds what is in no block.
    pub blocks: Vec<BlockLikeness>,
    /// By module, as far as the pair has them.
    pub modules: Vec<ModuleLikeness>,
}

/// What some modules of the file are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Likeness {
    /// In a word.
    pub kind: Kind,
    /// y: what they have of the subject; of the overlap where they are that.
    pub content: f64,
    /// x: what they have of the style.
    pub style: f64,
    /// μ; none where it makes no difference that strengths do not make as well.
    pub mu: Option<f64>,
    /// ‖F − closest‖/‖F‖.
    pub residual: f64,
    /// The share of their energy that is neither subject nor style: the square of that.
    pub neither: f64,
    /// ‖F − ΔW_c‖/‖ΔW_c‖; none where the subject is next to nothing of F. So are the two below.
    pub to_content: Option<f64>,
    /// ‖F − ΔW_s‖/‖ΔW_s‖, likewise.
    pub to_style: Option<f64>,
    /// ‖F − ΔW_c − ΔW_s‖/‖ΔW_c + ΔW_s‖, likewise.
    pub to_sum: Option<f64>,
    /// Of the file's energy.
    pub share: f64,
}

/// What the file could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TargetName {
    /// ΔW_c.
    Content,
    /// ΔW_s.
    Style,
    /// ΔW_c + ΔW_s.
    Sum,
    /// y·ΔW_c + x·ΔW_s with the best y and x.
    BestSum,
    /// NP-LoRA with the best y, x and μ.
    Fusion,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// What.
    pub name: TargetName,
    /// y.
    pub content: f64,
    /// x.
    pub style: f64,
    /// Of NP-LoRA, where it can be told.
    pub mu: Option<f64>,
    /// ‖F − T‖/‖T‖; none where T is next to nothing of F.
    pub distance: Option<f64>,
    /// ‖F − T‖/‖F‖; none where F is zero.
    pub left: Option<f64>,
}

/// Modules of the pair, and how many of them the file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Of the pair.
    pub modules: usize,
    /// Also in the file.
    pub found: usize,
}

/// The pair's modules by who has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parts {
    /// Both.
    pub both: Part,
    /// Only the subject.
    pub content: Part,
    /// Only the style.
    pub style: Part,
}

/// A block of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockLikeness {
    /// What users call it; empty for what is in no block.
    pub label: String,
    /// Modules in it.
    pub modules: usize,
    /// All of them together.
    #[serde(flatten)]
    pub likeness: Likeness,
}

/// A module of the pair.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModuleLikeness {
    /// Its layers.
    pub name: String,
    /// Its block, if it is in one.
    pub block: Option<String>,
    /// Whether the file has it.
    pub found: bool,
    /// What it is.
    #[serde(flatten)]
    pub likeness: Likeness,
}

/// What was found, module by module.
#[derive(Debug, Default)]
pub(super) struct Findings<'a> {
    pub(super) units: Vec<(&'a Unit, bool, Sums)>,
    pub(super) outside: Vec<(String, f64)>,
    pub(super) skipped: usize,
    pub(super) vectors: usize,
    pub(super) cut: usize,
    pub(super) recipe: Option<Settings>,
}

impl Likeness {
    fn of(sums: &Sums, whole: f64) -> Self {
        let sums = &sums.settled();
        let Closest { kind, content, style, mu, left } = Closest::of(sums);
        let distance = |mixture: &Mixture| distance(sums, mixture);
        let neither = ratio(left, sums.file);
        Self {
            kind,
            content,
            style,
            mu,
            residual: neither.sqrt(),
            neither,
            to_content: distance(&CONTENT),
            to_style: distance(&STYLE),
            to_sum: distance(&SUM),
            share: ratio(sums.file, whole),
        }
    }
}

/// ‖F − T‖/‖T‖; none where T is next to nothing of F.
fn distance(sums: &Sums, mixture: &Mixture) -> Option<f64> {
    let size = sums.size(mixture);
    (size > NEXT_TO_NOTHING * sums.file).then(|| (sums.apart(mixture) / size).sqrt())
}

/// Of a file's energy: what has less of it is a hundred of its own lengths away from the file, and nearest to it at strengths near 0.
const NEXT_TO_NOTHING: f64 = 1e-4;

fn targets(sums: &Sums) -> Vec<Target> {
    let sums = &sums.settled();
    let target = |name, mixture: &Mixture, mu| Target {
        name,
        content: mixture[0],
        style: mixture[2],
        mu,
        distance: distance(sums, mixture),
        left: (sums.file > 0.0).then(|| (sums.apart(mixture) / sums.file).sqrt()),
    };
    let mut targets = vec![
        target(TargetName::Content, &CONTENT, None),
        target(TargetName::Style, &STYLE, None),
        target(TargetName::Sum, &SUM, None),
    ];
    targets.extend(closest::sum(sums).map(|fit| target(TargetName::BestSum, &fit.mixture, None)));
    targets.extend(closest::fused(sums).map(|fused| Target {
        content: fused.content,
        ..target(TargetName::Fusion, &fused.fit.mixture, fused.mu)
    }));
    targets
}

impl Comparison {
    pub(super) fn of(plan: &Plan, findings: Findings<'_>) -> Self {
        let Findings { units, outside, skipped, vectors, cut, recipe } = findings;
        let mut all = Sums::default();
        let mut parts = Parts::default();
        let mut blocks: Vec<((usize, String), usize, Sums)> = Vec::new();
        let mut places = Places::default();
        for (unit, found, sums) in &units {
            all += *sums;
            let part = match &unit.halves {
                Pair { content: Some(_), style: Some(_) } => &mut parts.both,
                Pair { style: None, .. } => &mut parts.content,
                Pair { content: None, .. } => &mut parts.style,
            };
            part.modules += 1;
            part.found += usize::from(*found);
            let block = plan.row(unit);
            let label = block.1.clone();
            let (_, modules, sum) = places.entry(&mut blocks, &label, || (block, 0, Sums::default()));
            *modules += 1;
            *sum += *sums;
        }
        let elsewhere: f64 = outside.iter().map(|(_, energy)| energy).sum();
        all += Sums::outside(elsewhere);
        order::sort_by(&mut blocks, |a, b| a.0.cmp(&b.0));
        let block = |((_, label), modules, sums): ((usize, String), usize, Sums)| BlockLikeness {
            label,
            modules,
            likeness: Likeness::of(&sums, all.file),
        };
        let module = |(unit, found, sums): (&Unit, bool, Sums)| ModuleLikeness {
            name: unit.name(),
            block: plan.block(unit).map(|block| block.label),
            found,
            likeness: Likeness::of(&sums, all.file),
        };
        let whole = Likeness::of(&all, all.file);
        Self {
            judgement: Judgement::of(&whole),
            whole,
            recipe,
            targets: targets(&all),
            parts,
            outside_share: ratio(elsewhere, all.file),
            outside: outside.into_iter().map(|(name, _)| name).collect(),
            skipped,
            vectors,
            cut,
            blocks: blocks.into_iter().map(block).collect(),
            modules: units.into_iter().map(module).collect(),
        }
    }
}
