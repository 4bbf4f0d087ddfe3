/** Plain values that cross the wasm boundary and the worker boundary. Rust fills and reads them; nothing here decides. */

export const ROLES = ['content', 'style'] as const;
export type Role = (typeof ROLES)[number];
export const BACKENDS = ['auto', 'webgpu', 'cpu'] as const;
export type BackendChoice = (typeof BACKENDS)[number];
export type BackendInUse = 'webgpu' | 'cpu';

/** Of what a hash is: the whole file, or its tensors, which stay what they are when only the header changes. */
export type Hashed = 'file' | 'tensors';

/** An error or a warning as Rust words it. `file`, `tensor` and `detail` may hold hostile text: show as text only. */
export interface Problem {
  code: string;
  message: string;
  remedy: string;
  file: string | null;
  tensor: string | null;
  detail: string;
}

/** A file on a server that a person has named. Nothing has been asked of the server yet. */
export interface FileLink {
  url: string;
  host: string;
  name: string; // hostile text
}

/** The same when its host has told of it: while size and tag stay, its bytes do. */
export interface RemoteFile extends FileLink {
  size: number;
  tag: string | null;
}

/** A file of the person's, or one on a server. */
export type GivenFile = File | RemoteFile;

/** A part of a file on a server that has been read. */
export interface Kept {
  at: number;
  bytes: Uint8Array<ArrayBuffer>;
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
  kinds: Share<string>[]; // "LoRA", "LoCon", "LoHa", "DoRA" …, the most common first
  scheme: string; // its naming, for people: the name of one of PairFit's schemes ("kohya", "ComfyUI" …) or, where it has none of these, of the trainer's spelling ("PEFT", "XLabs" …)
  family: string | null; // "FLUX.1", "FLUX.1 or Chroma" … when it can be told
  families: string[]; // those that the file fits equally well; empty where one is certain or none is known
  baseModel: string | null; // as the metadata says
  trainedOn: string | null; // likewise: the very model
  mergedFrom: string | null; // likewise: of what it was merged, here or by others
  title: string | null;
  triggerWords: string[];
  ranks: Share<number>[];
  alphas: Share<number | null>[]; // null: no alpha anywhere, scale 1
  scales: Share<Scale>[]; // what the modules are multiplied by at strength 1
  dtypes: Share<string>[];
  modules: number; // denoiser and text encoders together
  textEncoderModules: number;
  vectors: number; // changes of biases and norms
  cut: number; // modules without an exact low-rank form, which are cut to a rank
  magnitudes: number; // modules with DoRA's magnitudes
  refused: number; // modules that cannot be fused
  warnings: Problem[];
}

/** `fixed`: this kind of adapter has no scale; `unknown`: nothing says, so loaders apply 1. */
export type ScaleSource = 'tensor' | 'config' | 'metadata' | 'unknown' | 'fixed' | 'user';

export interface Scale {
  value: number;
  source: ScaleSource;
}

export type CutChoice = { kind: 'all' } | { kind: 'count'; count: number } | { kind: 'energy'; share: number };

/** What a file's modules are multiplied by, where the file does not tell the truth. */
export type ScaleChoice = { kind: 'auto' } | { kind: 'alpha'; alpha: number } | { kind: 'rankStabilised' };

/** The result's rank: exactly the sum of both, at most so many, or the fewest that keep so much of the energy. */
export type Recompress = { kind: 'exact' } | { kind: 'rank'; rank: number } | { kind: 'energy'; share: number };

/** The fused LoRA, or by itself what subject and style overlap in, which a program that stacks LoRAs takes away. */
export const RESULTS = ['fusion', 'overlap'] as const;
export type ResultChoice = (typeof RESULTS)[number];

/** The numbers that the result is written in; `auto`: those of the inputs. */
export const DTYPES = ['auto', 'F16', 'BF16', 'F32'] as const;
export const LAYOUTS = ['compatible', 'compact'] as const;

/** What a block has of its own. */
export interface BlockStrength {
  content: number; // multiplies the subject's strength
  style: number;
  mu: number | null; // null: the general one
}

