/** What a file is beside its pair, in sentences. Which of them holds is decided elsewhere: by the kind. */

import type { Comparison, Likeness } from '../../core/types.ts';
import { mu as muText, percent } from '../format.ts';
import { likeness, lost, notes, type SumKind } from './strings.ts';

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

function sumKind({ content, style }: Likeness): SumKind {
  const alike = near(content, style);
  return alike && near(style, 1) ? 'whole' : alike && near(style, 0.5) ? 'half' : 'some';
}

function whatIs(of: Likeness): string {
  const shown = { content: strength(of.content), style: strength(of.style), mu: muOf(of.mu ?? 0), neither: percent(of.neither) };
  return likeness[of.kind](shown, of.neither < CLOSE, sumKind(of));
}

/** How much of either is missing. */
function whatIsLost({ kind, content, style }: Likeness): string[] {
  if (kind !== 'sum' && kind !== 'fusion') return [];
  const isLess = (value: number): boolean => value >= 0 && value < 1 && !near(value, 1);
  const [ofStyle, ofContent] = [percent(1 - style), percent(1 - content)];
  if (isLess(style) && isLess(content)) return [lost.both(ofStyle, ofContent)];
  return isLess(style) ? [lost.style(ofStyle)] : isLess(content) ? [lost.content(ofContent)] : [];
}

/** A number and its sign stay on one line. */
const unbroken = (sentence: string): string => sentence.replaceAll(' %', '\u00a0%').replaceAll(' × ', '\u00a0×\u00a0').replaceAll('≈ ', '≈\u00a0');

export function sentences({ whole }: Comparison): string {
  const rest = whole.kind !== 'other' && whole.kind !== 'nothing' && whole.neither >= TRACE ? [notes.neither(percent(whole.neither))] : [];
  return unbroken([whatIs(whole), ...whatIsLost(whole), ...rest].join(' '));
}

/** What was compared, and what was not. */
export function remarks({ parts, outside, outsideShare, skipped, vectors, cut, whole }: Comparison): string[] {
  const has = (['both', 'content', 'style'] as const).filter((part) => parts[part].modules > 0).map((part) => notes[part](parts[part].found, parts[part].modules));
  return [
    notes.found(has.join(', ')),
    ...(outside.length > 0 ? [notes.outside(outside.length, percent(outsideShare))] : []),
    ...(skipped > 0 ? [notes.skipped(skipped)] : []),
    ...(vectors > 0 ? [notes.vectors(vectors)] : []),
    ...(cut > 0 ? [notes.cut(cut)] : []),
    ...(whole.kind === 'sum' && whole.mu === null ? [notes.unknownMu] : []),
  ].map(unbroken);
}
