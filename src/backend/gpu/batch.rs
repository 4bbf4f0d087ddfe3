//! Runs a batch on the device, in chunks that fit, each with one upload, consecutive command lists and one readback.
//!
//! B_c is never uploaded, and B_s only if singular values are needed to tell which directions are protected. Whether all are
//! protected follows from the Gram matrix of B_s, which is computed here while the device works on the next chunk.

use super::Gpu;
use super::device::Submitted;
use super::pipeline::{Deciding, WORKERS};
use super::steps::{Reading, Steps, ZERO_ROW, int, words};
use crate::backend::cpu::cut::Protected;
use crate::backend::cpu::{self, Directions, Readouts, Triangle};
use crate::backend::{Batch, Conditioning, Cut, Dtype, Job, Place, Projected, Stored};
use crate::error::{Code, Error, Result};

/// No single buffer grows beyond this, whatever the device claims: 1 GiB was seen to fail where it was allowed.
const MAX_BUFFER: u64 = 128 << 20;
/// Chunks that the device has at a time.
const AT_ONCE: usize = 2;
/// Fewer jobs than this leave a device idle, because several kernels use one workgroup a job, so they are not split.
const BUSY: usize = 16;
/// Bytes of all buffers of one chunk, unless a single job needs more.
const MAX_CHUNK: u64 = (384 << 20) / AT_ONCE as u64;
/// The highest rank: a higher one would need more than one worker a column in `jacobi`.
pub(super) const MAX_RANK: usize = 256;
const _: () = assert!(MAX_RANK == cpu::products::MAX_RANK);

/// Sizes of the jobs of a batch.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    m: usize,
    n: usize,
    r_s: usize,
    r_c: usize,
}

impl Sizes {
    /// The sizes of a job's matrices, as far as they are uploaded to the device: m is 0 if B_s is not.
    fn of(job: &Job<'_>, cut: Cut) -> Self {
        Self {
            m: if cut.of_rank(job.style_down.rows) == Cut::All { 0 } else { job.style_up.rows },
            n: job.style_down.cols,
            r_s: job.style_down.rows,
            r_c: job.content_down.rows,
        }
    }

    /// m, n, r_s and r_c as u64, so that sizes too large for any device do not overflow 32 bits when they are multiplied.
    fn wide(self) -> [u64; 4] {
        [self.m, self.n, self.r_s, self.r_c].map(|size| size as u64)
    }

    /// The numbers of bytes of one job's largest buffers: both bases, the content, its rounding errors (as large as the projected
    /// content), the Gram matrices of both, and a basis' triangle.
    fn buffers(self) -> [u64; 7] {
        let [m, n, r_s, r_c] = self.wide();
        [r_s * n, r_s * m, r_c * n, r_c * n, r_c * r_c, r_c * r_c, r_s * r_s].map(|values| 4 * values)
    }

    /// Bytes that are read back of one job, for so many blends.
    fn readback(self, blends: u64, output: Dtype) -> u64 {
        let [_, n, r_s, r_c] = self.wide();
        let decided = 2 * r_s * r_s + 3 * r_s + 4;
        let encoded = (r_c * n * output.bitsize() as u64).div_ceil(32);
        4 * (blends * (encoded + r_c * r_c) + r_c * (r_s + r_c) + decided)
    }

    /// The number of bytes in the largest buffer of one job.
    fn largest(self, blends: u64, output: Dtype) -> u64 {
        self.buffers().into_iter().fold(self.readback(blends, output), u64::max)
    }

    /// The number of bytes in all buffers of one job with this many blends.
    fn bytes(self, blends: u64) -> u64 {
        let [down, up, content, errors, gram, error_gram, triangle] = self.buffers();
        // The products of a basis' panels take as much memory as its triangle.
        let bases = down + up + 4 * triangle;
        bases + content + gram + blends * (content + errors + error_gram)
    }

    /// The number of jobs of these sizes that fit into a chunk; 0 if a single one needs a larger buffer than the device allows.
    fn fitting(self, blends: usize, output: Dtype, largest_buffer: u64) -> u64 {
        let blends = blends as u64;
        let by_buffer = largest_buffer / self.largest(blends, output).max(1);
        by_buffer.min((MAX_CHUNK / self.bytes(blends).max(1)).max(1))
    }
}

impl Gpu {
    /// The largest number of bytes that a buffer may have.
    fn largest_buffer(&self) -> u64 {
        let limits = &self.device.limits;
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(MAX_BUFFER)
    }

