//! Twin of `shaders/encode.wgsl`: rounding to the output format.

use super::real::Real;
use crate::Dtype;

/// Rounds `values`·`scale` to nearest even as F32, F16 or BF16 words; values that are too large become infinite. Returns the words
/// and, for each value, the error added by rounding divided by `scale` (0 if `scale` is 0).
pub(super) fn encode<T: Real>(values: &[T], scale: f64, dtype: Dtype) -> (Vec<u8>, Vec<f32>) {
    // The product is rounded to f32 first; f32 arithmetic gives the same if the scale is an f32 number. The error of a 16-bit word
    // is then still right to some 13 bits, while that of a 32-bit word would be lost.
    let own = T::of(scale);
    let invertible = scale == 0.0 || T::of(scale.recip()).wide().is_finite();
    if dtype != Dtype::F32 && own.wide() == scale && invertible {
        words(values.iter().copied(), own, dtype)
    } else {
        words(values.iter().map(|value| value.wide()), scale, dtype)
    }
}

fn words<T: Real>(values: impl ExactSizeIterator<Item = T>, scale: T, dtype: Dtype) -> (Vec<u8>, Vec<f32>) {
    match dtype {
        Dtype::F16 => {
            rounded(values, scale, |x| to_f16(x).to_le_bytes(), |word| widen_f16(u16::from_le_bytes(word)))
        }
        Dtype::BF16 => rounded(
            values,
            scale,
            |x| to_bf16(x).to_le_bytes(),
            |word| f32::from_bits(u32::from(u16::from_le_bytes(word)) << 16),
        ),
        _ => rounded(values, scale, f32::to_le_bytes, f32::from_le_bytes),
    }
}

fn rounded<T: Real, const N: usize>(
    values: impl ExactSizeIterator<Item = T>,
    scale: T,
    narrow: impl Fn(f32) -> [u8; N],
    widen: impl Fn([u8; N]) -> f32,
) -> (Vec<u8>, Vec<f32>) {
    let unscale = if scale == T::ZERO { scale } else { T::of(scale.wide().recip()) };
    let (mut bytes, mut errors) = (vec![0; values.len() * N], vec![0.0; values.len()]);
    for ((value, word), error) in values.zip(bytes.as_chunks_mut::<N>().0).zip(&mut errors) {
        let product = value * scale;
        *word = narrow(f32::of(product.wide()));
        *error = f32::of(((T::of(widen(*word).into()) - product) * unscale).wide());
    }
    (bytes, errors)
}

/// Rounds a value to an F16 word. All cases are computed and one is selected: without branches, and without sums that may overflow,
/// this vectorises.
fn to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let (sign, magnitude) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    // Rebias the exponent by -112 and round half to even; a carry runs into the exponent, up to infinity.
    let odd = magnitude >> 13 & 1;
    let normal = magnitude.wrapping_sub(112 << 23).wrapping_add(0xfff).wrapping_add(odd) >> 13;
    // Below 2^-14: the unit of 0.5 as f32 is that of F16 subnormals, so the addition rounds as needed.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
    // Magnitudes from 65536 on become infinite.
    let word = if magnitude >= 0x4780_0000 { 0x7c00 } else { finite };
    let [low, high, ..] = (sign | word).to_le_bytes();
    u16::from_le_bytes([low, high])
}

fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    u16::try_from(bits.saturating_add(0x7fff + (bits >> 16 & 1)) >> 16).unwrap_or(u16::MAX)
}

fn widen_f16(word: u16) -> f32 {
    let finite = super::decode::from_f16(word);
    let infinite = f32::from_bits(0x7f80_0000 | u32::from(word & 0x8000) << 16);
    if word & 0x7c00 == 0x7c00 { infinite } else { finite }
}
