//! The strict safetensors header: every byte of the file belongs to exactly one tensor, or the file is refused.
//!
//! It is stricter than the safetensors crate where that allows two readings of one file (duplicate keys), and as lenient where real
//! files differ from the crate's own output (spaces before `{`, any order of entries, unaligned tensors). Format:
//! <https://github.com/huggingface/safetensors#format>.

use super::expected::{At, Expected, Number, Text, unexpected};
use super::foreign;
use super::source::{Source, exactly};
use crate::error::{Code, Error, Result};
use crate::order::{self, Places};
use safetensors::Dtype;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use serde_json::error::Category;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

/// The longest header in bytes; the safetensors crate refuses longer ones as well.
pub(super) const MAX_HEADER: u64 = 100_000_000;
/// The most tensors that a file may have; no LoRA comes near it.
pub(super) const MAX_TENSORS: usize = 65_536;
/// The most dimensions that a tensor may have; a three-dimensional convolution has five.
const MAX_DIMS: usize = 8;
/// The last position that may occur: larger ones are not exact in JavaScript.
pub(super) const MAX_POSITION: u64 = 1 << 53;
/// First bytes looked at: enough to recognise what a wrong file is.
const START: u64 = 4096;

/// A tensor and its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The tensor's name. Hostile text.
    pub name: String,
    /// Number format.
    pub dtype: Dtype,
    /// Dimensions; empty for a single number.
    pub shape: Vec<u64>,
    /// Position of the first byte in the file.
    pub start: u64,
    /// Position after the last byte.
    pub end: u64,
}

impl Tensor {
    /// Number of values.
    pub fn values(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Number of bytes.
    pub fn bytes(&self) -> u64 {
        self.end - self.start
    }

    /// The range of the tensor's bytes in the file.
    pub fn range(&self) -> Range<u64> {
        self.start..self.end
    }
}

/// A file's header, checked against the file's size.
#[derive(Clone, Debug)]
pub struct Header {
    /// All tensors in the order of their bytes.
    pub tensors: Vec<Tensor>,
    /// The text entries of `__metadata__`. Hostile text.
    pub metadata: BTreeMap<String, String>,
    /// The position at which the tensors begin: 8 + the header's length.
    pub data_start: u64,
}

impl Header {
    /// Reads and checks the header of a file: two reads, whatever the file's size.
    ///
    /// # Errors
    /// Any of the container's codes (see [`Code`]).
    pub async fn read<S: Source>(source: &S) -> Result<Self> {
        let size = source.size();
        if size == 0 {
            return Err(Error::new(Code::Empty, ""));
        }
        let mut start = exactly(source, 0..size.min(START)).await?;
        let json_length = json_length(&start, size)?;
        let data_start = 8 + json_length;
        // A long header is read again as a whole: joining its parts would hold it twice, and wasm memory never shrinks.
        let json =
            if data_start > START { exactly(source, 8..data_start).await? } else { start.split_off(8) };
        let length = usize::try_from(json_length).unwrap_or(json.len());
        Self::parse(&json[..length.min(json.len())], data_start, size)
    }

    /// The position at which a file's tensors begin, without reading the rest of the header.
    ///
    /// # Errors
    /// Those of the container's codes that concern the file's first bytes.
    pub async fn end<S: Source>(source: &S) -> Result<u64> {
        let size = source.size();
        Ok(8 + json_length(&exactly(source, 0..size.min(START)).await?, size)?)
    }

