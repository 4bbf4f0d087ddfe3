//! A made-up LoRA pair with the real layer names and sizes of Stable Diffusion 1.5, to try the tool with.
//!
//! The two files of a pair share some input directions in every layer, as real pairs do, so that the projection has
//! something to remove.

use crate::backend::{Dtype, cpu};
use crate::container::{Layout, Sink, TensorSpec};
use crate::error::{Code, Error, Result};
use crate::fusion::Side;
use std::collections::BTreeMap;

/// One made-up LoRA file, in kohya's naming.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Which file of the pair.
    pub side: Side,
    /// The rank of every module, at least 1.
    pub rank: usize,
    /// The number format: F32, F16 or BF16.
    pub dtype: Dtype,
}

/// A layer: stem, out features, in features, whether it is a 1×1 convolution.
type Layer = (String, usize, usize, bool);

/// The UNet's blocks as (name, number of attentions, channels); their attentions have 192 linear and 1×1 convolution layers.
const SD15_BLOCKS: [(&str, usize, usize); 7] = [
    ("down_blocks_0", 2, 320),
    ("down_blocks_1", 2, 640),
    ("down_blocks_2", 2, 1280),
    ("mid_block", 1, 1280),
    ("up_blocks_1", 3, 1280),
    ("up_blocks_2", 3, 640),
    ("up_blocks_3", 3, 320),
];

/// Width of the text encoder's output.
const SD15_TEXT: usize = 768;

fn sd15_layers() -> Vec<Layer> {
    let mut layers = Vec::new();
    for (block, attentions, c) in SD15_BLOCKS {
        for at in 0..attentions {
            let stem = format!("lora_unet_{block}_attentions_{at}");
            for name in ["proj_in", "proj_out"] {
                layers.push((format!("{stem}_{name}"), c, c, true));
            }
            let inner = [
                ("attn1_to_q", c, c),
                ("attn1_to_k", c, c),
                ("attn1_to_v", c, c),
                ("attn1_to_out_0", c, c),
                ("attn2_to_q", c, c),
                ("attn2_to_k", c, SD15_TEXT),
                ("attn2_to_v", c, SD15_TEXT),
                ("attn2_to_out_0", c, c),
                ("ff_net_0_proj", 8 * c, c),
                ("ff_net_2", c, 4 * c),
            ];
            layers.extend(
                inner.map(|(name, m, n)| (format!("{stem}_transformer_blocks_0_{name}"), m, n, false)),
            );
        }
    }
    layers
}

/// A number as a dimension of a tensor.
const fn dim(value: usize) -> u64 {
    value as u64
}

impl Example {
    /// Writes the file.
    ///
    /// # Errors
    /// `Settings` for rank 0 or another number format; those of the sink.
    pub async fn write<K: Sink>(&self, sink: &mut K) -> Result<()> {
        if self.rank == 0 || !matches!(self.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(Error::new(
                Code::Settings,
                "An example has rank 1 or more and F32, F16 or BF16 values.",
            ));
        }
        let layers = sd15_layers();
        let alpha = (self.rank as f32) / 2.0;
        let layout =
            Layout::new(layers.iter().flat_map(|layer| self.specs(layer)).collect(), &self.metadata(alpha))?;
        sink.write(0, &layout.header).await?;
        for (stem, m, n, _) in &layers {
            let alpha = alpha.to_le_bytes();
            let down = cpu::encode(&self.down(stem, *n), 1.0, self.dtype).0;
            let up = cpu::encode(&self.up(stem, *m), 1.0, self.dtype).0;
            for (suffix, bytes) in
                [("lora_down.weight", &down[..]), ("lora_up.weight", &up), ("alpha", &alpha)]
            {
                if let Some(tensor) = layout.find(&format!("{stem}.{suffix}")) {
                    sink.write(tensor.start, bytes).await?;
                }
            }
        }
        Ok(())
    }

    fn specs(&self, (stem, m, n, conv): &Layer) -> [TensorSpec; 3] {
        let ones: &[u64] = if *conv { &[1, 1] } else { &[] };
        let spec = |suffix: &str, dtype, shape: Vec<u64>| TensorSpec {
            name: format!("{stem}.{suffix}"),
            dtype,
            shape,
        };
        let matrix = |rows: usize, cols: usize| [&[dim(rows), dim(cols)], ones].concat();
        [
            spec("lora_down.weight", self.dtype, matrix(self.rank, *n)),
            spec("lora_up.weight", self.dtype, matrix(*m, self.rank)),
            spec("alpha", Dtype::F32, vec![]),
        ]
    }

    fn metadata(&self, alpha: f32) -> BTreeMap<String, String> {
        let (title, trigger) = match self.side {
            Side::Content => ("Example subject", "sks dog"),
            Side::Style => ("Example style", "ink wash style"),
        };
        [
            ("ss_v2", "False"),
            ("ss_base_model_version", "sd_v1"),
            ("ss_network_module", "networks.lora"),
            ("ss_network_dim", &self.rank.to_string()),
            ("ss_network_alpha", &alpha.to_string()),
            ("modelspec.architecture", "stable-diffusion-v1/lora"),
            ("modelspec.title", title),
            ("modelspec.trigger_phrase", trigger),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// A, rank×n: each row mixes a direction that both files of the pair share with one of its own.
    fn down(&self, stem: &str, n: usize) -> Vec<f32> {
        let mut own = Random::new(&[stem, self.name(), "down"]);
        let size = (n as f32).sqrt().recip();
        let mut values = Vec::with_capacity(self.rank * n);
        for row in 0..self.rank {
            let mut common = Random::new(&[stem, "common", &row.to_string()]);
            // Later rows have less and less in common.
            let share = 0.8 / (1.0 + row as f32);
            let rest = (1.0 - share * share).sqrt();
            values.extend((0..n).map(|_| size * (share * common.normal() + rest * own.normal())));
        }
        values
    }

    /// B, m×rank: its columns fade, as in trained LoRAs.
    fn up(&self, stem: &str, m: usize) -> Vec<f32> {
        let mut own = Random::new(&[stem, self.name(), "up"]);
        let fade: Vec<f32> = (0..self.rank).map(|column| 0.05 / (1.0 + column as f32).sqrt()).collect();
        (0..m).flat_map(|_| fade.iter().map(|f| f * own.normal()).collect::<Vec<_>>()).collect()
    }

    fn name(&self) -> &'static str {
        match self.side {
            Side::Content => "content",
            Side::Style => "style",
        }
    }
}

/// Random numbers that are the same on every machine: SplitMix64 (Steele, Lea, Flood 2014), seeded by text.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator seeded with these texts: the same texts give the same numbers.
    pub fn new(seed: &[&str]) -> Self {
        // The seed is the FNV-1a hash of the texts.
        let text = seed.iter().flat_map(|part| part.bytes().chain([0]));
        Self(text.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Nearly normal, mean 0, variance 1: a sum of four uniform numbers.
    pub fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u32 = (0..4).map(|part| u32::from(((bits >> (16 * part)) & 0xffff) as u16)).sum();
        (sum as f32 / 65_535.0 - 2.0) * 1.732_050_8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_has_its_known_number_of_layers() {
        assert_eq!(sd15_layers().len(), 192);
    }

    #[test]
    fn random_numbers_are_normal_enough() {
        let mut random = Random::new(&["test"]);
        let values: Vec<f32> = (0..100_000).map(|_| random.normal()).collect();
        let mean = values.iter().sum::<f32>() / 1e5;
        let variance = values.iter().map(|v| v * v).sum::<f32>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
