//! A file on a server, read in pieces.

use super::answer::{self, Answer, Silence, Stamp, Transport, Useless};
use super::link::Link;
use crate::container::{Bytes, Source};
use crate::error::{Code, Error, Result};
use std::cell::RefCell;
use std::ops::Range;

/// The number of bytes requested at once: a connection that breaks off loses little, and progress can be shown meanwhile.
const PIECE: u64 = 4 << 20;
/// The number of bytes that cost about as much as a request.
const GAP: u64 = 16 * 1024;
/// An answer with fewer bytes than this, where more were requested, counts as useless: a host that trickles would keep a person
/// waiting for ever.
const LITTLE: usize = 64 * 1024;
/// The number of useless answers in a row after which the source gives up.
const TRIES: u32 = 4;
/// The wait before the second try in milliseconds; it doubles with each further try.
const WAIT_MS: u32 = 400;
/// The number of bytes that are kept while a file is opened; a header and the alphas scattered behind it are rarely larger.
const KEPT: usize = 4 << 20;

/// A file that a host has described: as long as size and tag stay the same, so do its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// The link to the file.
    pub link: Link,
    /// The version of the file.
    pub stamp: Stamp,
}

/// Errors that are worth another try. For a file that nobody named, any other error counts as "there is none": many hosts answer
/// with a page of their own, or without allowing other origins.
const PASSING: [Code; 6] =
    [Code::Offline, Code::Unreachable, Code::Busy, Code::BrokenOff, Code::Expired, Code::RemoteChanged];

/// A part of a file: its position and its bytes.
pub type Kept = (u64, Vec<u8>);

/// Asks a host for a file's first byte, whose answer tells the file's size. A HEAD request would tell it too, but many hosts answer
/// HEAD differently from GET.
///
/// # Errors
/// Those of [`RemoteSource`], and `Empty`.
pub async fn find<T: Transport>(link: Link, transport: T) -> Result<RemoteFile> {
    let asker = Asker { link: &link, transport: &transport, via: &RefCell::new(None) };
    let (stamp, _) = asker.part(0..1, None).await?;
    Ok(RemoteFile { link, stamp })
}

/// A file on a server that answers requests for parts of it.
///
/// Errors are `Offline`, `Unreachable`, `Cors`, `RequestBlocked`, `Gated`, `Expired`, `Missing`, `WebPage`, `WholeOnly`, `WrongPart`,
/// `BrokenOff`, `Busy`, `Answer` and `RemoteChanged`.
///
/// Versions are compared here instead of by `If-Range`: that header would make a browser ask for leave before each request,
/// which not every host gives.
#[derive(Debug)]
pub struct RemoteSource<T> {
    file: RemoteFile,
    transport: T,
    /// The address that the last answer came from. The Hub redirects to another host with an address that is valid for a while.
    via: RefCell<Option<String>>,
    /// The parts read before; and, while keeping is on, the parts read now.
    known: RefCell<Vec<Kept>>,
    keep: RefCell<Option<Vec<Kept>>>,
}

impl<T: Transport> RemoteSource<T> {
    /// A source for this file. `known` holds parts that have been read before; whatever is read is kept until [`Self::kept`] is called.
    pub fn new(file: RemoteFile, transport: T, known: Vec<Kept>) -> Self {
        let (via, keep) = (RefCell::default(), RefCell::new(Some(Vec::new())));
        Self { file, transport, via, known: known.into(), keep }
    }

    /// All parts read so far. From now on, nothing is kept.
    pub fn kept(&self) -> Vec<Kept> {
        let (mut known, new) = (self.known.take(), self.keep.take());
        known.extend(new.unwrap_or_default());
        known
    }

    /// The whole of another file in the same folder; `None` if the host has none, or if it has more than `most` bytes.
    ///
    /// # Errors
    /// `Offline`, `Unreachable`, `Busy`, `BrokenOff`, `RemoteChanged`.
    pub async fn beside(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let link = self.file.link.beside(name);
        let asker = Asker { link: &link, transport: &self.transport, via: &RefCell::default() };
        let read = async {
            let (stamp, _) = asker.part(0..1, None).await?;
            if stamp.size > most {
                return Ok(None);
            }
            asker.part(0..stamp.size, Some(&stamp)).await.map(|(_, bytes)| Some(bytes))
        };
        read.await.or_else(|error: Error| if PASSING.contains(&error.code) { Err(error) } else { Ok(None) })
    }

