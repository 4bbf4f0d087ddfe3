//! Tensors become modules: every spelling, the scale rules, and a clear refusal of everything else.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use np_lora::adapter::Adapter;
use np_lora::adapter::scale::ScaleChoice;
use np_lora::container::{MemorySink, MemorySource, Sink};
use np_lora::error::{Code, Error};
use np_lora::example::{Example, Part};
use pollster::block_on;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::HashMap;

/// A tensor of zeros: name, dtype, shape.
type Given<'a> = (&'a str, Dtype, &'a [usize]);

const F16: Dtype = Dtype::F16;

fn source(tensors: &[Given<'_>], metadata: &[(&str, &str)]) -> MemorySource {
    let zeros = vec![0; 1 << 16];
    let views = tensors.iter().map(|(name, dtype, shape)| {
        let size = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        (*name, TensorView::new(*dtype, shape.to_vec(), &zeros[..size]).unwrap())
    });
    let notes: HashMap<_, _> = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    // The crate's writer makes bad JSON of empty metadata beside no tensors.
    let notes = (!notes.is_empty()).then_some(notes);
    MemorySource::new("f.safetensors", safetensors::serialize(views, notes).unwrap())
}

fn open(tensors: &[Given<'_>]) -> Result<Adapter, Error> {
    block_on(Adapter::open(&source(tensors, &[]), None))
}

#[test]
fn every_spelling_is_read() {
    let spellings = [
        ("kohya", "lora_down.weight", "lora_up.weight"),
        ("PEFT", "lora_A.weight", "lora_B.weight"),
        ("PEFT (raw)", "lora_A.default.weight", "lora_B.default.weight"),
        ("diffusers", "lora.down.weight", "lora.up.weight"),
        ("transformers", "lora_linear_layer.down.weight", "lora_linear_layer.up.weight"),
        ("bare", "lora_A", "lora_B"),
    ];
    for (scheme, down, up) in spellings {
        let (down, up) = (format!("a.to_q.{down}"), format!("a.to_q.{up}"));
        let adapter = open(&[(&down, F16, &[4, 16]), (&up, F16, &[8, 4])]).unwrap();
        let module = &adapter.modules[0];
        assert_eq!(module.stem, "a.to_q");
        assert_eq!((module.out_features, module.in_features, module.rank), (8, 16, 4), "{scheme}");
        assert_eq!(adapter.summary().scheme, scheme);
    }
}

#[test]
fn what_is_no_plain_lora_is_refused_by_tensor() {
    let (down, up): (Given<'_>, Given<'_>) =
        (("m.lora_down.weight", F16, &[4, 16]), ("m.lora_up.weight", F16, &[8, 4]));
    let cases: [(&str, &[Given<'_>], Code, Option<&str>); 15] = [
        (
            "checkpoint",
            &[("model.diffusion_model.input_blocks.0.0.weight", F16, &[8, 4, 3, 3])],
            Code::NoLora,
            None,
        ),
        ("no tensors", &[], Code::NoLora, None),
        ("alpha alone", &[("m.alpha", Dtype::F32, &[])], Code::NoLora, None),
        ("up without down", &[up], Code::PairMissing, Some("m.lora_up.weight")),
        ("down without up", &[down], Code::PairMissing, Some("m.lora_down.weight")),
        (
            "other ranks",
            &[down, ("m.lora_up.weight", F16, &[8, 5])],
            Code::RankMismatch,
            Some("m.lora_down.weight"),
        ),
        (
            "rank 0",
            &[("m.lora_down.weight", F16, &[0, 16]), ("m.lora_up.weight", F16, &[8, 0])],
            Code::RankZero,
            Some("m.lora_down.weight"),
        ),
        ("vector", &[("m.lora_down.weight", F16, &[16]), up], Code::LoraShape, Some("m.lora_down.weight")),
        (
            "integers",
            &[("m.lora_down.weight", Dtype::I8, &[4, 16]), up],
            Code::DtypeUnsupported,
            Some("m.lora_down.weight"),
        ),
        ("oft", &[("m.oft_blocks", F16, &[4, 8, 8])], Code::AdapterKind, Some("m")),
        ("half a loha", &[("m.hada_w1_a", F16, &[8, 4])], Code::PairMissing, Some("m.hada_w1_a")),
        (
            "lora and loha",
            &[
                down,
                up,
                ("m.hada_w1_a", F16, &[8, 4]),
                ("m.hada_w1_b", F16, &[4, 16]),
                ("m.hada_w2_a", F16, &[8, 4]),
                ("m.hada_w2_b", F16, &[4, 16]),
            ],
            Code::LoraShape,
            Some("m.hada_w1_a"),
        ),
        (
            "tucker without a kernel",
            &[down, up, ("m.lora_mid.weight", F16, &[4, 4])],
            Code::LoraShape,
            Some("m.lora_mid.weight"),
        ),
        (
            "raw parameters",
            &[("m.base_layer.lora_A.weight", F16, &[4, 16]), ("m.base_layer.lora_B.weight", F16, &[8, 4])],
            Code::TargetParameters,
            Some("m.base_layer"),
        ),
        ("two alphas", &[down, up, ("m.alpha", Dtype::F32, &[2])], Code::Alpha, Some("m.alpha")),
    ];
    for (what, tensors, code, tensor) in cases {
        let error = open(tensors).expect_err(what);
        assert_eq!((error.code, error.tensor.as_deref()), (code, tensor), "{what}: {error}");
        assert_eq!(error.file.as_deref(), Some("f.safetensors"), "{what}");
    }
}

#[test]
fn oddities_are_accepted_with_a_word() {
    let adapter = open(&[
        ("m.lora_down.weight", F16, &[20, 16]),
        ("m.lora_up.weight", F16, &[8, 20]),
        ("m.alpha", Dtype::I64, &[1]),
        ("logit_scale", F16, &[1]),
    ])
    .unwrap();
    let codes: Vec<Code> = adapter.warnings.iter().map(|w| w.code).collect();
    assert_eq!(codes, [Code::AlphaNegative, Code::RankOverDims, Code::ExtraTensors]);
    assert_eq!(adapter.modules[0].scale(ScaleChoice::Auto).0, 1.0, "alpha 0 is read as the rank");
}

#[test]
fn a_summary_says_what_the_file_is() {
    let tags = r#"{"10_dog":{"sks dog":20,"grass":3}}"#;
    let notes =
        [("ss_base_model_version", "sdxl_base_v1-0"), ("ss_output_name", "dog"), ("ss_tag_frequency", tags)];
    let tensors: [Given<'_>; 4] = [
        ("lora_te1_a.lora_down.weight", F16, &[4, 16]),
        ("lora_te1_a.lora_up.weight", F16, &[8, 4]),
        ("lora_unet_b.lora_down.weight", F16, &[8, 16, 3, 3]),
        ("lora_unet_b.lora_up.weight", F16, &[8, 8, 1, 1]),
    ];
    let summary = block_on(Adapter::open(&source(&tensors, &notes), None)).unwrap().summary();
    assert_eq!(
        (summary.kinds[0].value, summary.kinds[1].value, summary.scheme, summary.family.as_deref()),
        ("LoRA", "LoCon", "kohya", Some("SDXL"))
    );
    assert_eq!((summary.modules, summary.text_encoder_modules), (2, 1));
    assert_eq!(summary.title.as_deref(), Some("dog"));
    assert_eq!(summary.trigger_words, ["sks dog"]);
    assert_eq!(
        summary.ranks.iter().map(|share| (share.value, share.modules)).collect::<Vec<_>>(),
        [(4, 1), (8, 1)]
    );
}

#[test]
fn the_example_is_a_stable_diffusion_lora() {
    block_on(async {
        for part in [Part::Content, Part::Style] {
            let mut sink = MemorySink::default();
            Example { part, rank: 4, dtype: F16 }.write(&mut sink).await.unwrap();
            let summary = Adapter::open(&sink.finish().await.unwrap(), None).await.unwrap().summary();
            assert_eq!(
                (summary.family.as_deref(), summary.modules, summary.scheme),
                (Some("SD 1.5"), 192, "kohya")
            );
            assert_eq!(summary.alphas[0].value, Some(2.0));
            assert_eq!(summary.trigger_words.len(), 1);
        }
    });
}
