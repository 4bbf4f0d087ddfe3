//! Number formats: finds values that are not finite, converts F8 and F64 to formats that are computed with, and reads single numbers.

pub use np_lora_cpu::{NonFinite, non_finite};
use safetensors::Dtype;

/// Converts values of a format that is not computed with: F8 to F16, exactly; F64 to F32, to nearest, where too large a value
/// becomes infinity and too small a one 0. `None` for all other formats.
pub fn converted(dtype: Dtype, bytes: &[u8]) -> Option<(Dtype, Vec<u8>)> {
    match dtype {
        Dtype::F8_E5M2 => Some((Dtype::F16, widened(bytes, |byte| u16::from(byte) << 8))),
        Dtype::F8_E4M3 => Some((Dtype::F16, widened(bytes, e4m3_as_f16))),
        Dtype::F64 => Some((Dtype::F32, narrowed(bytes))),
        _ => None,
    }
}

/// The unit roundoff of a 16-bit format that results are rounded to, relative to the value; 0 for other formats.
pub fn roundoff(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F16 => 2f64.powi(-11),
        Dtype::BF16 => 2f64.powi(-8),
        _ => 0.0,
    }
}

/// Converts bytes to F16 words.
fn widened(bytes: &[u8], word: fn(u8) -> u16) -> Vec<u8> {
    let table: Vec<[u8; 2]> = (0..=u8::MAX).map(|byte| word(byte).to_le_bytes()).collect();
    bytes.iter().flat_map(|&byte| table[usize::from(byte)]).collect()
}

/// Rounds F64 words to F32.
fn narrowed(bytes: &[u8]) -> Vec<u8> {
    #[allow(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
    let narrow = |word: &[u8; 8]| (f64::from_le_bytes(*word) as f32).to_le_bytes();
    bytes.as_chunks().0.iter().flat_map(narrow).collect()
}

/// Converts one E4M3 byte (finite-only variant: bias 7, S.1111.111 is NaN) to an F16 word. OCP 8-bit floating point specification 1.0, §5.
fn e4m3_as_f16(byte: u8) -> u16 {
    let word = u16::from(byte);
    let (sign, exponent, mantissa) = ((word & 0x80) << 8, (word >> 3) & 15, word & 7);
    if exponent == 15 && mantissa == 7 {
        return sign | 0x7e00;
    }
    if exponent > 0 {
        return sign | ((exponent + 8) << 10) | (mantissa << 7);
    }
    if mantissa == 0 {
        return sign;
    }
    // Subnormal: mantissa · 2^-9. F16 reaches 2^-14 with a full mantissa, so the leading bit becomes implicit.
    let top = u16::try_from(mantissa.ilog2()).unwrap_or(0);
    let rest = (mantissa << (10 - top)) & 0x3ff;
    sign | ((top + 6) << 10) | rest
}

/// The number in a scalar tensor of any number format; `None` for formats that are not plain numbers.
pub fn scalar(dtype: Dtype, word: &[u8]) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "alphas are small")]
    Some(match dtype {
        Dtype::F64 => f64::from_le_bytes(word.try_into().ok()?),
        Dtype::F32 => f32::from_le_bytes(word.try_into().ok()?).into(),
        Dtype::F16 => f16_as_f64(u16::from_le_bytes(word.try_into().ok()?)),
        Dtype::BF16 => f32::from_bits(u32::from(u16::from_le_bytes(word.try_into().ok()?)) << 16).into(),
        Dtype::F8_E4M3 | Dtype::F8_E5M2 => {
            f16_as_f64(u16::from_le_bytes(converted(dtype, word)?.1.as_slice().try_into().ok()?))
        }
        Dtype::I64 => i64::from_le_bytes(word.try_into().ok()?) as f64,
        Dtype::U64 => u64::from_le_bytes(word.try_into().ok()?) as f64,
        Dtype::I32 => i32::from_le_bytes(word.try_into().ok()?).into(),
        Dtype::U32 => u32::from_le_bytes(word.try_into().ok()?).into(),
        Dtype::I16 => i16::from_le_bytes(word.try_into().ok()?).into(),
        Dtype::U16 => u16::from_le_bytes(word.try_into().ok()?).into(),
        Dtype::I8 => i8::from_le_bytes(word.try_into().ok()?).into(),
        Dtype::U8 => u8::from_le_bytes(word.try_into().ok()?).into(),
        _ => return None,
    })
}

