/**
 * Nothing that comes in a message is taken on trust: the worker looks at what a page sends it, the page at what its worker
 * says, which may be of another version or out of its mind. Every type of the protocol has its check here.
 */

import type { Program } from './assets.ts';
import type { Assisted, Calls, CallName, FromWorker, Fused, ToWorker } from './protocol.ts';
import { either, instance, isBlob, isFile, list, nothing, number, object, orNull, partial, table, text, truth, word, type Shape } from './shape.ts';
import { BACKENDS, DTYPES, LAYOUTS, RESULTS, ROLES } from './types.ts';
import type {
  BlockLikeness, BlockStrength, ComparedPart, Comparison, CurvePoint, Cut, CutChoice, EnergyKept, FileLink, GivenFile, Judgement, Kept, Likeness, LoadedBy,
  MapCell, ModuleLikeness, ModuleOutlook, ModuleReport, Outlook, PairFit, Problem, Progress, Recompress, Refusal, RemoteFile, Report,
  SavedRecipe, SavedSource, Scale, ScaleChoice, SchemeChoice, Settings, Several, Share, Spectra, Spread, Summary, Tally, Target, Tensors,
  Variant,
} from './types.ts';

export const ROLE = word(...ROLES);
export const CHOICE = word(...BACKENDS);
const IN_USE = word('webgpu', 'cpu');
const TEXTS = list(text);

export const PROBLEM = object<Problem>({ code: text, message: text, remedy: text, file: orNull(text), tensor: orNull(text), detail: text });
const share = <T>(value: Shape<T>): Shape<Share<T>[]> => list(object<Share<T>>({ value, modules: number }));

export const SUMMARY = object<Summary>({
  name: text, size: number, kinds: share(text), scheme: text, family: orNull(text), families: TEXTS, baseModel: orNull(text), title: orNull(text),
  triggerWords: TEXTS, ranks: share(number), alphas: share(orNull(number)),
  scales: share(object<Scale>({ value: number, source: word('tensor', 'config', 'metadata', 'unknown', 'fixed', 'user') })),
  dtypes: share(text), modules: number, textEncoderModules: number, vectors: number, cut: number, magnitudes: number, refused: number, warnings: list(PROBLEM),
});

const CUT_CHOICE = either<CutChoice>(
  object({ kind: word('all') }), object({ kind: word('count'), count: number }), object({ kind: word('energy'), share: number }),
);
const SCALE_CHOICE = either<ScaleChoice>(
  object({ kind: word('auto') }), object({ kind: word('alpha'), alpha: number }), object({ kind: word('rankStabilised') }),
);
const RECOMPRESS = either<Recompress>(
  object({ kind: word('exact') }), object({ kind: word('rank'), rank: number }), object({ kind: word('energy'), share: number }),
);
const SETTING: { [K in keyof Settings]-?: Shape<Settings[K]> } = {
  mu: number, result: word(...RESULTS), contentStrength: number, styleStrength: number, cut: CUT_CHOICE, dtype: word(...DTYPES),
  layout: word(...LAYOUTS), contentTextStrength: orNull(number), styleTextStrength: orNull(number),
  blocks: table(object<BlockStrength>({ content: number, style: number, mu: orNull(number) })), contentScale: SCALE_CHOICE, styleScale: SCALE_CHOICE,
  family: orNull(text), scheme: orNull(text), recompress: RECOMPRESS, denseRank: number, directionOnly: truth, keepSources: truth, outputName: text,
};
export const SETTINGS = object<Settings>(SETTING);
/** What is not said, the program chooses. */
const CHOSEN = partial<Settings>(SETTING);

const SEVERAL = object<Several>({ mus: list(number), plain: truth, bothDirections: truth });
const VARIANTS = list(object<Variant>({ settings: CHOSEN, swapped: truth }));
const SAVED_SOURCE = orNull(object<SavedSource>({ name: text, size: orNull(number), sha256: orNull(text) }));
const SAVED_RECIPE = object<SavedRecipe>({ version: text, settings: SETTINGS, content: SAVED_SOURCE, style: SAVED_SOURCE });

const TENSORS = object<Tensors>({ total: number, fused: number, passed: number, outside: number, refused: number, leftOut: number });
const REFUSED = list(object<Refusal>({ file: text, module: text, why: text, tensors: number }));
const SCHEME = object<SchemeChoice>({ id: text, name: text, loadedBy: list(object<LoadedBy>({ program: text, loaded: word('all', 'part', 'none') })) });
const PAIR_FIT = object<PairFit>({
  shared: TEXTS, contentOnly: TEXTS, styleOnly: TEXTS, vectors: number, family: orNull(text), scheme: orNull(SCHEME), schemes: list(SCHEME),
  blocks: list(object<PairFit['blocks'][number]>({ label: text, modules: number })),
  presets: list(object<PairFit['presets'][number]>({ name: text, weights: list(number) })), orders: list(list(list(number))), outputModules: number, cut: number, rank: number, dtype: text, widened: truth,
  outputBytes: number, contentTensors: TENSORS, styleTensors: TENSORS, refused: REFUSED, warnings: list(PROBLEM),
});