    /// Whether the jobs of a batch fit on this device.
    pub fn supports(&self, batch: &Batch<'_>) -> bool {
        batch.jobs.first().is_none_or(|job| {
            let sizes = Sizes::of(job, batch.cut);
            let fits = sizes.fitting(batch.blends.len(), batch.output, self.largest_buffer()) > 0;
            // `jacobi` uses one worker a column.
            let groups = int(sizes.n.max(sizes.m).div_ceil(WORKERS));
            let dispatched = groups <= self.device.limits.max_compute_workgroups_per_dimension;
            fits && dispatched && sizes.r_s <= MAX_RANK && sizes.r_c <= 65_535
        })
    }

    pub(super) async fn run(&self, batch: &Batch<'_>) -> Result<Vec<Vec<Projected>>> {
        let Some(first) = batch.jobs.first() else { return Ok(Vec::new()) };
        let batch = &Batch { cut: batch.cut.of_rank(first.style_down.rows), ..batch.clone() };
        let deciding = if batch.cut == Cut::All { None } else { Some(self.deciding().await?) };
        let sizes = Sizes::of(first, batch.cut);
        let fitting = sizes.fitting(batch.blends.len(), batch.output, self.largest_buffer());
        let jobs = batch.jobs.len();
        let share = if jobs < AT_ONCE * BUSY { jobs } else { jobs.div_ceil(AT_ONCE) };
        let each = share.min(usize::try_from(fitting).unwrap_or(share)).clamp(1, 65_535);
        let mut projected = Vec::with_capacity(batch.jobs.len());
        // While the device works on one chunk, the next is prepared here.
        let mut before: Option<Chunk<'_, '_>> = None;
        for jobs in batch.jobs.chunks(each) {
            let chunk = self.submit(jobs, batch, deciding).await?;
            if let Some(before) = before.replace(chunk) {
                projected.extend(self.finish(before, batch).await?);
            }
        }
        if let Some(last) = before {
            projected.extend(self.finish(last, batch).await?);
        }
        Ok(projected)
    }

    async fn submit<'a, 'b>(
        &self,
        jobs: &'a [Job<'b>],
        batch: &Batch<'_>,
        deciding: Option<&Deciding>,
    ) -> Result<Chunk<'a, 'b>> {
        let first = jobs.first().ok_or_else(|| Error::new(Code::Internal, "A chunk without a job."))?;
        let Sizes { m, n, r_s, r_c } = Sizes::of(first, batch.cut);
        self.device
            .checked(|| {
                let mut steps = Steps::new(&self.device, &self.pipelines, jobs.len());
                let load =
                    |steps: &mut Steps<'_>, of: for<'x, 'y> fn(&'x Job<'y>) -> &'x Stored<'y>, transposed| {
                        let stored = of(first);
                        let stride = words(stored.rows * stored.cols, stored.dtype);
                        let raw = steps.upload(&padded(jobs.iter().map(|job| of(job).bytes), 4 * stride));
                        steps.decode(&raw, stride, stored.dtype, (stored.rows, stored.cols), transposed)
                    };
                let a = load(&mut steps, |job| &job.style_down, false);
                let down = steps.basis(a, r_s, n);
                let decided = deciding.map(|deciding| {
                    let b = load(&mut steps, |job| &job.style_up, true);
                    let up = steps.basis(b, r_s, m);
                    let (columns, exponent) = steps.core(deciding, &up, &down, r_s);
                    let (sigma, w) = steps.jacobi(deciding, &columns, r_s);
                    let cut = steps.cut(deciding, &sigma, &w, &down.pivots, r_s, batch.cut);
                    (up.exponents, exponent, cut)
                });
                let projector = decided.as_ref().map(|(.., cut)| &cut.projector);

                let content = load(&mut steps, |job| &job.content_down, false);
                let content_exponent = steps.normalise(&content, (r_c, n), 1);
                let content_gram = steps.gram(&content, &content, (r_c, r_c), n);
                let along = steps.gram(&content, &down.q, (r_c, r_s), n);
                let scales: Vec<f32> = jobs.iter().map(|job| job.scale).collect();
                let scales = steps.upload(bytemuck::cast_slice(&scales));
                let mut blended = Vec::with_capacity(batch.blends.len());
                for &blend in batch.blends {
                    let content = (&content, &along);
                    let made = steps.project(content, (r_c, n), &down.q, projector, r_s, blend);
                    let (encoded, errors) =
                        steps.encode(&made, r_c * n, &scales, &content_exponent, batch.output);
                    let rounding_gram = steps.gram(&errors, &errors, (r_c, r_c), n);
                    blended.push(Blended {
                        encoded: steps.read(&encoded, words(r_c * n, batch.output)),
                        rounding_gram: steps.read(&rounding_gram, r_c * r_c),
                    });
                }

                let decided = decided.map(|(up_exponents, exponent, cut)| Decided {
                    sigma: steps.read(&cut.sorted, r_s),
                    counts: steps.read(&cut.counts, 2),
                    projector: steps.read(&cut.projector, r_s * r_s),
                    up_exponents: steps.read(&up_exponents, r_s),
                    exponent: steps.read(&exponent, 1),
                });
                let results = Results {
                    decided,
                    blended,
                    along: steps.read(&along, r_c * r_s),
                    content_gram: steps.read(&content_gram, r_c * r_c),
                    down_l: steps.read(&down.l, r_s * r_s),
                    down_exponents: steps.read(&down.exponents, r_s),
                    content_exponent: steps.read(&content_exponent, 1),
                };
                Chunk { jobs, results, submitted: steps.submit() }
            })
            .await
    }

    async fn finish(&self, chunk: Chunk<'_, '_>, batch: &Batch<'_>) -> Result<Vec<Vec<Projected>>> {
        let memory = self.device.read(chunk.submitted).await?;
        let of_job = |(at, job): (usize, &Job<'_>)| {
            let found = chunk.results.of_job(&memory, at, job, batch)?;
            Ok(found.unwrap_or_else(|| cpu::project(job, batch.cut, batch.blends, batch.output)))
        };
        chunk.jobs.iter().enumerate().map(of_job).collect()
    }
}

