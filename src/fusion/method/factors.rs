//! A module's factors between file and result: read, checked, scaled and rounded.

use crate::adapter::Module;
use crate::backend::cpu::{self, Encoded, Update};
use crate::backend::matrix::{self, Matrix};
use crate::backend::{Dtype, Stored};
use crate::container::{self, Bytes, NonFinite, Source, Tensor};
use crate::error::{Code, Error, Result};
use crate::fusion::float;
use crate::fusion::plan::unplanned;
use std::cell::OnceCell;
use std::ops::Range;

/// A factor in memory: row-major, little-endian words.
#[derive(Clone, Debug)]
pub(crate) struct Factor {
    /// The words; clones share them.
    pub bytes: Bytes,
    /// The number format: F32, F16 or BF16.
    pub dtype: Dtype,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// The largest magnitude, once it has been computed.
    largest: OnceCell<f32>,
}

/// Both factors of one module.
#[derive(Clone, Debug)]
pub(crate) struct Factors {
    /// lora_down, A, r×n.
    pub down: Factor,
    /// lora_up, B, m×r.
    pub up: Factor,
    /// If the update had to be cut to a rank, the energy that is left and the energy before.
    pub energy: Option<[f64; 2]>,
}

/// A factor in the result's format, with its rounding errors.
#[derive(Clone, Debug)]
pub(crate) struct Rounded {
    /// The words; clones share them.
    pub bytes: Bytes,
    /// The Gram matrix of the rounding errors E, in units of the result: E·Eᵀ for a lora_down, Eᵀ·E for a lora_up, r×r. `None` if
    /// nothing was rounded, or it was not asked for.
    pub error_gram: Option<Vec<f64>>,
}

impl Factors {
    /// Reads the tensors of a module, checks that every value is finite, and makes factors of them; kinds without exact factors are
    /// cut to `rank`.
    ///
    /// # Errors
    /// Those of the source; `NonFinite` naming the tensor, its first bad value and the number of bad values.
    pub(crate) async fn read<S: Source>(source: &S, module: &Module, rank: usize) -> Result<Self> {
        if let Some((down, up)) = module.kind.plain() {
            let down = Factor::read(source, down, module.rank, module.in_features).await?;
            let up = Factor::read(source, up, module.out_features, module.rank).await?;
            return Ok(Self { down, up, energy: None });
        }
        let tensors = module.kind.tensors();
        let mut values = Vec::with_capacity(tensors.len());
        for tensor in &tensors {
            let size = |value: u64| usize::try_from(value).map_err(|_| unplanned(&tensor.name));
            let rows = size(tensor.shape.first().copied().unwrap_or(1))?;
            let cols = size(tensor.values())? / rows.max(1);
            let factor = Factor::read(source, tensor, rows, cols).await?;
            values.push(matrix::from_rows(rows, cols, &factor.values()));
        }
        let product = module.kind.product(&values, rank)?;
        // The product may overflow although each tensor is finite.
        if let Some(first) = tensors.first()
            && !(matrix::is_finite(&product.down) && matrix::is_finite(&product.up))
        {
            return Err(too_large(source, first));
        }
        Ok(Self {
            down: Factor::of(&product.down),
            up: Factor::of(&product.up),
            energy: product.energy.map(|(kept, whole)| [kept, whole]),
        })
    }

    /// How the factors share a scale in the result's format, so that as far as possible their values neither overflow nor lose
    /// digits. `is_projected` says that the saved lora_down is a projection of this one.
    pub(crate) fn split(&self, scale: f64, dtype: Dtype, is_projected: bool) -> Split {
        let split = Split { up: 1.0, down: scale, moved: false };
        if dtype != Dtype::F16 {
            return split;
        }
        // Projecting makes no row longer, but may concentrate a whole row in a single value.
        let gathered = if is_projected { float(self.down.cols).sqrt() } else { 1.0 };
        let of_down = split.down.abs() * gathered;
        let split = if self.down.fits_f16(of_down) && self.up.fits_f16(split.up) {
            split
        } else {
            split.in_range(of_down * self.down.largest(), split.up * self.up.largest())
        };
        let factors = [(&self.down, split.down.abs()), (&self.up, split.up)];
        // A factor that is saved unchanged keeps the digits that it has.
        let [down, up] = factors.map(|(factor, by)| factor.dtype == Dtype::F16 && by == 1.0);
        let exact = [down && !is_projected, up];
        let lacks =
            |((factor, by), exact): (&(&Factor, f64), bool)| !exact && by * factor.largest() < F16_DIGITS;
        if !factors.iter().zip(exact).any(lacks) {
            return split;
        }
        split.with_digits(factors.map(|(factor, by)| by * factor.largest()), exact)
    }

