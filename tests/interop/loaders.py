"""The real loaders: a file → the update that diffusers and PEFT make of it, layer by layer."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import safetensors.torch
import torch
from diffusers.loaders import lora_pipeline
from diffusers.loaders.peft import PeftAdapterMixin
from peft.tuners.tuners_utils import BaseTunerLayer

from layers import Family


class Tree(torch.nn.Module, PeftAdapterMixin):
    """A model that has only the layers of interest, in their true sizes."""

    def __init__(self, family: Family) -> None:
        super().__init__()
        for layer in family.layers:
            *path, last = layer.name.split(".")
            parent: torch.nn.Module = self
            for name in path:
                if not hasattr(parent, name):
                    parent.add_module(name, torch.nn.Module())
                parent = getattr(parent, name)
            parent.add_module(last, made(layer.out, layer.inputs, layer.kernel))

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32


def made(out: int, inputs: int, kernel: tuple[int, int] | None) -> torch.nn.Module:
    # The weights are never read; leaving them empty costs no memory until they are.
    if kernel:
        return torch.nn.utils.skip_init(torch.nn.Conv2d, inputs, out, kernel, bias=False)
    return torch.nn.utils.skip_init(torch.nn.Linear, inputs, out, bias=False)


def loaded(family: Family, path: Path) -> dict[str, np.ndarray]:
    """ΔW of every layer as diffusers applies the file at strength 1."""
    safetensors.torch.load_file(path)  # the library's own checks
    mixin = getattr(lora_pipeline, family.mixin)
    arguments: dict[str, object] = {}
    if family.component == "unet":
        arguments["unet_config"] = SimpleNamespace(layers_per_block=2)
    if family.mixin == "FluxLoraLoaderMixin":
        arguments["return_alphas"] = True
    found = mixin.lora_state_dict(str(path), **arguments)
    state, alphas = found if isinstance(found, tuple) else (found, None)
    tree = Tree(family)
    tree.load_lora_adapter(state, prefix=family.component, network_alphas=alphas or None, adapter_name="fused")
    updates: dict[str, np.ndarray] = {}
    for layer in family.layers:
        module = tree.get_submodule(layer.name)
        if not isinstance(module, BaseTunerLayer):
            raise AssertionError(f"diffusers loads nothing into {layer.name}")
        update = module.get_delta_weight("fused").detach().double().numpy()
        updates[layer.name] = update.reshape(layer.out, -1)
    return updates
