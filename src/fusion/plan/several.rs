//! Several files made of one pair for comparison: which ones, and with which settings.

use super::pass::Variant;
use crate::fusion::settings::{BlockStrength, ResultChoice, Settings};
use crate::order;
use serde::Deserialize;

/// A request to make several files of a pair.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Several {
    /// The values of μ, one file each.
    pub mus: Vec<f64>,
    /// Whether to make plain addition as well.
    pub plain: bool,
    /// Whether to make every projection also with the two files swapped.
    pub both_directions: bool,
}

impl Several {
    /// The files to make, each once: first those in the pair's own direction by rising μ, then those with the files swapped.
    pub fn variants(&self, settings: &Settings) -> Vec<Variant> {
        let mut mus = self.mus.clone();
        if self.plain {
            mus.push(0.0);
        }
        order::sort_by(&mut mus, f64::total_cmp);
        mus.dedup();
        // Swapping a plain sum changes only which strength belongs to which file.
        let projected = mus.iter().filter(|mu| self.both_directions && **mu > 0.0);
        let swapped = projected.map(|&mu| Variant { settings: at(mu, settings.swapped()), swapped: true });
        mus.iter().map(|&mu| at(mu, settings.clone()).into()).chain(swapped).collect()
    }
}

/// The settings at this μ. Plain addition is plain in every block; at any other μ, blocks keep a μ of their own.
fn at(mu: f64, settings: Settings) -> Settings {
    let mut blocks = settings.blocks;
    if mu == 0.0 {
        for block in blocks.values_mut() {
            block.mu = None;
        }
        blocks.retain(|_, block| *block != BlockStrength::default());
    }
    Settings { mu, result: ResultChoice::Fusion, blocks, ..settings }
}
