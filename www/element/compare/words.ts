/** What a file is beside its pair, in sentences. Which of them holds is decided elsewhere: by the kind. */

import type { Comparison, Likeness, LikenessKind } from '../../core/types.ts';
import { count, mu as muText, percent, plural } from '../format.ts';
import { text } from './strings.ts';

/** "0.5", "1", "0.03": what is less is as good as nothing. */
export const strength = (value: number): string => String(Math.abs(value) < 5e-4 ? 0 : Number(value.toPrecision(Math.abs(value) < 0.1 ? 1 : 3)));

/** Beyond this it is the hard projection, but for rounding. */
const ENDLESS = 1000;
export const muOf = (mu: number): string => muText(mu >= ENDLESS ? Infinity : mu);

/** More than this of the energy is worth a word. */
const TRACE = 1e-4;
/** More than this, and the file is only close to what it is said to be. */
const CLOSE = 0.01;
/** Strengths within this of each other, or of 1, are equal. */
const EQUAL = 0.02;

const near = (a: number, b: number): boolean => Math.abs(a - b) <= EQUAL * Math.abs(b);

function sum({ content, style }: Likeness): string {
  const alike = near(content, style);
  const which = alike && near(style, 1) ? 'the plain sum of the two' : alike && near(style, 0.5) ? 'a plain sum at half strengths' : 'a plain sum';
  return `${which}: ${strength(content)} × subject + ${strength(style)} × style.`;
}

const SENTENCES: Record<LikenessKind, (of: Likeness) => string> = {
  nothing: () => text.nothing,
  other: ({ neither }) => `This file is made of something else: ${percent(neither)} of its energy is neither subject nor style.`,
  alike: ({ content, style }) => `Subject and style are the same change, so their shares cannot be told apart: this file is ${strength(content)} × subject, or ${strength(style)} × style.`,
  content: ({ content }) => `This file has nothing of the style: it is ${strength(content)} × subject.`,
  style: ({ style }) => `This file has nothing of the subject: it is ${strength(style)} × style.`,
  overlap: ({ content }) => `This file is the overlap by itself: what of the subject lies along the style, at strength ${strength(content)}.`,
  sum: (of) => `${is(of)} ${sum(of)}`,
  fusion: (of) => `${is(of)} what NP-LoRA gives at μ ≈ ${muOf(of.mu ?? 0)} (subject ${strength(of.content)}, style ${strength(of.style)}).`,
};

const is = ({ neither }: Likeness): string => (neither < CLOSE ? 'This file is' : 'This file is closest to');

/** How much of either is missing. */
function lost({ kind, content, style }: Likeness): string[] {
  if (kind !== 'sum' && kind !== 'fusion') return [];
  const parts = [['style', style], ['subject', content]] as const;
  const missing = parts.filter(([, value]) => value >= 0 && value < 1 && !near(value, 1)).map(([name, value]) => `${percent(1 - value)} of the ${name}`);
  return missing.length > 0 ? [`It has lost ${missing.join(' and ')}.`] : [];
}

/** A number and its sign stay on one line. */
const unbroken = (sentence: string): string => sentence.replaceAll(' %', '\u00a0%').replaceAll(' × ', '\u00a0×\u00a0').replaceAll('≈ ', '≈\u00a0');

export function sentences({ whole }: Comparison): string {
  const rest = whole.kind !== 'other' && whole.kind !== 'nothing' && whole.neither >= TRACE
    ? [`${percent(whole.neither)} of its energy is neither subject nor style.`] : [];
  return unbroken([SENTENCES[whole.kind](whole), ...lost(whole), ...rest].join(' '));
}

const KINDS: Record<LikenessKind, string> = {
  nothing: 'nothing', other: 'something else', alike: 'either', content: 'subject', style: 'style', overlap: 'overlap', sum: 'sum', fusion: 'NP-LoRA',
};
export const kindName = (kind: LikenessKind): string => KINDS[kind];

/** What was compared, and what was not. */
export function notes({ parts, outside, outsideShare, skipped, vectors, cut, whole }: Comparison): string[] {
  const some = [[parts.both, 'shared'], [parts.content, 'subject-only'], [parts.style, 'style-only']] as const;
  const has = some.filter(([{ modules }]) => modules > 0).map(([{ modules, found }, name]) => `${count(found)} of ${count(modules)} ${name}`);
  return [
    `In the file: ${has.join(', ')} modules.`,
    ...(outside.length > 0 ? [`${plural(outside.length, 'module is', 'modules are')} in neither of the two, with ${percent(outsideShare)} of its energy.`] : []),
    ...(skipped > 0 ? [`${plural(skipped, 'module', 'modules')} cannot be compared (DoRA, or of a kind that depends on the base model).`] : []),
    ...(vectors > 0 ? [`${plural(vectors, 'change', 'changes')} of biases and norms are not compared.`] : []),
    ...(cut > 0 ? [`${plural(cut, 'module', 'modules')} of the file had to be cut to a rank first.`] : []),
    ...(whole.kind === 'sum' && whole.mu === null ? [text.unknownMu] : []),
  ].map(unbroken);
}
