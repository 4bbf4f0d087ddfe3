//! Any tensors under any names: a file is either refused in the words of the error table or understood completely, and
//! whatever plan it gets accounts for every tensor and lays out a good file.

use super::choices::Choices;
use super::files::{Given, source};
use np_lora::adapter::Adapter;
use np_lora::container::{Header, MemorySource};
use np_lora::error::{Code, Error};
use np_lora::fusion::settings::{DtypeChoice, RankLayout, Recompress};
use np_lora::fusion::{Pair, Plan, Settings};
use pollster::block_on;
use safetensors::Dtype;

const STEMS: [&str; 16] = [
    "m",
    "lora_unet_a",
    "lora_te1_b",
    "transformer.transformer_blocks.0.attn.to_q",
    "text_encoder.x",
    "diffusion_model.double_blocks.0.img_attn.qkv",
    "transformer.transformer_blocks.0.attn.to_k",
    "lora_unet_double_blocks_0_img_attn_qkv",
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
    "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q",
    "diffusion_model.layers.0.attention.qkv",
    "diffusion_model.layers.0.attention.to_q",
    "unet.down_blocks.0.attentions.0.proj_in",
    "..",
    "é\u{202e}",
    "__proto__",
];

/// Endings, those of one adapter together.
const ENDINGS: [&[&str]; 12] = [
    &[".lora_down.weight", ".lora_up.weight", ".alpha"],
    &[".lora_A.weight", ".lora_B.weight"],
    &[".lora_A.default.weight", ".lora_B.default.weight", ".lora_B.default.bias"],
    &[".lora.down.weight", ".lora.up.weight"],
    &[".lora_A", ".lora_B"],
    &[".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b", ".hada_t1", ".hada_t2", ".alpha"],
    &[".lokr_w1", ".lokr_w2_a", ".lokr_w2_b", ".alpha", ".lokr_t2"],
    &[".lokr_w1_a", ".lokr_w1_b", ".lokr_w2"],
    &[".diff", ".diff_b"],
    &[".lora_down.weight", ".lora_up.weight", ".lora_mid.weight", ".dora_scale", ".alpha"],
    &[".w_norm", ".b_norm", ".lora_B.bias", ".lora_magnitude_vector"],
    &[".oft_blocks", ".on_input", ".weight", ".a1.weight", "", ".reshape_weight"],
];

/// Keys that the crate reads, and values that mean something or nothing to it.
const KEYS: [&str; 8] = [
    "ss_base_model_version",
    "modelspec.architecture",
    "lora_adapter_metadata",
    "ss_network_args",
    "ss_tag_frequency",
    "lora_alpha",
    "software",
    "ss_output_name",
];
const VALUES: [&str; 10] = [
    "sdxl_base_v1-0",
    "flux1",
    "{}",
    "[",
    "{\"transformer.lora_alpha\":8,\"transformer.r\":4}",
    "NaN",
    "1e999",
    "{\"10_dog\":{\"sks\":20}}",
    "\u{202e}<script>",
    "{\"use_rslora\":\"True\"}",
];

/// A module's tensors, with shapes that mostly fit each other.
fn module(choices: &mut Choices<'_>, tensors: &mut Vec<Given>) {
    let stem = choices.of(&STEMS);
    let (m, n, r) = (1 + choices.below(6), 1 + choices.below(6), 1 + choices.below(4));
    let kernel: &[usize] = if choices.rarely(4) { &[3, 3] } else { &[] };
    let ones = vec![1; kernel.len()];
    for ending in choices.of(&ENDINGS) {
        if choices.rarely(8) {
            continue;
        }
        let mut shape = match *ending {
            ".lora_down.weight"
            | ".lora_A.weight"
            | ".lora_A.default.weight"
            | ".lora.down.weight"
            | ".lora_A"
            | ".hada_w1_b"
            | ".hada_w2_b"
            | ".lokr_w2_b"
            | ".lokr_w1_b" => [&[r, n], kernel].concat(),
            ".lora_mid.weight" | ".hada_t1" | ".hada_t2" | ".lokr_t2" => vec![r, r, 3, 3],
            ".alpha" => vec![],
            ".diff" => [&[m, n], kernel].concat(),
            ".lokr_w1" | ".lokr_w2" => vec![m, n],
            ".diff_b" | ".lora_B.bias" | ".w_norm" | ".b_norm" | ".lora_magnitude_vector" => vec![m],
            ".dora_scale" => vec![m, 1],
            _ => [&[m, r], ones.as_slice()].concat(),
        };
        match choices.below(24) {
            20 => shape.push(1),
            21 => drop(shape.pop()),
            22 => shape.iter_mut().for_each(|d| *d = 0),
            23 => shape.reverse(),
            _ => {}
        }
        let dtype = match choices.below(20) {
            0..=9 => Dtype::F16,
            10..=13 => Dtype::F32,
            14..=15 => Dtype::BF16,
            16 => Dtype::F8_E4M3,
            17 => Dtype::I64,
            18 => Dtype::F64,
            _ => Dtype::U8,
        };
        let mut tensor = Given::zeros(format!("{stem}{ending}"), dtype, &shape);
        let byte = choices.byte();
        tensor.bytes.iter_mut().for_each(|b| *b = byte);
        tensors.push(tensor);
    }
}

