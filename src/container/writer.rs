//! Sinks of bytes: the layout of a new file is fixed first, then its tensors are written in any order.

use crate::error::{Code, Error, Result};
use crate::json;
use crate::order::{self, Places};
use safetensors::Dtype;
use std::collections::BTreeMap;

use super::header::MAX_POSITION;
use super::header::{MAX_HEADER, MAX_TENSORS};
#[cfg(not(target_arch = "wasm32"))]
use super::source::FileSource;
use super::{MemorySource, Source, Tensor};

/// A file under construction.
#[allow(async_fn_in_trait, reason = "sinks are used by one thread; on wasm32 no future is Send")]
pub trait Sink {
    /// The type of the finished file, for reading.
    type Finished: Source;

    /// Writes `bytes` at position `at`. Every byte of the file is written exactly once, in any order.
    ///
    /// # Errors
    /// `Write`.
    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()>;

    /// The bytes written so far, for reading, if that is cheaper than reading the finished file.
    fn so_far(&self) -> Option<impl Source> {
        None::<MemorySource>
    }

    /// Finishes the file; called once, after the last write.
    ///
    /// # Errors
    /// `Write`.
    async fn finish(&mut self) -> Result<Self::Finished>;
}

/// The name, format and shape of a tensor whose values are not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in the header.
    pub name: String,
    /// Number format.
    pub dtype: Dtype,
    /// Dimensions; empty for a single number.
    pub shape: Vec<u64>,
}

/// The header of a new file and the place of every tensor.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The beginning of the file: the length word and the padded JSON.
    pub header: Vec<u8>,
    /// All tensors, with absolute positions, in the order of their bytes.
    pub tensors: Vec<Tensor>,
    /// Size of the whole file in bytes.
    pub size: u64,
    index: Places,
}

impl Layout {
    /// Lays tensors out as the safetensors library does: wide formats first, then by name, the data 8-byte aligned.
    ///
    /// The library's own writer counts in usize and needs all data in memory; this one counts in u64 and needs none.
    ///
    /// # Errors
    /// `DuplicateKey` if two tensors have one name; `Overflow` for impossible shapes; `TooManyTensors`, `HeaderTooLarge`.
    pub fn new(mut specs: Vec<TensorSpec>, metadata: &BTreeMap<String, String>) -> Result<Self> {
        order::sort_by(&mut specs, |a, b| b.dtype.cmp(&a.dtype).then_with(|| a.name.cmp(&b.name)));
        let mut entries = Vec::with_capacity(specs.len());
        let mut end = 0u64;
        for spec in specs {
            let start = end;
            end = spec
                .shape
                .iter()
                .try_fold(spec.dtype.bitsize() as u64, |bits, &dim| bits.checked_mul(dim))
                .and_then(|bits| start.checked_add(bits.div_ceil(8)))
                .ok_or_else(|| Error::new(Code::Overflow, "").at_tensor(&spec.name))?;
            entries.push((spec, start, end));
        }
        // A file that could not be read again must not be written.
        if entries.len() > MAX_TENSORS {
            let detail =
                format!("The result would have {} tensors; {MAX_TENSORS} is the limit.", entries.len());
            return Err(Error::new(Code::TooManyTensors, detail));
        }
        // Checked before the header is built, because long names would take a good part of memory.
        let least: u64 = entries.iter().map(|(spec, ..)| spec.name.len() as u64).sum();
        let header = if least > MAX_HEADER { Vec::new() } else { header_bytes(&entries, metadata) };
        let length = least.max(header.len() as u64);
        if length > MAX_HEADER {
            let detail = format!("That of the result would have {length} bytes or more.");
            return Err(Error::new(Code::HeaderTooLarge, detail));
        }
        let data_start = header.len() as u64;
        if data_start.checked_add(end).is_none_or(|size| size > MAX_POSITION) {
            return Err(Error::new(Code::Overflow, "The result would be larger than any file."));
        }
        let mut index = Places::default();
        let mut tensors = Vec::with_capacity(entries.len());
        for (TensorSpec { name, dtype, shape }, start, end) in entries {
            if index.insert(&name, tensors.len()).is_some() {
                return Err(Error::new(Code::DuplicateKey, "Two modules of the result have one name.")
                    .at_tensor(name));
            }
            tensors.push(Tensor { name, dtype, shape, start: data_start + start, end: data_start + end });
        }
        Ok(Self { header, tensors, size: data_start + end, index })
    }

