//! The input and output of the method for one module of a pair, as words and plain numbers.

pub use safetensors::Dtype;

/// A direction of the style counts if its singular value exceeds this share of the largest: the floor of f32 arithmetic.
pub const RANK_TOLERANCE: f64 = 2e-6;

/// Below this support a job is computed in f64 (see [`Conditioning`]).
pub(super) const SUPPORT_GUARD: f64 = 1.0 / 64.0;

/// Below this gap a job is computed in f64 (see [`Conditioning`]): where a cut is less clear, f32 would let more than a
/// millionth of the content leak into the protected space.
const GAP_GUARD: f64 = 1.0 / 16.0;

/// The gap below which a job leaves the graphics device, whose singular values come from rotations in f32: at the gap that is
/// enough for the CPU, equal singular values above and below the cut let three times as much leak.
const DEVICE_GAP_GUARD: f64 = 1.0 / 4.0;

/// An energy this close to the wanted share is summed in f64 (see [`Conditioning`]).
const ENERGY_GUARD: f64 = 1.0 / 16_384.0;

/// Dimensions of a row-major matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

/// A matrix as it is stored in a file: row-major, little-endian words of `dtype` (F32, F16 or BF16).
#[derive(Clone, Debug)]
pub struct Stored<'a> {
    /// The `rows · cols` words of the matrix.
    pub bytes: &'a [u8],
    /// The number format: F32, F16 or BF16. Wider and narrower formats are converted before they get here.
    pub dtype: Dtype,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

impl<'a> Stored<'a> {
    /// The matrix in blocks of at most `rows` rows.
    pub(super) fn blocks(&self, rows: usize) -> impl Iterator<Item = Self> + use<'a> {
        let Self { bytes, dtype, cols, .. } = *self;
        let row = (cols * (dtype.bitsize() / 8)).max(1);
        bytes.chunks(rows.max(1).saturating_mul(row)).map(move |bytes| Self {
            bytes,
            dtype,
            rows: bytes.len() / row,
            cols,
        })
    }
}

/// One module of the pair, as a backend computes it.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The style's lora_down A_s, r_s×n.
    pub style_down: Stored<'a>,
    /// The style's lora_up B_s, m×r_s.
    pub style_up: Stored<'a>,
    /// The content's lora_down A_c, r_c×n.
    pub content_down: Stored<'a>,
    /// The factor that A_c' is multiplied by after the projection and before rounding.
    pub scale: f32,
}

/// How the content is weighed against its part along the protected directions: A_c' = scale·(keep·A_c + added·(A_c V_k) V_kᵀ).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blend {
    /// The weight of the whole content.
    pub keep: f64,
    /// The weight of the part along the protected directions, which is added to it.
    pub added: f64,
}

impl Blend {
    /// Keeps only the part of the content along the protected directions.
    pub const OVERLAP: Self = Self { keep: 0.0, added: 1.0 };

    /// Keeps all of the content except the fraction β of its part along the protected directions.
    pub const fn without(beta: f64) -> Self {
        Self { keep: 1.0, added: -beta }
    }
}

/// How many directions of an update to take, of the style's to protect or of the result's to keep: the first ones that the rank
/// tolerance and this cap leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// All directions that the update really has.
    All,
    /// At most this many directions.
    Count(usize),
    /// The fewest directions whose squared singular values sum to at least this share (0 < share ≤ 1) of the total.
    Energy(f64),
}

impl Cut {
    /// The equivalent cut for an update with at most `rank` directions: [`Cut::All`] if it cuts none of them.
    pub fn of_rank(self, rank: usize) -> Self {
        match self {
            Self::Count(count) if count >= rank => Self::All,
            Self::Energy(share) if share >= 1.0 => Self::All,
            cut => cut,
        }
    }
}

