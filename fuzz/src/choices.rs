//! Bytes as a list of decisions. When they run out, every decision is the first one: shorter bytes are simpler cases.

/// The decisions that are left.
#[derive(Clone, Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// 0 … n − 1.
    pub fn below(&mut self, n: usize) -> usize {
        let wide = usize::from(self.byte());
        let wide = if n > 256 { wide << 8 | usize::from(self.byte()) } else { wide };
        wide % n.max(1)
    }

    /// Once in n times.
    pub fn rarely(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// splitmix64 (Steele, Lea, Flood 2014): values that depend on a seed alone.
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between −1 and 1.
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// The bytes of a case.
    pub fn bytes(&mut self, longest: usize) -> Vec<u8> {
        let length = self.word() as usize % (longest + 1);
        std::iter::repeat_with(|| self.word().to_le_bytes()).flatten().take(length).collect()
    }
}
