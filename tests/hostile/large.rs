//! Large in number, in rank, in position: fused all the same, and in bounded memory.

use crate::lora::{file, fuse, words};
use np_lora::adapter::Adapter;
use np_lora::container::{Bytes, MemorySource, Source};
use np_lora::error::{Code, Error, Result};
use np_lora::fusion::settings::RankLayout;
use np_lora::fusion::{Pair, Plan, Settings};
use pollster::block_on;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::cell::Cell;
use std::ops::Range;

fn settings() -> Settings {
    Settings { output_name: "out".into(), ..Settings::default() }
}

#[test]
fn files_of_5000_modules_fuse() {
    let names: Vec<String> = (0..5000).map(|at| format!("lora_unet_module_{at}")).collect();
    // Every other module has a shape of its own.
    let modules = |rank| -> Vec<_> {
        names.iter().enumerate().map(|(at, name)| (name.as_str(), 4 + at % 2 * at % 70, rank, 6)).collect()
    };
    let (content, style) = (file("content", &modules(2)), file("style", &modules(3)));
    let open = |source| block_on(Adapter::open(source, None)).unwrap();
    let plan =
        Plan::new(Pair { content: Some(&open(&content)), style: Some(&open(&style)) }, &settings()).unwrap();
    assert_eq!(plan.fit().shared.len(), 5000);
    let (_, report) = fuse([&content, &style], &settings()).unwrap();
    assert_eq!((report.fused, report.modules.len()), (5000, 5000));
}

#[test]
fn twenty_thousand_modules_are_planned() {
    let names: Vec<String> = (0..20_000).map(|at| format!("lora_unet_module_{at}")).collect();
    let mut modules: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 1, 1)).collect();
    let content = file("content", &modules);
    modules.reverse();
    let style = file("style", &modules);
    let open = |source| block_on(Adapter::open(source, None)).unwrap();
    let plan =
        Plan::new(Pair { content: Some(&open(&content)), style: Some(&open(&style)) }, &settings()).unwrap();
    assert_eq!(plan.outputs().count(), names.len());
}

#[test]
fn a_bias_beside_each_of_thousands_of_modules_is_planned() {
    let zeros = vec![0; 2];
    let count = 16_000;
    // Long names that differ at the end cost the most to compare.
    let names: Vec<String> = (0..count).map(|at| format!("{}{at:06}", "lora_unet_".repeat(20))).collect();
    let ends = [(".lora_down.weight", vec![1, 1]), (".lora_up.weight", vec![1, 1]), (".diff_b", vec![1])];
    let tensors =
        names.iter().flat_map(|name| ends.iter().map(move |(end, shape)| (format!("{name}{end}"), shape)));
    let views =
        tensors.map(|(name, shape)| (name, TensorView::new(Dtype::F16, shape.clone(), &zeros).unwrap()));
    let source = MemorySource::new("f", safetensors::serialize(views, None).unwrap());
    let adapter = block_on(Adapter::open(&source, None)).unwrap();
    let plan = Plan::new(Pair { content: Some(&adapter), style: None }, &settings()).unwrap();
    assert_eq!((plan.outputs().count(), plan.vectors.len()), (count, count));
}

#[test]
fn rank_256_fuses() {
    let modules = [("lora_unet_a", 300, 256, 280)];
    let (content, style) = (file("content", &modules), file("style", &modules));
    for layout in [RankLayout::Compatible, RankLayout::Compact] {
        let (_, report) = fuse([&content, &style], &Settings { layout, ..settings() }).unwrap();
        assert_eq!((report.rank, report.modules[0].protected), (512, 256));
    }
}

/// A file of more than 4 GB whose bytes are made as they are asked for.
struct Vast {
    name: &'static str,
    header: Vec<u8>,
    /// Zeros between the header and the LoRA.
    padding: u64,
    lora: Vec<u8>,
    largest_read: Cell<u64>,
}

/// More than 32 bits can count.
const PADDING: u64 = 5 << 30;

impl Vast {
    fn new(name: &'static str, m: usize, r: usize, n: usize) -> Self {
        let (down, up) = (words(&format!("{name} down"), r * n), words(&format!("{name} up"), m * r));
        let (a, b) = (PADDING + down.len() as u64, PADDING + (down.len() + up.len()) as u64);
        let json = format!(
            r#"{{"other":{{"dtype":"U8","shape":[{PADDING}],"data_offsets":[0,{PADDING}]}},"m.lora_down.weight":{{"dtype":"F16","shape":[{r},{n}],"data_offsets":[{PADDING},{a}]}},"m.lora_up.weight":{{"dtype":"F16","shape":[{m},{r}],"data_offsets":[{a},{b}]}}}}"#
        );
        Self {
            name,
            header: [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat(),
            padding: PADDING,
            lora: [down, up].concat(),
            largest_read: Cell::new(0),
        }
    }

    fn byte(&self, at: u64) -> Option<u8> {
        let data = at.checked_sub(self.header.len() as u64);
        match data.map(|data| data.checked_sub(self.padding)) {
            None => self.header.get(usize::try_from(at).ok()?).copied(),
            Some(None) => Some(0),
            Some(Some(lora)) => self.lora.get(usize::try_from(lora).ok()?).copied(),
        }
    }
}

impl Source for Vast {
    fn name(&self) -> &str {
        self.name
    }

    fn size(&self) -> u64 {
        self.header.len() as u64 + self.padding + self.lora.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.largest_read.set(self.largest_read.get().max(range.end - range.start));
        range.map(|at| self.byte(at).ok_or_else(|| Error::new(Code::Read, ""))).collect()
    }
}

#[test]
fn files_beyond_4_gigabytes_are_read_at_their_true_positions() {
    let (content, style) = (Vast::new("content", 20, 3, 30), Vast::new("style", 20, 4, 30));
    assert!(content.size() > u64::from(u32::MAX) + (1 << 20));
    let of_content = block_on(Adapter::open(&content, None)).unwrap();
    assert_eq!((of_content.tensors, of_content.extra.len(), of_content.modules.len()), (3, 1, 1));
    let (vast, report) = fuse([&content, &style], &settings()).unwrap();
    let left_out = [report.content_tensors, report.style_tensors].map(|tensors| tensors.left_out);
    assert_eq!((report.fused, left_out), (1, [1, 1]));
    let most = content.largest_read.get().max(style.largest_read.get());
    assert!(most < 1 << 16, "a read of {most} bytes");

    // The same LoRAs in small files.
    let small = |file: &Vast| Vast {
        padding: 0,
        header: small_header(file),
        lora: file.lora.clone(),
        largest_read: Cell::new(0),
        name: file.name,
    };
    let (same, _) = fuse([&small(&content), &small(&style)], &settings()).unwrap();
    assert!(vast == same, "the position in the file changes nothing");
}

fn small_header(file: &Vast) -> Vec<u8> {
    let text = std::str::from_utf8(&file.header[8..]).unwrap();
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut table = value.as_object().unwrap().clone();
    table.remove("other");
    for tensor in table.values_mut() {
        for position in tensor["data_offsets"].as_array_mut().unwrap() {
            *position = (position.as_u64().unwrap() - PADDING).into();
        }
    }
    let json = serde_json::Value::Object(table).to_string();
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat()
}
