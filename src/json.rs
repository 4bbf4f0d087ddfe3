//! Values as JSON text, and tagged choices as JSON spells them.

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use std::io;

/// Formats numbers as the standard library does: the shortest text that reads back as the same number, as `serde_json` does with a
/// printer of its own.
struct Standard;

impl Formatter for Standard {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write!(writer, "{value:?}")
    }
}

/// The JSON of a value; empty if it has none (a table whose keys are not texts).
pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> String {
    let mut json = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut json, Standard));
    written.ok().and_then(|()| String::from_utf8(json).ok()).unwrap_or_default()
}

/// A choice of one of several kinds, with the number that belongs to it: `{"kind":"count","count":3}`.
///
/// Enums with `#[serde(tag = "kind")]` read the same JSON, but bring along serde's model of arbitrary values and code for each
/// enum: 6 KB of the page's download.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Choice {
    /// The name of the kind.
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alpha: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rank: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<f64>,
}

impl Choice {
    /// A choice of a kind without a number.
    pub(crate) fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..Self::default() }
    }

    /// The message for a choice that is none of the known kinds.
    pub(crate) fn unknown(&self) -> String {
        format!("there is no choice {}", text(self))
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn it_is_what_serde_json_writes() {
        let values = serde_json::json!({
            "numbers": [0.0, -0.5, 1.0, 0.1, 1e-7, 1e300, 5e-324, f64::MAX, 2e15, 123456789.125, -3, u64::MAX],
            "texts": ["", "\"\\\n\u{1}é\u{1f600}", null, true],
        });
        let again: serde_json::Value = serde_json::from_str(&text(&values)).unwrap();
        assert_eq!(again, values);
        assert_eq!(text(&[0.5, 1.0]), "[0.5,1.0]");
        assert_eq!(text(&f64::NAN), "null");
    }
}