export interface Settings {
  mu: number; // 0 … Infinity
  result: ResultChoice; // the overlap takes no μ and no strengths
  contentStrength: number; // −1000 … 1000
  styleStrength: number; // likewise
  cut: CutChoice;
  dtype: (typeof DTYPES)[number];
  layout: (typeof LAYOUTS)[number];
  contentTextStrength: number | null; // of the text encoders; null: as the strength above
  styleTextStrength: number | null;
  blocks: Record<string, BlockStrength>; // by the labels of PairFit
  contentScale: ScaleChoice;
  styleScale: ScaleChoice;
  family: string | null; // null: as the files say
  scheme: string | null; // an id of PairFit's schemes; null: what most programs load
  recompress: Recompress;
  denseRank: number; // 1 … 256, to which updates without an exact low-rank form are cut
  directionOnly: boolean; // fuse DoRA without its magnitudes
  keepSources: boolean; // write the sources' names into the result
  outputName: string; // without the ending
}

/** What is made of a pair where it is more than one file. */
export interface Several {
  mus: number[]; // one file each
  plain: boolean; // plain addition beside them, to compare with
  bothDirections: boolean; // every projection once more with the files in each other's place
}

/** One file of a run: by the roles that the two files have in it, which `swapped` turns round. */
export interface Variant {
  settings: Partial<Settings>; // what is not said, the program chooses
  swapped: boolean;
}

/** A recipe or a report, read and checked. Hostile text but for the settings. */
export interface SavedRecipe {
  version: string;
  settings: Settings;
  content: SavedSource | null; // null: not named
  style: SavedSource | null;
}

export interface SavedSource {
  name: string;
  size: number | null; // null: not written down, as in a fused file
  sha256: string | null;
}

/** Model families of which one may be chosen for the files that are open; none where they settle it. */
export interface FamilyChoice {
  names: string[];
  must: boolean; // as that makes a difference to the result's tensors
}

/** What becomes of a file's tensors; the parts add up to the total. */
export interface Tensors {
  total: number;
  fused: number;
  passed: number;
  outside: number; // no part of the overlap, where that is the result
  refused: number;
  leftOut: number;
}

/** A module that is left out of the result. Hostile text but for `why`. */
export interface Refusal {
  file: string;
  module: string;
  why: string;
  tensors: number;
}

export interface SchemeChoice {
  id: string;
  name: string;
  loadedBy: LoadedBy[]; // programs of which it is known how much they load of the result so named
}

export interface LoadedBy {
  program: string;
  loaded: 'all' | 'part' | 'none';
}

/** How the two files fit, or what becomes of the only one, and what the result will be, before any arithmetic. */
export interface PairFit {
  shared: string[]; // module names, in order
  contentOnly: string[];
  styleOnly: string[];
  vectors: number;
  family: string | null;
  scheme: SchemeChoice | null; // the result's naming; null: as the inputs are named
  schemes: SchemeChoice[]; // every naming it could have
  blocks: { label: string; modules: number }[]; // of the model, in order
  presets: { name: string; weights: number[] }[]; // usual choices of blocks: a strength for each of `blocks`
  orders: number[][][]; // for every usual way to write strengths as numbers: to which of `blocks` each number belongs
  outputModules: number;
  cut: number; // modules of both files that are cut to a rank because they have no exact low-rank form
  rank: number; // largest rank in the result, at most
  dtype: string;
  widened: boolean; // F32 only because the files' own formats differ
  outputBytes: number; // at most
  contentTensors: Tensors;
  styleTensors: Tensors;
  refused: Refusal[];
  warnings: Problem[];
}

export interface Progress {
  stage: 'analyse' | 'compare' | 'measure' | 'fuse' | 'verify';
  modulesDone: number; // of all files of the run together
  modulesTotal: number;
  bytesDone: number;
  bytesTotal: number;
  module: string;
}

/** Figures of one fused module; all shares are 0 … 1. */
export interface ModuleReport {
  name: string;
  block: string | null;
  outFeatures: number;
  inFeatures: number;
  contentRank: number;
  styleRank: number;
  protected: number; // k
  overlap: number; // share of the content's energy inside the style's directions
  chance: number; // what unrelated directions would give, k/n
  contentKept: number; // share of the content's energy kept at this μ; of an overlap, what is in it
  change: number; // projection's change against plain addition; of an overlap, at μ = ∞
  contentNorm: number;
  styleNorm: number;
  rounding: number; // ‖saved − intended‖ / ‖intended‖
  roundingOfChange: number | null; // ‖saved − intended‖ / projection's change; null where there is no change
  computedOn: BackendInUse;
}

