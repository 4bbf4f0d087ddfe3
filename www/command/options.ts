/** Everything that can be typed after `np-lora`, as tables: parsing and help both use them. */

import { DEFAULT_SETTINGS as DEFAULTS } from '../core/defaults.ts';
import { DTYPES, LAYOUTS, RESULTS, type BlockStrength, type Settings } from '../core/types.ts';
import { LIMITS } from '../element/words/limits.ts';
import { oneOf, readCut, readRank, readScale } from '../element/words/spelling.ts';
import { readMu } from '../element/words/mu.ts';

/** A mistake in what was typed. */
export class Usage extends Error {}

export const COMMANDS = {
  fuse: { files: 2, words: 'SUBJECT STYLE', help: 'fuse the two; the word may be left out' },
  inspect: { files: 1, words: 'FILE', help: 'say what a file is' },
  analyse: { files: 2, words: 'SUBJECT STYLE', help: 'say what a fusion would do' },
  convert: { files: 1, words: 'FILE', help: 'write one file anew, in another naming, format or rank' },
} as const;
export type Command = keyof typeof COMMANDS;

/** Other spellings of commands. */
export const ALSO: Partial<Record<string, Command>> = { analyze: 'analyse' };

/** The commands for which groups of options have a meaning. */
const WRITE = ['fuse', 'convert'] as const;
const OF_PAIR = ['fuse', 'analyse'] as const;
const COMPUTE = ['fuse', 'analyse', 'convert'] as const;

export interface Option {
  short?: string;
  /** The name of the option's value in the help; without one, the option is a switch. */
  value?: string;
  help: string;
  /** Reads the option's value into the settings; throws a `Usage`. */
  set?: (settings: Partial<Settings>, value: string) => void;
  /** Whether the option may be given more than once. */
  multiple?: boolean;
  /** The commands that take the option; all of them if left out. */
  of?: readonly Command[];
}

const number = (value: string): number => {
  const read = value.trim() === '' ? NaN : Number(value);
  if (!Number.isFinite(read)) throw new Usage(`"${value}" is not a number`);
  return read;
};
const whole = (value: string): number => {
  if (!/^\d{1,9}$/.test(value)) throw new Usage(`"${value}" is not a whole number`);
  return Number(value);
};
const word = <T extends string>(value: string, words: readonly T[]): T => {
  const found = oneOf(words, value);
  if (found === undefined) throw new Usage(`"${value}" is none of ${words.join(', ')}`);
  return found;
};
/** Throws if it is not the name of a file: results are read back, and a pipe cannot be. */
export function onDisk(value: string): void {
  if (value === '') throw new Usage('an empty name is no file');
  if (value === '-') throw new Usage('"-" is no file: neither standard input nor output can be used');
}
/** A parser of values as they are also written in addresses; for anything else it throws a `Usage` that says what the value should be. */
const as = <T>(read: (text: string) => T | undefined, what: string) => (value: string): T => {
  const found = read(value);
  if (found === undefined) throw new Usage(`"${value}" is not ${what}`);
  return found;
};
const mu = (value: string): number => readMu(value) ?? number(value);
const cut = as(readCut, `all, a whole number up to ${LIMITS.count.most} or a percentage`);
const rank = as(readRank, `exact, a whole number up to ${LIMITS.count.most} or a percentage`);
const scale = as(readScale, `auto, rslora or an alpha up to ${LIMITS.alpha.most}`);

function block(value: string): [string, BlockStrength] {
  const at = value.lastIndexOf('=');
  if (at < 1) throw new Usage(`"${value}" is not BLOCK=STRENGTH, BLOCK=SUBJECT,STYLE or BLOCK=SUBJECT,STYLE,MU`);
  const [content = '', style = content, own, ...more] = value.slice(at + 1).split(',');
  if (more.length > 0) throw new Usage(`"${value}" has more than two strengths and a μ`);
  return [value.slice(0, at), { content: number(content), style: number(style), mu: own === undefined ? null : mu(own) }];
}

