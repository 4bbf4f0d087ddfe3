//! Inner products of a file and of what its pair is made of, and the mixture of these that comes closest to the file.
//!
//! With E = ΔW_c·(I − V_k V_kᵀ), what of the subject the projection leaves alone, and D = ΔW_c·V_k V_kᵀ, the overlap,
//! NP-LoRA with strengths y and x is y·E + y·(1 − β)·D + x·ΔW_s (docs/METHOD.md, "Comparing").

use crate::backend::cpu::Products;
use std::ops::AddAssign;

/// What a mixture has of E, of D and of ΔW_s.
pub(super) type Mixture = [f64; 3];

/// E.
pub(super) const REST: Mixture = [1.0, 0.0, 0.0];
/// D.
pub(super) const OVERLAP: Mixture = [0.0, 1.0, 0.0];
/// ΔW_c = E + D.
pub(super) const CONTENT: Mixture = [1.0, 1.0, 0.0];
/// ΔW_s.
pub(super) const STYLE: Mixture = [0.0, 0.0, 1.0];
/// ΔW_c + ΔW_s.
pub(super) const SUM: Mixture = [1.0, 1.0, 1.0];

/// An update of which this share of the energy is left beside others is one of them: its strength is not to be told.
const DEPENDENT: f64 = 1e-6;
/// A part of an update with less than this share of its energy is rounding.
const ROUNDING: f64 = 1e-12;

/// Inner products, summed over modules, at strength 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// ‖F‖².
    pub(super) file: f64,
    /// Of F with E, D and ΔW_s.
    with: Mixture,
    /// Of E, D and ΔW_s with each other.
    gram: [Mixture; 3],
}

/// The closest mixture of some kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// Which.
    pub(super) mixture: Mixture,
    /// ‖F − fit‖².
    pub(super) left: f64,
}

impl Sums {
    /// Of one unit. Scales: what the products of factors are multiplied by, in the file, the content and the style.
    pub(super) fn of(products: &Products, content: f64, style: f64) -> Self {
        let p = products;
        let content_style = content * style;
        let along = content * content * p.along;
        let along_style = content_style * p.along_style;
        // E and D are at right angles.
        let rest = (content * content * p.content - along).max(0.0);
        let rest_style = content_style * p.content_style - along_style;
        Self {
            file: p.third,
            with: [
                content * (p.third_content - p.third_along),
                content * p.third_along,
                style * p.third_style,
            ],
            gram: [
                [rest, 0.0, rest_style],
                [0.0, along, along_style],
                [rest_style, along_style, style * style * p.style],
            ],
        }
    }

    /// Of what only the file has.
    pub(super) fn outside(energy: f64) -> Self {
        Self { file: energy, ..Self::default() }
    }

    /// Whether all of them are numbers.
    pub(super) fn is_finite(&self) -> bool {
        self.with.iter().chain(self.gram.iter().flatten()).chain([&self.file]).all(|x| x.is_finite())
    }

    /// Without parts that are only rounding of others.
    pub(super) fn settled(mut self) -> Self {
        let content = self.product(&CONTENT, &CONTENT);
        for part in 0..2 {
            if self.gram[part][part] <= ROUNDING * content {
                self.with[part] = 0.0;
                self.gram[part] = Mixture::default();
                self.gram.iter_mut().for_each(|row| row[part] = 0.0);
            }
        }
        self
    }

    fn product(&self, x: &Mixture, y: &Mixture) -> f64 {
        x.iter().zip(&self.gram).map(|(x, row)| x * dot(row, y)).sum()
    }

    /// ‖T‖².
    pub(super) fn size(&self, mixture: &Mixture) -> f64 {
        self.product(mixture, mixture).max(0.0)
    }

    /// ‖F − T‖².
    pub(super) fn apart(&self, mixture: &Mixture) -> f64 {
        (self.file - 2.0 * dot(&self.with, mixture) + self.size(mixture)).max(0.0)
    }

    /// The closest combination of some mixtures; none where they do not differ enough for their strengths to be told.
    pub(super) fn fit(&self, of: &[Mixture]) -> Option<Fit> {
        let mut basis: Vec<Mixture> = Vec::with_capacity(of.len());
        let (mut mixture, mut left) = (Mixture::default(), self.file);
        for one in of {
            let mut rest = *one;
            // Twice is enough.
            for _ in 0..2 {
                for other in &basis {
                    let along = self.product(&rest, other);
                    rest = plus(&rest, -along, other);
                }
            }
            let (own, square) = (self.size(one), self.size(&rest));
            if own == 0.0 || square <= DEPENDENT * own {
                return None;
            }
            let unit = rest.map(|x| x / square.sqrt());
            let along = dot(&self.with, &unit);
            mixture = plus(&mixture, along, &unit);
            left -= along * along;
            basis.push(unit);
        }
        Some(Fit { mixture, left: left.max(0.0) })
    }
}

fn dot(x: &Mixture, y: &Mixture) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn plus(x: &Mixture, factor: f64, y: &Mixture) -> Mixture {
    [x[0] + factor * y[0], x[1] + factor * y[1], x[2] + factor * y[2]]
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.file += other.file;
        self.with = plus(&self.with, 1.0, &other.with);
        for (row, other) in self.gram.iter_mut().zip(other.gram) {
            *row = plus(row, 1.0, &other);
        }
    }
}
