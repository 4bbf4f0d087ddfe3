//! Sources of bytes: files that can be read in pieces.

use crate::error::{Code, Error, Result};
pub use bytes::Bytes;
use std::ops::Range;

/// A file that can be read in pieces: a `Blob` on the page, a file or memory in native code.
#[allow(async_fn_in_trait, reason = "sources are used by one thread; on wasm32 no future is Send")]
pub trait Source {
    /// The file's name, as the user knows it. Hostile text.
    fn name(&self) -> &str;

    /// Size in bytes.
    fn size(&self) -> u64;

    /// The largest gap between two ranges that is read along with them, because a read costs more than the bytes in between.
    fn gap(&self) -> u64 {
        64 * 1024
    }

    /// Reads the bytes of `range`. The result is shorter if the file has shrunk and the source does not notice; [`exactly`] refuses that.
    ///
    /// # Errors
    /// Whatever keeps the source from reading: `Read` for a file on this machine, `InputChanged` if it has changed, `Write` for a
    /// result, and the errors of a host ([`crate::remote`]).
    async fn read(&self, range: Range<u64>) -> Result<Bytes>;
}

/// Reads all bytes of `range`: a source that ends early has changed, whatever its bytes would mean.
///
/// # Errors
/// `InputChanged`; those of the source. They name the file.
pub(crate) async fn exactly<S: Source>(source: &S, range: Range<u64>) -> Result<Bytes> {
    let bytes = source.read(range.clone()).await.map_err(|error| error.in_file(source.name()))?;
    if bytes.len() as u64 == range.end.saturating_sub(range.start) {
        return Ok(bytes);
    }
    Err(Error::new(Code::InputChanged, "Fewer bytes came than asked for.").in_file(source.name()))
}

/// A file held in memory.
#[derive(Clone, Debug)]
pub struct MemorySource {
    name: String,
    bytes: Bytes,
}

impl MemorySource {
    /// A file of this name and content.
    pub fn new(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

impl Source for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let at = |position: u64| usize::try_from(position).ok();
        at(range.start)
            .zip(at(range.end))
            .filter(|(start, end)| start <= end && *end <= self.bytes.len())
            .map(|(start, end)| self.bytes.slice(start..end))
            .ok_or_else(|| {
                Error::new(Code::Read, format!("Bytes {}–{} are not there.", range.start, range.end))
            })
    }
}

/// A file on disk.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug)]
pub struct FileSource {
    name: String,
    size: u64,
    /// The time of the last change, if the system knows it.
    written: Option<std::time::SystemTime>,
    file: std::sync::Mutex<std::fs::File>,
}

#[cfg(not(target_arch = "wasm32"))]
impl FileSource {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// `Read` with the system's message, or if the path is not a file.
    pub fn open(path: &std::path::Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let failed = |why: String| Error::new(Code::Read, why).in_file(&name);
        let opened = std::fs::File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let (is, file) = opened.map_err(|error| failed(error.to_string()))?;
        if !is.is_file() {
            return Err(failed("It is no file.".to_owned()));
        }
        Ok(Self { size: is.len(), written: is.modified().ok(), file: file.into(), name })
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        use std::io::{Read, Seek, SeekFrom};
        let length = range.end.checked_sub(range.start).filter(|_| range.end <= self.size);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let Some(length) = length else {
            return Err(Error::new(
                Code::Read,
                format!("Bytes {}–{} are not there.", range.start, range.end),
            ));
        };
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut bytes = vec![0; length];
        let read = file.seek(SeekFrom::Start(range.start)).and_then(|_| file.read_exact(&mut bytes));
        let is = read.and_then(|()| file.metadata());
        let changed = match &is {
            Ok(is) => (is.len(), is.modified().ok()) != (self.size, self.written),
            Err(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        };
        if changed {
            return Err(Error::new(Code::InputChanged, "").in_file(&self.name));
        }
        is.map_err(|error| Error::new(Code::Read, error.to_string()).in_file(&self.name))?;
        Ok(bytes.into())
    }
}