    /// Both factors as a backend takes them.
    pub(crate) fn update(&self) -> Update<'_> {
        Update { down: self.down.stored(), up: self.up.stored() }
    }

    /// lora_down times `scale`, rounded once to `dtype`; the rounding errors are kept only if `accounted`.
    pub(crate) fn rounded_down(&self, scale: f64, dtype: Dtype, accounted: bool) -> Rounded {
        self.down.rounded(if accounted { cpu::encoded_rows } else { cpu::encoded }, scale, dtype)
    }

    /// lora_up times `scale`, rounded once to `dtype`; the rounding errors are kept only if `accounted`.
    pub(crate) fn rounded_up(&self, scale: f64, dtype: Dtype, accounted: bool) -> Rounded {
        self.up.rounded(if accounted { cpu::encoded_columns } else { cpu::encoded }, scale, dtype)
    }

    /// The effect of rounding both factors, times these scales of lora_down and lora_up, to `dtype`: see [`cpu::rounding`].
    pub(crate) fn rounding(&self, scales: [f64; 2], dtype: Dtype) -> [f64; 2] {
        cpu::rounding(&self.down.stored(), &self.up.stored(), scales, dtype)
    }

    /// The factors with only some rows of lora_up.
    pub(crate) fn rows(&self, rows: &[Range<usize>]) -> Self {
        let whole = rows == std::slice::from_ref(&(0..self.up.rows));
        let up = if whole { self.up.clone() } else { self.up.select(rows) };
        Self { down: self.down.clone(), up, energy: self.energy }
    }
}

impl Factor {
    /// Reads a tensor as a matrix of rows×cols and checks that every value is finite.
    ///
    /// # Errors
    /// Those of the source; `NonFinite`. They name file and tensor.
    async fn read<S: Source>(source: &S, tensor: &Tensor, rows: usize, cols: usize) -> Result<Self> {
        let bytes = container::exactly(source, tensor.range())
            .await
            .map_err(|error| error.at_tensor(&tensor.name))?;
        Self::new(tensor, bytes, rows, cols).map_err(|error| error.in_file(source.name()))
    }

    /// A tensor's bytes as a factor, checked to be finite and converted if needed.
    ///
    /// # Errors
    /// `NonFinite`.
    pub(crate) fn new(tensor: &Tensor, bytes: Bytes, rows: usize, cols: usize) -> Result<Self> {
        let finite = |dtype, bytes: &[u8], what: &str| match container::non_finite(dtype, bytes) {
            Some(NonFinite { first, count }) => {
                let (values, first) = (tensor.values(), first + 1);
                let are = if count == 1 { "is" } else { "are" };
                let detail = format!("Of {values} values {count} {are} {what}, the first is number {first}.");
                Err(Error::new(Code::NonFinite, detail).at_tensor(&tensor.name))
            }
            None => Ok(()),
        };
        finite(tensor.dtype, &bytes, "not finite")?;
        let (dtype, bytes) = match container::converted(tensor.dtype, &bytes) {
            Some((dtype, words)) => {
                finite(dtype, &words, "too large for F32")?;
                (dtype, words.into())
            }
            None => (tensor.dtype, bytes),
        };
        Ok(Self::of_words(bytes, dtype, rows, cols))
    }

    /// A matrix as an F32 factor.
    pub(crate) fn of(matrix: &Matrix) -> Self {
        let (bytes, _) = cpu::encode(&matrix::by_rows(matrix), 1.0, Dtype::F32);
        Self::of_words(bytes.into(), Dtype::F32, matrix.nrows(), matrix.ncols())
    }

    /// A factor of these words.
    pub(crate) fn of_words(bytes: Bytes, dtype: Dtype, rows: usize, cols: usize) -> Self {
        Self { bytes, dtype, rows, cols, largest: OnceCell::new() }
    }

    fn largest(&self) -> f64 {
        f64::from(*self.largest.get_or_init(|| cpu::largest(&self.stored())))
    }

