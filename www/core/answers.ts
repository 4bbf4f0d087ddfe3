/** Checks of the answers that the page's worker gives. */

import type { Fused, PageCall } from './protocol.ts';
import type { Answers } from './replies.ts';
import { isBlob, list, nothing, number, object, orNull, text, truth, word } from './shape.ts';
import { BYTES, FILE_LINK, IN_USE, KEPT, PROBLEM, REMOTE, ROLE, SETTINGS, SUMMARY, TEXTS, VARIANTS } from './shapes.ts';
import type {
  BlockLikeness, ComparedPart, Comparison, CurvePoint, Cut, EnergyKept, FamilyChoice, Judgement, KeptShare, Likeness, LoadedBy, MapCell, ModuleLikeness, ModuleOutlook, ModuleReport,
  Outlook, PairFit, Refusal, Report, SavedRecipe, SavedSource, SchemeChoice, Spectra, Spread, Tally, Target, Tensors,
} from './types.ts';

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

const SPREAD = orNull(object<Spread>({ median: number, worst: number, worstModule: text }));
const KEPT_SHARE = orNull(object<KeptShare>({ whole: number, median: number, worst: number, worstModule: text }));
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
  secondsFusing: number, secondsVerifying: number, energyKept: object<EnergyKept>({ content: KEPT_SHARE, style: KEPT_SHARE, result: KEPT_SHARE }),
  cuts: list(object<Cut>({ module: text, of: word('content', 'style', 'result'), kept: number, energy: number })),
  modules: list(MODULE), warnings: list(PROBLEM),
});

const TALLY = {
  modules: number, overlap: number, chance: number, contentKept: number, change: number, contentNorm: number, styleNorm: number,
};
const OUTLOOK = object<Outlook>({
  analysed: number, total: number, unmeasured: number, partial: truth, whole: object<Tally>(TALLY), verdict: word('unknown', 'noContent', 'noStyle', 'same', 'apart', 'chance', 'nothing', 'little', 'usual', 'most'),
  balance: orNull(object<NonNullable<Outlook['balance']>>({ heavier: ROLE, times: number, contentStrength: number, styleStrength: number, contentTextStrength: orNull(number), styleTextStrength: orNull(number) })),
  suggested: orNull(object<NonNullable<Outlook['suggested']>>({ mu: number, share: number })),
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
  recipe: orNull(SETTINGS), targets: list(object<Target>({
    name: word('content', 'style', 'sum', 'bestSum', 'fusion'), content: number, style: number, mu: orNull(number), distance: orNull(number),
    left: orNull(number),
  })),
  parts: object<Comparison['parts']>({ both: PART, content: PART, style: PART }),
  outside: TEXTS, outsideShare: number, skipped: number, vectors: number, cut: number,
  blocks: list(object<BlockLikeness>({ label: text, modules: number, ...LIKENESS })),
  modules: list(object<ModuleLikeness>({ name: text, block: orNull(text), found: truth, ...LIKENESS })),
});

export const ANSWERS: Answers<PageCall> = {
  start: object({ version: text }),
  example: BYTES,
  link: FILE_LINK,
  find: REMOTE,
  open: object({ summary: SUMMARY, kept: KEPT }),
  config: orNull(text),
  prepare: nothing,
  close: nothing,
  swap: nothing,
  families: object<FamilyChoice>({ names: TEXTS, must: truth }),
  fit: PAIR_FIT,
  variants: VARIANTS,
  recipe: SAVED_RECIPE,
  backend: object({ backend: IN_USE, adapter: orNull(text), reason: text }),
  hash: text,
  fuse: list(object<Fused>({ file: isBlob, report: REPORT })),
  analyse: nothing,
  outlook: OUTLOOK,
  spectra: SPECTRA,
  compare: COMPARISON,
};
