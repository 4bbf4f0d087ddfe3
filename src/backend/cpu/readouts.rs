//! Turns the small matrices of a job into its results, with all powers of two put back; both backends share it.

use super::directions::Directions;
use super::gram::gram;
use super::triangle::Triangle;
use crate::{Place, Projected};

/// The small matrices of one job, row-major; those of the content are in units of 2^content_exponent.
pub struct Readouts<'a> {
    /// The protected directions.
    pub directions: &'a Directions,
    /// The triangle L of the basis of the style's lora_down, r_s×r_s.
    pub down: Triangle<'a>,
    /// The content in the coordinates of the basis, C = A_c·Qᵀ, r_c×r_s.
    pub along: &'a [f64],
    /// The Gram matrix A_c·A_cᵀ, r_c×r_c.
    pub content_gram: &'a [f64],
    /// The Gram matrix E·Eᵀ of the rounding errors, r_c×r_c.
    pub rounding_gram: &'a [f64],
    /// The power of two taken out of the content.
    pub content_exponent: i32,
}

impl Readouts<'_> {
    /// Completes a job's result.
    pub fn projected(&self, content_down: Vec<u8>, computed_on: Place) -> Projected {
        let Directions { protected, energy, exponent, .. } = self.directions;
        let r = self.down.exponent.len();
        let mut down = self.down.l.to_vec();
        for (row, &exponent) in down.chunks_exact_mut(r.max(1)).zip(self.down.exponent) {
            let size = 2f64.powi(exponent);
            row.iter_mut().for_each(|x| *x *= size);
        }
        let unit = 2f64.powi(self.content_exponent);
        let scaled = |values: &[f64], by: f64| values.iter().map(|x| x * by).collect::<Vec<_>>();
        // This is C·P, because P is symmetric.
        let inside = gram(self.along, &protected.projector, r);
        Projected {
            content_down,
            protected: protected.k,
            sigma: scaled(&protected.sigma, 2f64.powi(*exponent)),
            style_energy: energy * 2f64.powi(2 * exponent),
            content_gram: scaled(self.content_gram, unit * unit),
            overlap_gram: scaled(&gram(self.along, &inside, r), unit * unit),
            cross_gram: scaled(&gram(&down, self.along, r), unit),
            protected_cross_gram: scaled(&gram(&down, &inside, r), unit),
            rounding_gram: scaled(self.rounding_gram, unit * unit),
            computed_on,
        }
    }
}
