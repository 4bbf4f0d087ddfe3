//! Inner products between a file and the parts of its pair, and the mixture of these parts that comes closest to the file.
//!
//! With E = ΔW_c·(I − V_k V_kᵀ), the part of the subject that the projection leaves alone, and D = ΔW_c·V_k V_kᵀ, the overlap,
//! NP-LoRA with strengths y and x is y·E + y·(1 − β)·D + x·ΔW_s (docs/METHOD.md, "Comparing").

use crate::backend::cpu::Products;
use std::ops::AddAssign;

/// A mixture, as its weights of E, D and ΔW_s.
pub(super) type Mixture = [f64; 3];

/// The rest E.
pub(super) const REST: Mixture = [1.0, 0.0, 0.0];
/// The overlap D.
pub(super) const OVERLAP: Mixture = [0.0, 1.0, 0.0];
/// The content, ΔW_c = E + D.
pub(super) const CONTENT: Mixture = [1.0, 1.0, 0.0];
/// The style ΔW_s.
pub(super) const STYLE: Mixture = [0.0, 0.0, 1.0];
/// The plain sum ΔW_c + ΔW_s.
pub(super) const SUM: Mixture = [1.0, 1.0, 1.0];

/// An update of which at most this share of the energy is left beside others depends on them, so that its strength cannot be told.
const DEPENDENT: f64 = 1e-6;
/// A part of an update with less than this share of its energy is rounding.
const ROUNDING: f64 = 1e-12;

/// Inner products, summed over modules, at strength 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// The energy of the file, ‖F‖².
    pub(super) file: f64,
    /// The inner products of F with E, D and ΔW_s.
    with: Mixture,
    /// The inner products of E, D and ΔW_s with each other.
    gram: [Mixture; 3],
}

/// The closest mixture of some kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// The mixture.
    pub(super) mixture: Mixture,
    /// The energy left over, ‖F − fit‖².
    pub(super) left: f64,
}

impl Sums {
    /// The inner products of one unit. The scales multiply the products of factors of the content and the style; those of the file
    /// already include theirs.
    pub(super) fn of(products: &Products, content: f64, style: f64) -> Self {
        let p = products;
        let content_style = content * style;
        let along = content * content * p.along;
        let along_style = content_style * p.along_style;
        // E and D are orthogonal.
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

    /// The sums for modules that only the file has.
    pub(super) fn outside(energy: f64) -> Self {
        Self { file: energy, ..Self::default() }
    }

    /// Whether all inner products are finite.
    pub(super) fn is_finite(&self) -> bool {
        self.with.iter().chain(self.gram.iter().flatten()).chain([&self.file]).all(|x| x.is_finite())
    }

    /// The sums without parts that are only the rounding of others.
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

    /// The energy of a mixture, ‖T‖².
    pub(super) fn size(&self, mixture: &Mixture) -> f64 {
        self.product(mixture, mixture).max(0.0)
    }

    /// The squared distance of a mixture from the file, ‖F − T‖².
    pub(super) fn apart(&self, mixture: &Mixture) -> f64 {
        (self.file - 2.0 * dot(&self.with, mixture) + self.size(mixture)).max(0.0)
    }

    /// The closest combination of some mixtures; none where they do not differ enough for their strengths to be told.
    pub(super) fn fit(&self, of: &[Mixture]) -> Option<Fit> {
        let mut basis: Vec<Mixture> = Vec::with_capacity(of.len());
        let (mut mixture, mut left) = (Mixture::default(), self.file);
        for one in of {
            let mut rest = *one;
            // Orthogonalising twice is enough.
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
