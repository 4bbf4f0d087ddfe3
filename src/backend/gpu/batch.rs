//! A batch on the device: in chunks that fit, each with one upload, one command list and one read.

use super::Gpu;
use super::steps::{Reading, Steps, ZERO_ROW, words};
use crate::backend::cpu::{self, Readouts};
use crate::backend::{Batch, Conditioning, Job, Place, Projected, Stored};
use crate::error::Result;

/// No single buffer grows beyond this, whatever the device claims: 1 GiB was seen to fail where it was allowed.
const MAX_BUFFER: usize = 128 << 20;
/// Nor all buffers of a chunk, unless one job takes more.
const MAX_CHUNK: usize = 384 << 20;
/// More would need more than one worker a column in `jacobi`.
pub(super) const MAX_RANK: usize = 256;

/// Sizes of the jobs of a batch.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    m: usize,
    n: usize,
    r_s: usize,
    r_c: usize,
}

impl Sizes {
    fn of(job: &Job<'_>) -> Self {
        Self {
            m: job.style_up.rows,
            n: job.style_down.cols,
            r_s: job.style_down.rows,
            r_c: job.content_down.rows,
        }
    }

    /// Bytes of the largest buffers of one job: both bases and the content, what is made of it and its rounding errors, and
    /// their Gram matrices.
    fn buffers(self) -> [usize; 6] {
        let Self { m, n, r_s, r_c } = self;
        [r_s * n, r_s * m, r_c * n, r_c * n, r_c * r_c, r_c * r_c].map(|values| 4 * values)
    }

    /// Bytes of all of them, for so many blends.
    fn bytes(self, blends: usize) -> usize {
        let [down, up, content, errors, gram, error_gram] = self.buffers();
        down + up + content + gram + blends * (content + errors + error_gram)
    }
}

impl Gpu {
    /// Bytes a buffer may have.
    fn largest_buffer(&self) -> usize {
        let limits = &self.device.limits;
        let bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        usize::try_from(bytes).unwrap_or(MAX_BUFFER).min(MAX_BUFFER)
    }

    /// Whether the jobs of a batch fit this device.
    pub fn supports(&self, batch: &Batch<'_>) -> bool {
        batch.jobs.first().is_none_or(|job| {
            let sizes = Sizes::of(job);
            let fits = sizes.buffers().iter().all(|&bytes| bytes <= self.largest_buffer());
            fits && sizes.r_s <= MAX_RANK && sizes.r_c <= 65_535
        })
    }

    pub(super) async fn run(&self, batch: &Batch<'_>) -> Result<Vec<Vec<Projected>>> {
        let Some(first) = batch.jobs.first() else { return Ok(Vec::new()) };
        let sizes = Sizes::of(first);
        let by_buffer = self.largest_buffer() / sizes.buffers().iter().max().copied().unwrap_or(1).max(1);
        let by_chunk = MAX_CHUNK / sizes.bytes(batch.blends.len()).max(1);
        let mut projected = Vec::with_capacity(batch.jobs.len());
        for jobs in batch.jobs.chunks(by_buffer.min(by_chunk).clamp(1, 65_535)) {
            projected.extend(self.run_chunk(jobs, batch).await?);
        }
        Ok(projected)
    }

    async fn run_chunk(&self, jobs: &[Job<'_>], batch: &Batch<'_>) -> Result<Vec<Vec<Projected>>> {
        let Some(first) = jobs.first() else { return Ok(Vec::new()) };
        let Sizes { m, n, r_s, r_c } = Sizes::of(first);
        let (results, readback) = self
            .device
            .checked(|| {
                let mut steps = Steps::new(&self.device, &self.pipelines, jobs.len());
                let load =
                    |steps: &mut Steps<'_>, of: for<'a, 'b> fn(&'a Job<'b>) -> &'a Stored<'b>, transposed| {
                        let stored = of(first);
                        let stride = words(stored.rows * stored.cols, stored.dtype);
                        let raw = steps.upload(&padded(jobs.iter().map(|job| of(job).bytes), 4 * stride));
                        steps.decode(&raw, stride, stored.dtype, (stored.rows, stored.cols), 0, transposed)
                    };
                let a = load(&mut steps, |job| &job.style_down, false);
                let down = steps.basis(a, r_s, n);
                let b = load(&mut steps, |job| &job.style_up, true);
                let up = steps.basis(b, r_s, m);
                let (columns, exponent) = steps.core(&up, &down, r_s);
                let (sigma, w) = steps.jacobi(&columns, r_s);
                let cut = steps.cut(&sigma, &w, &down.pivots, r_s, batch.cut);

                let content = load(&mut steps, |job| &job.content_down, false);
                let content_exponent = steps.normalise(&content, r_c, n);
                let content_gram = steps.gram(&content, &content, (r_c, r_c), n);
                let along = steps.gram(&content, &down.q, (r_c, r_s), n);
                let scales: Vec<f32> = jobs.iter().map(|job| job.scale).collect();
                let scales = steps.upload(bytemuck::cast_slice(&scales));
                let mut blended = Vec::with_capacity(batch.blends.len());
                for &blend in batch.blends {
                    let content = (&content, &along);
                    let made = steps.project(content, (r_c, n), &down.q, &cut.projector, r_s, blend);
                    let (encoded, errors) =
                        steps.encode(&made, r_c * n, &scales, &content_exponent, batch.output);
                    let rounding_gram = steps.gram(&errors, &errors, (r_c, r_c), n);
                    blended.push(Blended {
                        encoded: steps.read(&encoded, words(r_c * n, batch.output)),
                        rounding_gram: steps.read(&rounding_gram, r_c * r_c),
                    });
                }

                let results = Results {
                    blended,
                    sigma: steps.read(&cut.sorted, r_s),
                    counts: steps.read(&cut.counts, 2),
                    projector: steps.read(&cut.projector, r_s * r_s),
                    along: steps.read(&along, r_c * r_s),
                    content_gram: steps.read(&content_gram, r_c * r_c),
                    down_l: steps.read(&down.l, r_s * r_s),
                    pivots: steps.read(&down.pivots, r_s),
                    down_exponents: steps.read(&down.exponents, r_s),
                    up_exponents: steps.read(&up.exponents, r_s),
                    exponent: steps.read(&exponent, 1),
                    content_exponent: steps.read(&content_exponent, 1),
                };
                (results, steps.submit())
            })
            .await?;
        let memory = self.device.read(&readback).await?;
        jobs.iter()
            .enumerate()
            .map(|(at, job)| {
                let quick = results.of_job(&memory, at, r_c * n, batch)?;
                let ours = || cpu::project(job, batch.cut, batch.blends, batch.output);
                let allowed = quick.iter().all(|quick| quick.conditioning.allows_f32());
                Ok(if allowed { quick } else { ours() })
            })
            .collect()
    }
}

