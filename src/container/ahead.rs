//! Reading ahead: joins many small reads that lie close together into a few large ones.

use super::Source;
use super::source::{Bytes, exactly};
use crate::error::Result;
use crate::order;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::ops::Range;

/// The number of reads under way at once: with a server, most of the time of a read is waiting.
const AT_ONCE: usize = 6;

/// A source some parts of which have been read already.
#[derive(Debug)]
pub struct Ahead<'a, S> {
    source: &'a S,
    /// The parts read so far: where each begins, and its bytes.
    parts: Vec<(u64, Bytes)>,
}

impl<'a, S: Source> Ahead<'a, S> {
    /// Reads all of these ranges.
    ///
    /// # Errors
    /// Those of the source.
    pub async fn read(source: &'a S, mut ranges: Vec<Range<u64>>) -> Result<Self> {
        order::sort_by(&mut ranges, |a, b| a.start.cmp(&b.start));
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end.saturating_add(source.gap()) => {
                    last.end = last.end.max(range.end)
                }
                _ => joined.push(range),
            }
        }
        let read = async |range: Range<u64>| Ok((range.start, exactly(source, range).await?));
        let parts = stream::iter(joined).map(read).buffered(AT_ONCE).try_collect().await?;
        Ok(Self { source, parts })
    }
}

impl<S: Source> Source for Ahead<'_, S> {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn size(&self) -> u64 {
        self.source.size()
    }

    fn gap(&self) -> u64 {
        self.source.gap()
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let within = self.parts.iter().find_map(|(start, bytes)| {
            let at = |position: u64| usize::try_from(position.checked_sub(*start)?).ok();
            let (start, end) = (at(range.start)?, at(range.end)?);
            (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
        });
        match within {
            // The bytes are not copied: a part stays in memory as long as any of it is in use.
            Some(bytes) => Ok(bytes),
            None => self.source.read(range).await,
        }
    }
}
