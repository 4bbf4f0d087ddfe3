//! The method on the CPU: f32 as on a graphics device, and f64 where f32 would not keep the bounds.
//!
//! Each kernel is in a file with the same name as its shader. All r×r arithmetic is done in f64, because it is cheap.
//!
//! This package is compiled for speed, and all code that calls it for size. A generic or inlined function is compiled as its caller
//! is, so the functions that the product calls have concrete types and are never inlined.

pub mod basis;
mod content;
pub mod core;
pub mod cut;
mod decode;
mod directions;
mod encode;
mod encoded;
mod finite;
mod gram;
mod gram_svd;
pub mod jacobi;
mod job;
mod likeness;
pub mod matrix;
mod outer;
mod panels;
mod plainly_cut;
mod plainly_full;
mod probes;
pub mod products;
pub mod project;
mod readouts;
mod real;
mod relation;
mod rounding;
mod signs;
mod triangle;
pub mod truncate;

use basis::Basis;

pub use cut::count;
pub use decode::{decode, transpose};
pub use directions::{Directions, all_directions};
pub use encoded::{Encoded, encoded, encoded_columns, encoded_rows, rounded};
pub use finite::{NonFinite, non_finite};
pub use job::{Blend, Conditioning, Cut, Dtype, Job, Place, Projected, RANK_TOLERANCE, Shape, Stored};
pub use likeness::{Products, Third, liken};
pub use panels::{largest, largest_of_columns, largest_of_rows};
pub use probes::{Columns, PROBES, column_squares, times};
pub use readouts::Readouts;
pub use real::Real;
pub use relation::{Half, Relation, Update, relate};
pub use rounding::rounding;
pub use signs::Signs;
pub use triangle::{Triangle, support};

/// The CPU backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

/// Computes one job, in f32 where that keeps the error bounds: one result for each blend.
#[inline(never)]
pub fn project(job: &Job<'_>, cut: Cut, blends: &[Blend], output: Dtype) -> Vec<Projected> {
    let cut = cut.of_rank(job.style_down.rows);
    let down = style_basis::<f32>(job);
    let directions = directions::quick(job, &down, cut);
    if directions.conditioning.allows_f32() {
        content::projected(job, &down, &directions, blends, output, Place::Cpu)
    } else {
        careful(job, cut, blends, output)
    }
}

/// The product X·Yᵀ, p×q and row-major, of X p×n and Y q×n.
#[inline(never)]
pub fn gram(x: &[f32], y: &[f32], n: usize) -> Vec<f64> {
    gram::gram(x, y, n)
}

/// The Gram matrix X·Xᵀ, p×p, of X p×n.
#[inline(never)]
pub fn own_rows(x: &Stored<'_>) -> Vec<f64> {
    gram::own_gram(x.rows, gram::rows::<f32>(x))
}

/// The Gram matrix Xᵀ·X, p×p, of X m×p.
#[inline(never)]
pub fn own_columns(x: &Stored<'_>) -> Vec<f64> {
    gram::own_gram(x.cols, gram::columns::<f32>(x))
}

/// The products Xᵀ·Y, p×q, of X m×p and Y m×q.
#[inline(never)]
pub fn columns_across(x: &Stored<'_>, y: &Stored<'_>) -> Vec<f64> {
    gram::cross_gram([x.cols, y.cols], gram::columns::<f32>(x), gram::columns(y))
}

/// The Gram matrix Xᵀ·X, p×p, of X m×p, computed in f64.
#[inline(never)]
pub fn own_columns_careful(x: &Stored<'_>) -> Vec<f64> {
    gram::own_gram(x.cols, gram::columns::<f64>(x))
}

/// The products Xᵀ·Y, p×q, of X m×p and Y m×q, computed in f64.
#[inline(never)]
pub fn columns_across_careful(x: &Stored<'_>, y: &Stored<'_>) -> Vec<f64> {
    gram::cross_gram([x.cols, y.cols], gram::columns::<f64>(x), gram::columns(y))
}

/// Rounds `values`·`scale` to nearest even as F32, F16 or BF16 words; values that are too large become infinite. Returns the words
/// and, for each value, the error added by rounding divided by `scale` (0 if `scale` is 0).
#[inline(never)]
pub fn encode(values: &[f32], scale: f64, dtype: Dtype) -> (Vec<u8>, Vec<f32>) {
    encode::encode(values, scale, dtype)
}

/// Computes one job in f64, whatever its conditioning.
#[inline(never)]
pub fn careful(job: &Job<'_>, cut: Cut, blends: &[Blend], output: Dtype) -> Vec<Projected> {
    // This never takes the short way, because the saved result is checked against it.
    let down = style_basis::<f64>(job);
    let directions = directions::by_basis(job, &down, cut);
    content::projected(job, &down, &directions, blends, output, Place::CpuCareful)
}

fn style_basis<T: Real>(job: &Job<'_>) -> Basis<T> {
    let shape = Shape { rows: job.style_down.rows, cols: job.style_down.cols };
    basis::basis(panels::loaded(&job.style_down), shape)
}
