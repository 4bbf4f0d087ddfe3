//! Any bytes as a file: the strict reader and the safetensors crate agree, or differ where it is documented.

use super::choices::Choices;
use super::files::{Given, file};
use np_lora::container::{Header, MemorySource};
use np_lora::error::{Code, Error};
use pollster::block_on;
use safetensors::{Dtype, SafeTensors};

/// What the crate accepts and we do not: two readings of one file, `null` or a list where a table belongs, and far more
/// tensors or dimensions than any LoRA has.
const STRICTER: [Code; 5] =
    [Code::DuplicateKey, Code::Metadata, Code::TensorInfo, Code::TooManyTensors, Code::NotSafetensors];

/// Texts that mean something in a header, to be put anywhere.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\u0061",
    "\\ud800",
    "null",
    "-1",
    "1.5",
    "1e3",
    "18446744073709551616",
    "9007199254740993",
    "\"a\"",
    "\"__metadata__\":{},",
    "\"dtype\":\"F32\",",
    "\"shape\":[],",
    "F8_E4M3",
    "F4",
    " ",
    "\0",
    "\u{e9}",
];

/// The reader's promises on a case.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let file = if choices.rarely(4) { choices.rest().to_vec() } else { edited(&mut choices) };
    compare(&file);
}

/// A good file with some edits.
fn edited(choices: &mut Choices<'_>) -> Vec<u8> {
    let count = choices.below(4);
    let tensors: Vec<Given> = (0..count)
        .map(|at| {
            let dtype =
                choices.of(&[Dtype::F16, Dtype::F32, Dtype::U8, Dtype::BF16, Dtype::I64, Dtype::BOOL]);
            let shape: Vec<usize> = (0..choices.below(4)).map(|_| choices.below(4)).collect();
            let name = if choices.rarely(6) { "__proto__".to_owned() } else { format!("t{at}") };
            Given::zeros(name, dtype, &shape)
        })
        .collect();
    let notes: &[(String, String)] = if choices.rarely(2) { &[("a".into(), "b".into())] } else { &[] };
    let whole = file(&tensors, notes);
    let length = u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    let (mut json, mut data) = (whole[8..8 + length].to_vec(), whole[8 + length..].to_vec());
    for _ in 0..choices.below(4) {
        let at = choices.below(json.len().max(1));
        match choices.below(5) {
            0 => drop(json.splice(at..at, choices.of(&PIECES).bytes())),
            1 => drop(json.splice(at..(at + 1).min(json.len()), choices.of(&PIECES).bytes())),
            2 => json.truncate(at),
            3 => json[at] = choices.byte(),
            // Digits, mostly of offsets and shapes.
            _ => {
                if let Some(digit) = json.iter().skip(at).position(u8::is_ascii_digit) {
                    json[at + digit] = b'0' + choices.byte() % 10;
                }
            }
        }
        if json.is_empty() {
            break;
        }
    }
    match choices.below(8) {
        6 => data.truncate(data.len().saturating_sub(1 + choices.below(3))),
        7 => data.push(0),
        _ => {}
    }
    let length = match choices.below(16) {
        14 => choices.word(),
        15 => (json.len() as u64).wrapping_add(choices.below(5) as u64).wrapping_sub(2),
        _ => json.len() as u64,
    };
    [&length.to_le_bytes()[..], &json, &data].concat()
}

/// Reads a file both ways.
pub fn compare(file: &[u8]) {
    let ours = block_on(Header::read(&MemorySource::new("f", file.to_vec())));
    // A header that ends in the middle of the data's bytes is no header to the crate either.
    let theirs = SafeTensors::read_metadata(file).ok();
    match (&ours, theirs) {
        (Ok(header), theirs) => {
            covers(header, file.len() as u64);
            match theirs {
                Some((_, metadata)) => same(header, &metadata),
                None => assert!(
                    wider(file),
                    "we read what the crate refuses: {:?}",
                    String::from_utf8_lossy(file)
                ),
            }
        }
        // The crate takes the last of several entries with one name, and never sees what is wrong with the others.
        (Err(_), Some((_, metadata))) if entries(file) > metadata.tensors().len() => {}
        (Err(error), Some(_)) => {
            assert!(
                STRICTER.contains(&error.code),
                "only we refuse: {error} {:?}",
                String::from_utf8_lossy(file)
            );
        }
        (Err(error), None) => assert!(of_container(error), "{error}"),
    }
}

/// How often a tensor is described.
fn entries(file: &[u8]) -> usize {
    let field = b"\"data_offsets\"";
    file.windows(field.len()).filter(|part| part == field).count()
}

/// Spaces before `{`: the crate wants it to be the very first byte.
fn wider(file: &[u8]) -> bool {
    file.get(8).is_some_and(u8::is_ascii_whitespace)
}

fn of_container(error: &Error) -> bool {
    let last = Code::ALL.iter().position(|&code| code == Code::TooManyTensors);
    Code::ALL.iter().position(|&code| code == error.code) <= last
}

/// Every byte behind the header belongs to exactly one tensor, which is as long as it says.
fn covers(header: &Header, size: u64) {
    let mut at = header.data_start;
    for tensor in &header.tensors {
        assert_eq!(tensor.start, at);
        assert_eq!(tensor.bytes() * 8, tensor.values() * tensor.dtype.bitsize() as u64);
        at = tensor.end;
    }
    assert_eq!(at, size);
}

fn same(header: &Header, metadata: &safetensors::tensor::Metadata) {
    assert_eq!(metadata.tensors().len(), header.tensors.len());
    for tensor in &header.tensors {
        let info = metadata.info(&tensor.name).expect("both have it");
        assert_eq!(info.dtype, tensor.dtype);
        assert_eq!(info.shape.iter().map(|&d| d as u64).collect::<Vec<_>>(), tensor.shape);
        let (from, to) = info.data_offsets;
        assert_eq!(
            (from as u64 + header.data_start, to as u64 + header.data_start),
            (tensor.start, tensor.end)
        );
    }
    let theirs = metadata.metadata().clone().unwrap_or_default();
    assert_eq!(theirs.into_iter().collect::<std::collections::BTreeMap<_, _>>(), header.metadata);
}
