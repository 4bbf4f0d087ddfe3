//! CRC-32 as in zip and PNG (ISO 3309), eight bytes at a time (Kounavis and Berry 2008).
//!
//! The tables are made when they are first needed. As constants, which they are in the libraries, they would be a tenth
//! of what the page loads: nothing makes them smaller.

use std::sync::LazyLock;

/// `TABLES[k][byte]`: what a byte that is followed by k others adds.
static TABLES: LazyLock<[[u32; 256]; 8]> = LazyLock::new(|| {
    let mut tables = [[0; 256]; 8];
    for byte in 0..=u8::MAX {
        let step = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1));
        tables[0][usize::from(byte)] = (0..8).fold(u32::from(byte), |crc, _| step(crc));
    }
    for k in 1..8 {
        tables[k] = tables[k - 1].map(|crc| (crc >> 8) ^ tables[0][usize::from(crc.to_le_bytes()[0])]);
    }
    tables
});

/// A checksum in the making.
#[derive(Clone, Debug)]
pub(crate) struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc32 {
    /// Takes in the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let tables = &*TABLES;
        let at = |k: usize, byte: u8| tables[k][usize::from(byte)];
        let (words, rest) = bytes.as_chunks::<8>();
        let mut crc = self.0;
        for &[a, b, c, d, e, f, g, h] in words {
            let [p, q, r, s] = (crc ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
            crc = at(7, p) ^ at(6, q) ^ at(5, r) ^ at(4, s) ^ at(3, e) ^ at(2, f) ^ at(1, g) ^ at(0, h);
        }
        self.0 = rest.iter().fold(crc, |crc, byte| (crc >> 8) ^ at(0, crc.to_le_bytes()[0] ^ byte));
    }

    /// The checksum of all bytes until now.
    pub(crate) fn finish(self) -> u32 {
        !self.0
    }
}

/// The checksum of some bytes.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc32::default();
    crc.update(bytes);
    crc.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_crc_that_others_compute() {
        // The check value of the catalogues, and what Python's zlib.crc32 gives.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(&[0; 32]), 0x190a_55ad);
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(crc32(&bytes), 0x2905_8c73);
    }

    #[test]
    fn pieces_make_no_difference() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i * i % 251).to_le_bytes()[0]).collect();
        for cut in [0, 1, 7, 8, 9, 500, 999, 1000] {
            let mut crc = Crc32::default();
            crc.update(&bytes[..cut]);
            crc.update(&bytes[cut..]);
            assert_eq!(crc.finish(), crc32(&bytes));
        }
    }
}
