//! Tensor name → (module stem, role): one table of suffixes, matched from the right, the longest first.
//!
//! The spellings are those of kohya's sd-scripts and its relatives, PEFT, the three generations of diffusers, XLabs and
//! LyCORIS. A new spelling of plain LoRA is one more row of [`SPELLINGS`]; a new kind of adapter is more rows of
//! [`PARTS`] and a file in `kinds/`.

use std::borrow::Cow;

/// How a trainer names the two factors of a module, and how a result names them.
#[derive(Debug, PartialEq, Eq)]
pub struct Spelling {
    /// The spelling's name for users.
    pub name: &'static str,
    /// The ending of the names of lora_down (A, r×n).
    pub down: &'static str,
    /// The ending of the names of lora_up (B, m×r).
    pub up: &'static str,
    /// Whether files of this spelling contain alpha tensors. Where they do not, loaders apply scale 1.
    pub writes_alpha: bool,
}

impl Spelling {
    /// Whether this is the spelling of a PEFT model saved as it is in memory.
    pub(crate) fn is_raw(&self) -> bool {
        self == &SPELLINGS[NAMED]
    }
}

/// The ending of alpha tensors in every spelling that writes them.
pub(crate) const ALPHA: &str = ".alpha";
/// All endings of alpha tensors that are read: the usual one, and those of FastVideo and its descendants.
const ALPHAS: [&str; 4] = [ALPHA, ".lora_alpha", ".network_alpha", ".lora.alpha"];

/// The index of kohya's spelling, which the other LyCORIS kinds share.
pub(crate) const KOHYA: usize = 0;
/// The index of the spelling of a PEFT model saved as it is in memory: the adapter's name, mostly `default`, follows `lora_A`.
const NAMED: usize = 2;

/// All spellings of plain LoRA.
pub(crate) static SPELLINGS: [Spelling; 8] = [
    Spelling { name: "kohya", down: ".lora_down.weight", up: ".lora_up.weight", writes_alpha: true },
    Spelling { name: "PEFT", down: ".lora_A.weight", up: ".lora_B.weight", writes_alpha: false },
    Spelling {
        name: "PEFT (raw)",
        down: ".lora_A.default.weight",
        up: ".lora_B.default.weight",
        writes_alpha: false,
    },
    Spelling { name: "diffusers", down: ".lora.down.weight", up: ".lora.up.weight", writes_alpha: false },
    Spelling {
        name: "diffusers (attention processors)",
        down: "_lora.down.weight",
        up: "_lora.up.weight",
        writes_alpha: false,
    },
    Spelling {
        name: "transformers",
        down: ".lora_linear_layer.down.weight",
        up: ".lora_linear_layer.up.weight",
        writes_alpha: false,
    },
    Spelling { name: "bare", down: ".lora_A", up: ".lora_B", writes_alpha: false },
    // The shortest endings: XLabs' `…processor.qkv_lora1.down.weight`.
    Spelling { name: "XLabs", down: ".down.weight", up: ".up.weight", writes_alpha: false },
];

/// The role of a tensor in an adapter kind, other than the two factors of plain LoRA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as LyCORIS names the tensors")]
pub enum Part {
    Mid,
    HadaW1A,
    HadaW1B,
    HadaW2A,
    HadaW2B,
    HadaT1,
    HadaT2,
    LokrW1,
    LokrW1A,
    LokrW1B,
    LokrW2,
    LokrW2A,
    LokrW2B,
    LokrT2,
    Diff,
}

/// The ending of DoRA's magnitudes in kohya's and LyCORIS' files.
pub(crate) const DORA_SCALE: &str = ".dora_scale";
/// The ending of DoRA's magnitudes in PEFT's files.
pub(crate) const MAGNITUDE_VECTOR: &str = ".lora_magnitude_vector";

