//! Values as JSON text, and choices as JSON has them.

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use std::io;

/// Numbers as the standard library prints them: the shortest text that is read as the same number, as from `serde_json`
/// itself, which has a printer of its own for it.
struct Standard;

impl Formatter for Standard {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write!(writer, "{value:?}")
    }
}

/// The JSON of a value; nothing if it has none (a table whose keys are no texts).
pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> String {
    let mut json = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut json, Standard));
    written.ok().and_then(|()| String::from_utf8(json).ok()).unwrap_or_default()
}

/// One of several kinds, with the number that belongs to it: `{"kind":"count","count":3}`.
///
/// Enums with `#[serde(tag = "kind")]` read the same, but bring serde's own model of any value with them, and each its
/// way through it: 6 KB of what the page loads.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Choice {
    /// Which.
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
    /// A kind without a number.
    pub(crate) fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..Self::default() }
    }

    /// Why it is none of the kinds there are.
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