/// The results of a backend for one job. Small matrices are row-major f64.
#[derive(Clone, Debug)]
pub struct Projected {
    /// The words of A_c' = scale·(keep·A_c + added·(A_c V_k) V_kᵀ), r_c×n, encoded in the batch's `output` format.
    pub content_down: Vec<u8>,
    /// The number of protected directions, k.
    pub protected: usize,
    /// The singular values of B_s·A_s in descending order, r_s of them, including those below the tolerance. Empty if all
    /// directions are protected and it was certain without them that all count.
    pub sigma: Vec<f64>,
    /// The style's energy ‖B_s·A_s‖², which is Σσ².
    pub style_energy: f64,
    /// The Gram matrix A_c·A_cᵀ, r_c×r_c, before scale and projection.
    pub content_gram: Vec<f64>,
    /// (A_c V_k)(A_c V_k)ᵀ, r_c×r_c, before scale: the Gram matrix of the content's part along the protected directions.
    pub overlap_gram: Vec<f64>,
    /// The products A_s·A_cᵀ, r_s×r_c, before scale.
    pub cross_gram: Vec<f64>,
    /// The products (A_s V_k)·(A_c V_k)ᵀ, r_s×r_c, before scale.
    pub protected_cross_gram: Vec<f64>,
    /// The Gram matrix E·Eᵀ, r_c×r_c, where scale·E is the error that rounding added to A_c'; like the other Gram matrices, before scale.
    pub rounding_gram: Vec<f64>,
    /// Where the final numbers were computed.
    pub computed_on: Place,
}

/// Where a job was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the graphics device, f32.
    Gpu,
    /// On the CPU, f32.
    Cpu,
    /// On the CPU in f64, because f32 would not have kept the bounds.
    CpuCareful,
}

/// The two figures that say how much rounding was amplified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditioning {
    /// How well the rows of A_s bear their basis (see [`support`](super::support)), among rows that are not zero and whose column
    /// of B_s is not zero. The error of a basis direction is about the machine epsilon divided by this.
    pub support: f64,
    /// How clearly k and the protected space are decided: the smallest of (σ_k − σ_{k+1})/σ_1 if a live direction is cut, reduced
    /// in proportion for ranks above 32; σ_k/σ_1 or σ_{k+1}/σ_1 if it lies close to the rank tolerance, above or below; and the
    /// distance between the wanted energy and that of another k, if it is tiny. Otherwise 1. The error of the protected space is
    /// about the machine epsilon divided by this.
    pub gap: f64,
}

impl Conditioning {
    /// Computes both figures from the basis' support, the singular values in descending order, k, and the number of live rows of the basis.
    pub fn of(support: f64, sigma: &[f64], k: usize, lives: usize, cut: Cut) -> Self {
        let first = sigma.first().copied().unwrap_or(0.0);
        let share = |i: usize| sigma.get(i).map_or(0.0, |s| if first > 0.0 { s / first } else { 0.0 });
        let mut gap: f64 = 1.0;
        if k > 0 && k < lives {
            // Measured on the graphics device, the error of a cut grows with the rank.
            let rank = u32::try_from(sigma.len()).map_or(f64::INFINITY, f64::from);
            gap = gap.min((share(k - 1) - share(k)) * (32.0 / rank).min(1.0));
        }
        if k > 0 && share(k - 1) < 64.0 * RANK_TOLERANCE {
            gap = gap.min(share(k - 1));
        }
        if (RANK_TOLERANCE / 4.0..=RANK_TOLERANCE).contains(&share(k)) {
            gap = gap.min(share(k));
        }
        if let Cut::Energy(wanted) = cut
            && wanted < 1.0
        {
            let squares = (0..sigma.len()).map(share).filter(|&s| s > RANK_TOLERANCE).map(|s| s * s);
            let (whole, rank) = (squares.clone().sum::<f64>(), squares.clone().count());
            let reached = squares.scan(0.0, |sum, square| {
                *sum += square / whole;
                Some(*sum)
            });
            // A share that all directions together just reach is no boundary.
            let missing = reached.take(rank.saturating_sub(1)).map(|sum| (sum - wanted).abs());
            gap = missing.filter(|&missing| missing < ENERGY_GUARD).fold(gap, f64::min);
        }
        Self { support, gap }
    }

    /// Whether an f32 computation keeps the method's error bounds; if not, the job is repeated in f64.
    pub fn allows_f32(&self) -> bool {
        self.support >= SUPPORT_GUARD && self.gap >= GAP_GUARD
    }

    /// Whether an f32 computation on a graphics device keeps the method's error bounds.
    pub fn allows_device(&self) -> bool {
        self.allows_f32() && self.gap >= DEVICE_GAP_GUARD
    }
}
