//! The heavy arithmetic of NP-LoRA: one contract, two implementations.
//!
//! A backend knows matrices, not LoRA: it takes a [`Batch`] of equally shaped jobs, finds the right singular vectors V_k of
//! `style_up · style_down` for each, and weighs `content_down` against its part along them. It never builds an m×n matrix. Kernels
//! are in `shaders/*.wgsl` and, with the same stem and contract, in `cpu/`:
//!
//! | kernel | what it computes (row-major; r_s×n is `style_down`, m×r_s `style_up`, r_c×n `content_down`) |
//! |---|---|
//! | `decode` | F16, BF16, F32 words → f32, optionally transposed |
//! | `basis` | A = L·Q by Gram-Schmidt, twice where it matters, on a graphics device always, by Cholesky where that bears it; a dependent row leaves a zero row in Q |
//! | `core` | L_Bᵀ·L_A: the r_s×r_s core with B_s·A_s = Q_Bᵀ·core·Q_A |
//! | `jacobi` | one-sided Jacobi: core = U·Σ·Wᵀ |
//! | `cut` | numerical rank, the user's cap, and the projector P = W_k·W_kᵀ in the basis' coordinates |
//! | `project` | C = A_c·Qᵀ, then A_c' = scale·(keep·A_c + added·(C·P)·Q) |
//! | `gram` | X·Yᵀ of two row-major matrices |
//! | `encode` | f32 → F16, BF16, F32 words, round to nearest even |

pub mod gpu;
pub mod kernels;

use crate::error::Result;
pub use cpu::{Blend, Conditioning, Cut, Dtype, Job, Place, Projected, RANK_TOLERANCE, Stored};
pub use np_lora_cpu::{self as cpu, matrix, products, truncate};

/// Jobs of the same shape (m, n, r_s, r_c and dtypes), with the settings that they share.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// The jobs, equal in shape and dtypes.
    pub jobs: &'a [Job<'a>],
    /// Which of the style's directions to protect.
    pub cut: Cut,
    /// The blends of the content to compute: each job is decomposed once for all of them.
    pub blends: &'a [Blend],
    /// The format of the projected lora_down: F32, F16 or BF16.
    pub output: Dtype,
}

/// The contract of a backend.
#[allow(async_fn_in_trait, reason = "backends are used by one thread; on wasm32 no future is Send")]
pub trait Backend {
    /// Projects every job of the batch. The results are in the order of the jobs, one for each blend.
    ///
    /// # Errors
    /// `GpuFault` if the device failed; the same batch may then be given to another backend.
    async fn project(&self, batch: &Batch<'_>) -> Result<Vec<Vec<Projected>>>;
}

impl Backend for cpu::Cpu {
    async fn project(&self, batch: &Batch<'_>) -> Result<Vec<Vec<Projected>>> {
        Ok(batch.jobs.iter().map(|job| cpu::project(job, batch.cut, batch.blends, batch.output)).collect())
    }
}
