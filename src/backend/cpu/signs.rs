//! Random numbers that are the same for every run.

/// Random signs, −1 and 1, from a xorshift generator (Marsaglia 2003).
#[derive(Clone, Debug)]
pub struct Signs(u64);

impl Signs {
    /// Starts the sequence from its beginning.
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// The next sign.
    #[inline(never)]
    pub fn draw(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        if self.0 >> 63 == 0 { 1.0 } else { -1.0 }
    }
}

impl Default for Signs {
    fn default() -> Self {
        Self::new()
    }
}
