//! μ, from 0 to ∞: how it is written, and how much it removes.

use serde::de::{self, Deserializer, Visitor};
use std::fmt;

/// The word for an infinite μ, because JSON has no infinity.
pub(crate) const INFINITY: &str = "infinity";

/// β = μ/(1+μ), the fraction of the overlap that is removed.
pub(crate) fn beta(mu: f64) -> f64 {
    if mu.is_infinite() { 1.0 } else { mu / (1.0 + mu) }
}

/// The fraction of the overlap's energy that goes with a fraction β of the overlap: 1 − (1 − β)².
pub(crate) fn taken(beta: f64) -> f64 {
    beta * (2.0 - beta)
}

/// μ as people and JSON read it.
pub(crate) fn text(mu: f64) -> String {
    if mu.is_infinite() { INFINITY.to_owned() } else { mu.to_string() }
}

/// Reads μ from JSON: a number, or the word for infinity.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = deserializer.deserialize_any(Mu)?;
    number.ok_or_else(|| de::Error::custom("μ must be a number"))
}

/// Reads μ from JSON, or null for none.
pub(crate) fn read_own<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_any(Mu)
}

struct Mu;

impl Visitor<'_> for Mu {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("μ, a number or \"infinity\"")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Option<f64>, E> {
        Ok(Some(number))
    }

    #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 all μ are alike")]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Option<f64>, E> {
        Ok(Some(number as f64))
    }

    #[allow(clippy::cast_precision_loss, reason = "only its sign matters")]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Option<f64>, E> {
        Ok(Some(number as f64))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Option<f64>, E> {
        // Reports used to capitalise the word.
        if word.eq_ignore_ascii_case(INFINITY) {
            return Ok(Some(f64::INFINITY));
        }
        Err(E::custom(format!("μ cannot be {word:?}")))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Option<f64>, E> {
        Ok(None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Option<f64>, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_is_the_fraction_removed() {
        assert_eq!((beta(0.0), beta(1.0), beta(f64::INFINITY)), (0.0, 0.5, 1.0));
        assert!((beta(0.5) - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn infinity_is_a_word_with_a_capital_or_without() {
        let read = |word: &str| read(serde_json::Value::from(word));
        for word in ["infinity", "Infinity"] {
            assert_eq!(read(word).ok(), Some(f64::INFINITY), "{word}");
        }
        for word in ["infinite", "inf", "1", ""] {
            assert!(read(word).is_err(), "{word}");
        }
    }
}
