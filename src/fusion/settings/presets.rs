//! Sets of blocks that people are used to choosing: those of the extension LoRA Block Weight ("lbw") for U-Nets, thirds and
//! kinds of blocks for transformers.

use crate::adapter::families::{Block, Family};
use serde::Serialize;

/// A choice of blocks with a name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preset {
    /// The preset's name for users.
    pub name: String,
    /// A strength for each of the pair's blocks: 1 if the block is on, 0 if it is off.
    pub weights: Vec<f64>,
}

/// A usual choice in a U-Net: its name, and its first and last block.
type Habit = (&'static str, &'static str, &'static str);

/// The usual choices in U-Nets, by family. The labels IN, MID and OUT are in alphabetical order.
const UNETS: &[(&[&str], &[Habit])] = &[
    (
        &["SD 1.5", "SD 2"],
        &[
            ("INS", "IN00", "IN04"),
            ("IND", "IN05", "IN11"),
            ("INALL", "IN00", "IN11"),
            ("MIDD", "IN05", "OUT06"),
            ("OUTD", "OUT00", "OUT06"),
            ("OUTS", "OUT07", "OUT11"),
            ("OUTALL", "OUT00", "OUT11"),
        ],
    ),
    (
        &["SDXL"],
        &[
            ("INS", "IN00", "IN05"),
            ("IND", "IN06", "IN08"),
            ("INALL", "IN00", "IN08"),
            ("MIDD", "IN06", "OUT02"),
            ("OUTD", "OUT00", "OUT02"),
            ("OUTS", "OUT03", "OUT08"),
            ("OUTALL", "OUT00", "OUT08"),
            ("B-LoRA subject", "OUT00", "OUT00"),
            ("B-LoRA style", "OUT01", "OUT01"),
        ],
    ),
];

/// What the numbers of lbw stand for, in order, by family. `BASE` means the text encoders.
const ORDERS: &[(&[&str], &str)] = &[
    (
        &["SD 1.5", "SD 2"],
        "BASE IN01 IN02 IN04 IN05 IN07 IN08 MID OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
    ),
    (
        &["SD 1.5", "SD 2"],
        "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 IN09 IN10 IN11 MID OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
    ),
    (&["SDXL"], "BASE IN04 IN05 IN07 IN08 MID OUT00 OUT01 OUT02 OUT03 OUT04 OUT05"),
    (
        &["SDXL"],
        "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 MID OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08",
    ),
];

/// The names of the thirds of a transformer's blocks, in the order in which data flows through them.
const THIRDS: [&str; 3] = ["First third", "Middle third", "Last third"];

/// The presets for the blocks of a pair, which are in the model's order. The text encoders are on in all of them, as in lbw.
pub(crate) fn presets(family: Option<&Family>, blocks: &[Block]) -> Vec<Preset> {
    let Some(family) = family else { return Vec::new() };
    let preset = |name: String, is_on: &dyn Fn(usize, &str) -> bool| {
        let weight = |(at, block): (usize, &Block)| {
            if block.is_encoder() || is_on(at, &block.label) { 1.0 } else { 0.0 }
        };
        Preset { name, weights: blocks.iter().enumerate().map(weight).collect() }
    };
    let unet = UNETS.iter().find(|(families, _)| families.contains(&family.name()));
    if let Some((_, habits)) = unet {
        let habits = habits.iter().map(|&(name, first, last)| {
            let name =
                if first == last { format!("{name}: {first}") } else { format!("{name}: {first}–{last}") };
            preset(name, &|_, label| (first..=last).contains(&label))
        });
        return habits.collect();
    }
    let count = blocks.iter().filter(|block| !block.is_encoder()).count();
    let mut presets: Vec<Preset> = Vec::new();
    if count >= THIRDS.len() {
        let thirds = THIRDS.iter().enumerate();
        presets
            .extend(thirds.map(|(third, name)| preset((*name).to_owned(), &|at, _| at * 3 / count == third)));
    }
    let mut groups: Vec<&str> = Vec::new();
    for block in blocks.iter().filter(|block| !block.is_encoder()) {
        if !groups.contains(&block.group()) {
            groups.push(block.group());
        }
    }
    if groups.len() > 1 {
        let of = |group: &&str| {
            let is_of = |at: usize, _: &str| blocks.get(at).is_some_and(|block| block.group() == *group);
            preset(format!("All {}", group.trim()), &is_of)
        };
        presets.extend(groups.iter().map(of));
    }
    presets
}

/// For every usual way to write block strengths as a list of numbers: the indices of the pair's blocks that each number applies to.
pub(crate) fn orders(family: Option<&Family>, blocks: &[Block]) -> Vec<Vec<Vec<usize>>> {
    let Some(family) = family else { return Vec::new() };
    let known = ORDERS.iter().filter(|(families, _)| families.contains(&family.name()));
    let places = |word: &str| {
        let is = |block: &Block| if word == "BASE" { block.is_encoder() } else { block.label == word };
        blocks.iter().enumerate().filter(|(_, block)| is(block)).map(|(at, _)| at).collect()
    };
    known.map(|(_, words)| words.split(' ').map(places).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::families;
    use crate::order;

    /// All blocks of a family, in its order.
    fn blocks(name: &str) -> (&'static Family, Vec<Block>) {
        let family = families::by_name(name).unwrap();
        let mut blocks: Vec<Block> = family.modules().filter_map(|(id, _)| family.block(&id)).collect();
        order::sort_by(&mut blocks, Ord::cmp);
        blocks.dedup();
        (family, blocks)
    }

    fn on(name: &str, preset: &str) -> Vec<String> {
        let (family, blocks) = blocks(name);
        let presets = presets(Some(family), &blocks);
        let found = presets.iter().find(|one| one.name.starts_with(preset)).unwrap();
        assert_eq!(found.weights.len(), blocks.len());
        let chosen = blocks.iter().zip(&found.weights).filter(|(_, weight)| **weight == 1.0);
        chosen.map(|(block, _)| block.label.clone()).collect()
    }

    #[test]
    fn every_block_that_a_table_names_exists() {
        let names = |families: &[&str]| families.iter().map(|name| blocks(name)).collect::<Vec<_>>();
        for (families, habits) in UNETS {
            for (_, blocks) in names(families) {
                for label in habits.iter().flat_map(|(_, first, last)| [first, last]) {
                    assert!(blocks.iter().any(|block| block.label == *label), "{label}");
                }
            }
        }
        for (families, words) in ORDERS {
            for (family, blocks) in names(families) {
                let orders = orders(Some(family), &blocks);
                assert!(orders.iter().any(|order| order.len() == words.split(' ').count()));
                assert!(orders.iter().flatten().all(|places| !places.is_empty()), "{}", family.name());
            }
        }
    }

    #[test]
    fn presets_are_those_of_the_habit() {
        assert_eq!(on("SDXL", "OUTD"), ["OUT00", "OUT01", "OUT02", "CLIP-L", "CLIP-G"]);
        assert_eq!(on("SDXL", "B-LoRA style"), ["OUT01", "CLIP-L", "CLIP-G"]);
        assert_eq!(on("SD 1.5", "MIDD").first().map(String::as_str), Some("IN05"));
        assert_eq!(on("SD 1.5", "MIDD").len(), 7 + 1 + 7 + 1);
        let doubles = on("FLUX.1", "All double");
        assert!(doubles.iter().filter(|label| label.starts_with("double")).count() == 19);
        let thirds: usize = THIRDS.iter().map(|third| on("FLUX.1", third).len()).sum();
        let encoders = blocks("FLUX.1").1.iter().filter(|block| block.is_encoder()).count();
        assert_eq!(thirds, 57 + 3 * encoders);
        assert_eq!(on("FLUX.1", "First third")[..2], ["double 0", "double 1"]);
    }
}
