"""The same fusion with PyTorch on the CPU, from loading the two files to the saved result, in float32.

    python torch_baseline.py <content> <style> <result> [<a result of ours to compare with>]

Or the projections alone, on a device of PyTorch's, several times:

    python torch_baseline.py <content> <style> --device <cuda, say>

Takes kohya's files of linear layers and 1x1 convolutions. Prints seconds, peak memory and the largest difference as JSON;
of a device, what it is called and the seconds of every run but the first, from tensors in memory to tensors in memory.
"""

import json
import os
import sys
import time

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

MU = 0.5
DOWN, UP, ALPHA = ".lora_down.weight", ".lora_up.weight", ".alpha"


def lora_down(tensors, stem, device="cpu"):
    """A r x n with the scale in it."""
    down = tensors[stem + DOWN].to(device).float().flatten(1)
    return down * (tensors[stem + ALPHA].item() / down.shape[0])


def lora_up(tensors, stem, device="cpu"):
    """B m x r."""
    return tensors[stem + UP].to(device).float().flatten(1)


def factors(tensors, stem):
    return lora_down(tensors, stem), lora_up(tensors, stem)


def project(a_c, a_s, b_s):
    """A_c - beta (A_c V) V^T with V the right singular vectors of B_s A_s."""
    q, r = torch.linalg.qr(a_s.T)
    core = torch.linalg.qr(b_s, mode="r").R @ r.T
    sigma, vh = torch.linalg.svd(core)[1:]
    v = q @ vh[sigma > 2e-6 * sigma[0]].T
    return a_c - MU / (1 + MU) * (a_c @ v) @ v.T


def fuse(content, style, stem):
    """[B_s | B_c] and [A_s ; A_c - beta (A_c V) V^T]."""
    (a_s, b_s), (a_c, b_c) = factors(style, stem), factors(content, stem)
    return torch.cat([a_s, project(a_c, a_s, b_s)]), torch.cat([b_s, b_c], dim=1)


def fused(content, style):
    result = {}
    for stem in (name.removesuffix(DOWN) for name in style if name.endswith(DOWN)):
        down, up = fuse(content, style, stem)
        like_down, like_up = style[stem + DOWN], style[stem + UP]
        result[stem + DOWN] = down.reshape(-1, *like_down.shape[1:]).to(like_down.dtype)
        result[stem + UP] = up.reshape(*up.shape, *like_up.shape[2:]).to(like_up.dtype)
        result[stem + ALPHA] = torch.tensor(float(down.shape[0]))
    return result


def peak():
    """The most memory this process has had, in bytes; None where the system does not say."""
    try:
        with open("/proc/self/status") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except OSError:
        return None


def difference(one, other, stem):
    """||B1 A1 - B2 A2|| / ||B1 A1||, from the factors."""
    (a1, b1), (a2, b2) = (tuple(x.double() for x in factors(tensors, stem)) for tensors in (one, other))
    square = lambda a, b: torch.sum((b.T @ b) * (a @ a.T)).item()
    return (square(torch.cat([a1, a2]), torch.cat([b1, -b2], dim=1)) / square(a1, b1)) ** 0.5


def on_device(content, style, device, runs=6):
    """Seconds of all projections; the first run finds memory and loads its kernels."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        for stem in (name.removesuffix(DOWN) for name in style if name.endswith(DOWN)):
            a_s, b_s = lora_down(style, stem, device), lora_up(style, stem, device)
            # That it is on the CPU means that the device is done.
            project(lora_down(content, stem, device), a_s, b_s).to(content[stem + DOWN].dtype).cpu()
        taken.append(time.perf_counter() - began)
    return taken[1:]


def main():
    content_path, style_path, result_path, *others = sys.argv[1:]
    if result_path == "--device":
        device = torch.device(others[0])
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        print(json.dumps({"device": name, "seconds": on_device(load_file(content_path), load_file(style_path), device)}))
        return
    torch.set_num_threads(os.cpu_count() or 1)
    began = time.perf_counter()
    result = fused(load_file(content_path), load_file(style_path))
    save_file(result, result_path)
    found = {"seconds": time.perf_counter() - began, "peakBytes": peak()}
    for other_path in others:
        stems = [name.removesuffix(DOWN) for name in result if name.endswith(DOWN)][::10]
        with safe_open(other_path, "pt") as opened:
            other = {stem + end: opened.get_tensor(stem + end) for stem in stems for end in (DOWN, UP, ALPHA)}
        found["difference"] = max(difference(result, other, stem) for stem in stems)
    print(json.dumps(found))


main()
