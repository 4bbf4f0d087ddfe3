//! Every kind of damaged or deceiving header gets its own code; every odd but honest one loads.

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
        (
            "index of a model in pieces",
            br#"{"metadata":{"total_size":1},"weight_map":{"a":"model-00001.safetensors"}}"#.to_vec(),
            Code::NotSafetensors,
        ),
        ("json list", b"[{\"error\":1}]\n".to_vec(), Code::NotSafetensors),
        (
            "xml error",
            b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>".to_vec(),
            Code::NotSafetensors,
        ),
        ("newer pickle", b"\x80\x04\x95\x10\0\0\0\0\0\0\0}".to_vec(), Code::NotSafetensors),
        ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01".to_vec(), Code::NotSafetensors),
        ("webp", b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(), Code::NotSafetensors),
        ("pdf", b"%PDF-1.7\n%\xe2\xe3".to_vec(), Code::NotSafetensors),
        ("7z", b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), Code::NotSafetensors),
        ("zstd", b"\x28\xb5\x2f\xfd\x04\0\x11\0\0".to_vec(), Code::NotSafetensors),
        ("hdf5", b"\x89HDF\r\n\x1a\n\0\0".to_vec(), Code::NotSafetensors),
        ("one byte", vec![0], Code::TooShort),
        ("only a length", 2u64.to_le_bytes().to_vec(), Code::Truncated),
        ("unknown", b"\x10\x27\0\0\0\0\0\0abcdefgh".to_vec(), Code::NotSafetensors),
        ("absurd length", [&u64::MAX.to_le_bytes()[..], b"{}"].concat(), Code::HeaderTooLarge),
        ("over 100 MB", [&100_000_001u64.to_le_bytes()[..], b"{}"].concat(), Code::HeaderTooLarge),
        ("cut in the header", file(&one("F16", "[2]", 0, 4), 4)[..30].to_vec(), Code::Truncated),
        ("cut in the data", file(&one("F16", "[2]", 0, 4), 3), Code::Truncated),
        ("latin-1", [&7u64.to_le_bytes()[..], b"{\"\xe9\":1}"].concat(), Code::HeaderUtf8),
        ("not json", file("{a tensor}", 0), Code::HeaderJson),
        ("cut json", file(r#"{"t":{"dtype":"F16""#, 0), Code::HeaderJson),
        ("array", file("[1]", 0), Code::HeaderJson),
        ("null", file("null", 0), Code::HeaderJson),
        ("a text", file(r#""tensors""#, 0), Code::HeaderJson),
        ("comma at the end", file(&format!("{{{good},}}"), 4), Code::HeaderJson),
        ("single quotes", file("{'a':1}", 0), Code::HeaderJson),
        ("byte order mark", file("\u{feff}{}", 0), Code::HeaderJson),
        ("line break in a name", file("{\"a\n\":{}}", 0), Code::HeaderJson),
        ("unknown escape", file(r#"{"\q":{}}"#, 0), Code::HeaderJson),
        (
            "half a surrogate pair in metadata",
            file(r#"{"__metadata__":{"a":"\udc00"}}"#, 0),
            Code::HeaderJson,
        ),
        (
            "not a number",
            file(r#"{"t":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}"#, 1),
            Code::HeaderJson,
        ),
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
        (
            "metadata key twice, once escaped",
            file(r#"{"__metadata__":{"a":"1","\u0061":"2"}}"#, 0),
            Code::DuplicateKey,
        ),
        (
            "metadata twice, once escaped",
            file(r#"{"__metadata__":{},"\u005f_metadata__":{}}"#, 0),
            Code::DuplicateKey,
        ),
        (
            "shape twice",
            file(r#"{"t":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}"#, 1),
            Code::DuplicateKey,
        ),
        (
            "positions twice",
            file(r#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}}"#, 1),
            Code::DuplicateKey,
        ),
        ("metadata null", file(r#"{"__metadata__":null}"#, 0), Code::Metadata),
        ("metadata truth", file(r#"{"__metadata__":{"a":true}}"#, 0), Code::Metadata),
        ("metadata null inside", file(r#"{"__metadata__":{"a":null}}"#, 0), Code::Metadata),
        ("metadata table inside", file(r#"{"__metadata__":{"a":{"b":"c"}}}"#, 0), Code::Metadata),
        ("metadata text", file(r#"{"__metadata__":"a"}"#, 0), Code::Metadata),
        ("metadata number", file(r#"{"__metadata__":{"a":1}}"#, 0), Code::Metadata),
        ("metadata list", file(r#"{"__metadata__":["a"]}"#, 0), Code::Metadata),
        ("tensor is a text", file(r#"{"t":"F16"}"#, 0), Code::TensorInfo),
        ("tensor is null", file(r#"{"t":null}"#, 0), Code::TensorInfo),
        ("tensor is a list", file(r#"{"t":["U8",[1],[0,1]]}"#, 1), Code::TensorInfo),
        ("tensor is empty", file(r#"{"t":{}}"#, 0), Code::TensorInfo),
        ("no format", file(r#"{"t":{"shape":[1],"data_offsets":[0,1]}}"#, 1), Code::TensorInfo),
        ("no positions", file(r#"{"t":{"dtype":"U8","shape":[1]}}"#, 1), Code::TensorInfo),
        (
            "format is a number",
            file(r#"{"t":{"dtype":1,"shape":[1],"data_offsets":[0,1]}}"#, 1),
            Code::TensorInfo,
        ),
        (
            "shape is a number",
            file(r#"{"t":{"dtype":"U8","shape":1,"data_offsets":[0,1]}}"#, 1),
            Code::TensorInfo,
        ),
        (
            "shape of texts",
            file(r#"{"t":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}"#, 1),
            Code::TensorInfo,
        ),
        (
            "positions are texts",
            file(r#"{"t":{"dtype":"U8","shape":[1],"data_offsets":["0","1"]}}"#, 1),
            Code::TensorInfo,
        ),
        (
            "positions are a table",
            file(r#"{"t":{"dtype":"U8","shape":[1],"data_offsets":{}}}"#, 1),
            Code::TensorInfo,
        ),
        (
            "no positions inside",
            file(r#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[]}}"#, 1),
            Code::TensorInfo,
        ),
        ("dim past u64", file(&one("U8", "[18446744073709551616]", 0, 1), 1), Code::TensorInfo),
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
        ("overflow of bits", file(&one("U8", "[4611686018427387904]", 0, 4), 4), Code::Overflow),
        ("overflow before a zero", file(&one("F16", "[4294967296,4294967296,0]", 0, 0), 0), Code::Overflow),
        // 2^32 bytes would be 0 in 32 bits, 2^32 + 4 would be 4.
        ("32-bit product of 4", file(&one("U8", "[4294967300]", 0, 4), 4), Code::SizeMismatch),
        ("largest position", file(&one("U8", "[9007199254740992]", 0, 1 << 53), 4), Code::Truncated),
        (
            "empty tensor inside another",
            file(&format!("{{{good},{}}}", tensor("b", "U8", "[0]", 2, 2)), 4),
            Code::Overlap,
        ),
        (
            "empty tensor behind a hole",
            file(&format!("{{{good},{}}}", tensor("b", "U8", "[0]", 6, 6)), 6),
            Code::Hole,
        ),
        (
            "the same bytes twice",
            file(&format!("{{{good},{}}}", tensor("b", "F16", "[2]", 0, 4)), 4),
            Code::Overlap,
        ),
        ("exponent", file(r#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1e0]}}"#, 1), Code::Offsets),
        ("lower-case format", file(&one("f16", "[1]", 0, 2), 2), Code::Dtype),
        ("no format's name", file(&one("", "[1]", 0, 2), 2), Code::Dtype),
        ("32-bit overflow", file(&one("F32", "[65536,65536]", 0, 0), 0), Code::SizeMismatch),
        ("unknown format", file(&one("F12", "[1]", 0, 2), 2), Code::Dtype),
        ("nine dimensions", file(&one("U8", "[1,1,1,1,1,1,1,1,1]", 0, 1), 1), Code::TooManyTensors),
        ("65,537 tensors", file(&format!("{{{}}}", many.join(",")), 0), Code::TooManyTensors),
    ];
    let mut seen = std::collections::HashSet::new();
    for (what, bytes, code) in &cases {
        let error = read(bytes.clone()).expect_err(what);
        assert_eq!(error.code, *code, "{what}: {error}");
        seen.insert(*code as usize);
    }
    let container = Code::ALL.iter().take_while(|&&code| code != Code::Read);
    for code in container {
        assert!(seen.contains(&(*code as usize)), "no case for {}", code.as_str());
    }
    println!("{} bad files refused", cases.len());
}

/// Code that looks at one thing at a time must not depend on where the file was cut.
#[test]
fn a_good_file_cut_anywhere_is_refused_and_says_how_much_is_missing() {
    let whole =
        file(&format!("{{{},{}}}", tensor("a", "F16", "[2]", 0, 4), tensor("b", "F32", "[1]", 4, 8)), 8);
    for length in 0..whole.len() {
        let error = read(whole[..length].to_vec()).unwrap_err();
        let expected = match length {
            0 => Code::Empty,
            1..8 => Code::TooShort,
            _ => Code::Truncated,
        };
        assert_eq!(error.code, expected, "{length}: {error}");
        let end = block_on(Header::end(&MemorySource::new("f", whole[..length].to_vec())));
        assert_eq!(end.is_err(), length < whole.len() - 8, "{length}: where the tensors begin");
        if length >= 8 {
            let data = whole.len() - 8;
            let missing = if length < data { data - length } else { whole.len() - length };
            assert!(error.detail.contains(&missing.to_string()), "{length}: {error}");
        }
    }
    assert!(read(whole).is_ok());
}

/// A stranger's file must not be able to keep the page busy: what goes over all rows for each of so many would not end here.
#[test]
fn a_million_tensors_are_refused() {
    let rows: Vec<String> = (0..1_000_000).map(|i| tensor(&format!("t{i}"), "F16", "[0]", 0, 0)).collect();
    let bytes = file(&format!("{{{}}}", rows.join(",")), 0);
    assert_eq!(read(bytes).unwrap_err().code, Code::TooManyTensors);
}

#[test]
fn half_a_million_notes_are_read() {
    let notes: Vec<String> = (0..500_000).map(|i| format!(r#""k{i}":"{i}""#)).collect();
    let bytes = file(&format!(r#"{{"__metadata__":{{{}}}}}"#, notes.join(",")), 0);
    assert_eq!(read(bytes).unwrap().metadata.len(), 500_000);
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
    // The first of which a part is missing.
    let three =
        ["a", "b", "c"].iter().zip([0, 4, 8]).map(|(name, at)| tensor(name, "F32", "[1]", at, at + 4));
    let three = format!("{{{}}}", three.collect::<Vec<_>>().join(","));
    for (left, name) in [(0, "a"), (3, "a"), (4, "b"), (7, "b"), (8, "c"), (11, "c")] {
        let error = read(file(&three, left)).unwrap_err();
        assert_eq!((error.code, error.tensor.as_deref()), (Code::Truncated, Some(name)), "{left}");
    }
}

#[test]
fn refusals_say_what_is_wrong_in_a_sentence() {
    let huge = r#"{"a":{"dtype":"F32","shape":[1125899906842624],"data_offsets":[0,4503599627370496]}}"#;
    for (bytes, detail) in [
        (file(r#"{"t":{"dtype":"F16""#, 0), "It ends in the middle."),
        (file("{}\0\0\0", 0), "It is padded with NUL bytes, where there should be spaces."),
        (file("{\"a\0\0\0", 0), "It is wrong: "),
        (file(r#"{"__metadata__":5}"#, 0), "It has a number where a table of texts should be"),
        (file(r#"{"__metadata__":{"a":5}}"#, 0), "For \"a\" it has a number where a text should be"),
        (file(r#"{"t":{"dtype":"F16","data_offsets":[0,4]}}"#, 4), "It has no shape"),
        (file(huge, 0), "more bytes than there are disks for of what its header claims are missing."),
    ] {
        let error = read(bytes).unwrap_err();
        assert!(error.detail.starts_with(detail), "{error}");
    }
}

#[test]
fn odd_but_honest_headers_load() {
    let long = "n".repeat(100_000);
    let cases = [
        ("empty", "{}".to_owned(), 0),
        ("leading spaces", format!("   {}", one("F16", "[1]", 0, 2)), 2),
        ("white space of every kind", format!(" \t\r\n {} \n", one("F16", "[1]", 0, 2)), 2),
        (
            "spaces inside",
            r#"{ "t" : { "dtype" : "U8" , "shape" : [ 1 ] , "data_offsets" : [ 0 , 1 ] } }"#.into(),
            1,
        ),
        ("fields in another order", r#"{"t":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}}"#.into(), 1),
        ("escaped field names", r#"{"t":{"\u0064type":"U8","shape":[1],"data_offsets":[0,1]}}"#.into(), 1),
        ("a pair of surrogates", one("U8", "[]", 0, 1).replace("\"t\"", r#""\ud83d\ude00""#), 1),
        ("no name", one("U8", "[]", 0, 1).replace("\"t\"", "\"\""), 1),
        ("eight dimensions", one("U8", "[1,1,1,1,1,1,1,1]", 0, 1), 1),
        ("half bytes", one("F4", "[2]", 0, 1), 1),
        ("bf16", one("BF16", "[2,2]", 0, 8), 8),
        ("other f8", one("F8_E5M2", "[2,2]", 0, 4), 4),
        ("complex numbers and others", one("C64", "[1]", 0, 8), 8),
        (
            "empty tensors at both ends",
            format!(
                "{{{},{},{}}}",
                tensor("z", "F32", "[0]", 4, 4),
                tensor("a", "F32", "[3,0]", 0, 0),
                tensor("b", "F32", "[1]", 0, 4)
            ),
            4,
        ),
        ("metadata empty", r#"{"__metadata__":{}}"#.into(), 0),
        ("metadata last", format!(r#"{{{},"__metadata__":{{"a":"b"}}}}"#, tensor("t", "U8", "[]", 0, 1)), 1),
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
    println!("{} odd files accepted", cases.len());
    for (what, json, data) in cases {
        let header = read(file(&json, data)).unwrap_or_else(|error| panic!("{what}: {error}"));
        let end = block_on(Header::end(&MemorySource::new("f", file(&json, data))));
        assert_eq!(end, Ok(header.data_start), "{what}");
    }
    let most: Vec<String> = (0..65_536).map(|i| tensor(&format!("t{i}"), "F16", "[0]", 0, 0)).collect();
    assert_eq!(read(file(&format!("{{{}}}", most.join(",")), 0)).unwrap().tensors.len(), 65_536);
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