export const OPTIONS = {
  output: { of: WRITE, short: 'o', value: 'FILE', help: 'where the result goes; else a name made of theirs, in this folder', set: (_, value) => onDisk(value) },
  force: { of: WRITE, short: 'f', help: 'replace a file that is there' },
  mu: { of: OF_PAIR, value: 'NUMBER', help: `how strongly to project, 0 to inf (${DEFAULTS.mu})`, set: (to, value) => { to.mu = mu(value); } },
  k: { of: OF_PAIR, value: 'all|N|N%', help: 'style directions to protect: all, so many, or so much of the energy (all)', set: (to, value) => { to.cut = cut(value); } },
  'content-strength': { of: COMPUTE, value: 'NUMBER', help: `of the subject, as a loader would apply it (${DEFAULTS.contentStrength})`, set: (to, value) => { to.contentStrength = number(value); } },
  'style-strength': { of: OF_PAIR, value: 'NUMBER', help: `of the style (${DEFAULTS.styleStrength})`, set: (to, value) => { to.styleStrength = number(value); } },
  'content-text-strength': { of: COMPUTE, value: 'NUMBER', help: 'of the subject in text encoders (the same)', set: (to, value) => { to.contentTextStrength = number(value); } },
  'style-text-strength': { of: OF_PAIR, value: 'NUMBER', help: 'of the style in text encoders (the same)', set: (to, value) => { to.styleTextStrength = number(value); } },
  block: {
    of: COMPUTE, value: 'BLOCK=C[,S[,MU]]', help: 'strengths of a block that inspect lists, which multiply the others (one number is for both), and a μ of its own; may be repeated', multiple: true,
    set: (to, value) => { to.blocks = { ...to.blocks, ...Object.fromEntries([block(value)]) }; },
  },
  result: {
    of: ['fuse'], value: RESULTS.join('|'), help: `the fused LoRA, or the overlap by itself (${DEFAULTS.result})`,
    set: (to, value) => { to.result = word(value, RESULTS); },
  },
  dtype: {
    of: WRITE, value: DTYPES.join('|'), help: `number format (${DEFAULTS.dtype}, as the inputs)`,
    set: (to, value) => { to.dtype = word(value, DTYPES); },
  },
  rank: { of: WRITE, value: 'exact|N|N%', help: 'cut to a rank, or to a share of the energy (exact)', set: (to, value) => { to.recompress = rank(value); } },
  layout: {
    of: WRITE, value: LAYOUTS.join('|'), help: `how ranks are laid out (${DEFAULTS.layout})`,
    set: (to, value) => { to.layout = word(value, LAYOUTS); },
  },
  scheme: { of: WRITE, value: 'NAME', help: 'naming of the result, one of those that inspect lists (what most programs load)', set: (to, value) => { to.scheme = value; } },
  family: { value: 'NAME', help: 'the model family, where the files leave it open', set: (to, value) => { to.family = value; } },
  'content-scale': { of: COMPUTE, value: 'auto|rslora|ALPHA', help: 'scale of the subject, where its file does not tell the truth', set: (to, value) => { to.contentScale = scale(value); } },
  'style-scale': { of: OF_PAIR, value: 'auto|rslora|ALPHA', help: 'scale of the style', set: (to, value) => { to.styleScale = scale(value); } },
  'dense-rank': { of: COMPUTE, value: 'N', help: `rank that full differences are cut to (${DEFAULTS.denseRank})`, set: (to, value) => { to.denseRank = whole(value); } },
  'direction-only': { of: COMPUTE, help: 'fuse DoRA without its magnitudes', set: (to) => { to.directionOnly = true; } },
  'drop-sources': { of: WRITE, help: 'leave the names of the sources out of the result and of its name', set: (to) => { to.keepSources = false; } },
  'content-config': { value: 'FILE', help: 'adapter_config.json of the subject, or of the only file' },
  'style-config': { of: OF_PAIR, value: 'FILE', help: 'adapter_config.json of the style' },
  hash: { of: ['inspect'], help: 'work out the SHA-256 of the whole file and of its tensors as well' },
  json: { help: 'print what was found or done as JSON' },
  quiet: { short: 'q', help: 'no progress' },
  help: { short: 'h', help: 'this' },
  version: { short: 'V', help: 'the version' },
} satisfies Record<string, Option>;

export type Name = keyof typeof OPTIONS;