/// All endings of DoRA's magnitudes, which may accompany any kind; the last is ai-toolkit's.
const MAGNITUDES: [&str; 4] = [DORA_SCALE, MAGNITUDE_VECTOR, ".lora_magnitude_vector.weight", ".magnitude"];

/// (ending, part) for the kinds in `kinds/`.
const PARTS: [(&str, Part); 15] = [
    (".lora_mid.weight", Part::Mid),
    (".hada_w1_a", Part::HadaW1A),
    (".hada_w1_b", Part::HadaW1B),
    (".hada_w2_a", Part::HadaW2A),
    (".hada_w2_b", Part::HadaW2B),
    (".hada_t1", Part::HadaT1),
    (".hada_t2", Part::HadaT2),
    (".lokr_w1", Part::LokrW1),
    (".lokr_w1_a", Part::LokrW1A),
    (".lokr_w1_b", Part::LokrW1B),
    (".lokr_w2", Part::LokrW2),
    (".lokr_w2_a", Part::LokrW2A),
    (".lokr_w2_b", Part::LokrW2B),
    (".lokr_t2", Part::LokrT2),
    (".diff", Part::Diff),
];

/// Changes beside the matrices of layers, added linearly in proportion to the strength. All but one are vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VectorKind {
    /// Change of a layer's bias.
    Bias,
    /// Change of a normalisation's weight.
    NormWeight,
    /// Change of a normalisation's bias.
    NormBias,
    /// The change of a weight, of any shape, that is not a layer the method applies to.
    Weight,
}

/// How a vector is spelled, and whether the module's scale applies to it as well.
#[derive(Debug, PartialEq, Eq)]
pub struct VectorSpelling {
    /// The ending of the tensor's name.
    pub suffix: &'static str,
    /// What the vector changes.
    pub kind: VectorKind,
    /// Whether the module's scale applies: PEFT multiplies `lora_B.bias` by alpha/rank; all others add vectors as they are.
    pub scaled: bool,
}

/// The index of the spelling of a bias in a PEFT model with a named adapter.
const NAMED_BIAS: usize = 2;

/// The ending of a bias in PEFT's files.
pub(crate) const BIAS_OF_LORA: &str = ".lora_B.bias";

/// All spellings of vectors.
pub(crate) static VECTORS: [VectorSpelling; 5] = [
    VectorSpelling { suffix: ".diff_b", kind: VectorKind::Bias, scaled: false },
    VectorSpelling { suffix: BIAS_OF_LORA, kind: VectorKind::Bias, scaled: true },
    VectorSpelling { suffix: ".lora_B.default.bias", kind: VectorKind::Bias, scaled: true },
    VectorSpelling { suffix: ".w_norm", kind: VectorKind::NormWeight, scaled: false },
    VectorSpelling { suffix: ".b_norm", kind: VectorKind::NormBias, scaled: false },
];

/// Endings of adapters whose update cannot be computed without the base model, as (ending, what it is). Leaving out such a tensor
/// would change what the file does, so its module is refused by name.
const FOREIGN: [(&str, &str); 31] = [
    (".oft_blocks", "OFT, which rotates the base model's weights"),
    (".oft_diag", "OFT, which rotates the base model's weights"),
    (".oft_R.weight", "OFT, which rotates the base model's weights"),
    (".oft_R.scaled_oft", "OFT, which rotates the base model's weights"),
    (".boft_R", "BOFT, which rotates the base model's weights"),
    (".boft_s", "BOFT, which rotates the base model's weights"),
    (".rescale", "OFT, which rotates the base model's weights"),
    (".on_input", "IA3, which scales the base model's weights"),
    (".ia3_l", "IA3, which scales the base model's weights"),
    (".a1", "GLoRA, which depends on the base model's weights"),
    (".a2", "GLoRA, which depends on the base model's weights"),
    (".b1", "GLoRA, which depends on the base model's weights"),
    (".b2", "GLoRA, which depends on the base model's weights"),
    (".bm", "GLoRA, which depends on the base model's weights"),
    (".a1.weight", "GLoRA, which depends on the base model's weights"),
    (".a2.weight", "GLoRA, which depends on the base model's weights"),
    (".b1.weight", "GLoRA, which depends on the base model's weights"),
    (".b2.weight", "GLoRA, which depends on the base model's weights"),
    (".lora_down.scale_weight", "factors with scales of their own"),
    (".lora_up.scale_weight", "factors with scales of their own"),
    (".lora_down.weight_scale", "factors with scales of their own"),
    (".lora_up.weight_scale", "factors with scales of their own"),
    (".set_weight", "a replacement of the base model's weights"),
    (".reshape_weight", "a change of a layer's size"),
    (".lora_E", "AdaLoRA"),
    (".vera_lambda_b", "VeRA"),
    (".vera_lambda_d", "VeRA"),
    (".fourierft_spectrum", "FourierFT"),
    (".bias_indices", "a sparse bias"),
    (".lora_embedding_A", "a LoRA on an embedding table"),
    (".lora_embedding_B", "a LoRA on an embedding table"),
];