/// Jobs that were submitted to the device, and the places of their results.
struct Chunk<'a, 'b> {
    jobs: &'a [Job<'b>],
    results: Results,
    submitted: Submitted,
}

/// The places of one blend's results in the memory read back.
struct Blended {
    encoded: Reading,
    rounding_gram: Reading,
}

/// The places of the findings about the style's directions in the memory read back.
struct Decided {
    sigma: Reading,
    counts: Reading,
    projector: Reading,
    up_exponents: Reading,
    exponent: Reading,
}

/// The places of all results of a chunk in the memory read back.
struct Results {
    /// The findings about the style's directions; `None` if all are to be protected, in case they certainly count.
    decided: Option<Decided>,
    blended: Vec<Blended>,
    along: Reading,
    content_gram: Reading,
    down_l: Reading,
    down_exponents: Reading,
    content_exponent: Reading,
}

/// The values of one job, as f64.
fn floats(reading: &Reading, memory: &[u8], at: usize) -> Result<Vec<f64>> {
    Ok(reading.of_job::<f32>(memory, at)?.into_iter().map(f64::from).collect())
}

/// The only value of one job.
fn single(reading: &Reading, memory: &[u8], at: usize) -> Result<i32> {
    Ok(reading.of_job(memory, at)?.first().copied().unwrap_or(0))
}

impl Decided {
    fn of_job(
        &self,
        memory: &[u8],
        at: usize,
        (down_l, down_exponents): (&[f64], &[i32]),
        cut: Cut,
    ) -> Result<Directions> {
        let sigma = floats(&self.sigma, memory, at)?;
        let up_exponents: Vec<i32> = self.up_exponents.of_job(memory, at)?;
        let counts: Vec<i32> = self.counts.of_job(memory, at)?;
        let count = |at: usize| counts.get(at).and_then(|&count| usize::try_from(count).ok()).unwrap_or(0);
        let (k, lives) = (count(0), count(1));
        let both = down_exponents.iter().zip(&up_exponents);
        let counts: Vec<bool> = both.map(|(&down, &up)| down != ZERO_ROW && up != ZERO_ROW).collect();
        let support = cpu::support(down_l, &counts);
        Ok(Directions {
            conditioning: Conditioning::of(support, &sigma, k, lives, cut),
            energy: sigma.iter().map(|s| s * s).sum(),
            exponent: single(&self.exponent, memory, at)?,
            protected: Protected { projector: floats(&self.projector, memory, at)?, k, sigma, lives },
        })
    }
}

