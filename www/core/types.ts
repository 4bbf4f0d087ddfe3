/** Plain values that cross the wasm boundary and the worker boundary. Rust fills and reads them; nothing here decides. */

export type Role = 'content' | 'style';
export type BackendChoice = 'auto' | 'webgpu' | 'cpu';
export type BackendInUse = 'webgpu' | 'cpu';

/** An error or a warning as Rust words it. `file`, `tensor` and `detail` may hold hostile text: show as text only. */
export interface Problem {
  code: string;
  message: string;
  remedy: string;
  file: string | null;
  tensor: string | null;
  detail: string;
}

/** How many modules have this value. */
export interface Share<T> {
  value: T;
  modules: number;
}

/** What a file is, from its header alone. */
export interface Summary {
  name: string;
  size: number;
  kind: string; // "LoRA", "LoRA with conv layers" …
  scheme: string; // the trainer's way of naming: "kohya", "PEFT", "diffusers" …
  family: string | null; // "FLUX.1", "SDXL" … when it can be told
  baseModel: string | null; // as the metadata says
  title: string | null;
  triggerWords: string[];
  ranks: Share<number>[];
  alphas: Share<number | null>[]; // null: no alpha stored, scale 1
  dtypes: Share<string>[];
  modules: number; // denoiser and text encoders together
  textEncoderModules: number;
  extraTensors: number;
  warnings: Problem[];
}

export type CutChoice = { kind: 'all' } | { kind: 'count'; count: number } | { kind: 'energy'; share: number };

export interface Settings {
  mu: number; // 0 … Infinity
  contentStrength: number;
  styleStrength: number;
  cut: CutChoice;
  dtype: 'auto' | 'F16' | 'BF16' | 'F32';
  layout: 'compatible' | 'compact';
  outputName: string; // without the ending
}

/** How the two files fit, and what the result will be, before any arithmetic. */
export interface PairFit {
  shared: string[]; // module names, in order
  contentOnly: string[];
  styleOnly: string[];
  rank: number; // largest rank in the result
  dtype: string;
  outputBytes: number;
  warnings: Problem[];
}

export interface Progress {
  stage: 'fuse' | 'verify';
  modulesDone: number;
  modulesTotal: number;
  bytesDone: number;
  bytesTotal: number;
  module: string;
}

/** Figures of one fused module; all shares are 0 … 1. */
export interface ModuleReport {
  name: string;
  outFeatures: number;
  inFeatures: number;
  contentRank: number;
  styleRank: number;
  protected: number; // k
  overlap: number; // share of the content's energy inside the style's directions
  chance: number; // what unrelated directions would give, k/n
  contentKept: number; // share of the content's energy kept at this μ
  change: number; // projection's change against plain addition
  contentNorm: number;
  styleNorm: number;
  rounding: number; // ‖saved − intended‖ / ‖intended‖
  roundingOfChange: number | null; // ‖saved − intended‖ / projection's change; null where there is no change
  computedOn: BackendInUse;
}

export interface Spread {
  median: number;
  worst: number;
  worstModule: string;
}

export interface Report {
  version: string;
  settings: Settings;
  content: { name: string; size: number };
  style: { name: string; size: number };
  backend: BackendInUse;
  backendReason: string; // why this backend, in a sentence
  adapter: string | null;
  fused: number;
  passedContent: number;
  passedStyle: number;
  extraTensors: number;
  rank: number;
  dtype: string;
  outputBytes: number;
  outputSha256: string;
  overlap: Spread | null;
  change: number; // of the whole pair, energies summed over modules
  contentKept: number;
  rounding: Spread | null;
  roundingOfChange: Spread | null;
  secondsFusing: number;
  secondsVerifying: number;
  modules: ModuleReport[];
  warnings: Problem[];
}

/** Where the result is written; implemented in TypeScript, called from Rust. Every byte is written exactly once, in any order. */
export interface OutputSink {
  write(at: number, bytes: Uint8Array): Promise<void> | void;
  /** All bytes are written: gives the file back for reading. */
  finish(): Promise<Blob>;
  /** Throws away whatever was written. */
  discard(): Promise<void>;
}
