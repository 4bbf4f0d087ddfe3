//! What we write, the safetensors crate reads, and the other way round; reading works at any position.

use np_lora::container::{
    FileSink, FileSource, Header, Layout, MemorySink, MemorySource, Sink, Source, TensorSpec,
};
use np_lora::error::Code;
use pollster::block_on;
use proptest::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, HashMap};

fn spec(name: &str, dtype: Dtype, shape: &[u64]) -> TensorSpec {
    TensorSpec { name: name.into(), dtype, shape: shape.to_vec() }
}

/// Bytes that differ from tensor to tensor.
fn content(name: &str, length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i * 31 + name.len() * 7 + name.bytes().map(usize::from).sum::<usize>()) as u8)
        .collect()
}

fn write(layout: &Layout, order: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut sink = MemorySink::default();
    for at in order {
        let tensor = &layout.tensors[at];
        block_on(sink.write(tensor.start, &content(&tensor.name, tensor.bytes() as usize))).unwrap();
    }
    block_on(sink.write(0, &layout.header)).unwrap();
    sink.bytes
}

const DTYPES: [Dtype; 6] = [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F8_E4M3, Dtype::I64, Dtype::U8];

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn our_files_are_byte_for_byte_the_crates(
        tensors in prop::collection::btree_map("[a-z.\"\\\\é]{1,12}", (0usize..6, prop::collection::vec(0u64..5, 0..4)), 1..20),
        metadata in prop::collection::btree_map("[a-z\"]{1,5}", ".{0,8}", 0..2),
    ) {
        let specs: Vec<_> = tensors.iter().map(|(name, (dtype, shape))| spec(name, DTYPES[*dtype], shape)).collect();
        let metadata: BTreeMap<String, String> = metadata;
        let layout = Layout::new(specs, &metadata).unwrap();
        // Written back to front, as nothing promises an order.
        let bytes = write(&layout, (0..layout.tensors.len()).rev());
        prop_assert_eq!(bytes.len() as u64, layout.size.max(layout.header.len() as u64));

        let data: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = layout.tensors.iter().map(|t| {
            let shape = t.shape.iter().map(|&d| d as usize).collect();
            (t.name.clone(), t.dtype, shape, content(&t.name, t.bytes() as usize))
        }).collect();
        let views = data.iter().map(|(n, d, s, b)| (n.as_str(), TensorView::new(*d, s.clone(), b).unwrap()));
        let info: Option<HashMap<String, String>> = (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect());
        prop_assert_eq!(&bytes, &safetensors::serialize(views, info).unwrap());

        let header = block_on(Header::read(&MemorySource::new("f", bytes.clone()))).unwrap();
        prop_assert_eq!(&header.tensors, &layout.tensors);
        prop_assert_eq!(header.metadata, metadata);
        let theirs = SafeTensors::deserialize(&bytes).unwrap();
        for tensor in &layout.tensors {
            prop_assert_eq!(theirs.tensor(&tensor.name).unwrap().data(), content(&tensor.name, tensor.bytes() as usize));
            prop_assert_eq!(layout.find(&tensor.name), Some(tensor));
        }
    }
}

#[test]
fn names_stand_once_and_sizes_are_real() {
    let twice = vec![spec("a", Dtype::F16, &[1]), spec("a", Dtype::F16, &[1])];
    assert_eq!(Layout::new(twice, &BTreeMap::new()).unwrap_err().code, Code::DuplicateKey);
    // Each is a number of bytes, but behind a header they end past the last position there is.
    let last = vec![spec("a", Dtype::U8, &[u64::MAX - 9])];
    assert_eq!(Layout::new(last, &BTreeMap::new()).unwrap_err().code, Code::Overflow);
    let huge = vec![spec("a", Dtype::F16, &[1 << 40, 1 << 40])];
    assert_eq!(Layout::new(huge, &BTreeMap::new()).unwrap_err().code, Code::Overflow);
}