export interface Spread {
  median: number;
  worst: number; // the largest; of what is kept, the least
  worstModule: string;
}

/** Of modules that were cut to a rank, the share of their energy that is left; null where none was. */
export type EnergyKept = Record<Cut['of'], KeptShare | null>;

export interface KeptShare extends Spread {
  whole: number; // of all these modules together
}

/** A module that was cut to a rank, and the share of its energy that is left. */
export interface Cut {
  module: string;
  of: 'content' | 'style' | 'result';
  kept: number;
  energy: number; // what it was, as a square
}

export interface Report {
  version: string;
  settings: Settings;
  content: { name: string; size: number } | null; // null: the only file was converted
  style: { name: string; size: number } | null;
  family: string | null;
  scheme: string | null; // its name, as a summary has it; null: as the inputs are named
  backend: BackendInUse;
  backendReason: string; // why this backend, in a sentence
  adapter: string | null;
  triggerWords: string[]; // of the result
  fused: number;
  passedContent: number;
  passedStyle: number;
  vectors: number;
  refused: Refusal[];
  contentTensors: Tensors;
  styleTensors: Tensors;
  rank: number;
  dtype: string;
  outputBytes: number;
  modelHash: string; // SHA-256 of the tensors; its first twelve digits are AutoV3
  overlap: Spread | null;
  change: number; // of the whole pair, energies summed over modules
  contentKept: number;
  rounding: Spread | null;
  roundingOfChange: Spread | null;
  recomputed: number; // modules that were compared with a second computation
  recomputedWorst: number;
  secondsFusing: number; // of the whole run, however many files it made
  secondsVerifying: number;
  energyKept: EnergyKept;
  cuts: Cut[];
  modules: ModuleReport[];
  warnings: Problem[];
}

/** A verified file, under the name it is saved by, and the account of how it was made. */
export interface FusedFile {
  file: File;
  report: Report;
}

/** A point of the curves over β = μ/(1+μ), the fraction removed. */
export interface CurvePoint {
  beta: number;
  taken: number; // share of the overlap's energy that goes
  contentKept: number; // share of the subject's energy kept
  change: number; // projection's change against plain addition
}

/** What many modules come to together; norms and shares at the chosen strengths. */
export interface Tally {
  modules: number;
  overlap: number; // share of the subject's energy inside the style's directions
  chance: number; // what unrelated directions would give
  contentKept: number; // at the chosen μ
  change: number; // at the chosen μ
  contentNorm: number;
  styleNorm: number;
}

/** A field of the map: what is of one kind in one block. */
export interface MapCell extends Tally {
  block: number; // its place in `blocks`
  kind: number; // its place in `kinds`
  members: number[]; // places in `modules`
}

export interface ModuleOutlook extends Tally {
  name: string;
  block: string | null;
  kind: string;
  outFeatures: number;
  inFeatures: number;
  contentRank: number;
  styleRank: number;
  protected: number; // k
  effectiveRank: number; // of the style's update
}

/** What the projection does to a pair, in one word; `Outlook` has the numbers. */
export type Verdict =
  | 'unknown' // no module that both have is measured
  | 'noContent' // at these strengths the subject changes nothing
  | 'noStyle' // the style does not
  | 'same' // both files are the same update
  | 'apart' // even all of it changes next to nothing: they hardly overlap
  | 'chance' // they have hardly more in common than unrelated ones
  | 'nothing' // at this μ it changes nothing
  | 'little' // at this μ it changes next to nothing
  | 'usual'
  | 'most'; // it takes away most of the subject

