//! Several files of one pair, to be compared: which they are, and what each is made with.

use super::pass::Variant;
use crate::fusion::settings::{BlockStrength, ResultChoice, Settings};
use crate::order;
use serde::Deserialize;

/// What is made of a pair where it is more than one file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Several {
    /// μ of one file each.
    pub mus: Vec<f64>,
    /// Plain addition beside them.
    pub plain: bool,
    /// Every projection once more, with the files in each other's place.
    pub both_directions: bool,
}

impl Several {
    /// The files, in order: as the pair is and then in the other direction, by rising μ, and each once.
    pub fn variants(&self, settings: &Settings) -> Vec<Variant> {
        let mut mus = self.mus.clone();
        if self.plain {
            mus.push(0.0);
        }
        order::sort_by(&mut mus, f64::total_cmp);
        mus.dedup();
        // Swapping a sum changes nothing but whose strength is whose.
        let projected = mus.iter().filter(|mu| self.both_directions && **mu > 0.0);
        let swapped = projected.map(|&mu| Variant { settings: at(mu, settings.swapped()), swapped: true });
        mus.iter().map(|&mu| at(mu, settings.clone()).into()).chain(swapped).collect()
    }
}

/// Plain addition is plain in every block; beside any other μ, blocks keep those of their own.
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
