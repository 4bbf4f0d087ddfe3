//! Finds values that are not finite. This is no arithmetic, but every byte of every file passes through it.

use crate::Dtype;

/// The values of a tensor that are NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// The index of the first of them.
    pub first: usize,
    /// The number of them.
    pub count: usize,
}

/// Finds the values of `bytes` that are NaN or infinite; `None` if all are finite or the format is not a float.
///
/// The check works on the bits and on the CPU, because WGSL may assume that such values do not occur. Incomplete words are ignored.
#[inline(never)]
pub fn non_finite(dtype: Dtype, bytes: &[u8]) -> Option<NonFinite> {
    match dtype {
        Dtype::F16 => full_exponents(bytes, |word: [u8; 2]| u16::from_le_bytes(word) & 0x7c00 == 0x7c00),
        Dtype::BF16 => full_exponents(bytes, |word: [u8; 2]| u16::from_le_bytes(word) & 0x7f80 == 0x7f80),
        Dtype::F32 => {
            full_exponents(bytes, |word: [u8; 4]| u32::from_le_bytes(word) & 0x7f80_0000 == 0x7f80_0000)
        }
        Dtype::F64 => full_exponents(bytes, |word: [u8; 8]| !f64::from_le_bytes(word).is_finite()),
        // E4M3 has no infinity and one NaN; E5M2 is the upper half of F16.
        Dtype::F8_E4M3 => full_exponents(bytes, |[byte]: [u8; 1]| byte & 0x7f == 0x7f),
        Dtype::F8_E5M2 => full_exponents(bytes, |[byte]: [u8; 1]| byte & 0x7c == 0x7c),
        _ => None,
    }
}

/// Finds the words for which `bad` holds, a block at a time: the sum over a block has no branch, so it vectorises.
fn full_exponents<const N: usize>(bytes: &[u8], bad: impl Fn([u8; N]) -> bool) -> Option<NonFinite> {
    const BLOCK: usize = 4096;
    let (words, _) = bytes.as_chunks::<N>();
    let (mut first, mut count) = (None, 0);
    for (block, part) in words.chunks(BLOCK).enumerate() {
        let found = part.iter().fold(0u16, |sum, &word| sum.wrapping_add(u16::from(bad(word))));
        if found > 0 && first.is_none() {
            first = part.iter().position(|&word| bad(word)).map(|at| block * BLOCK + at);
        }
        count += usize::from(found);
    }
    first.map(|first| NonFinite { first, count })
}
