//! What ends a run: bad files, somebody who cancels, and a disk that does not keep what it was given.

use crate::files::{Given, Patience, file, fuse, fuse_into, kohya, pair, whole};
use np_lora::container::{MemorySink, MemorySource, Sink, Source};
use np_lora::error::{Code, Error};
use np_lora::fusion::{self, Settings};
use safetensors::Dtype;

#[test]
fn bad_values_are_refused_by_file_and_tensor() {
    let (content, _) = pair(Dtype::F16);
    let mut tensors = kohya("s", "lora_unet_q", 40, 8, &[64], Some(1.0), Dtype::F16);
    // Infinity in value 50, NaN in the last two of 512.
    tensors[0].3[100..102].copy_from_slice(&[0, 0x7c]);
    tensors[0].3[1020..].copy_from_slice(&[1, 0x7e, 0xff, 0xff]);
    let style = file("broken.safetensors", &tensors);
    let error = fuse(&content, &style, &whole()).unwrap_err();
    assert_eq!(error.code, Code::NonFinite);
    assert_eq!(error.file.as_deref(), Some("broken.safetensors"));
    assert_eq!(error.tensor.as_deref(), Some("lora_unet_q.lora_down.weight"));
    assert_eq!(error.detail, "Of 512 values 3 are not finite, the first is number 51.");
}

#[test]
fn pairs_that_do_not_fit_are_refused() {
    let (content, _) = pair(Dtype::F16);
    let other = file("other", &kohya("s", "lora_unet_else", 40, 8, &[64], None, Dtype::F16));
    assert_eq!(fuse(&content, &other, &whole()).unwrap_err().code, Code::NoCommonModules);
    let text = file(
        "text",
        &kohya("s", "lora_te_text_model_encoder_layers_0_mlp_fc1", 40, 8, &[64], None, Dtype::F16),
    );
    for (content, style) in [(&other, &text), (&text, &other)] {
        let error = fuse(content, style, &whole()).unwrap_err();
        assert_eq!(error.code, Code::NoCommonModules);
        assert!(error.detail.starts_with("\"text\" has only layers of a text encoder"), "{error}");
    }
    let wide = file("wide", &kohya("s", "lora_unet_q", 40, 8, &[65], None, Dtype::F16));
    let error = fuse(&content, &wide, &whole()).unwrap_err();
    assert_eq!((error.code, error.tensor.as_deref()), (Code::ShapeMismatch, Some("lora_unet_q")));
    assert_eq!(error.detail, "It is 40×64 in \"content.safetensors\" and 40×65 in \"wide\".");
    // One odd layer, or all of them.
    let both = |name: &str, inputs: usize| {
        let layer = |stem| kohya(name, stem, 40, 8, &[inputs], None, Dtype::F16);
        file(name, &[layer("lora_unet_q"), layer("lora_unet_k"), layer("lora_unet_v")].concat())
    };
    let error = fuse(&both("c", 64), &both("s", 65), &whole()).unwrap_err();
    assert!(error.detail.ends_with("40×65 in \"s\". So it is with 2 more."), "{error}");
}

/// As many inputs are others where the kernel is another, but for a file that keeps convolutions as matrices.
#[test]
fn convolutions_with_other_kernels_are_refused() {
    let of =
        |name: &str, dims: &[usize]| file(name, &kohya(name, "lora_unet_c", 8, 2, dims, None, Dtype::F32));
    let refused =
        |content: &[usize], style: &[usize]| fuse(&of("c", content), &of("s", style), &whole()).err();
    for other in [&[36, 1, 1][..], &[4, 9, 1], &[4, 1, 9], &[12, 3, 1]] {
        for (content, style) in [(&[4, 3, 3][..], other), (other, &[4, 3, 3])] {
            let error = refused(content, style).unwrap();
            assert_eq!((error.code, error.tensor.as_deref()), (Code::ShapeMismatch, Some("lora_unet_c")));
        }
    }
    assert!(
        refused(&[4, 3, 3], &[36, 1, 1])
            .unwrap()
            .detail
            .starts_with("It is 8×4×3×3 in \"c\" and 8×36×1×1 in \"s\"")
    );
    for alike in [&[36][..], &[4, 3, 3]] {
        assert_eq!(refused(&[4, 3, 3], alike), None);
        assert_eq!(refused(alike, &[4, 3, 3]), None);
    }
    assert_eq!(refused(&[36, 1, 1], &[36]), None);
    assert_eq!(refused(&[36, 1, 1], &[36, 1, 1, 1]), None);
}