    /// Whether no value times `scale` is too large for F16. A factor that is already F16 need not be looked at unless it grows.
    fn fits_f16(&self, scale: f64) -> bool {
        self.dtype == Dtype::F16 && scale <= 1.0 || scale * self.largest() <= F16_END
    }

    /// The factor as a backend takes it.
    pub(crate) fn stored(&self) -> Stored<'_> {
        Stored { bytes: &self.bytes, dtype: self.dtype, rows: self.rows, cols: self.cols }
    }

    /// The values, row-major.
    pub(crate) fn values(&self) -> Vec<f32> {
        cpu::decode(&self.stored(), false)
    }

    /// The factor with only some of its rows.
    fn select(&self, rows: &[Range<usize>]) -> Self {
        let width = self.cols * self.dtype.bitsize() / 8;
        let bytes = rows
            .iter()
            .filter_map(|rows| self.bytes.get(rows.start * width..rows.end * width))
            .collect::<Vec<_>>()
            .concat();
        Self::of_words(bytes.into(), self.dtype, rows.iter().map(|rows| rows.len()).sum(), self.cols)
    }

    /// The factor times `scale`, rounded once to `dtype` by `encode`. Bits that need not change are kept.
    fn rounded(&self, encode: Encode, scale: f64, dtype: Dtype) -> Rounded {
        if scale == 1.0 && dtype == self.dtype {
            return Rounded { bytes: self.bytes.clone(), error_gram: None };
        }
        let Encoded { words, error_gram } = encode(&self.stored(), scale, dtype);
        let changed = error_gram.iter().any(|&e| e != 0.0);
        Rounded { bytes: words.into(), error_gram: changed.then_some(error_gram) }
    }
}

/// The error for a product of tensors that overflows F32.
fn too_large<S: Source>(source: &S, tensor: &Tensor) -> Error {
    let detail = "What it makes together with the module's other tensors is too large for F32.";
    Error::new(Code::NonFinite, detail).at_tensor(&tensor.name).in_file(source.name())
}

/// A function that turns a stored factor into one of the result, with the Gram matrix of the rounding errors or without.
type Encode = fn(&Stored<'_>, f64, Dtype) -> Encoded;

/// The two scales of a module's factors, whose product is the module's scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Split {
    /// The scale of lora_up: a power of two, which leaves its digits as they are.
    pub(crate) up: f64,
    /// The scale of lora_down.
    pub(crate) down: f64,
    /// Whether one factor's values were too large for the format, so that the excess was moved to the other.
    pub(crate) moved: bool,
}

/// The largest number of F16.
const F16_END: f64 = 65504.0;

/// A factor whose largest value is smaller than this lacks digits in F16: the format has all digits down to 2^-14, and beside a
/// value of this size smaller ones count for little.
const F16_DIGITS: f64 = 1.0 / 256.0;

impl Split {
    /// Moves a power of two to the factor that would lose digits in F16, as far as the other can spare it. With `self` the largest
    /// values of lora_down and lora_up have these sizes; factors marked `exact` lose nothing.
    fn with_digits(self, [down, up]: [f64; 2], [down_exact, up_exact]: [bool; 2]) -> Self {
        let enough = (down * up).sqrt().min(F16_DIGITS);
        let lacks = |size: f64, exact: bool| {
            let power = (enough / size).log2().floor();
            if exact || enough == 0.0 || power <= 0.0 { 1.0 } else { power.exp2() }
        };
        let moved = lacks(up, up_exact) / lacks(down, down_exact);
        Self { up: self.up * moved, down: self.down / moved, ..self }
    }

    /// Moves what is too large for one factor to the other, if that has room for it. With `self` the values of lora_down and
    /// lora_up have at most these sizes.
    fn in_range(self, down: f64, up: f64) -> Self {
        let excess = |most: f64| (most / F16_END).log2().ceil().max(0.0).exp2();
        let (of_down, of_up) = (excess(down), excess(up));
        let moved = of_down / of_up;
        let fits = down / moved <= F16_END && up * moved <= F16_END;
        if fits { Self { up: self.up * moved, down: self.down / moved, moved: true } } else { self }
    }
}

/// Reads a tensor as f32 values, checked to be finite.
pub(crate) async fn read_vector<S: Source>(source: &S, tensor: &Tensor) -> Result<Vec<f32>> {
    let length = usize::try_from(tensor.values()).map_err(|_| unplanned(&tensor.name))?;
    Ok(Factor::read(source, tensor, 1, length).await?.values())
}