export const PROGRESS = object<Progress>({
  stage: word('analyse', 'compare', 'measure', 'fuse', 'verify'), modulesDone: number, modulesTotal: number, bytesDone: number, bytesTotal: number, module: text,
});

const SPREAD = orNull(object<Spread>({ median: number, worst: number, worstModule: text }));
const SOURCE = orNull(object<{ name: string; size: number }>({ name: text, size: number }));
const MODULE = object<ModuleReport>({
  name: text, block: orNull(text), outFeatures: number, inFeatures: number, contentRank: number, styleRank: number, protected: number,
  overlap: number, chance: number, contentKept: number, change: number, contentNorm: number, styleNorm: number, rounding: number,
  roundingOfChange: orNull(number), computedOn: IN_USE,
});
export const REPORT = object<Report>({
  version: text, settings: SETTINGS, content: SOURCE, style: SOURCE, family: orNull(text), scheme: orNull(text), backend: IN_USE,
  backendReason: text, adapter: orNull(text), triggerWords: TEXTS, fused: number, passedContent: number, passedStyle: number, vectors: number, refused: REFUSED,
  contentTensors: TENSORS, styleTensors: TENSORS, rank: number, dtype: text, outputBytes: number, modelHash: text,
  overlap: SPREAD, change: number, contentKept: number, rounding: SPREAD, roundingOfChange: SPREAD, recomputed: number, recomputedWorst: number,
  secondsFusing: number, secondsVerifying: number, energyKept: object<EnergyKept>({ subject: SPREAD, style: SPREAD, result: SPREAD }),
  cuts: list(object<Cut>({ module: text, of: word('subject', 'style', 'result'), kept: number })),
  modules: list(MODULE), warnings: list(PROBLEM),
});

const TALLY = {
  modules: number, overlap: number, chance: number, contentKept: number, change: number, contentNorm: number, styleNorm: number,
};
const OUTLOOK = object<Outlook>({
  analysed: number, total: number, unmeasured: number, whole: object<Tally>(TALLY), verdict: word('noContent', 'noStyle', 'same', 'apart', 'chance', 'nothing', 'little', 'usual', 'most'),
  balance: orNull(object<NonNullable<Outlook['balance']>>({ heavier: ROLE, times: number, contentStrength: number, styleStrength: number, contentTextStrength: orNull(number), styleTextStrength: orNull(number) })),
  suggested: object<Outlook['suggested']>({ mu: number, share: number }),
  curve: list(object<CurvePoint>({ beta: number, taken: number, contentKept: number, change: number })),
  blocks: list(object<Outlook['blocks'][number]>({ label: text, ...TALLY })), kinds: TEXTS,
  cells: list(object<MapCell>({ block: number, kind: number, members: list(number), ...TALLY })),
  modules: list(object<ModuleOutlook>({
    name: text, block: orNull(text), kind: text, outFeatures: number, inFeatures: number, contentRank: number, styleRank: number,
    protected: number, effectiveRank: number, ...TALLY,
  })),
});
const NUMBERS = list(number);
const SPECTRA = object<Spectra>({
  name: text, content: NUMBERS, style: NUMBERS, fused: NUMBERS, protected: number, along: NUMBERS, cosines: NUMBERS,
});

const LIKENESS = {
  kind: word('nothing', 'other', 'alike', 'content', 'style', 'overlap', 'sum', 'fusion'), content: number, style: number, mu: orNull(number),
  residual: number, neither: number, toContent: orNull(number), toStyle: orNull(number), toSum: orNull(number), share: number,
};
const PART = object<ComparedPart>({ modules: number, found: number });
const COMPARISON = object<Comparison>({
  whole: object<Likeness>(LIKENESS),
  judgement: object<Judgement>({
    exact: truth, sum: word('whole', 'half', 'some'), lost: object<Judgement['lost']>({ content: orNull(number), style: orNull(number) }), hasMore: truth,
  }),
  targets: list(object<Target>({
    name: word('content', 'style', 'sum', 'bestSum', 'fusion'), content: number, style: number, mu: orNull(number), distance: orNull(number),
    left: orNull(number),
  })),
  parts: object<Comparison['parts']>({ both: PART, content: PART, style: PART }),
  outside: TEXTS, outsideShare: number, skipped: number, vectors: number, cut: number,
  blocks: list(object<BlockLikeness>({ label: text, modules: number, ...LIKENESS })),
  modules: list(object<ModuleLikeness>({ name: text, block: orNull(text), found: truth, ...LIKENESS })),
});

