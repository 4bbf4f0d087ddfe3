//! What a host answers, and what it means.

use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What asks a host for a part of a file.
#[allow(async_fn_in_trait, reason = "sources are used by one thread; on wasm32 no future is Send")]
pub trait Transport {
    /// Asks for the bytes of `range`, after so many milliseconds.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn ask(&self, url: &str, range: &Range<u64>, wait: u32) -> Result<Answer, Silence>;
}

/// A host's answer, as far as a page is told of it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// Where it came from in the end.
    pub url: String,
    /// `Content-Type`.
    pub kind: Option<String>,
    /// `Content-Range`.
    pub range: Option<String>,
    /// `ETag`, or else `Last-Modified`.
    pub tag: Option<String>,
    /// What came of the body where the status is 206: less than announced where the connection broke off.
    pub bytes: Vec<u8>,
}

/// Why nothing was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Silence {
    /// The machine has no connection.
    Offline,
    /// The host did not answer.
    Unreachable,
    /// It did, but not to this page.
    Cors,
    /// The page's own policy forbids the request.
    Blocked,
}

/// What a version of a file is known by: while both stay, its bytes do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// In bytes.
    pub size: u64,
    /// The host's mark of it, if it gives one.
    pub tag: Option<String>,
}

impl Stamp {
    /// A host that says no tag this time has said nothing against the file, nor has one that says its date in the place of its tag,
    /// which is in quotes.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let tags = self.tag.as_ref().zip(other.tag.as_ref());
        let tags = tags.filter(|(one, other)| one.starts_with('"') == other.starts_with('"'));
        self.size != other.size || tags.is_some_and(|(one, other)| one != other)
    }
}

/// Why an answer is of no use.
#[derive(Debug)]
pub(super) enum Useless {
    /// The next one may be better.
    Now(Error),
    /// Every one will be like it.
    Always(Error),
}

/// What a status other than 206 means.
const STATUSES: [(&[u16], Code); 3] =
    [(&[401, 403], Code::Gated), (&[404, 410], Code::Missing), (&[200], Code::WholeOnly)];
/// Those by which a host asks for patience.
const PASSING: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];

/// The stamp of the file, if the answer has bytes of it from the first on that was asked for.
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
        // Of a file without bytes there is no part.
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

/// `bytes first-last/size`: RFC 9110, §14.4.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let end = last.checked_add(1).filter(|&end| end > first)?;
    // Beyond this a page's numbers are not exact.
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
