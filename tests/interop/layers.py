"""A few layers of each model family, written down by hand: what diffusers calls them, and what others do.

Nothing here comes from the product's own tables.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layer:
    """One layer at the finest split."""

    name: str
    """Its path in diffusers."""
    out: int
    inputs: int
    native: str
    """The layer of the original model that holds it."""
    row: int = 0
    """Where its rows begin in there."""
    native_out: int = 0
    """Rows of that layer; 0: as many as this one has."""
    kernel: tuple[int, int] | None = None
    swapped: bool = False
    """Whether the original has the two halves of its rows the other way round."""

    @property
    def held_out(self) -> int:
        return self.native_out or self.out


@dataclass(frozen=True)
class Family:
    name: str
    mixin: str
    """Of diffusers.loaders.lora_pipeline."""
    component: str
    layers: tuple[Layer, ...]
    kohya: str = "native"
    """Whose names kohya's trainer flattens."""
    comfy: str = "native"
    """Whose names ComfyUI has."""
    note: str | None = None
    """`ss_base_model_version`, where so few layers do not tell the family."""
    schemes: tuple[str, ...] = ("kohya", "peft", "comfy")
    read_by_diffusers: tuple[str, ...] = field(default=("kohya", "peft", "comfy"))
    """Results in these schemes are given to diffusers."""


def fused(names: list[str], sizes: list[int], inputs: int, native: str) -> tuple[Layer, ...]:
    rows = [sum(sizes[:at]) for at in range(len(sizes))]
    return tuple(
        Layer(name, size, inputs, native, row, sum(sizes)) for name, size, row in zip(names, sizes, rows, strict=True)
    )


def flux(h: int) -> tuple[Layer, ...]:
    block, single = "transformer_blocks.0", "single_transformer_blocks.0"
    return (
        *fused([f"{block}.attn.to_{p}" for p in "qkv"], [h] * 3, h, "double_blocks.0.img_attn.qkv"),
        *fused([f"{block}.attn.add_{p}_proj" for p in "qkv"], [h] * 3, h, "double_blocks.0.txt_attn.qkv"),
        Layer(f"{block}.attn.to_out.0", h, h, "double_blocks.0.img_attn.proj"),
        Layer(f"{block}.ff.net.2", h, 4 * h, "double_blocks.0.img_mlp.2"),
        *fused(
            [f"{single}.attn.to_q", f"{single}.attn.to_k", f"{single}.attn.to_v", f"{single}.proj_mlp"],
            [h, h, h, 4 * h],
            h,
            "single_blocks.0.linear1",
        ),
        Layer(f"{single}.proj_out", h, 5 * h, "single_blocks.0.linear2"),
    )


def unet(native: str, block: str, context: int, h: int, conv: bool, resnet: str) -> tuple[Layer, ...]:
    kernel = (1, 1) if conv else None
    return (
        Layer(f"{block}.proj_in", h, h, f"{native}.proj_in", kernel=kernel),
        Layer(f"{block}.transformer_blocks.0.attn1.to_q", h, h, f"{native}.transformer_blocks.0.attn1.to_q"),
        Layer(f"{block}.transformer_blocks.0.attn1.to_out.0", h, h, f"{native}.transformer_blocks.0.attn1.to_out.0"),
        Layer(f"{block}.transformer_blocks.0.attn2.to_k", h, context, f"{native}.transformer_blocks.0.attn2.to_k"),
        Layer(f"{block}.transformer_blocks.0.ff.net.0.proj", 8 * h, h, f"{native}.transformer_blocks.0.ff.net.0.proj"),
        Layer(
            f"{block.replace('attentions', 'resnets')}.conv2", h, h, f"{resnet}.out_layers.3", kernel=(3, 3)
        ),
    )


