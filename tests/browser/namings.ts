/** One name for each layer, whatever the file calls it, for the few layers that the tests use; independent of the product. */

import { decode, encode, type Safetensors, type Tensor } from './safetensors.ts';
import type { Module } from './check.ts';

/** kohya's FLUX.1 names that are not diffusers' with underscores. A fused layer holds its parts one below the other. */
const FLUX: [RegExp, string[]][] = [
  [/^lora_unet_double_blocks_(\d+)_img_attn_qkv$/, ['to_q', 'to_k', 'to_v'].map((part) => `lora_unet_transformer_blocks_$1_attn_${part}`)],
  [/^lora_unet_double_blocks_(\d+)_img_attn_proj$/, ['lora_unet_transformer_blocks_$1_attn_to_out_0']],
  [/^lora_unet_double_blocks_(\d+)_img_mlp_2$/, ['lora_unet_transformer_blocks_$1_ff_net_2']],
  [/^lora_unet_single_blocks_(\d+)_modulation_lin$/, ['lora_unet_single_transformer_blocks_$1_norm_linear']],
];

const flat = (name: string): string =>
  name.replace(/^(unet|transformer)\./, 'lora_unet_').replace(/^text_encoder\./, 'lora_te_').replaceAll('.', '_');

/** The modules under diffusers' names with kohya's prefixes; fused layers are split. */
export function oneNaming(modules: Map<string, Module>): Map<string, Module> {
  const named = new Map<string, Module>();
  for (const [name, module] of modules) {
    const [pattern, parts] = FLUX.find(([one]) => one.test(name)) ?? [/^.*$/, [flat(name)]];
    parts.forEach((part, index) => named.set(name.replace(pattern, part), rowsOf(module, index, parts.length)));
  }
  return named;
}

/** The `index`-th of `parts` equal parts of a module's output. */
function rowsOf(module: Module, index: number, parts: number): Module {
  const { dtype, shape: [rows = 0, ...rest], bytes } = module.up;
  const size = bytes.length / parts;
  return { ...module, up: { dtype, shape: [rows / parts, ...rest], bytes: bytes.subarray(index * size, (index + 1) * size) } };
}

/**
 * LoHa as two factors of rank r²: every entry of (a₁·b₁)∘(a₂·b₂) is Σ over p and q of a₁[o,p]·a₂[o,q] · b₁[p,i]·b₂[q,i].
 * Its alpha counts per rank r, that of the factors per r².
 */
export function fromLoHa(file: Safetensors): Map<string, Module> {
  const modules = new Map<string, Module>();
  for (const name of file.tensors.keys()) {
    if (!name.endsWith('.hada_w1_a')) continue;
    const stem = name.slice(0, -'.hada_w1_a'.length);
    const tensor = (part: string): Tensor => file.tensors.get(`${stem}.${part}`)!;
    const [a1, b1, a2, b2] = ['hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b'].map((part) => decode(tensor(part)));
    const [out, r] = tensor('hada_w1_a').shape as [number, number];
    const inputs = tensor('hada_w1_b').shape[1]!;
    const up = Float64Array.from({ length: out * r * r }, (_, at) => {
      const [o, pq] = [Math.floor(at / (r * r)), at % (r * r)];
      return a1![o * r + Math.floor(pq / r)]! * a2![o * r + (pq % r)]!;
    });
    const down = Float64Array.from({ length: r * r * inputs }, (_, at) => {
      const [pq, i] = [Math.floor(at / inputs), at % inputs];
      return b1![Math.floor(pq / r) * inputs + i]! * b2![(pq % r) * inputs + i]!;
    });
    const stored = (values: Float64Array, shape: number[]): Tensor => ({ dtype: 'F32', shape, bytes: encode(values, 'F32') });
    modules.set(stem, {
      down: stored(down, [r * r, inputs]), up: stored(up, [out, r * r]), alpha: decode(tensor('alpha'))[0]! * r,
    });
  }
  return modules;
}