    /// Replaces the placeholder of a metadata value by a value of the same length. Returns whether the placeholder was found.
    pub fn fill(&mut self, key: &str, placeholder: &str, value: &str) -> bool {
        // Quotes inside names and values are escaped, so this text occurs only where the key does.
        let pair = |value: &str| format!("{}:{}", json::text(key), json::text(value)).into_bytes();
        let (old, new) = (pair(placeholder), pair(value));
        let at = self.header.windows(old.len()).position(|window| window == old);
        match at.filter(|_| old.len() == new.len()) {
            Some(at) => self.header[at..at + new.len()].copy_from_slice(&new),
            None => return false,
        }
        true
    }

    /// The tensor of this name.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.place(name).and_then(|at| self.tensors.get(at))
    }

    /// The index in `tensors` of the tensor with this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.index.get(name)
    }
}

/// Length word and JSON, padded with spaces to a multiple of 8.
fn header_bytes(entries: &[(TensorSpec, u64, u64)], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let metadata = (!metadata.is_empty()).then(|| format!("\"__metadata__\":{}", json::text(metadata)));
    let tensors = entries.iter().map(|(spec, start, end)| {
        let (name, dtype) = (json::text(&spec.name), spec.dtype);
        let shape = spec.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        format!("{name}:{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{start},{end}]}}")
    });
    let mut header = String::from("\0\0\0\0\0\0\0\0");
    for (at, row) in metadata.into_iter().chain(tensors).enumerate() {
        header.push(if at == 0 { '{' } else { ',' });
        header.push_str(&row);
    }
    header.push_str(if header.ends_with('\0') { "{}" } else { "}" });
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut header = header.into_bytes();
    let length = header.len() as u64 - 8;
    header[..8].copy_from_slice(&length.to_le_bytes());
    header
}

/// A file that grows in memory.
#[derive(Clone, Debug, Default)]
pub struct MemorySink {
    /// The bytes written so far; gaps are zero.
    pub bytes: Vec<u8>,
}

impl Sink for MemorySink {
    type Finished = MemorySource;

    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let start = usize::try_from(at).ok();
        let end = start.and_then(|start| start.checked_add(bytes.len()));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(Error::new(Code::Write, "The file is too large for memory."));
        };
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(bytes);
        Ok(())
    }

    async fn finish(&mut self) -> Result<MemorySource> {
        Ok(MemorySource::new("result", std::mem::take(&mut self.bytes)))
    }
}

/// A file on disk.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug)]
pub struct FileSink {
    path: std::path::PathBuf,
    file: std::fs::File,
}

#[cfg(not(target_arch = "wasm32"))]
impl FileSink {
    /// Creates the file. An existing file is left alone: to replace one, write beside it and rename the result once it is checked.
    ///
    /// # Errors
    /// `Write` with the system's message, also if the file exists already.
    pub fn create(path: &std::path::Path) -> Result<Self> {
        let file = std::fs::File::create_new(path).map_err(|error| unwritten(path, &error))?;
        Ok(Self { path: path.to_owned(), file })
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn unwritten(path: &std::path::Path, error: &std::io::Error) -> Error {
    Error::new(Code::Write, error.to_string()).in_file(path.display().to_string())
}

#[cfg(not(target_arch = "wasm32"))]
impl Sink for FileSink {
    type Finished = FileSource;

    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        use std::io::{Seek, SeekFrom, Write};
        self.file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(|error| unwritten(&self.path, &error))
    }

    fn so_far(&self) -> Option<impl Source> {
        FileSource::open(&self.path).ok()
    }

    async fn finish(&mut self) -> Result<FileSource> {
        FileSource::open(&self.path)
    }
}
