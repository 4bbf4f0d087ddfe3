/** Plain values that cross the wasm boundary and the worker boundary. Rust fills and reads them; this file holds no logic. */

export const ROLES = ['content', 'style'] as const;
export type Role = (typeof ROLES)[number];
export const BACKENDS = ['auto', 'webgpu', 'cpu'] as const;
export type BackendChoice = (typeof BACKENDS)[number];
export type BackendInUse = 'webgpu' | 'cpu';

/** What a hash covers: the whole file, or only its tensors, which stay the same when only the header changes. */
export type Hashed = 'file' | 'tensors';

/** An error or a warning as Rust words it. `file`, `tensor` and `detail` may contain hostile text: show them as text only. */
export interface Problem {
  code: string;
  message: string;
  remedy: string;
  file: string | null;
  tensor: string | null;
  detail: string;
}

/** A link to a file on a server, as a person gave it. The server has not been asked yet. */
export interface FileLink {
  url: string;
  host: string;
  name: string; // hostile text
}

/** A linked file after its host has answered. As long as size and tag stay the same, its bytes do. */
export interface RemoteFile extends FileLink {
  size: number;
  tag: string | null;
}

/** A file of the person's own, or one on a server. */
export type GivenFile = File | RemoteFile;

/** A part of a file on a server that has already been read: its bytes and where they begin. */
export interface Kept {
  at: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** A value, and how many modules have it. */
export interface Share<T> {
  value: T;
  modules: number;
}

/** What a file is, according to its header alone. */
export interface Summary {
  name: string;
  size: number;
  kinds: Share<string>[]; // "LoRA", "LoCon", "LoHa", "DoRA" …, the most common first
  scheme: string; // its naming, for display: the name of one of PairFit's schemes ("kohya" …) or else of the trainer's spelling ("PEFT", "XLabs" …)
  family: string | null; // "FLUX.1", "FLUX.1 or Chroma" …; null if it cannot be told
  families: string[]; // families that the file fits equally well; empty if one is certain or none is known
  baseModel: string | null; // according to the metadata
  trainedOn: string | null; // the exact model, according to the metadata
  mergedFrom: string | null; // what the file was merged from, here or elsewhere, according to the metadata
  title: string | null;
  triggerWords: string[];
  ranks: Share<number>[];
  alphas: Share<number | null>[]; // null: the file has no alpha, so the scale is 1
  scales: Share<Scale>[]; // the factors that the modules have at strength 1
  dtypes: Share<string>[];
  modules: number; // denoiser and text encoders together
  textEncoderModules: number;
  vectors: number; // changes to biases and norms
  cut: number; // modules without an exact low-rank form, which are cut to a rank
  magnitudes: number; // modules with DoRA magnitudes
  refused: number; // modules that cannot be fused
  warnings: Problem[];
}

/** Where a scale comes from. `fixed`: this kind of adapter has no scale; `unknown`: nothing says, so loaders apply 1. */
export type ScaleSource = 'tensor' | 'config' | 'metadata' | 'unknown' | 'fixed' | 'user';

export interface Scale {
  value: number;
  source: ScaleSource;
}

export type CutChoice = { kind: 'all' } | { kind: 'count'; count: number } | { kind: 'energy'; share: number };

/** The scale of a file's modules, for files that state a wrong one. */
export type ScaleChoice = { kind: 'auto' } | { kind: 'alpha'; alpha: number } | { kind: 'rankStabilised' };

/** The result's rank: exactly the sum of both ranks, at most a number, or the fewest that keep a share of the energy. */
export type Recompress = { kind: 'exact' } | { kind: 'rank'; rank: number } | { kind: 'energy'; share: number };

/** The fused LoRA, or only the overlap of subject and style, which a program that stacks LoRAs can subtract. */
export const RESULTS = ['fusion', 'overlap'] as const;
export type ResultChoice = (typeof RESULTS)[number];

/** The number formats of the result; `auto`: the format of the inputs. */
export const DTYPES = ['auto', 'F16', 'BF16', 'F32'] as const;
export const LAYOUTS = ['compatible', 'compact'] as const;

/** The strengths and μ of a single block. */
export interface BlockStrength {
  content: number; // multiplies the subject's strength
  style: number;
  mu: number | null; // null: the general μ
}

export interface Settings {
  mu: number; // 0 … Infinity
  result: ResultChoice; // an overlap ignores μ and the strengths
  contentStrength: number; // −1000 … 1000
  styleStrength: number; // −1000 … 1000
  cut: CutChoice;
  dtype: (typeof DTYPES)[number];
  layout: (typeof LAYOUTS)[number];
  contentTextStrength: number | null; // for the text encoders; null: `contentStrength`
  styleTextStrength: number | null;
  blocks: Record<string, BlockStrength>; // by the block labels of PairFit
  contentScale: ScaleChoice;
  styleScale: ScaleChoice;
  family: string | null; // null: as the files say
  scheme: string | null; // the id of one of PairFit's schemes; null: the one that most programs load
  recompress: Recompress;
  denseRank: number; // 1 … 256: the rank to which updates without an exact low-rank form are cut
  directionOnly: boolean; // fuse DoRA without its magnitudes
  keepSources: boolean; // write the sources' names into the result
  outputName: string; // without the ending
}

/** What to make of a pair when more than one file is wanted. */
export interface Several {
  mus: number[]; // one file for each μ
  plain: boolean; // also plain addition, for comparison
  bothDirections: boolean; // also every projection with the two files swapped
}

/** One file of a run; `swapped` exchanges the roles of the two files. */
export interface Variant {
  settings: Partial<Settings>; // the program chooses what is missing
  swapped: boolean;
}

/** A recipe or a report, read and checked. All texts outside the settings may be hostile. */
export interface SavedRecipe {
  version: string;
  settings: Settings;
  content: SavedSource | null; // null: the source is not named
  style: SavedSource | null;
}

export interface SavedSource {
  name: string;
  size: number | null; // null: not recorded, as in a fused file
  sha256: string | null;
}

/** The model families to choose from for the open files; none if the files settle it. */
export interface FamilyChoice {
  names: string[];
  must: boolean; // the choice changes the result's tensors, so one has to be made
}

/** What becomes of a file's tensors; the parts add up to `total`. */
export interface Tensors {
  total: number;
  fused: number;
  passed: number;
  outside: number; // tensors with no part in the overlap, if the overlap is the result
  refused: number;
  leftOut: number;
}

/** A module that is left out of the result. All texts but `why` may be hostile. */
export interface Refusal {
  file: string;
  module: string;
  why: string;
  tensors: number;
}

export interface SchemeChoice {
  id: string;
  name: string;
  loadedBy: LoadedBy[]; // how much of the result each program loads under this naming, where that is known
}

export interface LoadedBy {
  program: string;
  loaded: 'all' | 'part' | 'none';
}

/** How the two files fit together, or what becomes of the only one, and what the result will be; found before any arithmetic. */
export interface PairFit {
  shared: string[]; // names of the modules that both files have, in order
  contentOnly: string[];
  styleOnly: string[];
  vectors: number;
  family: string | null;
  scheme: SchemeChoice | null; // the result's naming; null: the naming of the inputs
  schemes: SchemeChoice[]; // every naming that the result could have
  blocks: { label: string; modules: number }[]; // the model's blocks, in order
  presets: { name: string; weights: number[] }[]; // common choices of blocks, with a strength for each of `blocks`
  orders: number[][][]; // for every usual way to write strengths as a list of numbers: the indices in `blocks` that each number applies to
  outputModules: number;
  cut: number; // modules of both files that are cut to a rank because they have no exact low-rank form
  rank: number; // upper bound of the largest rank in the result
  dtype: string;
  widened: boolean; // the result is F32 only because the two files differ in format
  outputBytes: number; // upper bound of the result's size
  contentTensors: Tensors;
  styleTensors: Tensors;
  refused: Refusal[];
  warnings: Problem[];
}

export interface Progress {
  stage: 'analyse' | 'compare' | 'measure' | 'fuse' | 'verify';
  modulesDone: number; // counted over all files of the run
  modulesTotal: number;
  bytesDone: number;
  bytesTotal: number;
  module: string;
}

/** The figures of one fused module; all shares are between 0 and 1. */
export interface ModuleReport {
  name: string;
  block: string | null;
  outFeatures: number;
  inFeatures: number;
  contentRank: number;
  styleRank: number;
  protected: number; // k, the number of protected directions
  overlap: number; // share of the content's energy that lies in the style's directions
  chance: number; // the overlap that unrelated directions would have, k/n
  contentKept: number; // share of the content's energy kept at this μ; for an overlap, the share that is in it
  change: number; // the projection's change relative to plain addition; for an overlap, at μ = ∞
  contentNorm: number;
  styleNorm: number;
  rounding: number; // ‖saved − intended‖ / ‖intended‖
  roundingOfChange: number | null; // ‖saved − intended‖ / the projection's change; null if there is no change
  computedOn: BackendInUse;
}

export interface Spread {
  median: number;
  worst: number; // the largest value; for shares that are kept, the smallest
  worstModule: string;
}

/** How much energy is left in the modules that were cut to a rank; null if none was cut. */
export type EnergyKept = Record<Cut['of'], KeptShare | null>;

export interface KeptShare extends Spread {
  whole: number; // the share kept of all these modules together
}

/** A module that was cut to a rank, and the share of its energy that is left. */
export interface Cut {
  module: string;
  of: 'content' | 'style' | 'result';
  kept: number;
  energy: number; // the module's energy before the cut, the square of its norm
}

export interface Report {
  version: string;
  settings: Settings;
  content: { name: string; size: number } | null; // null: the style, the only file, was converted
  style: { name: string; size: number } | null;
  family: string | null;
  scheme: string | null; // the name of its naming, as in a summary; null: the naming of the inputs
  backend: BackendInUse;
  backendReason: string; // why this backend was used, in a sentence
  adapter: string | null;
  triggerWords: string[]; // the trigger words in the result
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
  change: number; // of the whole pair, with energies summed over modules
  contentKept: number;
  rounding: Spread | null;
  roundingOfChange: Spread | null;
  recomputed: number; // modules that were compared with a second computation
  recomputedWorst: number;
  secondsFusing: number; // for the whole run, however many files it made
  secondsVerifying: number;
  energyKept: EnergyKept;
  cuts: Cut[];
  modules: ModuleReport[];
  warnings: Problem[];
}

/** A verified file under the name it is saved by, and the report on how it was made. */
export interface FusedFile {
  file: File;
  report: Report;
}

/** A point of the curves over β = μ/(1+μ), the fraction of the overlap that is removed. */
export interface CurvePoint {
  beta: number;
  taken: number; // share of the overlap's energy that is removed
  contentKept: number; // share of the subject's energy that is kept
  change: number; // the projection's change relative to plain addition
}

/** The figures of several modules together; norms and shares are those at the chosen strengths. */
export interface Tally {
  modules: number;
  overlap: number; // share of the subject's energy that lies in the style's directions
  chance: number; // the overlap that unrelated directions would have
  contentKept: number; // at the chosen μ
  change: number; // at the chosen μ
  contentNorm: number;
  styleNorm: number;
}

/** A cell of the map: the modules of one kind in one block. */
export interface MapCell extends Tally {
  block: number; // index in `blocks`
  kind: number; // index in `kinds`
  members: number[]; // indices in `modules`
}

export interface ModuleOutlook extends Tally {
  name: string;
  block: string | null;
  kind: string;
  outFeatures: number;
  inFeatures: number;
  contentRank: number;
  styleRank: number;
  protected: number; // k, the number of protected directions
  effectiveRank: number; // effective rank of the style's update
}

/** What the projection does to a pair, as one word; the numbers are in `Outlook`. */
export type Verdict =
  | 'unknown' // no module that both files have was measured
  | 'noContent' // at these strengths the subject changes nothing
  | 'noStyle' // at these strengths the style changes nothing
  | 'same' // both files are the same update
  | 'apart' // even removing the whole overlap would change next to nothing: the files hardly overlap
  | 'chance' // the files have hardly more in common than unrelated ones
  | 'nothing' // at this μ the projection changes nothing
  | 'little' // at this μ the projection changes next to nothing
  | 'usual'
  | 'most'; // the projection removes most of the subject

/** What the projection would do to the pair, according to what has been analysed so far. Shares are between 0 and 1. */
export interface Outlook {
  analysed: number; // how many of the modules that both files have are analysed
  total: number;
  unmeasured: number; // modules of a very high rank, which none of these figures includes
  partial: boolean; // so many modules are unmeasured (more than one in ten) that the whole pair may look different
  whole: Tally;
  verdict: Verdict;
  /** Strengths at which both updates are equally large; null unless one far outweighs the other and the figures are not `partial`. */
  balance: {
    heavier: Role; times: number; contentStrength: number; styleStrength: number;
    contentTextStrength: number | null; styleTextStrength: number | null; // null: the general strength
  } | null;
  /**
   * The smallest μ at which the subject's energy in the style's directions is at most `share` of the style's own energy, as a rule of thumb; null if
   * the figures are `partial` or missing.
   */
  suggested: { mu: number; share: number } | null;
  curve: CurvePoint[]; // β from 0 to 1
  blocks: ({ label: string } & Tally)[]; // in the model's order; a last one without a name holds modules outside all blocks
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
  protected: number; // k, the number of protected directions
  along: number[]; // ‖ΔW_c·v_i‖ for each of the style's protected directions
  cosines: number[]; // cosines of the principal angles between the two row spaces
}

/**
 * How a file relates to a pair, as one word. It changes nothing; it is mostly something else; subject and style are alike and it is either of them;
 * it is only the subject or only the style; it is their overlap; their plain sum; or what NP-LoRA makes of them.
 */
export type LikenessKind = 'nothing' | 'other' | 'alike' | 'content' | 'style' | 'overlap' | 'sum' | 'fusion';

/** How closely a file matches what a pair makes. Distances are relative to what they are measured from; null if that is zero. */
export interface Likeness {
  kind: LikenessKind;
  content: number; // the subject's strength; if the file is the overlap, the overlap's
  style: number;
  mu: number | null; // null if other strengths would have the same effect; Infinity also if it differs from that only by rounding
  residual: number; // what the closest match leaves over, relative to the file
  neither: number; // the square of `residual`: the share of the file's energy that is of neither
  toContent: number | null;
  toStyle: number | null;
  toSum: number | null;
  share: number; // this part's share of the file's energy
}

export type TargetName = 'content' | 'style' | 'sum' | 'bestSum' | 'fusion';

export interface Target {
  name: TargetName;
  content: number;
  style: number;
  mu: number | null;
  distance: number | null; // distance of the file, relative to the target
  left: number | null; // what the target leaves over, relative to the file
}

/** A number of modules of the pair, and how many of them the file has. */
export interface ComparedPart {
  modules: number;
  found: number;
}

export type BlockLikeness = Likeness & { label: string; modules: number };
export type ModuleLikeness = Likeness & { name: string; block: string | null; found: boolean };

/** A plain sum with both strengths 1, with both ½, or with any others. */
export type SumKind = 'whole' | 'half' | 'some';

/** What is worth saying about the whole file. */
export interface Judgement {
  exact: boolean; // it is exactly what `kind` says, not only close to it
  sum: SumKind; // which plain sum it is, if it is one
  lost: Record<Role, number | null>; // shares that are missing; null if none is missing or not both were to be expected
  hasMore: boolean; // it also contains something of neither file
}

/** How much of the pair a third file contains. */
export interface Comparison {
  whole: Likeness;
  judgement: Judgement;
  targets: Target[];
  recipe: Settings | null; // the settings with which the file says it was made from the two
  parts: { both: ComparedPart; content: ComparedPart; style: ComparedPart };
  outside: string[]; // modules of the file that neither file of the pair has
  outsideShare: number;
  skipped: number; // modules that cannot be compared
  vectors: number; // changes to biases and norms, which are not compared
  cut: number; // modules of the file that were cut to a rank before comparing
  blocks: BlockLikeness[]; // in the model's order; a last one without a name holds modules outside all blocks
  modules: ModuleLikeness[];
}

/**
 * Where the result is written; implemented in TypeScript, called from Rust. Every byte is written exactly once, in any order. The bytes passed are a
 * view of wasm memory that is valid only during the call, not until its promise settles.
 */
export interface OutputSink {
  write(at: number, bytes: Uint8Array): Promise<void> | void;
  /** Reads written bytes back, if that is cheaper than reading the finished file; returns how many bytes were read. */
  read?(at: number, into: Uint8Array): number;
  /** Called when all bytes are written; gives back the file for reading. */
  finish(): Promise<Blob>;
  /** Discards whatever was written. */
  discard(): Promise<void>;
}
