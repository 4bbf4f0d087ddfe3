//! Any tensors and notes, laid out and written in any order, are read again as they were, by us and by the crate.

use super::choices::Choices;
use np_lora::container::{Header, Layout, MemorySink, Sink, Source, TensorSpec};
use np_lora::error::Code;
use pollster::block_on;
use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeMap, HashSet};

const DTYPES: [Dtype; 6] = [Dtype::F16, Dtype::F32, Dtype::BF16, Dtype::F8_E4M3, Dtype::I64, Dtype::U8];

/// Characters that JSON, file systems or people trip over.
const LETTERS: [char; 12] = ['a', 'b', '.', '"', '\\', '\n', '\0', 'é', '\u{202e}', '\u{1f600}', '{', '/'];

fn text(choices: &mut Choices<'_>) -> String {
    (0..choices.below(6)).map(|_| choices.of(&LETTERS)).collect()
}

/// The writer's promises on a case.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let specs: Vec<TensorSpec> = (0..choices.below(8))
        .map(|_| TensorSpec {
            name: text(&mut choices),
            dtype: choices.of(&DTYPES),
            shape: (0..choices.below(4))
                .map(|_| if choices.rarely(64) { choices.word() } else { choices.below(5) as u64 })
                .collect(),
        })
        .collect();
    let metadata: BTreeMap<String, String> =
        (0..choices.below(4)).map(|_| (text(&mut choices), text(&mut choices))).collect();
    let names: HashSet<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let bits = |spec: &TensorSpec| {
        // Dimension by dimension, as every reader does it: a zero at the end makes a wrapped product no better.
        spec.shape.iter().try_fold(spec.dtype.bitsize() as u64, |n, &d| n.checked_mul(d))
    };
    let real =
        specs.iter().try_fold(0u64, |sum, spec| sum.checked_add(bits(spec)?)).is_some_and(|b| b < 1 << 20);
    let layout = match Layout::new(specs.clone(), &metadata) {
        Ok(layout) => layout,
        Err(error) => {
            match error.code {
                Code::DuplicateKey => assert!(names.len() < specs.len()),
                Code::Overflow => assert!(!real),
                _ => panic!("{error}"),
            }
            return;
        }
    };
    assert_eq!(names.len(), specs.len());
    if layout.size > 1 << 20 {
        return;
    }
    let content =
        |at: usize, length: u64| -> Vec<u8> { (0..length).map(|i| (i as usize * 31 + at) as u8).collect() };
    let bytes = block_on(async {
        let mut sink = MemorySink::default();
        let mut order: Vec<usize> = (0..layout.tensors.len()).collect();
        (1..order.len()).for_each(|i| order.swap(i, choices.below(i + 1)));
        for at in order {
            let tensor = &layout.tensors[at];
            sink.write(tensor.start, &content(at, tensor.bytes())).await.unwrap();
        }
        sink.write(0, &layout.header).await.unwrap();
        let finished = sink.finish().await.unwrap();
        let header = Header::read(&finished).await.unwrap();
        assert_eq!(header.tensors, layout.tensors);
        assert_eq!(header.metadata, metadata);
        finished.read(0..finished.size()).await.unwrap()
    });
    assert_eq!(bytes.len() as u64, layout.size);
    let theirs = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(theirs.len(), specs.len());
    for (at, tensor) in layout.tensors.iter().enumerate() {
        let view = theirs.tensor(&tensor.name).unwrap();
        assert_eq!((view.dtype(), view.data()), (tensor.dtype, content(at, tensor.bytes()).as_slice()));
        assert_eq!(layout.find(&tensor.name), Some(tensor));
        let spec = specs.iter().find(|spec| spec.name == tensor.name).unwrap();
        assert_eq!((&spec.shape, spec.dtype), (&tensor.shape, tensor.dtype));
    }
}
