//! The method on the CPU: f32 as on a graphics device, and f64 where f32 would not keep the bounds.
//!
//! Each kernel stands in the file of the same name as its shader. Everything r×r is done in f64: it is small.

mod basis;
mod core;
mod cut;
mod decode;
mod encode;
mod full;
mod gram;
mod jacobi;
mod outer;
mod project;
mod real;

pub use decode::{decode, transpose};
pub use encode::encode;
pub use gram::{column_gram, gram};
pub use real::Real;

use self::basis::Basis;
use self::core::Triangle;
use self::cut::Protected;
use super::kernels::{self, Kernels, Shape};
use super::readouts::Readouts;
use super::{Backend, Batch, Conditioning, Cut, Dtype, Job, Place, Projected, Stored};
use crate::error::Result;

/// The CPU backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Backend for Cpu {
    async fn project(&self, batch: &Batch<'_>) -> Result<Vec<Projected>> {
        let one = |job| {
            let quick = run::<f32>(job, batch.cut, batch.beta, batch.output, Place::Cpu);
            if quick.conditioning.allows_f32() {
                quick
            } else {
                careful(job, batch.cut, batch.beta, batch.output)
            }
        };
        Ok(batch.jobs.iter().map(one).collect())
    }
}

/// Singular values of a row-major r×r matrix, not sorted, and its right singular vectors by columns.
pub fn singular(matrix: &[f64], rank: usize) -> (Vec<f64>, Vec<f64>) {
    let svd = jacobi::jacobi(matrix, rank);
    (svd.sigma, svd.w)
}

/// One job in f64, whatever its conditioning.
pub fn careful(job: &Job<'_>, cut: Cut, beta: f32, output: Dtype) -> Projected {
    run::<f64>(job, cut, beta, output, Place::CpuCareful)
}

fn run<T: Real>(job: &Job<'_>, cut: Cut, beta: f32, output: Dtype, place: Place) -> Projected {
    let n = job.style_down.cols;
    let shape = Shape { rows: job.style_down.rows, cols: n };
    let down = basis::basis(loaded::<T>(&job.style_down, false), shape);
    // The careful way is always the long one: the saved result is checked against it.
    let short = place == Place::Cpu && cut == Cut::All;
    let directions = if short { directions_by_gram(job, &down) } else { None };
    let directions = directions.unwrap_or_else(|| directions_by_basis(job, &down, cut));

    let mut content = loaded(&job.content_down, false);
    let content_exponent = real::exponent(&content);
    real::scale(&mut content, -content_exponent);
    let content_gram = gram(&content, &content, n);
    let along = project::project(&mut content, &down.q, &directions.protected.projector, n, beta.into());
    let scale = f64::from(job.scale) * 2f64.powi(content_exponent);
    let (words, error) = encode(&content, scale, output);
    Readouts {
        sigma: &directions.protected.sigma,
        energy: directions.energy,
        exponent: directions.exponent,
        down_l: &down.l,
        down_exponent: &down.exponent,
        projector: &directions.protected.projector,
        along: &along,
        content_gram: &content_gram,
        rounding_gram: &gram(&error, &error, n),
        content_exponent,
    }
    .projected(words, directions.protected.k, directions.conditioning, place)
}

fn loaded<T: Real>(stored: &Stored<'_>, transposed: bool) -> Vec<T> {
    decode(stored, 0, transposed).into_iter().map(|x| T::of(x.into())).collect()
}

/// What the style's directions are.
struct Directions {
    protected: Protected,
    /// ‖B_s·A_s‖², in units of 2^(2·exponent).
    energy: f64,
    exponent: i32,
    conditioning: Conditioning,
}