const LINK = { url: text, host: text, name: text };
const REMOTE = object<RemoteFile>({ ...LINK, size: number, tag: orNull(text) });
const BYTES = instance<Uint8Array<ArrayBuffer>>(Uint8Array);
const KEPT = list(object<Kept>({ at: number, bytes: BYTES }));
const OPENED = { file: either<GivenFile>(isFile, REMOTE), config: orNull(text), kept: KEPT };

const PROGRAM = object<Program>({ glue: text, wasm: text });

/** Of every call: what it takes and what it gives. */
const CALLS: { [N in CallName]: { in: Shape<Calls[N]['in']>; out: Shape<Calls[N]['out']> } } = {
  start: { in: object({ reader: orNull(PROGRAM), whole: PROGRAM, owner: text, leads: truth }), out: object({ version: text }) },
  example: { in: object({ role: ROLE }), out: BYTES },
  link: { in: object({ text, hosts: TEXTS }), out: object<FileLink>(LINK) },
  find: { in: object({ link: object<FileLink>(LINK) }), out: REMOTE },
  open: { in: object({ role: ROLE, ...OPENED }), out: object({ summary: SUMMARY, kept: KEPT }) },
  config: { in: object({ role: ROLE }), out: orNull(text) },
  prepare: { in: object({}), out: nothing },
  close: { in: object({ role: ROLE }), out: nothing },
  swap: { in: object<Record<string, never>>({}), out: nothing },
  families: { in: object<Record<string, never>>({}), out: TEXTS },
  fit: { in: object({ settings: CHOSEN }), out: PAIR_FIT },
  variants: { in: object({ settings: CHOSEN, several: SEVERAL }), out: VARIANTS },
  recipe: { in: object({ file: isFile }), out: SAVED_RECIPE },
  backend: { in: object({ choice: CHOICE }), out: object({ backend: IN_USE, adapter: orNull(text), reason: text }) },
  hash: { in: object({ file: isBlob, of: word('file', 'tensors') }), out: text },
  fuse: { in: object({ variants: VARIANTS, backend: CHOICE }), out: list(object<Fused>({ file: isBlob, report: REPORT })) },
  analyse: { in: object({ settings: CHOSEN }), out: nothing },
  outlook: { in: object({ settings: CHOSEN }), out: OUTLOOK },
  spectra: { in: object({ settings: CHOSEN, module: text }), out: SPECTRA },
  compare: { in: object({ settings: CHOSEN, file: isFile, config: orNull(text) }), out: COMPARISON },
  share: { in: object({ variants: VARIANTS, ranks: orNull(list(list(number))), checksum: number, backend: CHOICE }), out: nothing },
  assist: {
    in: object({ task: text, result: orNull(isBlob), onDevice: truth }),
    out: object<Assisted>({ done: text, bytes: orNull(BYTES) }),
  },
  hashing: { in: object({ of: number, bytes: BYTES }), out: BYTES },
  hashed: { in: object({ of: number }), out: text },
};

const isCall = (name: unknown): name is CallName => typeof name === 'string' && Object.hasOwn(CALLS, name);

const CANCEL = object<{ cancel: number }>({ cancel: number });
const REQUEST = object<{ id: number; call: CallName; in: unknown }>({ id: number, call: isCall, in: (_): _ is unknown => true });

/** What a page says to its worker; null if it makes no sense. */
export function toWorker(message: unknown): ToWorker | null {
  if (REQUEST(message)) return CALLS[message.call].in(message.in) ? message as ToWorker : null;
  return CANCEL(message) ? message : null;
}

const LAST_WORDS = object<{ fatal: Problem }>({ fatal: PROBLEM });
const REFUSAL = object<{ id: number; problem: Problem; fatal: boolean }>({ id: number, problem: PROBLEM, fatal: truth });
const ON_THE_WAY = object<{ id: number; progress: Progress }>({ id: number, progress: PROGRESS });
const ALIVE = object<{ id: number; alive: true }>({ id: number, alive: (value): value is true => value === true });
const REPLY = object<{ id: number; out: unknown }>({ id: number, out: (value): value is unknown => value !== undefined });

/** What a worker says to its page; null if it makes no sense. `callOf` tells which call an id belongs to. */
export function fromWorker(message: unknown, callOf: (id: number) => CallName | undefined): FromWorker | null {
  if (LAST_WORDS(message) || REFUSAL(message) || ON_THE_WAY(message) || ALIVE(message)) return message;
  if (!REPLY(message)) return null;
  const call = callOf(message.id);
  // To a call that nobody waits for any more, anything is an answer.
  return call === undefined || CALLS[call].out(message.out) ? message as FromWorker : null;
}
