//! What may stand at a place in a JSON text, and the error for everything else.

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A place in a JSON text and the values that it accepts. Every kind of value is refused unless the place accepts it.
///
/// serde's own readers refuse the same values, but they bring their own messages and their own number formatting with them.
pub(super) trait Expected<'de>: Sized {
    /// The type that the place is read as.
    type Value;
    /// The name of what is expected here, for error messages.
    const WHAT: &'static str;

    fn table<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(unexpected::<Self, _>("a table"))
    }

    fn list<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(unexpected::<Self, _>("a list"))
    }

    fn text<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(unexpected::<Self, _>("a text"))
    }

    fn number<E: de::Error>(self, _: Number) -> Result<Self::Value, E> {
        Err(unexpected::<Self, _>("a number"))
    }
}

/// A number in JSON. Numbers other than whole numbers from 0 on are useless here, so only their text is kept.
pub(super) enum Number {
    Whole(u64),
    Other(String),
}

pub(super) fn unexpected<'de, T: Expected<'de>, E: de::Error>(found: &str) -> E {
    E::custom(format_args!("{found} where {} should be", T::WHAT))
}

/// Reads a value at the place where it is expected.
pub(super) struct At<T>(pub(super) T);

impl<'de, T: Expected<'de>> DeserializeSeed<'de> for At<T> {
    type Value = T::Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Expected<'de>> Visitor<'de> for At<T> {
    type Value = T::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T::Value, A::Error> {
        self.0.table(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T::Value, A::Error> {
        self.0.list(seq)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T::Value, E> {
        self.0.text(text)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T::Value, E> {
        self.0.number(Number::Whole(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T::Value, E> {
        self.0.number(Number::Other(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T::Value, E> {
        self.0.number(Number::Other(number.to_string()))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<T::Value, E> {
        Err(unexpected::<T, _>("true or false"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<T::Value, E> {
        Err(unexpected::<T, _>("null"))
    }
}

/// A place that accepts any text.
pub(super) struct Text;

impl Expected<'_> for Text {
    type Value = String;
    const WHAT: &'static str = "a text";

    fn text<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}
