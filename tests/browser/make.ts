/** Small LoRAs for the tests, good and bad, and the list of FLUX.1's modules; written with this folder's own writer. */

import { encode, product, writeSafetensors, type Dtype, type Safetensors, type Tensor } from './safetensors.ts';

export interface ModuleShape {
  name: string;
  out: number;
  in: number;
  /** The kernel size of a convolution; its factors are stored with four dimensions. */
  kernel?: [number, number];
  /** The module's rank, if it differs from the file's. */
  rank?: number;
  /** Another name of the layer, which decides its common directions. */
  leansAs?: string;
}

type Scheme = 'kohya' | 'PEFT';

export interface Recipe {
  modules: ModuleShape[];
  rank: number;
  /** Not stored in PEFT files, where the scale is 1. null: left out of a kohya file too. */
  alpha: number | null;
  dtype: Dtype;
  scheme: Scheme;
  seed: number;
  /** How many rows of every down factor lean towards directions that all files with this module share. */
  sharedDirections?: number;
  metadata?: Record<string, string>;
}

/** Numbers from -1 to 1, always the same for the same seed. */
export function random(seed: number): () => number {
  let state = (seed * 2654435761 + 88675123) >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  };
  for (let warm = 0; warm < 16; warm++) next();
  return next;
}

function hash(text: string): number {
  let value = 2166136261;
  for (const letter of text) value = Math.imul(value ^ (letter.codePointAt(0) ?? 0), 16777619) >>> 0;
  return value;
}

/** The tensors of one module, in the order in which they are stored. */
export function moduleTensors(shape: ModuleShape, recipe: Omit<Recipe, 'modules'>): [string, Tensor][] {
  const rank = shape.rank ?? recipe.rank;
  const [kh, kw] = shape.kernel ?? [1, 1];
  const width = shape.in * kh * kw;
  const own = random(recipe.seed ^ hash(shape.name));
  const common = random(hash(shape.leansAs ?? shape.name));
  const down = new Float64Array(rank * width);
  for (let index = 0; index < down.length; index++) down[index] = own() * 0.05;
  const shared = Math.min(recipe.sharedDirections ?? 0, rank);
  for (let index = 0; index < shared * width; index++) down[index]! += common() * 0.1;
  const up = new Float64Array(shape.out * rank);
  for (let index = 0; index < up.length; index++) up[index] = own() * 0.03;
  const tensor = (values: Float64Array, dims: number[], dtype = recipe.dtype): Tensor =>
    ({ dtype, shape: dims, bytes: encode(values, dtype) });
  const peft = recipe.scheme === 'PEFT';
  const tensors: [string, Tensor][] = [
    [`${shape.name}.${peft ? 'lora_A' : 'lora_down'}.weight`, tensor(down, shape.kernel ? [rank, shape.in, kh, kw] : [rank, width])],
    [`${shape.name}.${peft ? 'lora_B' : 'lora_up'}.weight`, tensor(up, shape.kernel ? [shape.out, rank, 1, 1] : [shape.out, rank])],
  ];
  if (!peft && recipe.alpha !== null) tensors.unshift([`${shape.name}.alpha`, tensor(Float64Array.of(recipe.alpha), [], 'F32')]);
  return tensors;
}

export function makeLora(recipe: Recipe): Safetensors {
  const tensors = new Map(recipe.modules.flatMap((shape) => moduleTensors(shape, recipe)));
  return { metadata: recipe.metadata ?? { format: 'pt' }, tensors };
}