/// All directions of A_s, where the Gram matrix of B_s leaves no doubt that they count.
fn directions_by_gram<T: Real>(job: &Job<'_>, down: &Basis<T>) -> Option<Directions> {
    let rank = down.pivot.len();
    let (energy, exponent) = full::plainly_full(&column_gram(&job.style_up, &job.style_up), down)?;
    Some(Directions {
        protected: Protected::all(rank),
        energy,
        exponent,
        conditioning: Conditioning { pivot: down.pivot.iter().copied().fold(1.0, f64::min), gap: 1.0 },
    })
}

fn directions_by_basis<T: Real>(job: &Job<'_>, down: &Basis<T>, cut: Cut) -> Directions {
    let rank = down.pivot.len();
    let up = basis::basis(loaded::<T>(&job.style_up, true), Shape { rows: rank, cols: job.style_up.rows });
    let (small, exponent) = core::core(
        Triangle { l: &up.l, exponent: &up.exponent },
        Triangle { l: &down.l, exponent: &down.exponent },
    );
    let live: Vec<bool> = down.pivot.iter().map(|&pivot| pivot > 0.0).collect();
    let protected = cut::cut(&jacobi::jacobi(&small, rank), &live, cut);
    let lower = |l: &[f64], i: usize| l[i * rank..(i + 1) * rank].iter().any(|&x| x != 0.0);
    let pivots = (0..rank).filter(|&i| lower(&up.l, i) && lower(&down.l, i)).map(|i| down.pivot[i]);
    let conditioning = Conditioning::of(pivots, &protected.sigma, protected.k, protected.lives, cut);
    let energy = protected.sigma.iter().map(|s| s * s).sum();
    Directions { protected, energy, exponent, conditioning }
}

/// The kernels one by one, in f32.
impl Kernels for Cpu {
    async fn decode(&self, stored: &Stored<'_>, exponent: i32, transposed: bool) -> Result<Vec<f32>> {
        Ok(decode(stored, exponent, transposed))
    }

    async fn basis(&self, a: &[f32], shape: Shape) -> Result<kernels::Basis> {
        let Basis { q, l, exponent, pivot } = basis::basis(a.to_vec(), shape);
        Ok(kernels::Basis { q, l: narrow(&l), exponent, pivot: narrow(&pivot) })
    }

    async fn core(&self, up: &kernels::Basis, down: &kernels::Basis) -> Result<(Vec<f32>, i32)> {
        let (up_l, down_l) = (widen(&up.l), widen(&down.l));
        let (small, exponent) = core::core(
            Triangle { l: &up_l, exponent: &up.exponent },
            Triangle { l: &down_l, exponent: &down.exponent },
        );
        Ok((narrow(&small), exponent))
    }

    async fn jacobi(&self, core: &[f32], rank: usize) -> Result<kernels::Svd> {
        let svd = jacobi::jacobi(&widen(core), rank);
        Ok(kernels::Svd { sigma: narrow(&svd.sigma), w: narrow(&svd.w) })
    }

    async fn cut(&self, svd: &kernels::Svd, live: &[bool], cut: Cut) -> Result<kernels::Protected> {
        let svd = jacobi::Svd { sigma: widen(&svd.sigma), w: widen(&svd.w) };
        let protected = cut::cut(&svd, live, cut);
        Ok(kernels::Protected { projector: narrow(&protected.projector), k: protected.k })
    }

    async fn project(
        &self,
        content: &[f32],
        content_shape: Shape,
        q: &[f32],
        projector: &[f32],
        beta: f32,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let mut content = content.to_vec();
        let along = project::project(&mut content, q, &widen(projector), content_shape.cols, beta.into());
        Ok((narrow(&along), content))
    }

    async fn gram(&self, x: &[f32], y: &[f32], n: usize) -> Result<Vec<f32>> {
        Ok(narrow(&gram(x, y, n)))
    }

    async fn encode(&self, values: &[f32], scale: f32, dtype: Dtype) -> Result<(Vec<u8>, Vec<f32>)> {
        Ok(encode(values, scale.into(), dtype))
    }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| x.into()).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| f32::of(x)).collect()
}