/// How the last parts of tensor names begin in PEFT 0.21's other adapters, all of which need the base model or share tensors
/// between layers.
const OF_PEFT: [&str; 25] = [
    "adamss_",
    "beft_",
    "pvera_lambda_",
    "waveft_",
    "bone_",
    "c3a_",
    "deft_",
    "delora_",
    "frod_",
    "glora_",
    "gralora_",
    "hira_",
    "hra_",
    "lily_",
    "ln_tuning_",
    "miss_",
    "oft_",
    "peanut_",
    "psoft_",
    "randlora_",
    "road_",
    "shira_",
    "tinylora_",
    "unilora_",
    "vblora_",
];

/// Like [`role`], for tensors that only the beginning of the last part of their name identifies.
fn role_of_peft(name: &str) -> Option<(&str, Role)> {
    let told = |name: &str| {
        let (stem, last) = name.rsplit_once('.')?;
        let is_such = !stem.is_empty() && OF_PEFT.iter().any(|begin| last.starts_with(begin));
        is_such.then_some(stem.len())
    };
    let name = name.strip_suffix(".weight").unwrap_or(name);
    // It may be followed by an adapter's name or, in OFT files of kohya's trainer, by the number of a block.
    let length = told(name).or_else(|| told(name.rsplit_once('.')?.0))?;
    Some((&name[..length], Role::Foreign("an adapter of another kind")))
}

/// Endings of tensors which show that a file is not an adapter for the unchanged model, as (ending, what the file is).
pub(crate) const FOREIGN_FILES: [(&str, &str); 2] = [
    (".norm.query_norm.scale", "a control LoRA, which widens the base model's input"),
    (".norm.key_norm.scale", "a control LoRA, which widens the base model's input"),
];

/// The beginning of all tensor names in a ControlNet-LLLite, some of which end like factors.
pub(crate) const LLLITE: &str = "lllite_";

/// The names that PyTorch inserts for modules that it wraps (`torch.compile`, sharding, checkpoints).
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// The path, dotted or flattened, without the names in [`WRAPPERS`].
pub(crate) fn without_wrappers(path: &str) -> Cow<'_, str> {
    let mut plain = Cow::Borrowed(path);
    for wrapper in WRAPPERS {
        if plain.contains(wrapper) {
            plain = without(wrapper, &plain).into();
        }
    }
    plain
}

/// Removes every `wrapper` that is a whole name in the path, in a single pass because there may be millions of them.
fn without(wrapper: &str, path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once(wrapper) {
        plain.push_str(before);
        // The separator before the next name, or else before the removed one, goes as well.
        rest = match behind.strip_prefix(['.', '_']) {
            Some(next) => next,
            None if behind.is_empty() => {
                plain.truncate(plain.strip_suffix(['.', '_']).unwrap_or(&plain).len());
                ""
            }
            None => {
                plain.push_str(wrapper);
                behind
            }
        };
    }
    plain + rest
}