    /// Checks the text of a header. `data_start` is the position of the first tensor byte, `size` the position after the last.
    ///
    /// # Errors
    /// Those of [`Header::read`] except the ones that concern the file's first bytes.
    pub fn parse(json: &[u8], data_start: u64, size: u64) -> Result<Self> {
        let text = std::str::from_utf8(json).map_err(|e| {
            Error::new(Code::HeaderUtf8, format!("The first bad byte is at {}.", 8 + e.valid_up_to()))
        })?;
        let state = RefCell::new(State::default());
        let mut parser = serde_json::Deserializer::from_str(text);
        let parsed = At(TopLevel(&state)).deserialize(&mut parser).and_then(|()| parser.end());
        let state = state.into_inner();
        if let Err(error) = parsed {
            return Err(state.refusal(&error, text));
        }
        let State { mut tensors, metadata, .. } = state;
        for tensor in &mut tensors {
            check_size(tensor)?;
        }
        order::sort_by(&mut tensors, |a, b| (a.start, a.end).cmp(&(b.start, b.end)));
        check_cover(&mut tensors, data_start, size)?;
        Ok(Self { tensors, metadata: metadata.unwrap_or_default(), data_start })
    }
}

/// No file has so many bytes; a broken header may claim any number.
const ABSURD: u64 = 1_000_000_000_000_000;

/// A number of bytes as the page writes it. Computed in whole tenths: formatting floats this way would be a lot of code for one sentence.
fn amount(bytes: u64) -> String {
    let of = |unit: u64, name: &str| {
        let tenths = (bytes + unit / 20) / (unit / 10);
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1_000_000 => format!("{bytes} bytes"),
        1_000_000..1_000_000_000 => of(1_000_000, "MB"),
        1_000_000_000..ABSURD => of(1_000_000_000, "GB"),
        _ => "more bytes than there are disks for".to_owned(),
    }
}

/// Reads the length word and checks it against the file. `start` holds the file's first bytes.
fn json_length(start: &[u8], size: u64) -> Result<u64> {
    let not_safetensors = || foreign::recognise(start).map(|what| Error::new(Code::NotSafetensors, what));
    let Some(word) = start.first_chunk::<8>() else {
        return Err(
            not_safetensors().unwrap_or_else(|| Error::new(Code::TooShort, format!("It has {size} bytes.")))
        );
    };
    let length = u64::from_le_bytes(*word);
    let opens = start[8..].trim_ascii_start().first().is_none_or(|&byte| byte == b'{');
    if length > MAX_HEADER {
        let claims = || {
            let detail = format!("It claims {}; {} is the limit.", amount(length), amount(MAX_HEADER));
            Error::new(Code::HeaderTooLarge, detail)
        };
        return Err(not_safetensors().unwrap_or_else(claims));
    }
    if length > size - 8 {
        if !opens {
            let unknown = || Error::new(Code::NotSafetensors, "Its beginning is that of no format we know.");
            return Err(not_safetensors().unwrap_or_else(unknown));
        }
        let missing = length - (size - 8);
        return Err(Error::new(
            Code::Truncated,
            format!("It ends {} before the end of its header.", amount(missing)),
        ));
    }
    Ok(length)
}

/// Checks that a tensor has as many bytes as its shape and format need. Positions are still relative to the data here.
fn check_size(tensor: &Tensor) -> Result<()> {
    let bits = tensor
        .shape
        .iter()
        .try_fold(1u64, |product, &dim| product.checked_mul(dim))
        .and_then(|values| values.checked_mul(tensor.dtype.bitsize() as u64))
        .ok_or_else(|| {
            Error::new(Code::Overflow, format!("Its shape is {:?}.", tensor.shape)).at_tensor(&tensor.name)
        })?;
    if Some(bits) == tensor.bytes().checked_mul(8) {
        return Ok(());
    }
    let detail = format!(
        "{} {:?} takes {} bytes, not {}.",
        tensor.dtype,
        tensor.shape,
        bits.div_ceil(8),
        tensor.bytes()
    );
    Err(Error::new(Code::SizeMismatch, detail).at_tensor(&tensor.name))
}

/// Checks that the tensors, sorted by position, cover the data without gaps or overlaps, and makes their positions absolute.
fn check_cover(tensors: &mut [Tensor], data_start: u64, size: u64) -> Result<()> {
    let available = size.saturating_sub(data_start);
    let mut covered = 0;
    for tensor in &mut *tensors {
        let at = |code, detail| Err(Error::new(code, detail).at_tensor(&tensor.name));
        if tensor.start < covered {
            return at(
                Code::Overlap,
                format!("It begins {} bytes before the end of another.", covered - tensor.start),
            );
        }
        if tensor.start > covered {
            return at(Code::Hole, format!("{} bytes before it.", tensor.start - covered));
        }
        covered = tensor.end;
        tensor.start += data_start;
        tensor.end += data_start;
    }
    if covered > available {
        let first = tensors.iter().find(|tensor| tensor.end > size).map_or("", |tensor| &tensor.name);
        let (missing, whole) = (covered - available, data_start + covered);
        let part = if whole < 1_000_000 { missing.to_string() } else { amount(missing) };
        let of = if whole < ABSURD { amount(whole) } else { "what its header claims".to_owned() };
        let detail = format!("{part} of {of} are missing.");
        return Err(Error::new(Code::Truncated, detail).at_tensor(first));
    }
    if covered < available {
        return Err(Error::new(Code::Trailing, format!("{} bytes.", available - covered)));
    }
    Ok(())
}

/// What has been read so far, and the reader's current place, which a refusal must name.
#[derive(Default)]
struct State {
    tensors: Vec<Tensor>,
    names: Places,
    metadata: Option<BTreeMap<String, String>>,
    place: Place,
    /// The reason, if this reader and not the JSON parser stopped.
    refused: Option<Error>,
}

#[derive(Default)]
enum Place {
    #[default]
    Top,
    /// By the key that was read last.
    Metadata(String),
    Tensor(String),
}

impl State {
    /// The reader's own refusal if there is one; otherwise what the parser's error means at this place.
    fn refusal(self, error: &serde_json::Error, text: &str) -> Error {
        if let Some(refused) = self.refused {
            return refused;
        }
        let said = error.to_string();
        let (code, detail) = match (error.classify(), &self.place) {
            (Category::Data, place) => match place {
                Place::Top => (Code::HeaderJson, format!("It has {said}.")),
                Place::Metadata(key) if !key.is_empty() => {
                    (Code::Metadata, format!("For {key:?} it has {said}."))
                }
                Place::Metadata(_) => (Code::Metadata, format!("It has {said}.")),
                Place::Tensor(_) => (Code::TensorInfo, format!("It has {said}.")),
            },
            (Category::Syntax, _) if text.ends_with('\0') && said.starts_with("trailing") => {
                (Code::HeaderJson, "It is padded with NUL bytes, where there should be spaces.".to_owned())
            }
            (Category::Syntax, _) => (Code::HeaderJson, format!("It is wrong: {said}.")),
            (Category::Eof | Category::Io, _) => (Code::HeaderJson, "It ends in the middle.".to_owned()),
        };
        let error = Error::new(code, detail);
        if let Place::Tensor(name) = self.place { error.at_tensor(name) } else { error }
    }
}

/// Stops the parser with an error of this reader.
fn refuse<T, E: de::Error>(
    state: &RefCell<State>,
    code: Code,
    tensor: Option<&str>,
    detail: impl Into<String>,
) -> Result<T, E> {
    let error = Error::new(code, detail);
    state.borrow_mut().refused = Some(match tensor {
        Some(tensor) => error.at_tensor(tensor),
        None => error,
    });
    Err(E::custom(code.as_str()))
}

struct TopLevel<'a>(&'a RefCell<State>);