fn f16_as_f64(word: u16) -> f64 {
    let sign = if word & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (i32::from((word >> 10) & 31), f64::from(word & 0x3ff));
    match exponent {
        31 if mantissa == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        0 => sign * mantissa * 2f64.powi(-24),
        _ => sign * (mantissa + 1024.0) * 2f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    /// The value of an E4M3 byte by definition, in f64.
    fn e4m3(byte: u8) -> f64 {
        let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
        let (exponent, mantissa) = (i32::from((byte >> 3) & 15), f64::from(byte & 7));
        match (exponent, byte & 7) {
            (15, 7) => f64::NAN,
            (0, _) => sign * mantissa / 8.0 * 2f64.powi(-6),
            _ => sign * (1.0 + mantissa / 8.0) * 2f64.powi(exponent - 7),
        }
    }

    #[test]
    fn every_f8_code_widens_exactly() {
        for byte in 0..=u8::MAX {
            for (dtype, expected) in [
                (Dtype::F8_E4M3, e4m3(byte)),
                (Dtype::F8_E5M2, f16::from_bits(u16::from(byte) << 8).to_f64()),
            ] {
                let (as_f16, words) = converted(dtype, &[byte]).unwrap();
                assert_eq!(as_f16, Dtype::F16);
                let value = f16::from_le_bytes([words[0], words[1]]).to_f64();
                assert!(value == expected || (value.is_nan() && expected.is_nan()), "{dtype} {byte:#x}");
                assert_eq!(
                    value.is_sign_negative(),
                    expected.is_sign_negative() || byte & 0x80 != 0,
                    "{byte:#x}"
                );
                assert_eq!(non_finite(dtype, &[byte]).is_some(), !expected.is_finite(), "{dtype} {byte:#x}");
            }
        }
        assert_eq!(converted(Dtype::F16, &[0, 0]), None);
    }

    #[test]
    fn f64_is_rounded_to_nearest() {
        // Halfway between two neighbours: to the even one.
        for (value, expected) in [
            (-0.1, -0.1f32),
            (1.0 + 2f64.powi(-24), 1.0),
            (1.0 + 3.0 * 2f64.powi(-24), 1.0 + 2.0 * f32::EPSILON),
            (1e-46, 0.0),
            (1e39, f32::INFINITY),
        ] {
            let (dtype, words) = converted(Dtype::F64, &f64::to_le_bytes(value)).unwrap();
            assert_eq!((dtype, words.as_slice()), (Dtype::F32, &expected.to_le_bytes()[..]), "{value}");
        }
    }

    #[test]
    fn every_16_bit_code_is_judged_and_read() {
        for code in 0..=u16::MAX {
            let bytes = code.to_le_bytes();
            for (dtype, expected) in
                [(Dtype::F16, f16::from_bits(code).to_f64()), (Dtype::BF16, bf16::from_bits(code).to_f64())]
            {
                assert_eq!(non_finite(dtype, &bytes).is_some(), !expected.is_finite(), "{dtype} {code:#x}");
                let value = scalar(dtype, &bytes).unwrap();
                assert!(value == expected || (value.is_nan() && expected.is_nan()), "{dtype} {code:#x}");
            }
        }
    }

    #[test]
    fn the_first_bad_value_is_found_wherever_it_stands() {
        for at in [0, 1, 4095, 4096, 9999] {
            let mut values = vec![1f32; 10_000];
            values[at] = f32::NAN;
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            assert_eq!(non_finite(Dtype::F32, &bytes), Some(NonFinite { first: at, count: 1 }));
        }
        // Several bad values, in the same block and in different ones.
        let mut values = vec![1f32; 20_000];
        for at in [77, 78, 4096, 19_999] {
            values[at] = f32::INFINITY;
        }
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(non_finite(Dtype::F32, &bytes), Some(NonFinite { first: 77, count: 4 }));
        let all = [0x7c; 2 * 70_000];
        assert_eq!(non_finite(Dtype::F16, &all), Some(NonFinite { first: 0, count: 70_000 }));
        assert_eq!(non_finite(Dtype::F32, &f32::MAX.to_le_bytes()), None);
        assert_eq!(
            non_finite(Dtype::F64, &f64::NEG_INFINITY.to_le_bytes()),
            Some(NonFinite { first: 0, count: 1 })
        );
        assert_eq!(non_finite(Dtype::I64, &[0xff; 16]), None);
    }

    #[test]
    fn scalars_of_all_formats() {
        assert_eq!(scalar(Dtype::I64, &16i64.to_le_bytes()), Some(16.0));
        assert_eq!(scalar(Dtype::F32, &0.5f32.to_le_bytes()), Some(0.5));
        assert_eq!(scalar(Dtype::F64, &(-2.0f64).to_le_bytes()), Some(-2.0));
        assert_eq!(scalar(Dtype::U8, &[7]), Some(7.0));
        assert_eq!(scalar(Dtype::F32, &[0; 3]), None, "a cut word");
        assert_eq!(scalar(Dtype::BOOL, &[1]), None);
    }
}
