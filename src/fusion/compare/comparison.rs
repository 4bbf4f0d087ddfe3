//! The result of a comparison, for the whole file, for each block and for each module.

use super::closest::{self, Closest, Kind};
use super::judgement::Judgement;
use super::sums::{CONTENT, Mixture, STYLE, SUM, Sums};
use crate::fusion::plan::Plan;
use crate::fusion::plan::pairing::Unit;
use crate::fusion::{Pair, Settings, ratio};
use crate::order::{self, Places};
use serde::Serialize;

/// A file compared with a pair.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What all compared modules together are.
    pub whole: Likeness,
    /// The conclusions to be put into words.
    pub judgement: Judgement,
    /// The candidates for what the file could be, each with its distance.
    pub targets: Vec<Target>,
    /// The settings with which the file claims to have been made from this pair.
    pub recipe: Option<Settings>,
    /// The numbers of modules that can be compared.
    pub parts: Parts,
    /// The modules of the file that neither file of the pair has.
    pub outside: Vec<String>,
    /// The share of the file's energy that is in the modules `outside`.
    pub outside_share: f64,
    /// Modules that cannot be compared: DoRA, kinds that depend on the base model, absurd ranks.
    pub skipped: usize,
    /// The number of changes of biases and norms, and of weights that are not layers; they are not compared.
    pub vectors: usize,
    /// The number of the file's modules that had to be cut to a rank first.
    pub cut: usize,
    /// What each block is, in the model's order; a last one without a name holds the modules outside all blocks.
    pub blocks: Vec<BlockLikeness>,
    /// What each module is, as far as the pair has it.
    pub modules: Vec<ModuleLikeness>,
}

/// What some modules of the file are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Likeness {
    /// The kind of mixture.
    pub kind: Kind,
    /// y, the weight of the subject, or of the overlap if they are that.
    pub content: f64,
    /// x, the weight of the style.
    pub style: f64,
    /// μ; `None` if it makes no difference that the strengths could not make as well.
    pub mu: Option<f64>,
    /// The relative distance from the closest mixture, ‖F − closest‖/‖F‖.
    pub residual: f64,
    /// The share of their energy that is neither subject nor style: the square of `residual`.
    pub neither: f64,
    /// The distance ‖F − ΔW_c‖/‖ΔW_c‖ from the subject; `None` if the subject is next to nothing compared with F.
    pub to_content: Option<f64>,
    /// The distance ‖F − ΔW_s‖/‖ΔW_s‖ from the style; `None` if the style is next to nothing compared with F.
    pub to_style: Option<f64>,
    /// The distance ‖F − ΔW_c − ΔW_s‖/‖ΔW_c + ΔW_s‖ from the sum; `None` if the sum is next to nothing compared with F.
    pub to_sum: Option<f64>,
    /// The share of the file's energy in these modules.
    pub share: f64,
}

/// A candidate for what the file could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TargetName {
    /// The subject, ΔW_c.
    Content,
    /// The style, ΔW_s.
    Style,
    /// The plain sum, ΔW_c + ΔW_s.
    Sum,
    /// The sum y·ΔW_c + x·ΔW_s with the best y and x.
    BestSum,
    /// The NP-LoRA fusion with the best y, x and μ.
    Fusion,
}

/// A candidate with its parameters and its distance from the file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Which candidate it is.
    pub name: TargetName,
    /// y, the strength of the subject.
    pub content: f64,
    /// x, the strength of the style.
    pub style: f64,
    /// μ of an NP-LoRA fusion, if it can be told.
    pub mu: Option<f64>,
    /// The distance ‖F − T‖/‖T‖ from the candidate T; `None` if T is next to nothing compared with F.
    pub distance: Option<f64>,
    /// The share ‖F − T‖/‖F‖ left over; `None` if F is zero.
    pub left: Option<f64>,
}

/// A number of the pair's modules, and how many of them the file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The number of modules in the pair.
    pub modules: usize,
    /// The number of them that the file also has.
    pub found: usize,
}

/// The pair's modules, by which of its files has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parts {
    /// Modules that both files have.
    pub both: Part,
    /// Modules that only the subject has.
    pub content: Part,
    /// Modules that only the style has.
    pub style: Part,
}

/// What the file is in one block of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockLikeness {
    /// The block's name for users; empty for modules outside all blocks.
    pub label: String,
    /// The number of modules in the block.
    pub modules: usize,
    /// What all of the block's modules together are.
    #[serde(flatten)]
    pub likeness: Likeness,
}

/// What the file is in one module of the pair.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModuleLikeness {
    /// The name of the module: its layers.
    pub name: String,
    /// The module's block, if it is in one.
    pub block: Option<String>,
    /// Whether the file has the module.
    pub found: bool,
    /// What the module is.
    #[serde(flatten)]
    pub likeness: Likeness,
}

/// The findings of a comparison, module by module.
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

/// The distance ‖F − T‖/‖T‖ from a mixture T; `None` if T is next to nothing compared with F.
fn distance(sums: &Sums, mixture: &Mixture) -> Option<f64> {
    let size = sums.size(mixture);
    (size > NEXT_TO_NOTHING * sums.file).then(|| (sums.apart(mixture) / size).sqrt())
}

/// Candidates with less than this share of the file's energy get no distance: the file is a hundred times their length away, and
/// nearest to them at strengths near 0.
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