impl<'de> Expected<'de> for TopLevel<'_> {
    type Value = ();
    const WHAT: &'static str = "a table of tensors";

    fn table<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                if self.0.borrow().metadata.is_some() {
                    return refuse(self.0, Code::DuplicateKey, None, "\"__metadata__\" stands twice.");
                }
                self.0.borrow_mut().place = Place::Metadata(String::new());
                let metadata = map.next_value_seed(At(Metadata(self.0)))?;
                self.0.borrow_mut().metadata = Some(metadata);
            } else {
                let (count, fresh) = {
                    let mut state = self.0.borrow_mut();
                    state.place = Place::Tensor(name.clone());
                    (state.tensors.len(), state.names.insert(&name, 0).is_none())
                };
                if !fresh {
                    return refuse(self.0, Code::DuplicateKey, Some(&name), "It is described twice.");
                }
                if count == MAX_TENSORS {
                    let detail = format!("There are more than {MAX_TENSORS} tensors.");
                    return refuse(self.0, Code::TooManyTensors, None, detail);
                }
                let tensor = map.next_value_seed(At(Entry(self.0, &name)))?;
                self.0.borrow_mut().tensors.push(tensor);
            }
            self.0.borrow_mut().place = Place::Top;
        }
        Ok(())
    }
}

struct Metadata<'a>(&'a RefCell<State>);

impl<'de> Expected<'de> for Metadata<'_> {
    type Value = BTreeMap<String, String>;
    const WHAT: &'static str = "a table of texts";

    fn table<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut metadata = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            self.0.borrow_mut().place = Place::Metadata(key.clone());
            let value = map.next_value_seed(At(Text))?;
            if metadata.contains_key(&key) {
                return refuse(self.0, Code::DuplicateKey, None, format!("The metadata has {key:?} twice."));
            }
            metadata.insert(key, value);
        }
        Ok(metadata)
    }
}

