"""Made-up LoRAs of a family in any scheme, and what fusing two of them should give, in f64."""

from dataclasses import dataclass

import numpy as np

from files import Tensors, random
from layers import Family, Layer


@dataclass(frozen=True)
class Lora:
    """One file: every layer's factors follow from its seed."""

    family: Family
    scheme: str
    seed: str
    rank: int = 3
    alpha: float | None = 1.5
    """None: not stored, scale 1. Only kohya's files store one."""

    @property
    def is_fused(self) -> bool:
        whose = {"kohya": self.family.kohya, "comfy": self.family.comfy, "peft": "diffusers"}[self.scheme]
        return whose == "native"

    @property
    def scale(self) -> float:
        stored = self.alpha if self.scheme == "kohya" else None
        return 1.0 if stored is None else stored / self.rank

    def holder(self, layer: Layer) -> str:
        """Layers with the same holder are one module of the file, and share its lora_down."""
        return layer.native if self.is_fused else layer.name

    def down(self, layer: Layer) -> np.ndarray:
        kernel = layer.kernel or (1, 1)
        return random(f"{self.seed} down {self.holder(layer)}", self.rank, layer.inputs * kernel[0] * kernel[1])

    def up(self, layer: Layer) -> np.ndarray:
        return random(f"{self.seed} up {layer.name}", layer.out, self.rank)

    def tensors(self) -> Tensors:
        modules: dict[str, list[Layer]] = {}
        for layer in self.family.layers:
            modules.setdefault(self.holder(layer), []).append(layer)
        tensors: Tensors = {}
        for holder, layers in modules.items():
            first = layers[0]
            up = np.zeros((first.held_out if self.is_fused else first.out, self.rank))
            for layer in layers:
                rows = self.up(layer)
                if layer.swapped and self.is_fused:
                    rows = np.roll(rows, layer.out // 2, axis=0)
                start = layer.row if self.is_fused else 0
                up[start : start + layer.out] = rows
            down = self.down(first)
            if first.kernel:
                down, up = down.reshape(self.rank, first.inputs, *first.kernel), up[:, :, None, None]
            stem = self.stem(holder)
            kohya = self.scheme == "kohya"
            tensors[stem + (".lora_down.weight" if kohya else ".lora_A.weight")] = down
            tensors[stem + (".lora_up.weight" if kohya else ".lora_B.weight")] = up
            if kohya and self.alpha is not None:
                tensors[f"{stem}.alpha"] = np.asarray(self.alpha)
        return tensors

    def stem(self, name: str) -> str:
        match self.scheme:
            case "kohya":
                return "lora_unet_" + name.replace(".", "_")
            case "comfy":
                return f"diffusion_model.{name}"
            case _:
                return f"{self.family.component}.{name}"


def expected(content: Lora, style: Lora, beta: float) -> dict[str, np.ndarray]:
    """The update of every layer. Layers that are one module in both files are projected together."""
    updates: dict[str, np.ndarray] = {}
    units: dict[tuple[str, str], list[Layer]] = {}
    for layer in content.family.layers:
        units.setdefault((content.holder(layer), style.holder(layer)), []).append(layer)
    for layers in units.values():
        up = np.concatenate([style.up(layer) for layer in layers])
        directions = right_singular_vectors(up, style.down(layers[0]))
        for layer in layers:
            of_style = style.scale * style.up(layer) @ style.down(layer)
            of_content = content.scale * content.up(layer) @ content.down(layer)
            updates[layer.name] = of_style + of_content - beta * (of_content @ directions) @ directions.T
    return updates


def right_singular_vectors(up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Of up·down, those with a singular value that is more than rounding; by columns."""
    q, r = np.linalg.qr(down.T)
    _, sigma, v_t = np.linalg.svd(up @ r.T, full_matrices=False)
    return q @ v_t[sigma > 1e-9 * sigma[0]].T
