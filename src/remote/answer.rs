//! The answers of a host, and what they mean.

use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A way to ask a host for a part of a file.
#[allow(async_fn_in_trait, reason = "sources are used by one thread; on wasm32 no future is Send")]
pub trait Transport {
    /// Asks for the bytes of `range` after waiting `wait` milliseconds.
    ///
    /// # Errors
    /// The reason why there is no answer.
    async fn ask(&self, url: &str, range: &Range<u64>, wait: u32) -> Result<Answer, Silence>;
}

/// A host's answer, as far as a page may see it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The address that finally answered, after redirects.
    pub url: String,
    /// The `Content-Type` header.
    pub kind: Option<String>,
    /// The `Content-Range` header.
    pub range: Option<String>,
    /// The `ETag` header, or else `Last-Modified`.
    pub tag: Option<String>,
    /// The body of an answer with status 206; it is shorter than announced if the connection broke off.
    pub bytes: Vec<u8>,
}

/// The reason why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Silence {
    /// The machine has no connection.
    Offline,
    /// The host did not answer.
    Unreachable,
    /// The host answered, but did not allow this page to read the answer.
    Cors,
    /// The page's own policy forbids the request.
    Blocked,
}

/// What identifies a version of a file: as long as size and tag stay the same, so do its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The size in bytes.
    pub size: u64,
    /// The host's tag for this version, if it gives one.
    pub tag: Option<String>,
}

impl Stamp {
    /// Whether this is another version. A tag that is missing on one side says nothing, nor does a date that stands in for a tag on
    /// one side; real tags are in quotes.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let tags = self.tag.as_ref().zip(other.tag.as_ref());
        let tags = tags.filter(|(one, other)| one.starts_with('"') == other.starts_with('"'));
        self.size != other.size || tags.is_some_and(|(one, other)| one != other)
    }
}

/// The reason why an answer is of no use.
#[derive(Debug)]
pub(super) enum Useless {
    /// The next answer may be better.
    Now(Error),
    /// Every further answer will be the same.
    Always(Error),
}

/// The meanings of statuses other than 206.
const STATUSES: [(&[u16], Code); 3] =
    [(&[401, 403], Code::Gated), (&[404, 410], Code::Missing), (&[200], Code::WholeOnly)];
/// The statuses by which a host asks for patience.
const PASSING: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];

/// The stamp of the file, if the answer contains bytes from the first requested one on.
pub(super) fn read(answer: &Answer, asked: &Range<u64>) -> Result<Stamp, Useless> {
    let status = answer.status;
    let always = |code: Code, detail: String| Err(Useless::Always(Error::new(code, detail)));
    let said = format!("It answered {status}.");
    if PASSING.contains(&status) {
        return Err(Useless::Now(Error::new(Code::Busy, said)));
    }
    let page = answer.kind.as_deref().is_some_and(|kind| {
        kind.trim_start().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
    });
    if page && matches!(status, 200 | 206) {
        return always(Code::WebPage, String::new());
    }
    if status == 416 {
        // A file without bytes has no parts.
        let empty = answer.range.as_deref() == Some("bytes */0") || asked.start == 0;
        return always(if empty { Code::Empty } else { Code::RemoteChanged }, String::new());
    }
    if status != 206 {
        let code = STATUSES.iter().find(|(all, _)| all.contains(&status)).map(|(_, code)| *code);
        return always(code.unwrap_or(Code::Answer), said);
    }
    let Some(range) = answer.range.as_deref() else {
        return always(Code::WrongPart, "It does not say which, or not to other pages.".into());
    };
    let fits = |sent: &Range<u64>| sent.start == asked.start && sent.end <= asked.end;
    let Some((sent, size)) = content_range(range).filter(|(sent, _)| fits(sent)) else {
        let last = asked.end.saturating_sub(1);
        return always(
            Code::WrongPart,
            format!("Asked for bytes {}-{last}, it sent {range:?}.", asked.start),
        );
    };
    if answer.bytes.len() as u64 > sent.end - sent.start {
        return always(Code::WrongPart, "It sent more than it says.".into());
    }
    let tag = answer.tag.as_deref().map(|tag| tag.trim().trim_start_matches("W/").to_owned());
    Ok(Stamp { size, tag })
}

/// Parses `bytes first-last/size` (RFC 9110, §14.4).
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let end = last.checked_add(1).filter(|&end| end > first)?;
    // Larger numbers are not exact on a page.
    let size = size.trim().parse().ok().filter(|&size: &u64| end <= size && size < 1 << 53)?;
    Some((first..end, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_has_one_meaning() {
        assert_eq!(content_range("bytes 0-0/10"), Some((0..1, 10)));
        assert_eq!(content_range("bytes 5-9/10"), Some((5..10, 10)));
        for wrong in [
            "",
            "bytes */10",
            "bytes 0-0/*",
            "bytes 3-2/10",
            "0-0/10",
            "bytes 0-18446744073709551615/1",
            "bytes 0-0/9007199254740992",
            "bytes -1-0/3",
            "bytes 0-0",
        ] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