/// The description of one tensor; the second field is the tensor's name.
struct Entry<'a>(&'a RefCell<State>, &'a str);

impl<'de> Expected<'de> for Entry<'_> {
    type Value = Tensor;
    const WHAT: &'static str = "a tensor's dtype, shape and data_offsets";

    fn table<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensor, A::Error> {
        let Self(state, name) = self;
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            let twice = match key.as_str() {
                "dtype" => {
                    let text = map.next_value_seed(At(Text))?;
                    match dtype_of(&text) {
                        Some(known) => dtype.replace(known).is_some(),
                        None => return refuse(state, Code::Dtype, Some(name), format!("It says {text:?}.")),
                    }
                }
                "shape" => shape.replace(map.next_value_seed(At(Shape(state, name)))?).is_some(),
                "data_offsets" => offsets.replace(map.next_value_seed(At(Offsets(state, name)))?).is_some(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    false
                }
            };
            if twice {
                return refuse(state, Code::DuplicateKey, Some(name), format!("It has {key:?} twice."));
            }
        }
        let missing = |field: &str| de::Error::custom(format_args!("no {field}"));
        let [start, end] = offsets.ok_or_else(|| missing("data_offsets"))?;
        Ok(Tensor {
            name: name.to_owned(),
            dtype: dtype.ok_or_else(|| missing("dtype"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
            start,
            end,
        })
    }
}

/// Parses the name of a number format.
fn dtype_of(text: &str) -> Option<Dtype> {
    use serde::Deserialize;
    use serde::de::value::{Error, StrDeserializer};
    Dtype::deserialize(StrDeserializer::<Error>::new(text)).ok()
}

struct Shape<'a>(&'a RefCell<State>, &'a str);

impl<'de> Expected<'de> for Shape<'_> {
    type Value = Vec<u64>;
    const WHAT: &'static str = "a list of dimensions";

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u64>, A::Error> {
        let mut dims = Vec::new();
        while let Some(dim) = seq.next_element_seed(At(Dimension))? {
            if dims.len() == MAX_DIMS {
                let detail = format!("It has more than {MAX_DIMS} dimensions.");
                return refuse(self.0, Code::TooManyTensors, Some(self.1), detail);
            }
            dims.push(dim);
        }
        Ok(dims)
    }
}

struct Dimension;

impl Expected<'_> for Dimension {
    type Value = u64;
    const WHAT: &'static str = "a dimension";

    fn number<E: de::Error>(self, number: Number) -> Result<u64, E> {
        match number {
            Number::Whole(dim) => Ok(dim),
            Number::Other(number) => Err(unexpected::<Self, _>(&number)),
        }
    }
}

/// A position: a whole number from 0 to 2^53. Any other number is a wrong position, not a wrong type.
struct Position<'a>(&'a RefCell<State>, &'a str);

impl Expected<'_> for Position<'_> {
    type Value = u64;
    const WHAT: &'static str = "a position in the file";

    fn number<E: de::Error>(self, number: Number) -> Result<u64, E> {
        let claimed = match number {
            Number::Whole(position) if position <= MAX_POSITION => return Ok(position),
            Number::Whole(position) => position.to_string(),
            Number::Other(number) => number,
        };
        refuse(self.0, Code::Offsets, Some(self.1), format!("It claims position {claimed}."))
    }
}

struct Offsets<'a>(&'a RefCell<State>, &'a str);

impl<'de> Expected<'de> for Offsets<'_> {
    type Value = [u64; 2];
    const WHAT: &'static str = "two positions";

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[u64; 2], A::Error> {
        let Self(state, name) = self;
        let mut next = || seq.next_element_seed(At(Position(state, name)));
        let (Some(start), Some(end)) = (next()?, next()?) else {
            return Err(unexpected::<Self, _>("fewer"));
        };
        if seq.next_element::<IgnoredAny>()?.is_some() {
            return Err(unexpected::<Self, _>("more"));
        }
        if end < start {
            return refuse(
                state,
                Code::Offsets,
                Some(name),
                format!("It ends at {end}, before it begins at {start}."),
            );
        }
        Ok([start, end])
    }
}
