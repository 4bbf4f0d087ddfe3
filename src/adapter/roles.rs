//! Tensor name → (module stem, role): one table of suffixes, matched from the right, the longest first.
//!
//! The spellings are those of formats.md §1.1 in the project's notes: kohya's sd-scripts and its relatives, PEFT and
//! the three generations of diffusers. A new spelling of plain LoRA is one more row of [`SPELLINGS`]; a new kind of
//! adapter moves from [`FOREIGN`] to a reader of its own.

/// How a trainer names the two factors of a module, and how the result names them again.
#[derive(Debug, PartialEq, Eq)]
pub struct Spelling {
    /// What users call it.
    pub name: &'static str,
    /// Ending of lora_down (A, r×n).
    pub down: &'static str,
    /// Ending of lora_up (B, m×r).
    pub up: &'static str,
    /// Whether files of this spelling carry an alpha tensor. Where they do not, loaders apply scale 1.
    pub writes_alpha: bool,
}

/// Ending of the alpha tensor, in every spelling that has one.
pub const ALPHA: &str = ".alpha";

/// All spellings of plain LoRA.
pub static SPELLINGS: [Spelling; 7] = [
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
];

/// Endings that belong to adapters whose update is not lora_up·lora_down alone: (ending, what it is).
/// Leaving such a tensor out would change what the file does, so its module is refused by name.
const FOREIGN: [(&str, &str); 27] = [
    (".lora_mid.weight", "a Tucker-decomposed LoRA (lora_mid)"),
    (".dora_scale", "DoRA, which depends on the base model's weights"),
    (".lora_magnitude_vector", "DoRA, which depends on the base model's weights"),
    (".lora_magnitude_vector.weight", "DoRA, which depends on the base model's weights"),
    (".hada_w1_a", "LoHa"),
    (".hada_w1_b", "LoHa"),
    (".hada_w2_a", "LoHa"),
    (".hada_w2_b", "LoHa"),
    (".hada_t1", "LoHa"),
    (".hada_t2", "LoHa"),
    (".lokr_w1", "LoKr"),
    (".lokr_w1_a", "LoKr"),
    (".lokr_w1_b", "LoKr"),
    (".lokr_w2", "LoKr"),
    (".lokr_w2_a", "LoKr"),
    (".lokr_w2_b", "LoKr"),
    (".lokr_t2", "LoKr"),
    (".diff", "a full weight difference"),
    (".oft_blocks", "OFT, which depends on the base model's weights"),
    (".oft_diag", "OFT, which depends on the base model's weights"),
    (".oft_R.weight", "OFT, which depends on the base model's weights"),
    (".on_input", "IA3, which depends on the base model's weights"),
    (".a1.weight", "GLoRA, which depends on the base model's weights"),
    (".b1.weight", "GLoRA, which depends on the base model's weights"),
    (".vera_lambda_b", "VeRA"),
    (".lora_embedding_A", "a LoRA on an embedding table"),
    (".lora_embedding_B", "a LoRA on an embedding table"),
];

/// What one tensor is to its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A, lora_down.
    Down(&'static Spelling),
    /// B, lora_up.
    Up(&'static Spelling),
    /// The scale's numerator.
    Alpha,
    /// Part of an adapter kind that is not fused; the text says which.
    Foreign(&'static str),
    /// Nothing of a LoRA: kept out of the result and counted.
    Extra,
}

/// Splits a tensor name into its module's stem and its role. The stem of an [`Role::Extra`] tensor is the whole name.
pub fn role(name: &str) -> (&str, Role) {
    let factors = SPELLINGS
        .iter()
        .flat_map(|spelling| [(spelling.down, Role::Down(spelling)), (spelling.up, Role::Up(spelling))]);
    let foreign = FOREIGN.iter().map(|&(suffix, kind)| (suffix, Role::Foreign(kind)));
    factors
        .chain(foreign)
        .chain([(ALPHA, Role::Alpha)])
        .filter_map(|(suffix, role)| Some((name.strip_suffix(suffix)?, role)))
        .filter(|(stem, _)| !stem.is_empty())
        .min_by_key(|(stem, _)| stem.len())
        .unwrap_or((name, Role::Extra))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_told_from_the_others() {
        for spelling in &SPELLINGS {
            assert_eq!(
                role(&format!("a.b{}", spelling.down)),
                ("a.b", Role::Down(spelling)),
                "{}",
                spelling.name
            );
            assert_eq!(
                role(&format!("a.b{}", spelling.up)),
                ("a.b", Role::Up(spelling)),
                "{}",
                spelling.name
            );
        }
    }

    #[test]
    fn stems_end_where_the_suffix_begins() {
        assert_eq!(role("lora_unet_mid.alpha"), ("lora_unet_mid", Role::Alpha));
        assert_eq!(role("x.lora_mid.weight").0, "x");
        assert!(matches!(role("x.dora_scale").1, Role::Foreign(_)));
        assert_eq!(role("bundle_emb.cat.string_to_param.*").1, Role::Extra);
        assert_eq!(role(".alpha"), (".alpha", Role::Extra));
        assert_eq!(role("a.processor.to_q_lora.down.weight").0, "a.processor.to_q");
        assert_eq!(role("").1, Role::Extra);
    }

    #[test]
    fn no_suffix_stands_in_two_rows() {
        let mut all: Vec<&str> = SPELLINGS.iter().flat_map(|s| [s.down, s.up]).collect();
        all.extend(FOREIGN.iter().map(|f| f.0));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
