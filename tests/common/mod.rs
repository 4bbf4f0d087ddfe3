//! What several test files share: seeded matrices, stored words, the dense f64 reference and the one graphics device.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::unwrap_used,
    reason = "each test file is a program of its own that uses a part of this, and fails by panicking"
)]

pub(crate) mod method;

use nalgebra::DMatrix;
use np_lora::backend::gpu::Gpu;
use np_lora::backend::{Dtype, Stored};
use pollster::block_on;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub(crate) type Matrix = DMatrix<f64>;

/// The graphics device of this test program: compiling its kernels takes seconds, so all tests use one, in turn.
pub(crate) fn gpu() -> MutexGuard<'static, Gpu> {
    static GPU: OnceLock<Mutex<Gpu>> = OnceLock::new();
    // A test that failed while it held the device has not harmed it.
    GPU.get_or_init(|| Mutex::new(new_gpu())).lock().unwrap_or_else(PoisonError::into_inner)
}

/// A graphics device that a test may destroy.
pub(crate) fn new_gpu() -> Gpu {
    let gpu = block_on(Gpu::request(true)).unwrap_or_else(|error| {
        panic!(
            "These tests need a graphics device, if only a software one: {} `cargo xtask test` looks for one; by \
             hand, let VK_DRIVER_FILES name a Vulkan driver.",
            error.detail
        )
    });
    // A worker of a kernel is ended after 65,535 turns of its loops together (LP_MAX_TGSI_LOOP_ITERATIONS in Mesa's sources).
    // Rows of 65,536 values and cores of rank 256 need more. The product finds such results wrong and takes the CPU.
    assert!(
        !gpu.name().contains("llvmpipe"),
        "Mesa's software driver breaks long loops off, so that its results are wrong: let VK_DRIVER_FILES name another, \
         such as Chromium's vk_swiftshader_icd.json, or use `cargo xtask test`."
    );
    gpu
}

/// Random numbers that are the same on every machine: SplitMix64 (Steele, Lea, Flood 2014), seeded by text.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: &str) -> Self {
        // FNV-1a.
        Self(seed.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Nearly normal, mean 0, variance 1.
    pub(crate) fn normal(&mut self) -> f64 {
        ((0..4).map(|_| self.unit()).sum::<f64>() - 2.0) * 3f64.sqrt()
    }
}

/// A matrix of normal values, all of them f32 numbers.
pub(crate) fn normal(seed: &str, rows: usize, cols: usize) -> Matrix {
    let mut random = Random::new(seed);
    single(Matrix::from_fn(rows, cols, |_, _| random.normal()))
}

/// Orthonormal columns, rows ≥ cols.
pub(crate) fn orthonormal(seed: &str, rows: usize, cols: usize) -> Matrix {
    normal(seed, rows, cols).qr().q()
}

/// The nearest matrix of f32 numbers.
pub(crate) fn single(matrix: Matrix) -> Matrix {
    matrix.map(|x| f64::from(x as f32))
}

/// From row-major values.
pub(crate) fn matrix(values: &[f32], cols: usize) -> Matrix {
    Matrix::from_row_iterator(values.len() / cols.max(1), cols, values.iter().map(|&x| x.into()))
}

/// Row-major f32 values.
pub(crate) fn values(matrix: &Matrix) -> Vec<f32> {
    matrix.transpose().iter().map(|&x| x as f32).collect()
}

/// The largest magnitude.
pub(crate) fn largest(matrix: &Matrix) -> f64 {
    matrix.iter().fold(0.0, |most, x| if x.is_nan() { f64::NAN } else { most.max(x.abs()) })
}

/// Fails unless `value` is at most `bound`; not a number is more than any bound.
#[track_caller]
pub(crate) fn at_most(value: f64, bound: f64, what: &str) {
    assert!(value <= bound, "{what}: {value:.2e} > {bound:.0e}");
}

/// A matrix as a file holds it.
#[derive(Clone)]
pub(crate) struct Words {
    pub(crate) bytes: Vec<u8>,
    pub(crate) dtype: Dtype,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

impl Words {
    /// Rounds to `dtype`.
    pub(crate) fn new(matrix: &Matrix, dtype: Dtype) -> Self {
        let values = values(matrix);
        let bytes = match dtype {
            Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Dtype::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
            Dtype::BF16 => values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect(),
            _ => panic!("{dtype}"),
        };
        Self { bytes, dtype, rows: matrix.nrows(), cols: matrix.ncols() }
    }

    pub(crate) fn stored(&self) -> Stored<'_> {
        Stored { bytes: &self.bytes, dtype: self.dtype, rows: self.rows, cols: self.cols }
    }

    /// The matrix that the words mean.
    pub(crate) fn matrix(&self) -> Matrix {
        let pairs = || self.bytes.chunks_exact(2).map(|w| [w[0], w[1]]);
        let values: Vec<f32> = match self.dtype {
            Dtype::F32 => {
                self.bytes.chunks_exact(4).map(|w| f32::from_le_bytes(w.try_into().unwrap())).collect()
            }
            Dtype::F16 => pairs().map(|w| half::f16::from_le_bytes(w).to_f32()).collect(),
            Dtype::BF16 => pairs().map(|w| half::bf16::from_le_bytes(w).to_f32()).collect(),
            _ => panic!("{}", self.dtype),
        };
        matrix(&values, self.cols)
    }
}
