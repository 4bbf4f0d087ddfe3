/**
 * Checks of values in messages, none of which is trusted: the worker checks what a page sends it, and the page checks what its worker says, which may
 * be of another version or corrupt. Checks of values that go both ways are here, those of requests in requests.ts and those of answers in answers.ts,
 * so that no script carries checks that only the other one needs.
 */

import { either, instance, isFile, list, number, object, orNull, partial, table, text, truth, word, type Shape } from './shape.ts';
import { BACKENDS, DTYPES, LAYOUTS, RESULTS, ROLES } from './types.ts';
import type {
  BlockStrength, CutChoice, FileLink, GivenFile, Kept, Problem, Progress, Recompress, RemoteFile, Scale, ScaleChoice, Settings, Share, Summary, Variant,
} from './types.ts';

export const ROLE = word(...ROLES);
export const CHOICE = word(...BACKENDS);
export const IN_USE = word('webgpu', 'cpu');
export const TEXTS = list(text);

export const PROBLEM = object<Problem>({ code: text, message: text, remedy: text, file: orNull(text), tensor: orNull(text), detail: text });
const share = <T>(value: Shape<T>): Shape<Share<T>[]> => list(object<Share<T>>({ value, modules: number }));

export const SUMMARY = object<Summary>({
  name: text, size: number, kinds: share(text), scheme: text, family: orNull(text), families: TEXTS, baseModel: orNull(text), trainedOn: orNull(text), mergedFrom: orNull(text), title: orNull(text),
  triggerWords: TEXTS, ranks: share(number), alphas: share(orNull(number)),
  scales: share(object<Scale>({ value: number, source: word('tensor', 'config', 'metadata', 'unknown', 'fixed', 'user') })),
  dtypes: share(text), modules: number, textEncoderModules: number, vectors: number, cut: number, magnitudes: number, refused: number, warnings: list(PROBLEM),
});

export const PROGRESS = object<Progress>({
  stage: word('analyse', 'compare', 'measure', 'fuse', 'verify'), modulesDone: number, modulesTotal: number, bytesDone: number, bytesTotal: number, module: text,
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
/** Settings as somebody chose them; the program chooses those that are missing. */
export const CHOSEN = partial<Settings>(SETTING);

export const VARIANTS = list(object<Variant>({ settings: CHOSEN, swapped: truth }));

const LINK = { url: text, host: text, name: text };
export const FILE_LINK = object<FileLink>(LINK);
export const REMOTE = object<RemoteFile>({ ...LINK, size: number, tag: orNull(text) });
export const BYTES = instance<Uint8Array<ArrayBuffer>>(Uint8Array);
export const KEPT = list(object<Kept>({ at: number, bytes: BYTES }));
export const OPENED = { file: either<GivenFile>(isFile, REMOTE), config: orNull(text), kept: KEPT };