SD15 = Family(
    "SD 1.5", "StableDiffusionLoraLoaderMixin", "unet",
    unet("input_blocks.1.1", "down_blocks.0.attentions.0", 768, 320, True, "input_blocks.1.0"),
    kohya="diffusers", read_by_diffusers=("kohya", "peft"),
)
SDXL = Family(
    "SDXL", "StableDiffusionXLLoraLoaderMixin", "unet",
    unet("input_blocks.4.1", "down_blocks.1.attentions.0", 2048, 640, False, "input_blocks.4.0"),
    read_by_diffusers=("kohya", "peft"),
)
FLUX = Family(
    "FLUX.1", "FluxLoraLoaderMixin", "transformer",
    (
        *flux(3072),
        Layer("transformer_blocks.0.norm1.linear", 18432, 3072, "double_blocks.0.img_mod.lin"),
        Layer("single_transformer_blocks.0.norm.linear", 9216, 3072, "single_blocks.0.modulation.lin"),
    ),
    note="flux1", read_by_diffusers=("kohya", "peft"),
)
CHROMA = Family(
    "Chroma", "FluxLoraLoaderMixin", "transformer", flux(3072), note="chroma", read_by_diffusers=("kohya", "peft")
)
FLUX2 = Family(
    "FLUX.2 klein 4B", "Flux2LoraLoaderMixin", "transformer",
    (
        *fused([f"transformer_blocks.0.attn.to_{p}" for p in "qkv"], [3072] * 3, 3072, "double_blocks.0.img_attn.qkv"),
        Layer("transformer_blocks.0.ff.linear_in", 18432, 3072, "double_blocks.0.img_mlp.0"),
        Layer("single_transformer_blocks.0.attn.to_qkv_mlp_proj", 27648, 3072, "single_blocks.0.linear1"),
        Layer("single_transformer_blocks.0.attn.to_out", 3072, 12288, "single_blocks.0.linear2"),
    ),
    note="flux_2_klein_4b",
)
SD35 = Family(
    "SD 3.5 Large", "SD3LoraLoaderMixin", "transformer",
    (
        *fused([f"transformer_blocks.0.attn.to_{p}" for p in "qkv"], [2432] * 3, 2432, "joint_blocks.0.x_block.attn.qkv"),
        Layer("transformer_blocks.0.norm1.linear", 14592, 2432, "joint_blocks.0.x_block.adaLN_modulation.1"),
        Layer("transformer_blocks.0.attn.to_add_out", 2432, 2432, "joint_blocks.0.context_block.attn.proj"),
        Layer(
            "transformer_blocks.37.norm1_context.linear", 4864, 2432,
            "joint_blocks.37.context_block.adaLN_modulation.1", swapped=True,
        ),
    ),
    read_by_diffusers=("peft",),
)
Z_IMAGE = Family(
    "Z-Image", "ZImageLoraLoaderMixin", "transformer",
    tuple(
        Layer(f"layers.0.{name}", out, inputs, f"layers.0.{name}")
        for name, out, inputs in (
            ("attention.to_q", 3840, 3840), ("attention.to_out.0", 3840, 3840), ("feed_forward.w1", 10240, 3840),
        )
    ),
    schemes=("peft", "comfy"), comfy="diffusers", note="z_image",
)
QWEN = Family(
    "Qwen-Image", "QwenImageLoraLoaderMixin", "transformer",
    tuple(
        Layer(f"transformer_blocks.0.{name}", out, 3072, f"transformer_blocks.0.{name}")
        for name, out in (
            ("attn.to_q", 3072), ("attn.add_k_proj", 3072), ("img_mlp.net.0.proj", 12288), ("img_mod.1", 18432),
        )
    ),
    note="qwen_image",
)
WAN = Family(
    "Wan 1.3B", "WanLoraLoaderMixin", "transformer",
    (
        Layer("blocks.0.attn1.to_q", 1536, 1536, "blocks.0.self_attn.q"),
        Layer("blocks.0.attn2.to_out.0", 1536, 1536, "blocks.0.cross_attn.o"),
        Layer("blocks.0.ffn.net.0.proj", 8960, 1536, "blocks.0.ffn.0"),
        Layer("blocks.0.ffn.net.2", 1536, 8960, "blocks.0.ffn.2"),
    ),
    # Of kohya's naming diffusers reads only files with all layers of a block.
    read_by_diffusers=("peft", "comfy"),
)

ANIMA = Family(
    "Anima", "AnimaLoraLoaderMixin", "transformer",
    (
        Layer("transformer_blocks.0.attn1.to_q", 2048, 2048, "blocks.0.self_attn.q_proj"),
        Layer("transformer_blocks.0.attn2.to_k", 2048, 1024, "blocks.0.cross_attn.k_proj"),
        Layer("transformer_blocks.0.attn2.to_out.0", 2048, 2048, "blocks.0.cross_attn.output_proj"),
        Layer("transformer_blocks.0.ff.net.2", 2048, 8192, "blocks.0.mlp.layer2"),
        Layer("transformer_blocks.0.norm2.linear_2", 6144, 256, "blocks.0.adaln_modulation_cross_attn.2"),
    ),
    note="anima", read_by_diffusers=("peft", "comfy"),
)
LTX2 = Family(
    "LTX-2", "LTX2LoraLoaderMixin", "transformer",
    (
        Layer("transformer_blocks.0.attn1.to_q", 4096, 4096, "transformer_blocks.0.attn1.to_q"),
        Layer("transformer_blocks.0.audio_to_video_attn.to_q", 2048, 4096, "transformer_blocks.0.audio_to_video_attn.to_q"),
        Layer("transformer_blocks.0.audio_ff.net.2", 2048, 8192, "transformer_blocks.0.audio_ff.net.2"),
        Layer("proj_in", 4096, 128, "patchify_proj"),
        Layer("av_cross_attn_video_a2v_gate.linear", 4096, 4096, "av_ca_a2v_gate_adaln_single.linear"),
    ),
    read_by_diffusers=("peft", "comfy"),
)
HIDREAM = Family(
    "HiDream-I1", "HiDreamImageLoraLoaderMixin", "transformer",
    tuple(
        Layer(name, out, inputs, name)
        for name, out, inputs in (
            ("double_stream_blocks.0.block.attn1.to_q_t", 2560, 2560),
            ("double_stream_blocks.0.block.ff_i.experts.1.w2", 2560, 6912),
            ("single_stream_blocks.31.block.attn1.to_out", 2560, 2560),
        )
    ),
    read_by_diffusers=("peft", "comfy"),
)
H3 = Family(
    "MiniMax-H3", "MiniMaxH3LoraLoaderMixin", "transformer",
    (
        *fused([f"token_refiner.refiner_blocks.1.attn.to_{p}" for p in "qkv"], [7168] * 3, 5376, "token_refiner.blocks.1.attn.qkv_proj"),
        Layer("token_refiner.refiner_blocks.1.ff.net.0.proj", 28672, 5376, "token_refiner.blocks.1.mlp.fc1", swapped=True),
        Layer("proj_in", 5376, 96, "video_patch_proj"),
    ),
    note="minimax_h3",
)

FAMILIES = (SD15, SDXL, FLUX, CHROMA, FLUX2, SD35, Z_IMAGE, QWEN, WAN, ANIMA, LTX2, HIDREAM, H3)
