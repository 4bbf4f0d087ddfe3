//! Compares a sample of a graphics device's results with the CPU's, because drivers have faults that they do not report.

use crate::backend::{Batch, Cut, Dtype, Job, Projected, Stored, cpu};
use crate::container::roundoff;
use crate::error::{Code, Error, Result};

/// The properties of a batch that decide how it passes through the kernels; one batch of each route is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    /// The sizes m, n, r_s and r_c.
    sizes: [usize; 4],
    /// The number formats of A_s, B_s, A_c and A_c'.
    dtypes: [Dtype; 4],
    /// Whether singular values decide which directions are protected.
    cuts: bool,
    blends: usize,
}

impl Route {
    /// The route of a batch; `None` if it has no jobs.
    pub(super) fn of(batch: &Batch<'_>) -> Option<Self> {
        let Job { style_down, style_up, content_down, .. } = batch.jobs.first()?;
        Some(Self {
            sizes: [style_up.rows, style_down.cols, style_down.rows, content_down.rows],
            dtypes: [style_down.dtype, style_up.dtype, content_down.dtype, batch.output],
            cuts: batch.cut.of_rank(style_down.rows) != Cut::All,
            blends: batch.blends.len(),
        })
    }
}

/// Whether the first and the last job of a batch came out as the CPU computes them, up to the rounding to the output format.
pub(super) fn agree(projected: &[Vec<Projected>], batch: &Batch<'_>) -> Result<()> {
    if projected.len() != batch.jobs.len() {
        return Err(fault("It gave too few results.".to_owned()));
    }
    let last = batch.jobs.len().saturating_sub(1);
    let sample = [0, last].into_iter().take(batch.jobs.len());
    sample.filter_map(|at| Some((batch.jobs.get(at)?, projected.get(at)?))).try_for_each(|(job, theirs)| {
        if theirs.len() != batch.blends.len() {
            return Err(fault("It gave too few results.".to_owned()));
        }
        let all_agree =
            |ours: &[Projected]| theirs.iter().zip(ours).try_for_each(|(a, b)| are_alike(a, b, job, batch));
        // Both results may be wrong by the error of f32; only f64 shows whether the device is at fault.
        all_agree(&cpu::project(job, batch.cut, batch.blends, batch.output))
            .or_else(|_| all_agree(&cpu::careful(job, batch.cut, batch.blends, batch.output)))
    })
}

fn fault(detail: String) -> Error {
    Error::new(Code::GpuFault, detail)
}

fn are_alike(theirs: &Projected, ours: &Projected, job: &Job<'_>, batch: &Batch<'_>) -> Result<()> {
    if theirs.protected != ours.protected {
        return Err(fault(format!(
            "It found {} style directions, the CPU {}.",
            theirs.protected, ours.protected
        )));
    }
    let (rows, cols) = (job.content_down.rows, job.content_down.cols);
    let square = |value: f64| value * value;
    let whole = &ours.content_gram;
    let values = |bytes: &[u8]| cpu::decode(&Stored { bytes, dtype: batch.output, rows, cols }, false);
    // The error is relative to the content before the projection, since nothing may be left of content that lies in the style's directions.
    let size = whole.iter().step_by(rows + 1).sum::<f64>() * square(job.scale.into());
    let (theirs, ours) = (values(&theirs.content_down), values(&ours.content_down));
    let apart: f64 = theirs.iter().zip(&ours).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    // Twice the unit roundoff: where two correct results straddle a rounding boundary they differ by one unit.
    let rounding = 2.0 * roundoff(batch.output);
    let apart = (apart / f64::max(size, f64::MIN_POSITIVE)).sqrt();
    if theirs.len() == ours.len() && apart <= 1e-5 + rounding {
        return Ok(());
    }
    Err(fault(format!("Its numbers are {apart:.1e} away from the CPU's.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Blend;

    fn words(seed: usize, count: usize) -> Vec<u8> {
        let value = |at: usize| ((at * 37 + seed * 11) % 101) as f32 - 50.3;
        (0..count).flat_map(|at| value(at).to_le_bytes()).collect()
    }

    fn stored(bytes: &[u8], rows: usize, cols: usize) -> Stored<'_> {
        Stored { bytes, dtype: Dtype::F32, rows, cols }
    }

    /// An error in the first or the last job, in any of the results, is detected, and nothing else is.
    #[test]
    fn a_wrong_number_is_seen_in_the_first_and_the_last_job_of_every_result() {
        let (m, n, r_s, r_c) = (14, 23, 3, 4);
        let factors: Vec<[Vec<u8>; 3]> =
            (0..3).map(|at| [words(at, r_s * n), words(at + 5, m * r_s), words(at + 9, r_c * n)]).collect();
        let jobs: Vec<Job<'_>> = factors
            .iter()
            .map(|[a, b, c]| Job {
                style_down: stored(a, r_s, n),
                style_up: stored(b, m, r_s),
                content_down: stored(c, r_c, n),
                scale: 0.5,
            })
            .collect();
        let blends = [Blend::without(1.0), Blend::without(0.5)];
        let batch = Batch { jobs: &jobs, cut: Cut::All, blends: &blends, output: Dtype::F32 };
        let good: Vec<Vec<Projected>> =
            jobs.iter().map(|job| cpu::project(job, batch.cut, batch.blends, batch.output)).collect();
        assert!(agree(&good, &batch).is_ok());
        let size = |bytes: &[u8]| {
            let square = |word: &[u8; 4]| f32::from_le_bytes(*word).powi(2);
            bytes.as_chunks::<4>().0.iter().map(square).sum::<f32>().sqrt()
        };
        for (job, blend) in [(0, 0), (0, 1), (2, 0), (2, 1)] {
            let mut wrong = good.clone();
            let down = &mut wrong[job][blend].content_down;
            let more = 1e-4 * size(down);
            let value = f32::from_le_bytes(down[20..24].try_into().unwrap()) + more;
            down[20..24].copy_from_slice(&value.to_le_bytes());
            assert_eq!(agree(&wrong, &batch).map_err(|e| e.code), Err(Code::GpuFault), "{job} {blend}");
            let mut wrong = good.clone();
            wrong[job][blend].protected = 2;
            assert_eq!(agree(&wrong, &batch).map_err(|e| e.code), Err(Code::GpuFault), "{job} {blend}");
            let mut short = good.clone();
            short[job].truncate(1);
            assert_eq!(agree(&short, &batch).map_err(|e| e.code), Err(Code::GpuFault), "{job} {blend}");
        }
        assert!(agree(&good[..2], &batch).is_err());
    }

    /// Each number format takes kernels of its own.
    #[test]
    fn another_format_is_another_route() {
        let (a, b, c) = (words(1, 8), words(2, 8), words(3, 8));
        let route = |[down, up, content, output]: [Dtype; 4]| {
            let of = |bytes, dtype, rows, cols| Stored { bytes, dtype, rows, cols };
            let job = Job {
                style_down: of(&a, down, 2, 4),
                style_up: of(&b, up, 4, 2),
                content_down: of(&c, content, 2, 4),
                scale: 1.0,
            };
            let blends = [Blend::without(1.0)];
            Route::of(&Batch { jobs: &[job], cut: Cut::All, blends: &blends, output })
        };
        let plain = [Dtype::F32; 4];
        for at in 0..4 {
            let mut other = plain;
            other[at] = Dtype::F16;
            assert_ne!(route(plain), route(other), "{at}");
        }
    }
}