/** What the projection would do to the pair, from what is analysed of it so far. Shares are 0 … 1. */
export interface Outlook {
  analysed: number; // modules that both files have
  total: number;
  unmeasured: number; // such modules of a very high rank, of which no figure here knows
  partial: boolean; // those are so many that the figures say little of the pair as a whole
  whole: Tally;
  verdict: Verdict;
  /** Strengths at which both updates are equally large, where one outweighs the other by far and the figures are not `partial`. */
  balance: {
    heavier: Role; times: number; contentStrength: number; styleStrength: number;
    contentTextStrength: number | null; styleTextStrength: number | null; // null: the general one
  } | null;
  /** The smallest μ that brings the subject's energy in the style's directions under `share` of the style's own. A rule of thumb; null where the figures are `partial`, or there are none. */
  suggested: { mu: number; share: number } | null;
  curve: CurvePoint[]; // β from 0 to 1
  blocks: ({ label: string } & Tally)[]; // in the model's order; the last one without a name holds what is in no block
  kinds: string[]; // q, k, v, out, ff, conv, …
  cells: MapCell[];
  modules: ModuleOutlook[];
}

/** Singular values of one module, largest first, at the chosen settings. */
export interface Spectra {
  name: string;
  content: number[];
  style: number[];
  fused: number[];
  protected: number; // k
  along: number[]; // ‖ΔW_c·v_i‖ for each of the style's protected directions
  cosines: number[]; // of the principal angles between the two row spaces
}

/**
 * What a file is beside a pair, in a word: it changes nothing; it is mostly neither; subject and style are alike and it is either;
 * one of the two alone; their overlap; their plain sum; what NP-LoRA makes of them.
 */
export type LikenessKind = 'nothing' | 'other' | 'alike' | 'content' | 'style' | 'overlap' | 'sum' | 'fusion';

/** Distances are relative to what they are measured from; null where that is zero. */
export interface Likeness {
  kind: LikenessKind;
  content: number; // strength of the subject; of the overlap where it is that
  style: number;
  mu: number | null; // null where it makes no difference that strengths do not make as well; Infinity but for rounding, too
  residual: number; // what the closest leaves, relative to the file
  neither: number; // its square: the share of the file's energy
  toContent: number | null;
  toStyle: number | null;
  toSum: number | null;
  share: number; // of the file's energy
}

export type TargetName = 'content' | 'style' | 'sum' | 'bestSum' | 'fusion';

export interface Target {
  name: TargetName;
  content: number;
  style: number;
  mu: number | null;
  distance: number | null; // relative to the target
  left: number | null; // relative to the file
}

/** Modules of the pair, and how many of them the file has. */
export interface ComparedPart {
  modules: number;
  found: number;
}

export type BlockLikeness = Likeness & { label: string; modules: number };
export type ModuleLikeness = Likeness & { name: string; block: string | null; found: boolean };

/** A plain sum of both at strength 1, of both at strength ½, or at others. */
export type SumKind = 'whole' | 'half' | 'some';

/** What is worth a word of the whole file. */
export interface Judgement {
  exact: boolean; // it is what it is said to be, and not only close to it
  sum: SumKind; // if it is one
  lost: Record<Role, number | null>; // shares that are missing; null where none is, or not both were to be expected
  hasMore: boolean; // besides that, something of neither
}

/** What a third file has of the pair. */
export interface Comparison {
  whole: Likeness;
  judgement: Judgement;
  targets: Target[];
  recipe: Settings | null; // with which the file says that it was made of the two
  parts: { both: ComparedPart; content: ComparedPart; style: ComparedPart };
  outside: string[]; // modules of the file that neither of the pair has
  outsideShare: number;
  skipped: number; // modules that cannot be compared
  vectors: number; // not compared
  cut: number; // modules of the file that were cut to a rank first
  blocks: BlockLikeness[]; // in the model's order; the last one without a name holds what is in no block
  modules: ModuleLikeness[];
}

/**
 * Where the result is written; implemented in TypeScript, called from Rust. Every byte is written exactly once, in any order. What is
 * handed over is a view of wasm memory, which lasts for the call, not for what it promises.
 */
export interface OutputSink {
  write(at: number, bytes: Uint8Array): Promise<void> | void;
  /** Reads back what was written, where that is cheaper than in the finished file: how many bytes. */
  read?(at: number, into: Uint8Array): number;
  /** All bytes are written: gives the file back for reading. */
  finish(): Promise<Blob>;
  /** Throws away whatever was written. */
  discard(): Promise<void>;
}