/// The role of a tensor in its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The down factor, A.
    Down(&'static Spelling),
    /// The up factor, B.
    Up(&'static Spelling),
    /// Alpha, the scale's numerator.
    Alpha,
    /// DoRA's magnitudes.
    Magnitude,
    /// A tensor of one of the kinds in `kinds/`.
    Part(Part),
    /// A vector, which is added linearly.
    Vector(&'static VectorSpelling),
    /// A tensor of an adapter kind that cannot be fused; the text says which.
    Foreign(&'static str),
    /// A tensor that is not part of a LoRA: it is left out of the result and counted.
    Extra,
}

/// What precedes an adapter's name, and the role of the tensor for each ending that follows the name.
const ADAPTERS: [(&str, &[(&str, Role)]); 3] = [
    (".lora_A", &[(".weight", Role::Down(&SPELLINGS[NAMED]))]),
    (".lora_B", &[(".weight", Role::Up(&SPELLINGS[NAMED])), (".bias", Role::Vector(&VECTORS[NAMED_BIAS]))]),
    (".lora_magnitude_vector", &[(".weight", Role::Magnitude), ("", Role::Magnitude)]),
];

/// Like [`role`], for tensors whose names contain the name of an adapter.
fn role_in_adapter(name: &str) -> Option<(&str, Role)> {
    let mut known = ADAPTERS.iter().flat_map(|(before, ends)| ends.iter().map(move |end| (before, end)));
    known.find_map(|(before, (end, role))| {
        let (stem, adapter) = name.strip_suffix(end)?.rsplit_once('.')?;
        let stem = stem.strip_suffix(before)?;
        (!stem.is_empty() && !adapter.is_empty()).then_some((stem, *role))
    })
}

/// Splits a tensor name into its module's stem and its role. The stem of an [`Role::Extra`] tensor is the whole name.
pub(crate) fn role(name: &str) -> (&str, Role) {
    let factors = SPELLINGS
        .iter()
        .flat_map(|spelling| [(spelling.down, Role::Down(spelling)), (spelling.up, Role::Up(spelling))]);
    let parts = PARTS.iter().map(|&(suffix, part)| (suffix, Role::Part(part)));
    let vectors = VECTORS.iter().map(|spelling| (spelling.suffix, Role::Vector(spelling)));
    let foreign = FOREIGN.iter().map(|&(suffix, kind)| (suffix, Role::Foreign(kind)));
    factors
        .chain(MAGNITUDES.map(|suffix| (suffix, Role::Magnitude)))
        .chain(parts)
        .chain(vectors)
        .chain(foreign)
        .chain(ALPHAS.map(|suffix| (suffix, Role::Alpha)))
        .filter_map(|(suffix, role)| Some((name.strip_suffix(suffix)?, role)))
        .filter(|(stem, _)| !stem.is_empty())
        .min_by_key(|(stem, _)| stem.len())
        .or_else(|| role_in_adapter(name))
        .or_else(|| role_of_peft(name))
        .unwrap_or((name, Role::Extra))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_told_from_the_others() {
        for spelling in &SPELLINGS {
            let (down, up) = (format!("a.b{}", spelling.down), format!("a.b{}", spelling.up));
            assert_eq!(role(&down), ("a.b", Role::Down(spelling)), "{}", spelling.name);
            assert_eq!(role(&up), ("a.b", Role::Up(spelling)), "{}", spelling.name);
        }
        assert_eq!((SPELLINGS[KOHYA].name, SPELLINGS[NAMED].name), ("kohya", "PEFT (raw)"));
    }

    #[test]
    fn stems_end_where_the_suffix_begins() {
        assert_eq!(role("lora_unet_mid.alpha"), ("lora_unet_mid", Role::Alpha));
        assert_eq!(role("x.lora_mid.weight"), ("x", Role::Part(Part::Mid)));
        assert_eq!(role("x.dora_scale"), ("x", Role::Magnitude));
        assert_eq!(role("x.lokr_w1_a"), ("x", Role::Part(Part::LokrW1A)));
        assert!(matches!(role("x.lora_B.bias").1, Role::Vector(v) if v.scaled));
        for foreign in [
            "oft_blocks",
            "oft_blocks.3",
            "oft_R.default.weight",
            "miss_block",
            "randlora_lambda",
            "lora_E",
            "ln_tuning_layers.weight",
        ] {
            assert!(matches!(role(&format!("a.x.{foreign}")), ("a.x", Role::Foreign(_))), "{foreign}");
        }
        for alpha in ["lora_alpha", "network_alpha", "lora.alpha"] {
            assert_eq!(role(&format!("x.{alpha}")), ("x", Role::Alpha));
        }
        assert_eq!(role("bundle_emb.cat.string_to_param.*").1, Role::Extra);
        assert_eq!(role(".alpha"), (".alpha", Role::Extra));
        assert_eq!(role("a.processor.to_q_lora.down.weight").0, "a.processor.to_q");
        assert_eq!(
            role("double_blocks.0.processor.qkv_lora1.down.weight").0,
            "double_blocks.0.processor.qkv_lora1"
        );
        assert_eq!(role("").1, Role::Extra);
    }

    #[test]
    fn wrappers_are_no_names() {
        for (path, plain) in [
            ("_orig_mod.a.b", "a.b"),
            ("a._orig_mod.b._checkpoint_wrapped_module.c", "a.b.c"),
            ("a.b._orig_mod", "a.b"),
            ("lora_unet__orig_mod_a__orig_mod_b", "lora_unet_a_b"),
            ("a_orig_model.b", "a_orig_model.b"),
            ("a._orig_modü.b", "a._orig_modü.b"),
        ] {
            assert_eq!(without_wrappers(path), plain);
        }
        assert_eq!(without_wrappers("a._orig_model._orig_mod.b"), "a._orig_model.b");
        // A single pass suffices; repeated passes would take hours on the longest name that a header can hold.
        let many = format!("{}b{}", "_orig_mod_".repeat(1 << 20), "._fsdp_wrapped_module".repeat(1 << 20));
        assert_eq!(without_wrappers(&many), "b");
    }

    #[test]
    fn an_adapter_may_have_any_name() {
        for adapter in ["default", "style", "my_adapter-1"] {
            let of = |before: &str, after: &str| format!("a.b{before}{adapter}{after}");
            assert_eq!(role(&of(".lora_A.", ".weight")), ("a.b", Role::Down(&SPELLINGS[NAMED])));
            assert_eq!(role(&of(".lora_B.", ".weight")), ("a.b", Role::Up(&SPELLINGS[NAMED])));
            assert_eq!(role(&of(".lora_B.", ".bias")), ("a.b", Role::Vector(&VECTORS[NAMED_BIAS])));
            for end in ["", ".weight"] {
                assert_eq!(role(&of(".lora_magnitude_vector.", end)), ("a.b", Role::Magnitude));
            }
        }
        assert_eq!(role("a.lora_magnitude_vector.weight"), ("a", Role::Magnitude));
        for other in ["a.lora_A.x.y.weight", "a.lora_A..weight", ".lora_A.x.weight", "a.lora_A.x"] {
            assert_eq!(role(other).1, Role::Extra, "{other}");
        }
    }

    #[test]
    fn no_suffix_stands_in_two_rows() {
        let mut all: Vec<&str> = SPELLINGS.iter().flat_map(|s| [s.down, s.up]).collect();
        all.extend(MAGNITUDES);
        all.extend(PARTS.iter().map(|p| p.0));
        all.extend(VECTORS.iter().map(|v| v.suffix));
        all.extend(FOREIGN.iter().map(|f| f.0));
        all.extend(ALPHAS);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