impl Results {
    /// Assembles the results of one job, one for each blend. `None` if f32 or the device's numbers do not keep the error bounds, or
    /// if it is not certain which directions are protected.
    fn of_job(
        &self,
        memory: &[u8],
        at: usize,
        job: &Job<'_>,
        batch: &Batch<'_>,
    ) -> Result<Option<Vec<Projected>>> {
        if may_vanish(job, self.decided.is_some()) {
            return Ok(None);
        }
        let exponents: Vec<i32> = self.down_exponents.of_job(memory, at)?;
        let zero_is_one = |&exponent: &i32| if exponent == ZERO_ROW { 0 } else { exponent };
        let exponent: Vec<i32> = exponents.iter().map(zero_is_one).collect();
        let down_l = floats(&self.down_l, memory, at)?;
        let down = Triangle { l: &down_l, exponent: &exponent };
        let directions = match &self.decided {
            Some(decided) => Some(decided.of_job(memory, at, (&down_l, &exponents), batch.cut)?),
            None => cpu::all_directions(&job.style_up, down),
        };
        let Some(directions) = directions.filter(|found| found.conditioning.allows_device()) else {
            return Ok(None);
        };
        let (along, content_gram) =
            (floats(&self.along, memory, at)?, floats(&self.content_gram, memory, at)?);
        let content_exponent = single(&self.content_exponent, memory, at)?;
        let values = job.content_down.rows * job.content_down.cols;
        let of_blend = |blended: &Blended| {
            let mut words = blended.encoded.of_job::<u8>(memory, at)?;
            words.truncate(values * batch.output.bitsize() / 8);
            let rounding_gram = floats(&blended.rounding_gram, memory, at)?;
            if !rounding_gram.iter().all(|value| value.is_finite())
                || cpu::non_finite(batch.output, &words).is_some()
            {
                return Ok(None);
            }
            let readouts = Readouts {
                directions: &directions,
                down,
                along: &along,
                content_gram: &content_gram,
                rounding_gram: &rounding_gram,
                content_exponent,
            };
            Ok(Some(readouts.projected(words, Place::Gpu)))
        };
        // Either the CPU's result is too large for the format as well, or the device has failed.
        if !along.iter().chain(&content_gram).all(|value| value.is_finite()) {
            return Ok(None);
        }
        self.blended.iter().map(of_blend).collect()
    }
}

/// Whether some values of a factor's row that count may be subnormal in f32: a device may treat these as zero (WGSL, "Floating
/// point evaluation"), although the other factor may make up for their size. `style_up` says whether that factor is used. F16 has
/// no values this small.
fn may_vanish(job: &Job<'_>, style_up: bool) -> bool {
    let is_wide = |factor: &Stored<'_>| factor.dtype != Dtype::F16;
    let any = |rows: Vec<f32>, whole: f32| rows.into_iter().any(|row| row > 0.0 && row / whole < TINY);
    // Each row of the style has a power of two of its own, while the content has a single one for all rows.
    let content = || {
        let rows = cpu::largest_of_rows(&job.content_down);
        let whole = rows.iter().copied().fold(1.0, f32::max);
        any(rows, whole)
    };
    is_wide(&job.style_down) && any(cpu::largest_of_rows(&job.style_down), 1.0)
        || style_up && is_wide(&job.style_up) && any(cpu::largest_of_columns(&job.style_up), 1.0)
        || is_wide(&job.content_down) && content()
}

/// 2^-100: in a row with larger values, subnormal ones are far below the precision of f32.
const TINY: f32 = 7.888_609e-31;

/// The bytes of all jobs, one after the other, each padded to `stride`.
fn padded<'a>(parts: impl Iterator<Item = &'a [u8]>, stride: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for (at, part) in parts.enumerate() {
        all.extend_from_slice(part);
        all.resize((at + 1) * stride, 0);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_32_bits_does_not_fit() {
        let fitting =
            |m, n, r_s, r_c, blends| Sizes { m, n, r_s, r_c }.fitting(blends, Dtype::F32, MAX_BUFFER);
        assert!((200..300).contains(&fitting(0, 3072, 16, 16, 1)), "of an everyday module many do");
        // A file may claim such sizes for a module, whose size in bytes overflows 32 bits to nothing or little.
        assert_eq!(fitting(0, 1 << 22, 1, 64, 1), 0);
        assert_eq!(fitting(0, (1 << 22) + 1, 1, 256, 1), 0);
        assert_eq!(fitting(1 << 22, 64, 256, 16, 1), 0);
        assert_eq!(fitting(0, 8192, 16, 16_384, 1), 0);
        assert_eq!(fitting(0, 64, 1, 1 << 16, 1), 0);
        // Many blends of a job that fits by itself may not fit.
        assert_eq!((fitting(0, 1 << 20, 1, 16, 1), fitting(0, 1 << 20, 1, 16, 64)), (1, 0));
        assert_eq!(fitting(0, 1 << 20, 1, 16, usize::MAX >> 40), 0);
    }
}
