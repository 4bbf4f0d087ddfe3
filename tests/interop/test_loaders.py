"""Fused and converted files in the real loaders: run by `cargo xtask interop`."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np

import files
from layers import FAMILIES, FLUX, SD15, SDXL, Family
from loaders import loaded
from pairs import Lora, expected

PROGRAM = os.environ["NP_LORA_FUSE"]
MU = 0.5
BETA = MU / (1 + MU)
BOUND = 1e-5


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name: str, lora: Lora) -> Path:
        path = self.folder / f"{name}.safetensors"
        note = {"ss_base_model_version": lora.family.note} if lora.family.note else None
        files.write(path, lora.tensors(), note)
        return path

    def fuse(self, content: Path | None, style: Path | None, **settings: object) -> tuple[Path, dict]:
        result = self.folder / "result.safetensors"
        paths = [str(path) if path else "-" for path in (content, style)]
        choices = json.dumps({"mu": MU, "dtype": "F32", "outputName": "result", **settings})
        done = subprocess.run([PROGRAM, *paths, str(result), choices], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return result, json.loads(done.stdout)

    def compare(self, family: Family, path: Path, should: dict[str, np.ndarray]) -> float:
        worst = 0.0
        for name, update in loaded(family, path).items():
            apart = np.linalg.norm(update - should[name]) / np.linalg.norm(should[name])
            self.assertLess(apart, BOUND, f"{family.name} {name}")
            worst = max(worst, float(apart))
        return worst


class Fused(Case):
    def test_every_pair_of_schemes_loads_with_the_right_update(self) -> None:
        for family in FAMILIES:
            for of_content in family.schemes:
                for of_style in family.schemes:
                    with self.subTest(family=family.name, content=of_content, style=of_style):
                        content = Lora(family, of_content, "content")
                        style = Lora(family, of_style, "style", rank=4, alpha=2.0)
                        result, report = self.fuse(self.write("content", content), self.write("style", style))
                        should = expected(content, style, BETA)
                        worst = self.compare(family, result, should)
                        print(f"{family.name}: {of_content} × {of_style} as {report['scheme']}: {worst:.1e}", flush=True)

    def test_every_scheme_that_diffusers_reads(self) -> None:
        for family in FAMILIES:
            content, style = Lora(family, "peft", "content"), Lora(family, "peft", "style")
            paths = self.write("content", content), self.write("style", style)
            should = expected(content, style, BETA)
            for scheme in family.read_by_diffusers:
                chosen = "comfy-diffusers" if scheme == "comfy" and family.comfy == "diffusers" else scheme
                if scheme == "kohya" and family.kohya == "diffusers":
                    chosen = "kohya-sd"
                if scheme not in family.schemes:
                    continue
                with self.subTest(family=family.name, scheme=scheme):
                    result, _ = self.fuse(*paths, scheme=chosen)
                    self.compare(family, result, should)


class Traps(Case):
    def mixed(self, family: Family, scheme: str, seed: str) -> tuple[Path, Lora, Lora]:
        """A file whose modules have two ranks and alphas: every other layer is another LoRA's."""
        small, large = Lora(family, scheme, seed, 2, 1.0), Lora(family, scheme, seed, 5, 4.0)
        tensors: files.Tensors = {}
        for at, layer in enumerate(family.layers):
            part = (small, large)[at % 2]
            stem = part.stem(part.holder(layer))
            tensors |= {name: values for name, values in part.tensors().items() if name.startswith(stem + ".")}
        path = self.folder / f"{seed}.safetensors"
        files.write(path, tensors)
        return path, small, large

    def test_mixed_ranks_and_alphas_in_both_layouts(self) -> None:
        for family in (SD15, SDXL):
            for layout in ("compatible", "compact"):
                with self.subTest(family=family.name, layout=layout):
                    content, *of_content = self.mixed(family, "kohya", "content")
                    style, *of_style = self.mixed(family, "kohya", "style")
                    result, _ = self.fuse(content, style, layout=layout)
                    parts = [expected(c, s, BETA) for c, s in zip(of_content, of_style, strict=True)]
                    should = {layer.name: parts[at % 2][layer.name] for at, layer in enumerate(family.layers)}
                    self.compare(family, result, should)

    def test_absent_alphas_mean_scale_one(self) -> None:
        content, style = Lora(SDXL, "kohya", "content", alpha=None), Lora(SDXL, "kohya", "style")
        result, _ = self.fuse(self.write("content", content), self.write("style", style))
        self.compare(SDXL, result, expected(content, style, BETA))

    def test_a_configuration_beside_the_file_gives_the_scale(self) -> None:
        content, style = Lora(FLUX, "peft", "content"), Lora(FLUX, "kohya", "style")
        (self.folder / "peft").mkdir()
        path = self.folder / "peft" / "adapter_model.safetensors"
        files.write(path, content.tensors(), {"ss_base_model_version": "flux1"})
        config = {"r": 3, "lora_alpha": 6, "use_rslora": True}
        (self.folder / "peft" / "adapter_config.json").write_text(json.dumps(config))
        result, _ = self.fuse(path, self.write("style", style))
        plain, alone = expected(content, style, BETA), expected(content, style, 1.0)
        # Only the content's part is scaled, by alpha/√r; what β takes away is linear in it.
        silent = Lora(FLUX, "kohya", "style")
        style_only = {layer.name: silent.scale * silent.up(layer) @ silent.down(layer) for layer in FLUX.layers}
        self.assertEqual(plain.keys(), alone.keys())
        scale = 6 / np.sqrt(3)
        should = {name: style_only[name] + scale * (plain[name] - style_only[name]) for name in plain}
        self.compare(FLUX, result, should)

    def test_stacked_layers_are_taken_apart_again(self) -> None:
        content, style = Lora(FLUX, "peft", "content"), Lora(FLUX, "peft", "style", rank=3)
        result, _ = self.fuse(self.write("content", content), self.write("style", style), scheme="kohya")
        self.compare(FLUX, result, expected(content, style, BETA))


class Converted(Case):
    def test_one_file_in_every_other_scheme(self) -> None:
        for family in FAMILIES:
            for scheme in family.schemes:
                with self.subTest(family=family.name, scheme=scheme):
                    lora = Lora(family, scheme, "only")
                    result, report = self.fuse(self.write("only", lora), None)
                    should = {layer.name: lora.scale * lora.up(layer) @ lora.down(layer) for layer in family.layers}
                    self.compare(family, result, should)
                    self.assertEqual(report["contentTensors"]["passed"], report["contentTensors"]["total"])


if __name__ == "__main__":
    unittest.main()
