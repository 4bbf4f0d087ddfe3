//! What a job's small matrices say, with all powers of two put back: the same for both backends.

use super::gram::gram;
use crate::{Conditioning, Place, Projected};

/// The small matrices of one job, row-major. Units: `sigma` in 2^exponent, `energy` in the square of that, rows of L in
/// 2^down_exponent, everything of the content in 2^content_exponent.
pub struct Readouts<'a> {
    /// Singular values.
    pub sigma: &'a [f64],
    /// ‖B_s·A_s‖².
    pub energy: f64,
    /// Their power of two.
    pub exponent: i32,
    /// L of the style's lora_down, r_s×r_s.
    pub down_l: &'a [f64],
    /// One a row of it.
    pub down_exponent: &'a [i32],
    /// P, r_s×r_s.
    pub projector: &'a [f64],
    /// C = A_c·Qᵀ, r_c×r_s.
    pub along: &'a [f64],
    /// A_c·A_cᵀ, r_c×r_c.
    pub content_gram: &'a [f64],
    /// E·Eᵀ, r_c×r_c.
    pub rounding_gram: &'a [f64],
    /// The power of two taken out of the content.
    pub content_exponent: i32,
}

impl Readouts<'_> {
    /// Completes a job's result.
    pub fn projected(
        &self,
        content_down: Vec<u8>,
        protected: usize,
        conditioning: Conditioning,
        computed_on: Place,
    ) -> Projected {
        let r = self.down_exponent.len();
        let mut down = self.down_l.to_vec();
        for (row, &exponent) in down.chunks_exact_mut(r.max(1)).zip(self.down_exponent) {
            let size = 2f64.powi(exponent);
            row.iter_mut().for_each(|x| *x *= size);
        }
        let unit = 2f64.powi(self.content_exponent);
        let scaled = |values: &[f64], by: f64| values.iter().map(|x| x * by).collect::<Vec<_>>();
        // C·P: P is symmetric.
        let inside = gram(self.along, self.projector, r);
        Projected {
            content_down,
            protected,
            sigma: scaled(self.sigma, 2f64.powi(self.exponent)),
            style_energy: self.energy * 2f64.powi(2 * self.exponent),
            content_gram: scaled(self.content_gram, unit * unit),
            overlap_gram: scaled(&gram(self.along, &inside, r), unit * unit),
            cross_gram: scaled(&gram(&down, self.along, r), unit),
            protected_cross_gram: scaled(&gram(&down, &inside, r), unit),
            rounding_gram: scaled(self.rounding_gram, unit * unit),
            conditioning,
            computed_on,
        }
    }
}
