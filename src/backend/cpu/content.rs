//! Projects the content once the protected directions are known, a panel of columns at a time: of a large content, only the stored
//! factor and the result are held in memory.

use super::basis::Basis;
use super::directions::Directions;
use super::encode::encode;
use super::encoded::Encoder;
use super::gram::Sums;
use super::outer::Strips;
use super::panels::{self, panel, panels};
use super::project::Projection;
use super::readouts::Readouts;
use super::real::Real;
use crate::{Blend, Dtype, Job, Place, Projected};

/// The projected content of a job, one result for each blend.
pub(super) fn projected<T: Real>(
    job: &Job<'_>,
    down: &Basis<T>,
    directions: &Directions,
    blends: &[Blend],
    output: Dtype,
    place: Place,
) -> Vec<Projected> {
    let content = &job.content_down;
    let (r_c, n) = (content.rows, content.cols);
    let exponent = panels::exponent(content);
    let (mut own, mut along) = (Sums::own(r_c), Sums::new(r_c, job.style_down.rows));
    for columns in panels(n) {
        let of_content = panel::<T>(content, &columns, exponent);
        let of_content = Strips::of_rows(&of_content, columns.len(), 0..columns.len());
        own.add_own(&of_content);
        along.add_finely(&of_content, &Strips::of_rows(&down.q, n, columns));
    }
    let (content_gram, along) = (own.finish(), along.finish());
    let scale = f64::from(job.scale) * 2f64.powi(exponent);
    let of_blend = |&blend: &Blend| {
        let projection = Projection::new(&along, &down.q, &directions.protected.projector, n, blend);
        let mut encoder = Encoder::new(r_c, n, output);
        for columns in panels(n) {
            let mut blended = panel(content, &columns, exponent);
            projection.apply(&mut blended, &columns);
            encoder.add(encode(&blended, scale, output), &columns);
        }
        let encoded = encoder.finish();
        Readouts {
            directions,
            down: down.triangle(),
            along: &along,
            content_gram: &content_gram,
            rounding_gram: &encoded.error_gram,
            content_exponent: exponent,
        }
        .projected(encoded.words, place)
    };
    blends.iter().map(of_blend).collect()
}