    fn known(&self, range: &Range<u64>) -> Option<Vec<u8>> {
        let (known, new) = (self.known.borrow(), self.keep.borrow());
        known.iter().chain(new.iter().flatten()).find_map(|(start, bytes)| {
            let at = |position: u64| usize::try_from(position.checked_sub(*start)?).ok();
            bytes.get(at(range.start)?..at(range.end)?).map(<[u8]>::to_vec)
        })
    }

    fn keep(&self, start: u64, bytes: &[u8]) {
        if let Some(kept) = self.keep.borrow_mut().as_mut() {
            let all: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
            if all.saturating_add(bytes.len()) <= KEPT {
                kept.push((start, bytes.to_vec()));
            }
        }
    }
}

impl<T: Transport> Source for RemoteSource<T> {
    fn name(&self) -> &str {
        &self.file.link.name
    }

    fn size(&self) -> u64 {
        self.file.stamp.size
    }

    fn gap(&self) -> u64 {
        GAP
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        if let Some(bytes) = self.known(&range) {
            return Ok(bytes.into());
        }
        let asker = Asker { link: &self.file.link, transport: &self.transport, via: &self.via };
        let mut bytes = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at.saturating_add(PIECE));
            bytes.extend(asker.part(at..end, Some(&self.file.stamp)).await?.1);
            at = end;
        }
        self.keep(range.start, &bytes);
        Ok(bytes.into())
    }
}

/// Asks a host, again where that helps.
struct Asker<'a, T> {
    link: &'a Link,
    transport: &'a T,
    via: &'a RefCell<Option<String>>,
}

impl<T: Transport> Asker<'_, T> {
    /// All bytes of a part, and the stamp of the file, which must equal `known` if that is given.
    async fn part(&self, range: Range<u64>, known: Option<&Stamp>) -> Result<(Stamp, Vec<u8>)> {
        let in_file = |error: Error| error.in_file(&self.link.name);
        let mut bytes = Vec::new();
        let mut first: Option<Stamp> = known.cloned();
        let mut useless = 0;
        loop {
            let rest = range.start + bytes.len() as u64..range.end;
            let wait = if useless == 0 { 0 } else { WAIT_MS << (useless - 1) };
            let via = self.via.borrow().clone();
            let answered = self.transport.ask(via.as_deref().unwrap_or(&self.link.url), &rest, wait).await;
            let now = match self.judge(answered, &rest, first.as_ref()) {
                Ok((stamp, more)) => {
                    let much = more.len() >= LITTLE;
                    bytes.extend(more);
                    if bytes.len() as u64 >= range.end - range.start {
                        return Ok((stamp, bytes));
                    }
                    first = Some(stamp);
                    if much {
                        useless = 0;
                        // Bytes that have arrived are not requested again.
                        continue;
                    }
                    Error::new(Code::BrokenOff, format!("It came as far as byte {}.", rest.start))
                }
                Err(Useless::Now(error)) => error,
                // A redirected address is valid only for a while.
                Err(Useless::Always(error)) if via.is_some() => error,
                Err(Useless::Always(error)) => return Err(in_file(error)),
            };
            self.via.replace(None);
            useless += 1;
            if useless >= TRIES {
                return Err(in_file(now));
            }
        }
    }

    fn judge(
        &self,
        answered: Result<Answer, Silence>,
        asked: &Range<u64>,
        known: Option<&Stamp>,
    ) -> Result<(Stamp, Vec<u8>), Useless> {
        let host = || format!("The host is {}.", self.link.host);
        let answer = answered.map_err(|silence| match silence {
            Silence::Offline => Useless::Always(Error::new(Code::Offline, "")),
            Silence::Unreachable => Useless::Now(Error::new(Code::Unreachable, host())),
            Silence::Cors => Useless::Always(Error::new(Code::Cors, host())),
            Silence::Blocked => Useless::Always(Error::new(Code::RequestBlocked, host())),
        })?;
        // A host that gave the file before, or sent on to another one where it is, does not ask for a login.
        let host = answer.url.split('/').nth(2);
        let gave = known.is_some() || host.is_some_and(|host| host != self.link.host);
        let stamp = answer::read(&answer, asked).map_err(|useless| match useless {
            Useless::Always(error) if gave && error.code == Code::Gated => {
                Useless::Always(Error::new(Code::Expired, error.detail.clone()))
            }
            useless => useless,
        })?;
        if known.is_some_and(|known| known.differs(&stamp)) {
            return Err(Useless::Always(Error::new(Code::RemoteChanged, "")));
        }
        if answer.url != self.link.url && !answer.url.is_empty() {
            self.via.replace(Some(answer.url));
        }
        Ok((stamp, answer.bytes))
    }
}