fn any_file(choices: &mut Choices<'_>, name: &str) -> MemorySource {
    let mut tensors = Vec::new();
    for _ in 0..choices.below(4) {
        module(choices, &mut tensors);
    }
    let notes: Vec<(String, String)> = (0..choices.below(3))
        .map(|_| (choices.of(&KEYS).to_owned(), choices.of(&VALUES).to_owned()))
        .collect();
    source(name, &tensors, &notes)
}

fn any_settings(choices: &mut Choices<'_>) -> Settings {
    Settings {
        mu: choices.of(&[0.5, 0.0, f64::INFINITY, 10.0]),
        layout: choices.of(&[RankLayout::Compatible, RankLayout::Compact]),
        dtype: choices.of(&[DtypeChoice::Auto, DtypeChoice::F32, DtypeChoice::BF16]),
        style_strength: choices.of(&[1.0, 0.0, -0.5]),
        direction_only: choices.rarely(2),
        scheme: choices.of(&[None, None, None, Some("kohya".to_owned()), Some("peft".to_owned())]),
        recompress: choices.of(&[Recompress::Exact, Recompress::Exact, Recompress::Rank { rank: 2 }]),
        output_name: "out".into(),
        ..Settings::default()
    }
}

/// The promises of opening and planning on a case.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let settings = any_settings(&mut choices);
    let config = choices.of(&[None, None, None, Some("{"), Some("{\"lora_alpha\":2,\"r\":4}"), Some("[]")]);
    let [content, style] = ["content", "style"].map(|name| {
        let source = any_file(&mut choices, name);
        let opened = block_on(Adapter::open(&source, config));
        match &opened {
            Ok(adapter) => understood(adapter),
            Err(error) => worded(error, name),
        }
        opened.ok()
    });
    let (content, style) = (content.as_ref(), style.as_ref());
    for (content, style) in [(content, style), (content, None), (None, style), (content, content)] {
        if content.is_none() && style.is_none() {
            continue;
        }
        match Plan::new(Pair { content, style }, &settings) {
            Ok(plan) => planned(&plan),
            Err(error) => assert!(!matches!(error.code, Code::Internal | Code::Verify), "{error}"),
        }
    }
}

fn worded(error: &Error, file: &str) {
    assert!(error.code.as_str().starts_with("E_") && error.code != Code::Internal, "{error}");
    assert_eq!(error.file.as_deref(), Some(file), "{error}");
}

/// Every tensor is in a module, a vector, a refused module, or extra.
fn understood(adapter: &Adapter) {
    let modules = adapter.modules.iter().map(|module| module.tensors).sum::<usize>();
    let refused = adapter.refused.iter().map(|module| module.tensors).sum::<usize>();
    let sum = modules + adapter.vectors.len() + refused + adapter.extra.len();
    assert_eq!(sum, adapter.tensors, "{adapter:?}");
    for module in &adapter.modules {
        assert!(module.rank > 0 && module.in_features > 0 && module.out_features > 0);
        let (scale, _) = module.scale(np_lora::adapter::scale::ScaleChoice::Auto);
        assert!(scale.is_finite(), "{module:?}");
    }
    let summary = adapter.summary();
    assert_eq!(summary.modules, adapter.modules.len());
}

fn planned(plan: &Plan) {
    let header =
        Header::parse(&plan.layout.header[8..], plan.layout.header.len() as u64, plan.layout.size).unwrap();
    assert_eq!(header.tensors, plan.layout.tensors);
    let fit = plan.fit();
    for tensors in [fit.content_tensors, fit.style_tensors] {
        let sum = tensors.fused + tensors.passed + tensors.outside + tensors.refused + tensors.left_out;
        assert_eq!(sum, tensors.total, "{tensors:?}");
    }
    for output in plan.outputs() {
        for name in [&output.names.down, &output.names.up].into_iter().chain(&output.names.alpha) {
            assert!(plan.layout.find(name).is_some(), "{name:?}");
        }
        assert!(output.blocks.iter().map(|block| block.rank).sum::<usize>() == output.own_rank);
    }
}