/** A few modules of Stable Diffusion 1.5 as kohya's trainer names them, convolutions among them. */
export const SD15_MODULES: ModuleShape[] = [
  { name: 'lora_te_text_model_encoder_layers_0_mlp_fc1', out: 3072, in: 768 },
  { name: 'lora_unet_down_blocks_0_attentions_0_proj_in', out: 320, in: 320, kernel: [1, 1] },
  { name: 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q', out: 320, in: 320 },
  { name: 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k', out: 320, in: 768 },
  { name: 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_ff_net_0_proj', out: 2560, in: 320 },
  { name: 'lora_unet_down_blocks_0_resnets_0_conv1', out: 320, in: 320, kernel: [3, 3] },
];

/** A few modules of FLUX.1 as PEFT names them. */
export const FLUX_PEFT_MODULES: ModuleShape[] = [
  { name: 'transformer.transformer_blocks.0.attn.to_q', out: 3072, in: 3072 },
  { name: 'transformer.transformer_blocks.0.ff.net.2', out: 3072, in: 12288 },
  { name: 'transformer.single_transformer_blocks.0.norm.linear', out: 9216, in: 3072 },
];

/** All 304 modules of FLUX.1 that kohya's trainer trains. */
export const FLUX_KOHYA_MODULES: ModuleShape[] = [
  ...numbered(19, (block) => ['img', 'txt'].flatMap((stream) => [
    { name: `lora_unet_double_blocks_${block}_${stream}_attn_qkv`, out: 9216, in: 3072 },
    { name: `lora_unet_double_blocks_${block}_${stream}_attn_proj`, out: 3072, in: 3072 },
    { name: `lora_unet_double_blocks_${block}_${stream}_mlp_0`, out: 12288, in: 3072 },
    { name: `lora_unet_double_blocks_${block}_${stream}_mlp_2`, out: 3072, in: 12288 },
    { name: `lora_unet_double_blocks_${block}_${stream}_mod_lin`, out: 18432, in: 3072 },
  ])),
  ...numbered(38, (block) => [
    { name: `lora_unet_single_blocks_${block}_linear1`, out: 21504, in: 3072 },
    { name: `lora_unet_single_blocks_${block}_linear2`, out: 3072, in: 15360 },
    { name: `lora_unet_single_blocks_${block}_modulation_lin`, out: 9216, in: 3072 },
  ]),
];

function numbered(count: number, of: (index: number) => ModuleShape[]): ModuleShape[] {
  return Array.from({ length: count }, (_, index) => of(index)).flat();
}

/** The SD15_MODULES as PEFT names them. */
export const SD15_PEFT_MODULES: ModuleShape[] = [
  'text_encoder.text_model.encoder.layers.0.mlp.fc1', 'unet.down_blocks.0.attentions.0.proj_in',
  'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q', 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k',
  'unet.down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj', 'unet.down_blocks.0.resnets.0.conv1',
].map((name, index) => ({ ...SD15_MODULES[index]!, name, leansAs: SD15_MODULES[index]!.name }));

/** A LoHa file, as LyCORIS writes it, for linear layers. */
export function makeLoHa({ modules, rank, alpha, dtype, seed }: Omit<Recipe, 'scheme'>): Safetensors {
  const tensors = new Map<string, Tensor>();
  for (const { name, out, in: inputs } of modules) {
    const next = random(seed ^ hash(name));
    const filled = (shape: number[], size: number): Tensor =>
      ({ dtype, shape, bytes: encode(Float64Array.from({ length: product(shape) }, () => next() * size), dtype) });
    for (const half of ['hada_w1', 'hada_w2']) {
      tensors.set(`${name}.${half}_a`, filled([out, rank], 0.3));
      tensors.set(`${name}.${half}_b`, filled([rank, inputs], 0.2));
    }
    tensors.set(`${name}.alpha`, { dtype: 'F32', shape: [], bytes: encode([alpha ?? rank], 'F32') });
  }
  return { metadata: { format: 'pt' }, tensors };
}

/** The file with one more tensor, full of ones. */
export function withOnes(file: Safetensors, name: string, shape: number[]): Safetensors {
  const ones: Tensor = { dtype: 'F32', shape, bytes: encode(new Float64Array(product(shape)).fill(1), 'F32') };
  return { ...file, tensors: new Map(file.tensors).set(name, ones) };
}

/** The file without its last `bytes`. */
export const truncated = (file: Safetensors, bytes: number): Uint8Array<ArrayBuffer> =>
  writeSafetensors(file).slice(0, -bytes);

export function without(file: Safetensors, tensor: string): Safetensors {
  const tensors = new Map(file.tensors);
  if (!tensors.delete(tensor)) throw new Error(`there is no ${tensor}`);
  return { ...file, tensors };
}

/** The file with one number of one tensor replaced by NaN. */
export function withNaN(file: Safetensors, name: string): Safetensors {
  const tensor = file.tensors.get(name);
  if (!tensor) throw new Error(`there is no ${name}`);
  const bytes = tensor.bytes.slice();
  const at = Math.floor(product(tensor.shape) / 2);
  bytes.set(encode([NaN], tensor.dtype), at * (bytes.length / product(tensor.shape)));
  return { ...file, tensors: new Map(file.tensors).set(name, { ...tensor, bytes }) };
}

/** A web page, which is what a failed download often is. */
export const htmlPage = (): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode('<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>Please log in.</body></html>\n');
