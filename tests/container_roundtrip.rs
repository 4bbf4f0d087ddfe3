//! What we write, the safetensors crate reads, and the other way round; reading works at any position.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

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

#[test]
fn positions_beyond_32_bits_are_laid_out() {
    let specs = vec![spec("a", Dtype::F16, &[1 << 33]), spec("b", Dtype::F16, &[3])];
    let layout = Layout::new(specs, &BTreeMap::new()).unwrap();
    let data = layout.header.len() as u64;
    assert_eq!(layout.find("b").map(|t| (t.start - data, t.end - data)), Some(((1 << 34), (1 << 34) + 6)));
    let header = Header::parse(&layout.header[8..], data, layout.size).unwrap();
    assert_eq!(header.tensors, layout.tensors);
}

#[test]
fn ranges_at_odd_positions_come_back_whole() {
    let bytes: Vec<u8> = (0..10_007u32).map(|i| (i % 251) as u8).collect();
    let path = std::env::temp_dir().join(format!("np-lora-ranges-{}", std::process::id()));
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
