//! Twin of `shaders/decode.wgsl`: stored words → f32.

use super::real::Real;
use crate::{Dtype, Stored};

/// Decodes words of F32, F16 or BF16 to f32; `transposed` gives cols×rows. Subnormals are kept. Other formats give no values.
#[inline(never)]
pub fn decode(stored: &Stored<'_>, transposed: bool) -> Vec<f32> {
    let mut values = Vec::with_capacity(stored.rows * stored.cols);
    widened(stored.bytes, stored.dtype, &mut values);
    if transposed { transpose(&values, stored.rows, stored.cols) } else { values }
}

/// Appends the values of F32, F16 or BF16 words to `values`; other formats append nothing.
pub(super) fn widened<T: Real>(bytes: &[u8], dtype: Dtype, values: &mut Vec<T>) {
    let words = bytes.as_chunks::<2>().0.iter().map(|&word| u16::from_le_bytes(word));
    let of = |x: f32| T::of(x.into());
    match dtype {
        Dtype::F16 => values.extend(words.map(|word| of(from_f16(word)))),
        Dtype::BF16 => values.extend(words.map(|word| of(f32::from_bits(u32::from(word) << 16)))),
        Dtype::F32 => {
            values.extend(bytes.as_chunks::<4>().0.iter().map(|&word| of(f32::from_le_bytes(word))));
        }
        _ => {}
    }
}

/// The exact value of a finite F16 word. Its exponent and mantissa, read as f32 bits, are too small by a factor of 2^112,
/// subnormals included.
pub(super) fn from_f16(word: u16) -> f32 {
    let magnitude = f32::from_bits(u32::from(word & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    f32::from_bits(magnitude.to_bits() | (u32::from(word & 0x8000) << 16))
}

/// The transpose Xᵀ, cols×rows, of a row-major rows×cols matrix.
#[inline(never)]
pub fn transpose(x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    // Blocks of rows, so that the lines read from are still in the cache when the next column needs them.
    const BLOCK: usize = 64;
    let mut y = vec![0.0; x.len()];
    for (block, part) in x.chunks(BLOCK * cols.max(1)).enumerate() {
        for (column, target) in y.chunks_exact_mut(rows.max(1)).enumerate() {
            let values = part.iter().skip(column).step_by(cols);
            target[block * BLOCK..].iter_mut().zip(values).for_each(|(to, from)| *to = *from);
        }
    }
    y
}
