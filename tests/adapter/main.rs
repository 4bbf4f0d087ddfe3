//! Tensors become modules: every spelling, the scale rules, and a clear refusal of everything else.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod summary;

use np_lora::adapter::Adapter;
use np_lora::adapter::scale::ScaleChoice;
use np_lora::container::MemorySource;
use np_lora::error::{Code, Error};
use pollster::block_on;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::HashMap;

/// A tensor of zeros: name, dtype, shape.
type Given<'a> = (&'a str, Dtype, &'a [usize]);

const F16: Dtype = Dtype::F16;

fn source(tensors: &[Given<'_>], metadata: &[(&str, &str)]) -> MemorySource {
    let size = |(_, dtype, shape): &Given<'_>| shape.iter().product::<usize>() * dtype.bitsize() / 8;
    let zeros = vec![0; tensors.iter().map(size).max().unwrap_or(0)];
    let views = tensors.iter().map(|given| {
        let (name, dtype, shape) = *given;
        (name, TensorView::new(dtype, shape.to_vec(), &zeros[..size(given)]).unwrap())
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
fn what_fits_no_kind_of_adapter_is_refused_by_tensor() {
    let (down, up): (Given<'_>, Given<'_>) =
        (("m.lora_down.weight", F16, &[4, 16]), ("m.lora_up.weight", F16, &[8, 4]));
    let a1: Given<'_> = ("m.hada_w1_a", F16, &[8, 4]);
    let (b1, a2): (Given<'_>, Given<'_>) = (("m.hada_w1_b", F16, &[4, 16]), ("m.hada_w2_a", F16, &[8, 4]));
    let cases: [(&str, &[Given<'_>], Code, &str); 26] = [
        ("embedding", &[("emb_params", F16, &[8, 768])], Code::NoLora, ""),
        ("another embedding", &[("clip_l", F16, &[8, 768]), ("clip_g", F16, &[8, 1280])], Code::NoLora, ""),
        (
            "unfinished layer",
            &[down, ("m.lora_up.weight", F16, &[0, 4])],
            Code::LoraShape,
            "m.lora_up.weight",
        ),
        ("no inputs", &[("m.lora_down.weight", F16, &[4, 0]), up], Code::LoraShape, "m.lora_down.weight"),
        (
            "rank 0 below only",
            &[("m.lora_down.weight", F16, &[0, 16]), up],
            Code::RankZero,
            "m.lora_down.weight",
        ),
        ("single number", &[("m.lora_down.weight", F16, &[]), up], Code::LoraShape, "m.lora_down.weight"),
        (
            "six dimensions",
            &[("m.lora_down.weight", F16, &[4, 16, 1, 1, 1, 1]), up],
            Code::LoraShape,
            "m.lora_down.weight",
        ),
        (
            "kernel above",
            &[down, ("m.lora_up.weight", F16, &[8, 4, 3, 3])],
            Code::LoraShape,
            "m.lora_up.weight",
        ),
        (
            "whole numbers",
            &[("m.lora_down.weight", Dtype::I32, &[4, 16]), up],
            Code::DtypeUnsupported,
            "m.lora_down.weight",
        ),
        (
            "booleans",
            &[down, ("m.lora_up.weight", Dtype::BOOL, &[8, 4])],
            Code::DtypeUnsupported,
            "m.lora_up.weight",
        ),
        (
            "f8 of another kind",
            &[("m.lora_down.weight", Dtype::F8_E8M0, &[4, 16]), up],
            Code::DtypeUnsupported,
            "m.lora_down.weight",
        ),
        (
            "two spellings of one factor",
            &[down, up, ("m.lora_A.weight", F16, &[4, 16])],
            Code::SpellingMix,
            "m.lora_down.weight",
        ),
        (
            "two magnitudes",
            &[down, up, ("m.dora_scale", F16, &[8]), ("m.lora_magnitude_vector", F16, &[8])],
            Code::SpellingMix,
            "m.lora_magnitude_vector",
        ),
        ("alpha of truth", &[down, up, ("m.alpha", Dtype::BOOL, &[])], Code::Alpha, "m.alpha"),
        ("no alpha in it", &[down, up, ("m.alpha", F16, &[0])], Code::Alpha, "m.alpha"),
        ("loha of three", &[a1, b1, a2], Code::PairMissing, "m.hada_w1_a"),
        (
            "loha of two sizes",
            &[a1, b1, ("m.hada_w2_a", F16, &[9, 4]), ("m.hada_w2_b", F16, &[4, 16])],
            Code::LoraShape,
            "m.hada_w2_a",
        ),
        (
            "loha of two ranks",
            &[a1, b1, a2, ("m.hada_w2_b", F16, &[5, 16])],
            Code::RankMismatch,
            "m.hada_w2_b",
        ),
        (
            "one core of two",
            &[a1, b1, a2, ("m.hada_w2_b", F16, &[4, 16]), ("m.hada_t1", F16, &[4, 4, 3, 3])],
            Code::PairMissing,
            "m.hada_w1_a",
        ),
        ("half a lokr", &[("m.lokr_w1", F16, &[2, 2])], Code::PairMissing, "m.lokr_w1"),
        (
            "lokr of two ranks",
            &[("m.lokr_w1", F16, &[2, 2]), ("m.lokr_w2_a", F16, &[4, 2]), ("m.lokr_w2_b", F16, &[3, 4])],
            Code::RankMismatch,
            "m.lokr_w2_b",
        ),
        (
            "lokr factor said twice",
            &[("m.lokr_w1", F16, &[2, 2]), ("m.lokr_w2", F16, &[4, 4]), ("m.lokr_w2_a", F16, &[4, 2])],
            Code::LoraShape,
            "m.lokr_w2_a",
        ),
        ("empty difference", &[("m.diff", F16, &[0, 4])], Code::LoraShape, "m.diff"),
        ("empty bias", &[("m.diff_b", F16, &[0])], Code::LoraShape, "m.diff_b"),
        ("bias of integers", &[("m.diff_b", Dtype::I32, &[4])], Code::DtypeUnsupported, "m.diff_b"),
        ("a matrix for a bias", &[("m.diff_b", F16, &[4, 4])], Code::LoraShape, "m.diff_b"),
    ];
    for (what, tensors, code, tensor) in cases {
        let error = open(tensors).expect_err(what);
        assert_eq!(
            (error.code, error.tensor.as_deref().unwrap_or_default()),
            (code, tensor),
            "{what}: {error}"
        );
        assert_eq!(error.file.as_deref(), Some("f.safetensors"), "{what}");
    }
}

#[test]
fn alphas_that_are_no_numbers_are_refused() {
    let module = |alpha: f32| {
        let (zeros, alpha) = (vec![0; 256], alpha.to_le_bytes());
        let views = [
            ("m.lora_down.weight", TensorView::new(F16, vec![4, 16], &zeros[..128]).unwrap()),
            ("m.lora_up.weight", TensorView::new(F16, vec![8, 4], &zeros[..64]).unwrap()),
            ("m.alpha", TensorView::new(Dtype::F32, vec![], &alpha).unwrap()),
        ];
        let source = MemorySource::new("f", safetensors::serialize(views, None).unwrap());
        block_on(Adapter::open(&source, None))
    };
    for alpha in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = module(alpha).unwrap_err();
        assert_eq!((error.code, error.tensor.as_deref()), (Code::Alpha, Some("m.alpha")), "{alpha}");
    }
    for alpha in [4.0, -4.0, 0.0, f32::MIN_POSITIVE] {
        assert_eq!(module(alpha).unwrap().modules[0].alpha.unwrap().value, f64::from(alpha));
    }
}

#[test]
fn a_config_that_is_none_is_refused() {
    let file = source(&[("m.lora_A.weight", F16, &[4, 16]), ("m.lora_B.weight", F16, &[8, 4])], &[]);
    let deep = format!("{{\"lora_alpha\":{}", "[".repeat(100_000));
    for config in ["", "{", "[]", "null", "{}", "\u{feff}{}", deep.as_str()] {
        let error = block_on(Adapter::open(&file, Some(config))).unwrap_err();
        assert_eq!(error.code, Code::Config, "{error}");
    }
    assert!(block_on(Adapter::open(&file, Some(r#"{"lora_alpha":2,"r":4,"unknown":[1]}"#))).is_ok());
}

#[test]
fn a_scale_is_lacking_where_nothing_says_it() {
    let peft: [Given<'_>; 2] = [("m.lora_A.weight", F16, &[4, 16]), ("m.lora_B.weight", F16, &[8, 4])];
    let lacks = |tensors: &[Given<'_>], metadata: &[(&str, &str)], config: Option<&str>| {
        block_on(Adapter::open(&source(tensors, metadata), config)).unwrap().lacks_scale()
    };
    assert!(lacks(&peft, &[], None));
    assert!(!lacks(&peft, &[], Some(r#"{"lora_alpha":2}"#)));
    assert!(!lacks(&peft, &[("lora_alpha", "2")], None));
    assert!(!lacks(&[peft[0], peft[1], ("m.alpha", Dtype::F32, &[])], &[], None));
    // A difference has no scale.
    assert!(!lacks(&[("m.diff", F16, &[8, 16])], &[], None));
    assert!(lacks(&[peft[0], peft[1], ("n.diff", F16, &[8, 16])], &[], None));
}

#[test]
fn leftovers_of_a_module_are_counted_as_extra() {
    let adapter = open(&[
        ("m.lora_down.weight", F16, &[4, 16]),
        ("m.lora_up.weight", F16, &[8, 4]),
        ("y.alpha", Dtype::F32, &[]),
        ("z.dora_scale", F16, &[8]),
    ])
    .unwrap();
    let mut extra = adapter.extra.clone();
    extra.sort();
    assert_eq!(extra, ["y.alpha", "z.dora_scale"]);
    assert_eq!(adapter.tensors, adapter.modules[0].tensors + extra.len());
}

#[test]
fn odd_but_honest_modules_load() {
    let down: Given<'_> = ("m.lora_down.weight", F16, &[4, 16]);
    let up: Given<'_> = ("m.lora_up.weight", F16, &[8, 4]);
    let cases: [(&str, &[Given<'_>]); 10] = [
        ("alpha of one dimension", &[down, up, ("m.alpha", F16, &[1])]),
        ("alpha of two", &[down, up, ("m.alpha", F16, &[1, 1])]),
        ("integer alpha", &[down, up, ("m.alpha", Dtype::I64, &[])]),
        ("bf16 alpha", &[down, up, ("m.alpha", Dtype::BF16, &[])]),
        (
            "two formats in a module",
            &[("m.lora_down.weight", Dtype::F8_E4M3, &[4, 16]), ("m.lora_up.weight", Dtype::BF16, &[8, 4])],
        ),
        ("double precision", &[("m.lora_down.weight", Dtype::F64, &[4, 16]), up]),
        ("empty tensor beside", &[down, up, ("nothing", F16, &[0, 16])]),
        (
            "javascript's names",
            &[("__proto__.lora_down.weight", F16, &[4, 16]), ("__proto__.lora_up.weight", F16, &[8, 4])],
        ),
        (
            "1×1 convolution",
            &[("m.lora_down.weight", F16, &[4, 16, 1, 1]), ("m.lora_up.weight", F16, &[8, 4, 1, 1])],
        ),
        ("matrix above a convolution", &[("m.lora_down.weight", F16, &[4, 16, 3, 3]), up]),
    ];
    for (what, tensors) in cases {
        let adapter = open(tensors).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((adapter.modules.len(), adapter.modules[0].rank), (1, 4), "{what}");
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
    // As many directions as the layer has are not too many.
    let whole = open(&[("m.lora_down.weight", F16, &[8, 16]), ("m.lora_up.weight", F16, &[8, 8])]).unwrap();
    assert_eq!(whole.warnings, []);
}

/// What is no layer is added up as it is, in memory.
#[test]
fn a_weight_that_is_no_layer_is_cut_like_one_where_it_is_too_large_to_add_up() {
    let open = |shape: &[usize]| {
        let q = "diffusion_model.blocks.0.self_attn.q";
        let [down, up] = ["lora_A", "lora_B"].map(|factor| format!("{q}.{factor}.weight"));
        let (weight, f8) = ("diffusion_model.blocks.0.some_weight.diff", Dtype::F8_E4M3);
        open(&[(&down, f8, &[2, 1536]), (&up, f8, &[1536, 2]), (weight, f8, shape)]).unwrap()
    };
    for (shape, modules) in
        [(&[1, 6, 1536][..], 1), (&[4096, 1024, 1, 2, 2], 1), (&[4097, 1024, 1, 2, 2], 2), (&[6, 1536], 2)]
    {
        let adapter = open(shape);
        assert_eq!((adapter.modules.len(), adapter.vectors.len()), (modules, 2 - modules), "{shape:?}");
    }
}

#[test]
fn an_alpha_that_nothing_uses_may_be_anything() {
    // 1e10, which LyCORIS writes beside two whole factors, is infinity in F16.
    let infinity = 0x7c00u16.to_le_bytes();
    let open = |factors: [(&str, &[usize]); 2]| {
        let zeros = [0; 128];
        let size = |shape: &[usize]| 2 * shape.iter().product::<usize>();
        let mut views: Vec<(&str, TensorView<'_>)> = factors
            .map(|(name, shape)| (name, TensorView::new(F16, shape.to_vec(), &zeros[..size(shape)]).unwrap()))
            .into();
        views.push(("m.alpha", TensorView::new(F16, vec![], &infinity).unwrap()));
        let bytes = safetensors::serialize(views, None).unwrap();
        block_on(Adapter::open(&MemorySource::new("f.safetensors", bytes), None))
    };
    let lokr = open([("m.lokr_w1", &[4, 8]), ("m.lokr_w2", &[8, 4])]).unwrap();
    assert_eq!((lokr.modules[0].alpha, lokr.modules[0].scale(ScaleChoice::Auto).0), (None, 1.0));
    let refused = open([("m.lora_down.weight", &[2, 4]), ("m.lora_up.weight", &[4, 2])]).unwrap_err();
    assert_eq!((refused.code, refused.tensor.as_deref()), (Code::Alpha, Some("m.alpha")));
    assert!(open([("m.lokr_w1", &[4, 8]), ("m.oft_blocks", &[8, 4])]).is_err(), "for another reason");
}

/// PEFT multiplies the product of two whole factors by alpha/r as well; LyCORIS, whose files say alpha themselves, does not.
#[test]
fn two_whole_factors_of_peft_have_the_scale_of_its_configuration() {
    let whole: [Given<'_>; 2] = [("m.lokr_w1", F16, &[4, 8]), ("m.lokr_w2", F16, &[8, 4])];
    let scale = |tensors: &[Given<'_>], config: Option<&str>| {
        block_on(Adapter::open(&source(tensors, &[]), config)).unwrap().modules[0].scale(ScaleChoice::Auto).0
    };
    let config = Some(r#"{"peft_type":"LOKR","r":16,"alpha":32}"#);
    assert_eq!(scale(&whole, config), 2.0);
    assert_eq!(scale(&whole, Some(r#"{"peft_type":"LOKR","alpha":32}"#)), 1.0);
    assert_eq!(scale(&whole, None), 1.0);
    assert_eq!(scale(&[whole[0], whole[1], ("m.alpha", Dtype::F32, &[])], config), 1.0);
    // Where a factor is a product, its rank is known.
    let product: [Given<'_>; 3] =
        [("m.lokr_w1", F16, &[4, 8]), ("m.lokr_w2_a", F16, &[8, 4]), ("m.lokr_w2_b", F16, &[4, 4])];
    assert_eq!(scale(&product, config), 8.0);
}

#[test]
fn a_lora_from_a_changed_base_model_is_told() {
    let file = source(&[("m.lora_A.weight", F16, &[4, 16]), ("m.lora_B.weight", F16, &[8, 4])], &[]);
    let told = |initial: &str| {
        let config = format!(r#"{{"lora_alpha":4,"init_lora_weights":{initial}}}"#);
        let adapter = block_on(Adapter::open(&file, Some(&config))).unwrap();
        adapter.warnings.iter().map(|warning| (warning.code, warning.detail.clone())).collect::<Vec<_>>()
    };
    assert_eq!(told(r#""pissa""#), [(Code::BaseChanged, "Its init_lora_weights is \"pissa\".".to_owned())]);
    assert_eq!(told(r#""gaussian""#), []);
}

#[test]
fn an_adapter_of_any_name_is_read_and_its_magnitudes_are_seen() {
    for adapter in ["default", "style"] {
        let names =
            ["lora_A", "lora_B", "lora_magnitude_vector"].map(|part| format!("m.{part}.{adapter}.weight"));
        let [down, up, magnitude] = names.each_ref().map(String::as_str);
        let plain = open(&[(down, F16, &[2, 4]), (up, F16, &[8, 2])]).unwrap();
        assert_eq!((plain.modules.len(), plain.extra.len()), (1, 0), "{adapter}");
        let dora = open(&[(down, F16, &[2, 4]), (up, F16, &[8, 2]), (magnitude, F16, &[8])]).unwrap();
        assert!(dora.modules[0].magnitude.is_some() && dora.extra.is_empty(), "{adapter}");
    }
    // ai-toolkit's.
    let named = [
        ("m.lora_A.weight", F16, &[2, 4][..]),
        ("m.lora_B.weight", F16, &[8, 2]),
        ("m.magnitude", F16, &[8]),
    ];
    let dora = open(&named).unwrap();
    assert!(dora.modules[0].magnitude.is_some() && dora.extra.is_empty());
}

#[test]
fn factors_with_scales_of_their_own_are_refused_by_name() {
    for scale in ["m.lora_down.scale_weight", "m.lora_up.weight_scale"] {
        let plain = [("n.lora_down.weight", F16, &[2, 4][..]), ("n.lora_up.weight", F16, &[8, 2])];
        let scaled = [
            ("m.lora_down.weight", Dtype::F8_E4M3, &[2, 4][..]),
            ("m.lora_up.weight", Dtype::F8_E4M3, &[8, 2]),
            (scale, Dtype::F32, &[1]),
        ];
        let adapter = open(&[&plain[..], &scaled].concat()).unwrap();
        assert_eq!((adapter.modules.len(), adapter.refused.len()), (1, 1), "{scale}");
        assert!(adapter.refused[0].why.contains("scales"), "{}", adapter.refused[0].why);
    }
}

#[test]
fn a_control_lora_is_refused_as_a_whole() {
    let refused = open(&[
        ("img_in.lora_A.weight", F16, &[2, 128]),
        ("img_in.lora_B.weight", F16, &[64, 2]),
        ("double_blocks.0.img_attn.norm.query_norm.scale", F16, &[128]),
    ])
    .unwrap_err();
    assert_eq!(refused.code, Code::AdapterKind);
    assert!(refused.detail.contains("control LoRA"), "{}", refused.detail);
    let model = open(&[
        ("double_blocks.0.img_attn.qkv.weight", F16, &[24, 8]),
        ("double_blocks.0.img_attn.norm.query_norm.scale", F16, &[8]),
    ]);
    assert_eq!(model.unwrap_err().code, Code::NoLora, "a whole model");
}

#[test]
fn what_is_no_lora_is_called_by_what_it_is() {
    for (name, what) in [
        (
            "emb_params",
            "It looks like an embedding (textual inversion). It holds one tensor, the first is \"emb_params\".",
        ),
        ("clip_g", "an embedding"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("controlnet_cond_embedding.conv_in.weight", "a ControlNet"),
        ("model.diffusion_model.input_blocks.0.0.weight", "a whole model (checkpoint)"),
        ("double_blocks.0.img_attn.qkv.weight", "the weights of a whole model"),
        ("down_blocks.0.resnets.0.conv1.weight", "the weights of a whole model"),
        ("decoder.up_blocks.0.resnets.0.conv1.weight", "a VAE"),
        ("model.layers.0.mlp.up_proj.weight", "a language model or text encoder"),
    ] {
        let refused = open(&[(name, F16, &[8])]).unwrap_err();
        assert_eq!(refused.code, Code::NoLora);
        assert!(refused.detail.contains(what), "{name}: {}", refused.detail);
    }
    // A ControlNet of diffusers has the blocks of a model too.
    let both = [("down_blocks.0.x.weight", F16, &[8][..]), ("controlnet_down_blocks.0.weight", F16, &[8])];
    assert!(open(&both).unwrap_err().detail.contains("a ControlNet. It holds 2 tensors"));
    let unknown = open(&[("clip_left", F16, &[8])]).unwrap_err();
    assert_eq!(unknown.detail, "It holds one tensor, the first is \"clip_left\".");
}

#[test]
fn an_alpha_in_the_file_goes_before_a_configuration_and_that_before_notes() {
    use np_lora::adapter::scale::ScaleSource;
    // Zeros: an alpha of 0 means the rank.
    let with_alpha: [Given<'_>; 3] =
        [("m.lora_A.weight", F16, &[4, 16]), ("m.lora_B.weight", F16, &[8, 4]), ("m.alpha", Dtype::F32, &[])];
    let scale = |tensors: &[Given<'_>], config: Option<&str>| {
        let file = source(tensors, &[("lora_alpha", "8")]);
        block_on(Adapter::open(&file, config)).unwrap().modules[0].scale(ScaleChoice::Auto)
    };
    let config = Some(r#"{"lora_alpha":2}"#);
    assert_eq!(scale(&with_alpha, config), (1.0, ScaleSource::Tensor));
    assert_eq!(scale(&with_alpha, None), (1.0, ScaleSource::Tensor));
    assert_eq!(scale(&with_alpha[..2], config), (0.5, ScaleSource::Config));
    assert_eq!(scale(&with_alpha[..2], None), (2.0, ScaleSource::Metadata));
}

/// Some of its tensors end as those of XLabs' LoRAs do.
#[test]
fn a_lllite_is_no_lora() {
    for names in [
        [
            "lllite_dit_blocks_0_self_attn_q_proj.down.weight",
            "lllite_dit_blocks_0_self_attn_q_proj.up.weight",
        ],
        [
            "lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight",
            "lllite_conditioning1.0.weight",
        ],
    ] {
        let refused = open(&[(names[0], F16, &[4, 16]), (names[1], F16, &[16, 4])]).unwrap_err();
        assert_eq!(refused.code, Code::AdapterKind, "{names:?}");
    }
}