/// Outside its family's sizes a name stands for itself, but it must not end up beside the layer it names.
#[test]
fn a_known_layer_of_another_size_is_refused() {
    let names = ["attn1_to_q", "attn1_to_k", "attn1_to_v", "attn1_to_out_0"]
        .map(|end| format!("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_{end}"));
    let of = |name: &str, inputs: [usize; 4]| {
        let modules = names.iter().zip(inputs);
        let tensors: Vec<Given> =
            modules.flat_map(|(stem, n)| kohya(name, stem, 320, 4, &[n], None, Dtype::F16)).collect();
        file(name, &tensors)
    };
    let (right, wide) = (of("right", [320; 4]), of("wide", [328, 320, 320, 320]));
    for (content, style) in [(&right, &wide), (&wide, &right)] {
        let settings = Settings { family: Some("SD 1.5".into()), ..whole() };
        let error = fuse(content, style, &settings).unwrap_err();
        assert_eq!(error.code, Code::ShapeMismatch);
        assert_eq!((error.file.as_deref(), error.tensor.as_deref()), (Some("wide"), Some(names[0].as_str())));
    }
}

/// Why there is no result, if there is none.
fn refusal<T>(run: Result<T, Error>) -> Option<Code> {
    run.err().map(|error| error.code)
}

#[test]
fn cancelling_stops_between_modules() {
    let (content, style) = pair(Dtype::F16);
    let mut watch = Patience { cancel_after: 4, ..Patience::endless() };
    let run = fuse_into(MemorySink::default(), &content, &style, &whole(), &mut watch);
    assert_eq!(refusal(run), Some(Code::Aborted));
    assert!(watch.steps < 5);
}

/// A sink that loses a bit on the way.
#[derive(Default)]
struct Flipping {
    file: MemorySink,
    at: u64,
    /// Whether it can be read before it is finished.
    early: bool,
}

impl Sink for Flipping {
    type Finished = MemorySource;

    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut bytes = bytes.to_vec();
        if let Some(byte) = self.at.checked_sub(at).and_then(|offset| bytes.get_mut(offset as usize)) {
            *byte ^= 1;
        }
        self.file.write(at, &bytes).await
    }

    fn so_far(&self) -> Option<impl Source> {
        self.early.then(|| MemorySource::new("result", self.file.bytes.clone()))
    }

    async fn finish(&mut self) -> Result<MemorySource, Error> {
        self.file.finish().await
    }
}

#[test]
fn a_single_wrong_bit_anywhere_is_found() {
    let (content, style) = pair(Dtype::F16);
    let (out, _) = fuse(&content, &style, &whole()).unwrap();
    let (size, header) = (out.len() as u64, 8 + u64::from_le_bytes(out[..8].try_into().unwrap()));
    let places = (0..header).step_by(7).chain((header..size).step_by(997)).chain([size - 1]);
    for (at, early) in places.zip([true, false].into_iter().cycle()) {
        let sink = Flipping { at, early, ..Flipping::default() };
        let error = refusal(fuse_into(sink, &content, &style, &whole(), &mut Patience::endless()));
        assert_eq!(error, Some(Code::Verify), "byte {at} of {size}");
    }
}

/// A result of which only some bytes come when it is read again.
struct Short {
    file: MemorySource,
    most: u64,
}

impl Source for Short {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn size(&self) -> u64 {
        self.file.size()
    }

    async fn read(&self, range: std::ops::Range<u64>) -> Result<np_lora::container::Bytes, Error> {
        let end = range.end.min(self.most.max(range.start));
        self.file.read(range.start..end).await
    }
}

struct Losing {
    file: MemorySink,
    most: u64,
}

impl Sink for Losing {
    type Finished = Short;

    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        self.file.write(at, bytes).await
    }

    async fn finish(&mut self) -> Result<Short, Error> {
        Ok(Short { file: self.file.finish().await?, most: self.most })
    }
}

#[test]
fn a_result_that_ends_early_when_it_is_read_is_refused() {
    let (content, style) = pair(Dtype::F16);
    let size = fuse(&content, &style, &whole()).unwrap().0.len() as u64;
    for missing in [1, 100, size / 2] {
        let sink = Losing { file: MemorySink::default(), most: size - missing };
        let error = refusal(fuse_into(
            sink,
            &content,
            &style,
            &whole(),
            &mut Patience { cancel_after: 10_000, ..Patience::endless() },
        ));
        assert_eq!(error, Some(Code::Verify), "{missing} bytes missing");
    }
}

/// Cancels as soon as a stage has begun.
struct Leaving {
    at: fusion::Stage,
    now: bool,
}

impl fusion::Watch for Leaving {
    fn progress(&mut self, progress: &fusion::Progress) {
        self.now |= progress.stage == self.at;
    }

    fn cancelled(&self) -> bool {
        self.now
    }

    fn seconds(&self) -> f64 {
        0.0
    }
}

#[test]
fn every_stage_can_be_cancelled() {
    use np_lora::fusion::{Stage, settings::Recompress};
    let (content, style) = pair(Dtype::F16);
    let settings = Settings { recompress: Recompress::Energy { share: 0.9 }, ..whole() };
    for stage in [Stage::Measure, Stage::Fuse, Stage::Verify] {
        let mut watch = Leaving { at: stage, now: false };
        let run = fuse_into(MemorySink::default(), &content, &style, &settings, &mut watch);
        assert_eq!(refusal(run), Some(Code::Aborted), "{stage:?}");
    }
}