/// Before they are written down, which would take several times as much memory.
#[test]
fn more_names_than_a_header_holds_are_refused() {
    let names = |count: usize| {
        (0..count).map(|at| spec(&format!("{at}{}", "x".repeat(1 << 20)), Dtype::F16, &[1])).collect()
    };
    let layout = |count: usize| Layout::new(names(count), &BTreeMap::new());
    assert!(layout(90).is_ok());
    assert_eq!(layout(96).unwrap_err().code, Code::HeaderTooLarge);
}

#[test]
fn positions_beyond_32_bits_are_laid_out() {
    let specs = vec![spec("a", Dtype::F16, &[1 << 33]), spec("b", Dtype::F16, &[3])];
    let layout = Layout::new(specs, &BTreeMap::new()).unwrap();
    let data = layout.header.len() as u64;
    assert_eq!(layout.find("b").map(|t| (t.start - data, t.end - data)), Some(((1 << 34), (1 << 34) + 6)));
    let header = Header::parse(&layout.header[8..], data, layout.size).unwrap();
    assert_eq!(header.tensors, layout.tensors);
}

/// A file of its own for one test.
fn place(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("np-lora-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
fn what_changes_on_disk_while_it_is_read_is_noticed_and_what_is_there_is_kept() {
    let path = place("changed");
    std::fs::write(&path, [1; 100]).unwrap();
    assert_eq!(FileSink::create(&path).unwrap_err().code, Code::Write);
    assert_eq!(std::fs::read(&path).unwrap(), [1; 100]);
    let written = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    for bytes in [&[2; 100][..], &[2; 50], &[2; 200]] {
        let file = FileSource::open(&path).unwrap();
        assert!(block_on(file.read(90..100)).is_ok());
        std::fs::write(&path, bytes).unwrap();
        let error = block_on(file.read(90..100)).unwrap_err();
        assert_eq!((error.code, error.file.is_some()), (Code::InputChanged, true));
        std::fs::write(&path, [1; 100]).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(FileSource::open(&path).unwrap_err().code, Code::Read);
    assert_eq!(FileSource::open(&std::env::temp_dir()).unwrap_err().code, Code::Read);
    let nowhere = FileSink::create(&path.join("result")).unwrap_err();
    assert_eq!((nowhere.code, nowhere.file.is_some()), (Code::Write, true));
}

#[test]
fn numbers_of_less_than_a_byte_have_their_place() {
    let spec = |name: &str, dtype| TensorSpec { name: name.into(), dtype, shape: vec![4] };
    let layout =
        Layout::new(vec![spec("a", Dtype::F4), spec("b", Dtype::F8_E4M3)], &BTreeMap::new()).unwrap();
    let bytes = |name| layout.find(name).unwrap().bytes();
    assert_eq!((bytes("a"), bytes("b")), (2, 4));
}

#[test]
fn ranges_at_odd_positions_come_back_whole() {
    let bytes: Vec<u8> = (0..10_007u32).map(|i| (i % 251) as u8).collect();
    let path = place("ranges");
    let mut sink = FileSink::create(&path).unwrap();
    // Upper half first: a sink takes any order.
    block_on(sink.write(5003, &bytes[5003..])).unwrap();
    block_on(sink.write(0, &bytes[..5003])).unwrap();
    let file = FileSource::open(&path).unwrap();
    let memory = MemorySource::new("m", bytes.clone());
    assert_eq!(file.size(), 10_007);
    for (start, end) in [(0, 0), (0, 1), (1, 4), (4999, 5011), (10_006, 10_007), (3, 10_007)] {
        let expected = &bytes[start as usize..end as usize];
        assert_eq!(block_on(file.read(start..end)).unwrap(), expected);
        assert_eq!(block_on(memory.read(start..end)).unwrap(), expected);
    }
    for range in [10_000..10_008, 1 << 40..1 << 41] {
        assert_eq!(block_on(file.read(range.clone())).unwrap_err().code, Code::Read);
        assert_eq!(block_on(memory.read(range)).unwrap_err().code, Code::Read);
    }
    std::fs::remove_file(path).unwrap();
}
