/** The command's output: a few lines for a person. Names from files are made inert. */

import { autoV2, autoV3, bytes, count, inert, percent, plural, small } from '../element/words/format.ts';
import { muText } from '../element/words/mu.ts';
import { caveatOf, verdictOf } from '../element/outlook/words.ts';
import { listed } from '../headless/blocks.ts';
import { ON_DISK } from '../headless/disk.ts';
import type { Outlook, PairFit, Problem, Report, SchemeChoice, Share, Summary } from '../core/types.ts';

type Row = [string, string | null];

const table = (rows: Row[]): string =>
  rows.filter((row): row is [string, string] => row[1] !== null).map(([head, text]) => `${head.padEnd(15)} ${text}\n`).join('');

const shares = <T>(all: Share<T>[], shown: (value: T) => string): string =>
  all.map(({ value, modules }) => (all.length === 1 ? shown(value) : `${shown(value)} (${count(modules)})`)).join(', ');

const warnings = (all: Problem[]): string => all.map((warning) => `${problemText(warning)}\n`).join('');

/** Remedies for a terminal, where those worded for the page make no sense. The other remedies apply here as well. */
const REMEDIES: Partial<Record<string, string>> = {
  ...ON_DISK,
  E_EXISTS: 'Choose another name, or have it replaced by --force.',
  E_INPUT_CHANGED: 'Run the command again.',
  E_FAMILY_UNCLEAR: 'Name the model family with --family.',
  E_OUTPUT_RANGE: 'Add --dtype F32, or choose smaller strengths.',
  E_WASM_LOAD: 'Install np-lora again.',
  E_WORKER_LOST: 'Run the command again, with fewer others if memory is short.',
  E_INTERNAL: 'Run the command again; if that does not help, please report it.',
};

/** A problem with a remedy that is possible at a terminal. */
export const atTerminal = (problem: Problem): Problem => ({ ...problem, remedy: REMEDIES[problem.code] ?? problem.remedy });

/** The limit for texts that may contain lists of names. */
const LONG = 1000;

/** A problem in full: its code and sentence, where it is, details, and what to do. */
export function problemText({ code, message, remedy, file, tensor, detail }: Problem): string {
  const place = [file, tensor].filter((one) => one !== null).map((one) => inert(one)).join(', ');
  const more = [place, inert(detail, LONG), remedy].filter((line) => line !== '').map((line) => `\n  ${line}`).join('');
  return `${code}: ${message}${more}`;
}

/** The block names, as --block takes them; null if there are none. Modules outside all blocks have no name and are left out. */
const blocksText = (blocks: { label: string }[]): string | null => inert(listed(blocks.map(({ label }) => label).filter((label) => label !== '')), LONG) || null;

/** The SHA-256 of the file and that of its tensors; null if not asked for. */
export interface Hashes {
  sha256: string | null;
  tensors: string | null;
}

const NOT_ALL = { part: 'only partly for', none: 'not for' };

/** A naming, with the programs that do not load all of a result that uses it. */
function naming({ id, name, loadedBy }: SchemeChoice): string {
  const those = (loaded: keyof typeof NOT_ALL): string[] => {
    const programs = loadedBy.filter((by) => by.loaded === loaded).map(({ program }) => program);
    return programs.length > 0 ? [`${NOT_ALL[loaded]} ${programs.join(', ')}`] : [];
  };
  return `${id} (${[name, ...those('part'), ...those('none')].join('; ')})`;
}

export const summaryText = (summary: Summary, { schemes, blocks }: Pick<PairFit, 'schemes' | 'blocks'>, { sha256, tensors }: Hashes): string => table([
  ['file', inert(summary.name)],
  ['size', bytes(summary.size)],
  ['kind', shares(summary.kinds, (kind) => inert(kind))],
  ['naming', inert(summary.scheme)],
  ['can be named', schemes.map(naming).join(', ') || null],
  ['model', inert(summary.family ?? summary.baseModel ?? 'unknown')],
  ['blocks', blocksText(blocks)],
  ['trained on', summary.trainedOn === null ? null : inert(summary.trainedOn)],
  ['merged from', summary.mergedFrom === null ? null : inert(summary.mergedFrom)],
  ['title', summary.title === null ? null : inert(summary.title)],
  ['rank', shares(summary.ranks, String)],
  ['scale', shares(summary.scales, ({ value }) => String(Number(value.toPrecision(4))))],
  ['numbers', shares(summary.dtypes, (dtype) => inert(dtype))],
  ['modules', `${count(summary.modules)}, ${count(summary.textEncoderModules)} of them in text encoders`],
  ['SHA-256', sha256],
  ['AutoV2', sha256 && autoV2(sha256)],
  ['AutoV3', tensors && autoV3(tensors)],
  ['refused', summary.refused > 0 ? count(summary.refused) : null],
  ['trigger words', summary.triggerWords.length > 0 ? inert(summary.triggerWords.join(', ')) : null],
]) + warnings(summary.warnings);

export const outlookText = (outlook: Outlook): string => [caveatOf(outlook), verdictOf(outlook)].filter(Boolean).join(' ') + '\n' + table([
  ['shared', plural(outlook.total, 'module', 'modules') + (outlook.unmeasured > 0 ? `, and ${count(outlook.unmeasured)} of a very high rank that are not in these figures` : '')],
  ['blocks', blocksText(outlook.blocks)],
  ...(outlook.verdict === 'unknown' ? [] : figures(outlook)),
]);

const figures = (outlook: Outlook): Row[] => [
  ['overlap', `${percent(outlook.whole.overlap)} of the subject, ${percent(outlook.whole.chance)} by chance`],
  ['kept', `${percent(outlook.whole.contentKept)} of the subject at this μ`],
  ['change', `${percent(outlook.whole.change)} against plain addition`],
  ['suggested μ', outlook.suggested && `${muText(outlook.suggested.mu)}, a rule of thumb`],
  ['balance', outlook.balance && `subject ${Number(outlook.balance.contentStrength.toPrecision(3))}, style ${Number(outlook.balance.styleStrength.toPrecision(3))}`],
];

export const reportText = (report: Report, path: string): string => table([
  ['written', inert(path)],
  ['size', bytes(report.outputBytes)],
  ['modules', [
    `${count(report.fused)} fused`, `${count(report.passedContent + report.passedStyle)} passed through`, `${count(report.refused.length)} refused`,
  ].join(', ')],
  ['rank', `${report.rank}, ${inert(report.dtype)}`],
  ['change', report.content && report.style && report.settings.result === 'fusion' ? `${percent(report.change)} against plain addition` : null],
  ['cut', report.energyKept.result && `to a lower rank: ${percent(report.energyKept.result.whole)} of the energy is left`],
  ['rounding', report.rounding && `${small(report.rounding.worst)} at worst`],
]) + report.refused.map(({ file, module, why }) => `left out: ${inert(module)} of ${inert(file)}: ${inert(why)}\n`).join('') + warnings(report.warnings);
