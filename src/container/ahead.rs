//! Reading ahead: many small reads that lie close together become few large ones.

use super::Source;
use super::source::exactly;
use crate::error::Result;
use std::ops::Range;

/// Gaps up to this are read too: a read costs more than the bytes between.
const GAP: u64 = 64 * 1024;

/// A source some parts of which have been read already.
#[derive(Debug)]
pub struct Ahead<'a, S> {
    source: &'a S,
    /// Where a part begins, and its bytes.
    parts: Vec<(u64, Vec<u8>)>,
}

impl<'a, S: Source> Ahead<'a, S> {
    /// Reads all of these ranges.
    ///
    /// # Errors
    /// Those of the source.
    pub async fn read(source: &'a S, mut ranges: Vec<Range<u64>>) -> Result<Self> {
        ranges.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end.saturating_add(GAP) => {
                    last.end = last.end.max(range.end)
                }
                _ => joined.push(range),
            }
        }
        let mut parts = Vec::with_capacity(joined.len());
        for range in joined {
            parts.push((range.start, exactly(source, range).await?));
        }
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

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let within = self.parts.iter().find_map(|(start, bytes)| {
            let at = |position: u64| usize::try_from(position.checked_sub(*start)?).ok();
            bytes.get(at(range.start)?..at(range.end)?)
        });
        match within {
            Some(bytes) => Ok(bytes.to_vec()),
            None => self.source.read(range).await,
        }
    }
}
