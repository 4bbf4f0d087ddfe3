//! How users speak of a layer: its block in the model, and what it does there.

use super::{Family, ModuleId};

/// A block of a model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// The block's position among the family's blocks, in the order in which data flows through the model.
    pub order: usize,
    /// The block's name for users: `IN04`, `double 7`, `CLIP-L`.
    pub label: String,
}

impl Block {
    /// Whether the block is a whole text encoder.
    pub fn is_encoder(&self) -> bool {
        self.order >= AFTER_BLOCKS
    }

    /// The name that all blocks of this kind share: the label without its number.
    pub fn group(&self) -> &str {
        numbered(&self.label).0
    }
}

impl Family {
    /// The block that a canonical layer belongs to. `None` for layers outside all blocks, such as those at the model's two ends.
    pub fn block(&self, id: &ModuleId) -> Option<Block> {
        let (model, path) = self.model_of(id)?;
        if !model.label.is_empty() {
            let at = self.models().iter().position(|other| std::ptr::eq(other, model))?;
            return Some(Block { order: AFTER_BLOCKS + at, label: model.label.clone() });
        }
        let label = model.table.label(path)?.to_owned();
        let (group, number) = numbered(&label);
        let mut groups: Vec<&str> = Vec::new();
        for label in model.table.modules.iter().filter_map(|module| module.label.as_deref()) {
            let name = numbered(label).0;
            if name == group {
                break;
            }
            if !groups.contains(&name) {
                groups.push(name);
            }
        }
        Some(Block { order: groups.len() * BLOCKS_A_GROUP + number, label })
    }
}

/// The orders set aside for each kind of block: more than any model has blocks of one kind.
const BLOCKS_A_GROUP: usize = 1000;

/// The order of the first text encoder, behind all blocks.
const AFTER_BLOCKS: usize = 1000 * BLOCKS_A_GROUP;

/// Splits a label into its text and its number: `IN04` → (`IN`, 4).
fn numbered(label: &str) -> (&str, usize) {
    let group = label.trim_end_matches(|c: char| c.is_ascii_digit());
    (group, label[group.len()..].parse().unwrap_or(0))
}

/// What a canonical layer does in its block: `q`, `k`, `v`, `out`, `ff`, `conv`, `proj`, `mod` or `other`.
pub fn kind_of(id: &ModuleId) -> &'static str {
    let name = id.as_str();
    KINDS
        .iter()
        .find(|(_, ends, parts)| {
            ends.iter().any(|end| name.ends_with(end)) || parts.iter().any(|part| name.contains(part))
        })
        .map_or("other", |(kind, ..)| kind)
}

/// All kinds of layers, in the order in which data flows through a block.
pub const ALL_KINDS: [&str; 9] = ["q", "k", "v", "out", "ff", "conv", "proj", "mod", "other"];

/// (kind, endings of names, parts of names); the first row that matches decides.
const KINDS: [(&str, &[&str], &[&str]); 8] = [
    (
        "mod",
        &["time_emb_proj"],
        &[
            "norm.linear",
            "norm1.linear",
            "norm2.linear",
            "norm3.linear",
            "norm1_context.",
            "norm_out.",
            "_mod.",
            "modulation",
            "adaln",
        ],
    ),
    ("q", &[".to_q", ".to_q_t", "q_proj", ".q"], &[]),
    ("k", &[".to_k", ".to_k_t", "k_proj", ".k"], &[]),
    ("v", &[".to_v", ".to_v_t", "v_proj", ".v"], &[]),
    (
        "out",
        &[
            ".to_out.0",
            ".to_out",
            ".to_out_t",
            ".to_add_out",
            "attn.out_proj",
            "attn.o_proj",
            "SelfAttention.o",
        ],
        &[],
    ),
    ("ff", &[".proj_mlp"], &[".ff", "_ff.", ".feed_forward.", "mlp.", ".DenseReluDense."]),
    ("conv", &["conv_in", "conv_out", "conv1", "conv2", "conv_shortcut", ".conv"], &[]),
    ("proj", &["proj_in", "proj_out", "to_qkv_mlp_proj"], &[]),
];
