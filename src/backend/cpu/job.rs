//! What goes into the method and what comes out: one module of a pair, as words and plain numbers.

pub use safetensors::Dtype;

/// A direction of the style counts if its singular value exceeds this share of the largest: the floor of f32 arithmetic.
pub const RANK_TOLERANCE: f64 = 2e-6;

/// Below this support a job is computed in f64 (see [`Conditioning`]).
pub(super) const SUPPORT_GUARD: f64 = 1.0 / 64.0;

/// Below this gap a job is computed in f64 (see [`Conditioning`]): where a cut is less clear, f32 would let more than a
/// millionth of the content leak into the protected space.
const GAP_GUARD: f64 = 1.0 / 16.0;

/// The same on a graphics device, whose singular values are of rotations in f32: equal ones above and below the cut let three
/// times as much leak at the gap that is enough on the CPU.
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
    /// `rows · cols` words.
    pub bytes: &'a [u8],
    /// F32, F16 or BF16; wider and narrower formats are converted before they get here.
    pub dtype: Dtype,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

impl<'a> Stored<'a> {
    /// The same, so many rows at a time.
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

/// One module of the pair.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// A_s, r_s×n.
    pub style_down: Stored<'a>,
    /// B_s, m×r_s.
    pub style_up: Stored<'a>,
    /// A_c, r_c×n.
    pub content_down: Stored<'a>,
    /// The factor folded into A_c' after the projection and before rounding.
    pub scale: f32,
}

/// What is made of the content: A_c' = scale·(keep·A_c + added·(A_c V_k) V_kᵀ).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blend {
    /// How much of all of it.
    pub keep: f64,
    /// How much of what lies along the protected directions is added to that.
    pub added: f64,
}

impl Blend {
    /// Nothing but what lies along the protected directions.
    pub const OVERLAP: Self = Self { keep: 0.0, added: 1.0 };

    /// All but the fraction β of what lies along them.
    pub const fn without(beta: f64) -> Self {
        Self { keep: 1.0, added: -beta }
    }
}

/// How many directions of an update to take, of the style's to protect or of the result's to keep: the first that the rank
/// tolerance and this cap leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// All directions it really has.
    All,
    /// At most this many.
    Count(usize),
    /// The fewest whose squared singular values sum to at least this share (0 < share ≤ 1) of the whole.
    Energy(f64),
}

impl Cut {
    /// The same where there are no more than `rank` directions: `All` where it cuts none.
    pub fn of_rank(self, rank: usize) -> Self {
        match self {
            Self::Count(count) if count >= rank => Self::All,
            Self::Energy(share) if share >= 1.0 => Self::All,
            cut => cut,
        }
    }
}

/// What a backend finds out about one job. Small matrices are row-major f64.
#[derive(Clone, Debug)]
pub struct Projected {
    /// A_c' = scale·(keep·A_c + added·(A_c V_k) V_kᵀ), r_c×n, encoded as the batch's `output`.
    pub content_down: Vec<u8>,
    /// k: how many directions were protected.
    pub protected: usize,
    /// Singular values of B_s·A_s in descending order, r_s of them; those below the tolerance are still listed. None
    /// where all directions were protected and it was plain without them that all count.
    pub sigma: Vec<f64>,
    /// ‖B_s·A_s‖², which is Σσ².
    pub style_energy: f64,
    /// A_c·A_cᵀ, r_c×r_c, before scale and projection.
    pub content_gram: Vec<f64>,
    /// (A_c V_k)(A_c V_k)ᵀ, r_c×r_c, before scale: what of the content lies along the protected directions.
    pub overlap_gram: Vec<f64>,
    /// A_s·A_cᵀ, r_s×r_c, before scale.
    pub cross_gram: Vec<f64>,
    /// (A_s V_k)·(A_c V_k)ᵀ, r_s×r_c, before scale.
    pub protected_cross_gram: Vec<f64>,
    /// E·Eᵀ, r_c×r_c, where scale·E is what rounding added to A_c'; like the other Gram matrices, before scale.
    pub rounding_gram: Vec<f64>,
    /// Where the final numbers come from.
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
    /// How well the rows of A_s bear their basis (see [`support`](super::support)), of the rows that are not zero and whose
    /// column of B_s is not zero. The error of a basis direction is about the machine epsilon divided by this.
    pub support: f64,
    /// How clearly k and the space are decided, the least of: (σ_k − σ_{k+1})/σ_1 if a live direction is cut, less in
    /// proportion where the rank is above 32; σ_k/σ_1 or σ_{k+1}/σ_1 where the one is little above the rank tolerance
    /// or the other little below; and how far the energy is from another k, where that is next to nothing. Else 1. The
    /// error of the protected space is about the machine epsilon divided by this.
    pub gap: f64,
}

impl Conditioning {
    /// From the basis' support, the singular values in descending order, k, and the number of live rows of the basis.
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
            // What all of them reach is no boundary.
            let missing = reached.take(rank.saturating_sub(1)).map(|sum| (sum - wanted).abs());
            gap = missing.filter(|&missing| missing < ENERGY_GUARD).fold(gap, f64::min);
        }
        Self { support, gap }
    }

    /// Whether an f32 computation keeps the error bounds of the method; otherwise the job is repeated in f64.
    pub fn allows_f32(&self) -> bool {
        self.support >= SUPPORT_GUARD && self.gap >= GAP_GUARD
    }

    /// Whether one on a graphics device does.
    pub fn allows_device(&self) -> bool {
        self.allows_f32() && self.gap >= DEVICE_GAP_GUARD
    }
}
