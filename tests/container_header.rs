//! Every kind of damaged or deceiving header gets its own code; every odd but honest one loads.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use np_lora::container::{Header, MemorySource};
use np_lora::error::{Code, Error};
use pollster::block_on;
use proptest::prelude::*;

/// A file with this header text and `data` bytes of data.
fn file(json: &str, data: usize) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &vec![0; data]].concat()
}

fn read(bytes: Vec<u8>) -> Result<Header, Error> {
    block_on(Header::read(&MemorySource::new("f.safetensors", bytes)))
}

fn tensor(name: &str, dtype: &str, shape: &str, start: i64, end: i64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
}

fn one(dtype: &str, shape: &str, start: i64, end: i64) -> String {
    format!("{{{}}}", tensor("t", dtype, shape, start, end))
}

#[test]
fn bad_headers_are_refused_by_name() {
    let good = tensor("a", "F16", "[2]", 0, 4);
    let many: Vec<String> = (0..=65_536).map(|i| tensor(&format!("t{i}"), "F16", "[0]", 0, 0)).collect();
    let cases: Vec<(&str, Vec<u8>, Code)> = vec![
        ("nothing", vec![], Code::Empty),
        ("five bytes", vec![1, 0, 0, 0, 0], Code::TooShort),
        ("no header", file("", 0), Code::HeaderJson),
        ("web page", b"<!DOCTYPE html><html><body>Sign in</body></html>".to_vec(), Code::NotSafetensors),
        (
            "lfs pointer",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n".to_vec(),
            Code::NotSafetensors,
        ),
        ("torch zip", b"PK\x03\x04\x00\x00\x00\x00\x00\x00archive/data.pkl".to_vec(), Code::NotSafetensors),
        ("pickle", b"\x80\x02}q\x00(X\x05\x00\x00\x00state".to_vec(), Code::NotSafetensors),
        ("gguf", b"GGUF\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00".to_vec(), Code::NotSafetensors),
        ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), Code::NotSafetensors),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03 more".to_vec(), Code::NotSafetensors),
        ("json", br#"{"error":"repository not found"}"#.to_vec(), Code::NotSafetensors),
        ("unknown", b"\x10\x27\0\0\0\0\0\0abcdefgh".to_vec(), Code::NotSafetensors),
        ("absurd length", [&u64::MAX.to_le_bytes()[..], b"{}"].concat(), Code::HeaderTooLarge),
        ("over 100 MB", [&100_000_001u64.to_le_bytes()[..], b"{}"].concat(), Code::HeaderTooLarge),
        ("cut in the header", file(&one("F16", "[2]", 0, 4), 4)[..30].to_vec(), Code::Truncated),
        ("cut in the data", file(&one("F16", "[2]", 0, 4), 3), Code::Truncated),
        ("latin-1", [&7u64.to_le_bytes()[..], b"{\"\xe9\":1}"].concat(), Code::HeaderUtf8),
        ("not json", file("{a tensor}", 0), Code::HeaderJson),
        ("cut json", file(r#"{"t":{"dtype":"F16""#, 0), Code::HeaderJson),
        ("array", file("[1]", 0), Code::HeaderJson),
        ("nul padding", file("{}\0\0\0\0\0\0", 0), Code::HeaderJson),
        ("text after", file("{}{}", 0), Code::HeaderJson),
        ("too deep", file(&format!(r#"{{"t":{{"x":{}"#, "[".repeat(300)), 0), Code::HeaderJson),
        ("lone surrogate", file(r#"{"\ud800":{}}"#, 0), Code::HeaderJson),
        ("same name", file(&format!("{{{good},{good}}}"), 4), Code::DuplicateKey),
        (
            "same name escaped",
            file(&format!("{{{good},{}}}", good.replace("\"a\"", r#""\u0061""#)), 4),
            Code::DuplicateKey,
        ),
        ("metadata twice", file(r#"{"__metadata__":{},"__metadata__":{}}"#, 0), Code::DuplicateKey),
        ("metadata key twice", file(r#"{"__metadata__":{"a":"1","a":"2"}}"#, 0), Code::DuplicateKey),
        (
            "field twice",
            file(r#"{"t":{"dtype":"F16","dtype":"F32","shape":[],"data_offsets":[0,4]}}"#, 4),
            Code::DuplicateKey,
        ),
        ("metadata number", file(r#"{"__metadata__":{"a":1}}"#, 0), Code::Metadata),
        ("metadata list", file(r#"{"__metadata__":["a"]}"#, 0), Code::Metadata),
        ("tensor is a text", file(r#"{"t":"F16"}"#, 0), Code::TensorInfo),
        ("no shape", file(r#"{"t":{"dtype":"F16","data_offsets":[0,2]}}"#, 2), Code::TensorInfo),
        (
            "three offsets",
            file(r#"{"t":{"dtype":"U8","shape":[],"data_offsets":[0,1,2]}}"#, 1),
            Code::TensorInfo,
        ),
        ("one offset", file(r#"{"t":{"dtype":"U8","shape":[],"data_offsets":[0]}}"#, 1), Code::TensorInfo),
        ("negative dim", file(&one("F16", "[-1]", 0, 2), 2), Code::TensorInfo),
        ("fractional dim", file(&one("F16", "[1.5]", 0, 2), 2), Code::TensorInfo),
        ("negative offset", file(&one("F16", "[1]", -2, 0), 2), Code::Offsets),
        ("reversed", file(&one("F16", "[1]", 2, 0), 2), Code::Offsets),
        (
            "fractional offset",
            file(r#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1.0]}}"#, 1),
            Code::Offsets,
        ),
        ("past 2^53", file(&one("F16", "[1]", 0, (1 << 53) + 2), 2), Code::Offsets),
        (
            "past u64",
            file(r#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,99999999999999999999]}}"#, 1),
            Code::Offsets,
        ),
        ("overlap", file(&format!("{{{good},{}}}", tensor("b", "F16", "[2]", 2, 6)), 6), Code::Overlap),
        ("hole", file(&format!("{{{good},{}}}", tensor("b", "F16", "[2]", 6, 10)), 10), Code::Hole),
        ("hole at the start", file(&one("F16", "[1]", 2, 4), 4), Code::Hole),
        ("trailing", file(&one("F16", "[1]", 0, 2), 5), Code::Trailing),
        ("data without tensors", file("{}", 5), Code::Trailing),
        ("size of another shape", file(&one("F16", "[3]", 0, 4), 4), Code::SizeMismatch),
        ("half a byte", file(&one("F4", "[3]", 0, 1), 1), Code::SizeMismatch),
        ("64-bit overflow", file(&one("F16", "[4294967296,4294967296,2]", 0, 4), 4), Code::Overflow),
        ("32-bit overflow", file(&one("F32", "[65536,65536]", 0, 0), 0), Code::SizeMismatch),
        ("unknown format", file(&one("F12", "[1]", 0, 2), 2), Code::Dtype),
        ("nine dimensions", file(&one("U8", "[1,1,1,1,1,1,1,1,1]", 0, 1), 1), Code::TooManyTensors),
        ("65,537 tensors", file(&format!("{{{}}}", many.join(",")), 0), Code::TooManyTensors),
    ];
    for (what, bytes, code) in cases {
        let error = read(bytes).expect_err(what);
        assert_eq!(error.code, code, "{what}: {error}");
    }
}

#[test]
fn refusals_name_the_tensor_and_the_figures() {
    let error = read(file(&one("F16", "[2,3]", 0, 12), 5)).unwrap_err();
    assert_eq!(error.tensor.as_deref(), Some("t"));
    assert!(error.detail.contains("7 of "), "how much is missing: {}", error.detail);
    let error = read(file(&one("F16", "[2,3]", 0, 10), 10)).unwrap_err();
    assert_eq!(
        (error.tensor.as_deref(), error.detail.as_str()),
        (Some("t"), "F16 [2, 3] takes 12 bytes, not 10.")
    );
}

#[test]
fn odd_but_honest_headers_load() {
    let long = "n".repeat(100_000);
    let cases = [
        ("empty", "{}".to_owned(), 0),
        ("leading spaces", format!("   {}", one("F16", "[1]", 0, 2)), 2),
        ("padded", format!("{}     ", one("F16", "[1]", 0, 2)), 2),
        (
            "any order",
            format!("{{{},{}}}", tensor("b", "U8", "[3]", 1, 4), tensor("a", "U8", "[1]", 0, 1)),
            4,
        ),
        (
            "unaligned",
            format!("{{{},{}}}", tensor("a", "U8", "[1]", 0, 1), tensor("b", "F32", "[1]", 1, 5)),
            5,
        ),
        (
            "single numbers",
            format!("{{{},{}}}", tensor("a", "F32", "[]", 0, 4), tensor("b", "F32", "[1]", 4, 8)),
            8,
        ),
        (
            "empty tensor",
            format!("{{{},{}}}", tensor("a", "F32", "[0,7]", 0, 0), tensor("b", "F32", "[1]", 0, 4)),
            4,
        ),
        ("f8", one("F8_E4M3", "[2,2]", 0, 4), 4),
        ("javascript's names", one("U8", "[]", 0, 1).replace("\"t\"", "\"__proto__\""), 1),
        ("long name", one("U8", "[]", 0, 1).replace("\"t\"", &format!("{long:?}")), 1),
        (
            "unknown field",
            r#"{"t":{"dtype":"U8","shape":[],"data_offsets":[0,1],"note":{"a":[1]}}}"#.into(),
            1,
        ),
        ("metadata", r#"{"__metadata__":{"format":"pt"}}"#.into(), 0),
    ];
    for (what, json, data) in cases {
        read(file(&json, data)).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[test]
fn tensors_come_in_the_order_of_their_bytes() {
    let json = format!("{{{},{}}}", tensor("b", "U8", "[3]", 1, 4), tensor("a", "U8", "[1]", 0, 1));
    let header = read(file(&json, 4)).unwrap();
    let start = 8 + json.len() as u64;
    let places: Vec<_> = header.tensors.iter().map(|t| (t.name.as_str(), t.start, t.end)).collect();
    assert_eq!(places, [("a", start, start + 1), ("b", start + 1, start + 4)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A header with a few characters changed either is refused by both, or means the same to both; where only we
    /// refuse, it is for one of the reasons the crate does not check.
    #[test]
    fn agrees_with_the_safetensors_crate(edits in prop::collection::vec((0usize..400, 0u8..=127), 0..4)) {
        let json = format!(r#"{{"__metadata__":{{"format":"pt"}},{},{}}}"#,
            tensor("a", "F16", "[2,3]", 0, 12), tensor("b", "F32", "[]", 12, 16));
        let mut bytes = json.into_bytes();
        for (at, byte) in edits {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        let file = file(std::str::from_utf8(&bytes).unwrap(), 16);
        let theirs = safetensors::SafeTensors::read_metadata(&file).ok().filter(|(n, _)| *n == bytes.len());
        match (read(file.clone()), theirs) {
            (Ok(header), Some((_, metadata))) => {
                for tensor in &header.tensors {
                    let info = metadata.info(&tensor.name).unwrap();
                    prop_assert_eq!(info.dtype, tensor.dtype);
                    prop_assert_eq!(info.shape.iter().map(|&d| d as u64).collect::<Vec<_>>(), tensor.shape.clone());
                    let start = header.data_start;
                    prop_assert_eq!((info.data_offsets.0 as u64 + start, info.data_offsets.1 as u64 + start), (tensor.start, tensor.end));
                }
            }
            (Err(error), Some(_)) => prop_assert!(
                matches!(error.code, Code::DuplicateKey | Code::Trailing | Code::Metadata), "{}", error),
            // `{` must be the crate's first byte; spaces before it are ours to accept.
            (Ok(_), None) => prop_assert_ne!(bytes[0], 0x7b),
            (Err(_), None) => {}
        }
    }
}
