//! A module's factors between file and result: read, checked, scaled and rounded.

use crate::adapter::Module;
use crate::backend::{Dtype, Stored, cpu};
use crate::container::{self, Source, Tensor};
use crate::error::{Code, Error, Result};

/// A factor in memory: row-major, little-endian words.
#[derive(Clone, Debug)]
pub struct Factor {
    /// The words.
    pub bytes: Vec<u8>,
    /// F32, F16 or BF16.
    pub dtype: Dtype,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

/// Both factors of one module.
#[derive(Clone, Debug)]
pub struct Factors {
    /// A, r×n.
    pub down: Factor,
    /// B, m×r.
    pub up: Factor,
}

/// A factor in the result's format, and what rounding did to it.
#[derive(Debug)]
pub struct Rounded {
    /// The words.
    pub bytes: Vec<u8>,
    /// Rounded less exact, in units of the result; `None` where nothing changed.
    pub error: Option<Vec<f32>>,
}

/// If the two factors of a module lie at most this far apart, they are read in one go.
const GAP: u64 = 64 * 1024;

impl Factors {
    /// Reads both factors of a module and checks that every value is a number.
    ///
    /// # Errors
    /// Those of the source; `NonFinite` naming the tensor and the first bad value.
    pub async fn read<S: Source>(source: &S, module: &Module) -> Result<Self> {
        let (down, up) = (&module.down, &module.up);
        let both = down.start.min(up.start)..down.end.max(up.end);
        let (down_bytes, up_bytes) = if both.end - both.start <= down.bytes() + up.bytes() + GAP {
            let bytes = source.read(both.clone()).await?;
            let part = |tensor: &Tensor| {
                let at = |position: u64| usize::try_from(position - both.start).unwrap_or(usize::MAX);
                bytes.get(at(tensor.start)..at(tensor.end)).map(<[u8]>::to_vec).unwrap_or_default()
            };
            (part(down), part(up))
        } else {
            (source.read(down.range()).await?, source.read(up.range()).await?)
        };
        let name = |error: Error| error.in_file(source.name());
        Ok(Self {
            down: Factor::new(down, down_bytes, module.rank, module.in_features).map_err(name)?,
            up: Factor::new(up, up_bytes, module.out_features, module.rank).map_err(name)?,
        })
    }
}

impl Factor {
    fn new(tensor: &Tensor, bytes: Vec<u8>, rows: usize, cols: usize) -> Result<Self> {
        if bytes.len() as u64 != tensor.bytes() {
            return Err(
                Error::new(Code::InputChanged, "Fewer bytes came than asked for.").at_tensor(&tensor.name)
            );
        }
        if let Some(at) = container::first_non_finite(tensor.dtype, &bytes) {
            let detail = format!("Value {at} of {} is not finite.", tensor.values());
            return Err(Error::new(Code::NonFinite, detail).at_tensor(&tensor.name));
        }
        let (bytes, dtype) = match container::widen_f8(tensor.dtype, &bytes) {
            Some(words) => (words, Dtype::F16),
            None => (bytes, tensor.dtype),
        };
        Ok(Self { bytes, dtype, rows, cols })
    }

    /// The factor as a backend takes it.
    pub fn stored(&self) -> Stored<'_> {
        Stored { bytes: &self.bytes, dtype: self.dtype, rows: self.rows, cols: self.cols }
    }

    /// The factor times `scale`, rounded once to `dtype`. Bits that need no change get none.
    pub fn rounded(&self, scale: f64, dtype: Dtype) -> Rounded {
        if scale == 1.0 && dtype == self.dtype {
            return Rounded { bytes: self.bytes.clone(), error: None };
        }
        let values = cpu::decode(&self.stored(), 0, false);
        let (bytes, mut error) = cpu::encode(&values, scale, dtype);
        let changed = error.iter().any(|&e| e != 0.0);
        if changed {
            let scale = super::plan::as_f32(scale);
            error.iter_mut().for_each(|e| *e *= scale);
        }
        Rounded { bytes, error: changed.then_some(error) }
    }
}
