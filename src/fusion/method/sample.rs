//! A sample of what a graphics device computes, held against the CPU: drivers have faults of which they say nothing.

use crate::backend::{Batch, Dtype, Job, Projected, Stored, cpu};
use crate::error::{Code, Error, Result};

/// (m, n, r_s, r_c): one job of each is compared.
pub(super) fn shape(job: &Job<'_>) -> [usize; 4] {
    [job.style_up.rows, job.style_down.cols, job.style_down.rows, job.content_down.rows]
}

/// Whether the first job of a batch came out as the CPU computes it, up to the rounding to the output format.
pub(super) fn agrees(projected: &[Vec<Projected>], job: &Job<'_>, batch: &Batch<'_>) -> Result<()> {
    let all = projected.len() == batch.jobs.len();
    let Some(theirs) = projected.first().filter(|theirs| all && theirs.len() == batch.blends.len()) else {
        return Err(fault("It gave too few results.".to_owned()));
    };
    let all_agree =
        |ours: &[Projected]| theirs.iter().zip(ours).try_for_each(|(a, b)| agree(a, b, job, batch));
    // Both may be away from the truth by what f32 cannot tell: only f64 shows that it is the device.
    all_agree(&cpu::project(job, batch.cut, batch.blends, batch.output))
        .or_else(|_| all_agree(&cpu::careful(job, batch.cut, batch.blends, batch.output)))
}

fn fault(detail: String) -> Error {
    Error::new(Code::GpuFault, detail)
}

fn agree(theirs: &Projected, ours: &Projected, job: &Job<'_>, batch: &Batch<'_>) -> Result<()> {
    if theirs.protected != ours.protected {
        return Err(fault(format!(
            "It found {} style directions, the CPU {}.",
            theirs.protected, ours.protected
        )));
    }
    let (rows, cols) = (job.content_down.rows, job.content_down.cols);
    let square = |value: f64| value * value;
    let whole = &ours.content_gram;
    let values = |bytes: &[u8]| cpu::decode(&Stored { bytes, dtype: batch.output, rows, cols }, 0, false);
    // Relative to the content before the projection: of one that lies in the style's directions nothing may be left.
    let size = whole.iter().step_by(rows + 1).sum::<f64>() * square(job.scale.into());
    let (theirs, ours) = (values(&theirs.content_down), values(&ours.content_down));
    let apart: f64 = theirs.iter().zip(&ours).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    // Twice the unit roundoff: where two correct results straddle a rounding boundary they differ by one unit.
    let rounding = match batch.output {
        Dtype::F16 => 2f64.powi(-10),
        Dtype::BF16 => 2f64.powi(-7),
        _ => 0.0,
    };
    let apart = (apart / f64::max(size, f64::MIN_POSITIVE)).sqrt();
    if theirs.len() == ours.len() && apart <= 1e-5 + rounding {
        return Ok(());
    }
    Err(fault(format!("Its numbers are {apart:.1e} away from the CPU's.")))
}
