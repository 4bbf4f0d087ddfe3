//! The two precisions the kernels run in.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Mul, MulAssign, Sub, SubAssign};

/// f32, the precision of the WGSL twins, or f64 where that is not enough.
pub trait Real:
    Copy
    + Debug
    + PartialOrd
    + Add<Output = Self>
    + Mul<Output = Self>
    + Sub<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// Zero.
    const ZERO: Self;

    /// A row depends on the rows before it if less than this share of it is left once they are taken out.
    const DEPENDENT: f64;

    /// Rounds a value to this precision.
    fn of(value: f64) -> Self;

    /// The value as f64, exactly.
    fn wide(self) -> f64;

    /// The absolute value |x|.
    fn abs(self) -> Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const DEPENDENT: f64 = crate::RANK_TOLERANCE;

    #[allow(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
    fn of(value: f64) -> Self {
        value as Self
    }

    fn wide(self) -> f64 {
        self.into()
    }

    fn abs(self) -> Self {
        self.abs()
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const DEPENDENT: f64 = 1e-12;

    fn of(value: f64) -> Self {
        value
    }

    fn wide(self) -> f64 {
        self
    }

    fn abs(self) -> Self {
        self.abs()
    }
}

/// The power of two of the largest magnitude: 2^e ≤ max|x| < 2^(e+1); 0 if all values are zero.
pub(super) fn exponent<T: Real>(values: &[T]) -> i32 {
    let larger = |most: T, x: T| if x > most { x } else { most };
    // The values are compared eight at a time, as vector operations do.
    let (chunks, rest) = values.as_chunks::<8>();
    let lanes = chunks
        .iter()
        .fold([T::ZERO; 8], |most, x| std::array::from_fn(|lane| larger(most[lane], x[lane].abs())));
    let most = lanes.into_iter().chain(rest.iter().map(|x| x.abs())).fold(T::ZERO, larger).wide();
    // Every f32, subnormals too, is a normal f64.
    let bits = i32::try_from((most.to_bits() >> 52) & 0x7ff).unwrap_or(0);
    if most == 0.0 { 0 } else { bits - 1023 }
}

/// Multiplies values by 2^power, exactly unless the result leaves the range. Takes two steps, because 2^149 is no f32.
pub(super) fn scale<T: Real>(values: &mut [T], power: i32) {
    if power == 0 {
        return;
    }
    let (first, second) = (T::of(2f64.powi(power / 2)), T::of(2f64.powi(power - power / 2)));
    values.iter_mut().for_each(|x| *x = *x * first * second);
}