/// Where what a blend made lies in what was read.
struct Blended {
    encoded: Reading,
    rounding_gram: Reading,
}

/// Where each result lies in what was read.
struct Results {
    blended: Vec<Blended>,
    sigma: Reading,
    counts: Reading,
    projector: Reading,
    along: Reading,
    content_gram: Reading,
    down_l: Reading,
    pivots: Reading,
    down_exponents: Reading,
    up_exponents: Reading,
    exponent: Reading,
    content_exponent: Reading,
}

impl Results {
    /// Puts one job's results together, one of each blend; `values` is the size of its content.
    fn of_job(&self, memory: &[u8], at: usize, values: usize, batch: &Batch<'_>) -> Result<Vec<Projected>> {
        let floats = |reading: &Reading| -> Result<Vec<f64>> {
            Ok(reading.of_job::<f32>(memory, at)?.into_iter().map(f64::from).collect())
        };
        let whole = |reading: &Reading| reading.of_job::<i32>(memory, at);
        let first = |values: Vec<i32>| values.first().copied().unwrap_or(0);
        let (sigma, pivots) = (floats(&self.sigma)?, floats(&self.pivots)?);
        let (down_exponents, up_exponents) = (whole(&self.down_exponents)?, whole(&self.up_exponents)?);
        let count =
            |at: usize, counts: &[i32]| counts.get(at).and_then(|&c| usize::try_from(c).ok()).unwrap_or(0);
        let counts = whole(&self.counts)?;
        let (k, lives) = (count(0, &counts), count(1, &counts));
        let both = down_exponents.iter().zip(&up_exponents).zip(&pivots);
        let counted =
            both.filter(|((down, up), _)| **down != ZERO_ROW && **up != ZERO_ROW).map(|(_, &pivot)| pivot);
        let conditioning = Conditioning::of(counted, &sigma, k, lives, batch.cut);
        let zero_is_one = |exponent: i32| if exponent == ZERO_ROW { 0 } else { exponent };
        let down_exponents = down_exponents.into_iter().map(zero_is_one).collect::<Vec<_>>();
        let (down_l, projector) = (floats(&self.down_l)?, floats(&self.projector)?);
        let (along, content_gram) = (floats(&self.along)?, floats(&self.content_gram)?);
        let (exponent, content_exponent) =
            (first(whole(&self.exponent)?), first(whole(&self.content_exponent)?));
        let of_blend = |blended: &Blended| {
            let mut words = blended.encoded.of_job::<u8>(memory, at)?;
            words.truncate(values * batch.output.bitsize() / 8);
            let readouts = Readouts {
                sigma: &sigma,
                energy: sigma.iter().map(|s| s * s).sum(),
                exponent,
                down_l: &down_l,
                down_exponent: &down_exponents,
                projector: &projector,
                along: &along,
                content_gram: &content_gram,
                rounding_gram: &floats(&blended.rounding_gram)?,
                content_exponent,
            };
            Ok(readouts.projected(words, k, conditioning, Place::Gpu))
        };
        self.blended.iter().map(of_blend).collect()
    }
}

/// All jobs' bytes one after the other, each padded to `stride`.
fn padded<'a>(parts: impl Iterator<Item = &'a [u8]>, stride: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for (at, part) in parts.enumerate() {
        all.extend_from_slice(part);
        all.resize((at + 1) * stride, 0);
    }
    all
}
