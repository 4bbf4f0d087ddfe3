/** Words the findings of a comparison. Which of them apply is decided elsewhere. */

import type { Comparison, Judgement, Likeness, SumKind } from '../../core/types.ts';
import { percent, unbroken } from '../words/format.ts';
import { muText } from '../words/mu.ts';
import { madeWith } from '../words/made.ts';
import { text as shared } from '../words/strings.ts';
import { likeness, lost, notes } from './strings.ts';

/** A strength such as "0.5", "1" or "0.03"; smaller ones are shown as 0. */
export const strength = (value: number): string => String(Math.abs(value) < 5e-4 ? 0 : Number(value.toPrecision(Math.abs(value) < 0.1 ? 1 : 3)));

function whatIs({ kind, content, style, mu, neither }: Likeness, exact: boolean, sum: SumKind): string {
  const shown = { content: strength(content), style: strength(style), mu: muText(mu ?? 0), neither: percent(neither) };
  return likeness[kind](shown, exact, sum);
}

/** Says how much of the style and of the subject is missing. */
function whatIsLost({ content, style }: Judgement['lost']): string[] {
  if (content !== null && style !== null) return [lost.both(percent(style), percent(content))];
  return style !== null ? [lost.style(percent(style))] : content !== null ? [lost.content(percent(content))] : [];
}

export function sentences({ whole, judgement }: Comparison): string {
  const more = judgement.hasMore ? [notes.neither(percent(whole.neither))] : [];
  return unbroken([whatIs(whole, judgement.exact, judgement.sum), ...whatIsLost(judgement.lost), ...more].join(shared.gap));
}

/** Remarks on what was compared, and what was not. */
export function remarks({ parts, outside, outsideShare, skipped, vectors, cut, whole, recipe }: Comparison): string[] {
  const has = (['both', 'content', 'style'] as const).filter((part) => parts[part].modules > 0).map((part) => notes[part](parts[part].found, parts[part].modules));
  return [
    ...(recipe ? [recipe.result === 'overlap' ? notes.recipeOfOverlap : notes.recipe(madeWith(recipe).join(shared.comma))] : []),
    notes.found(has.join(shared.comma)),
    ...(outside.length > 0 ? [notes.outside(outside.length, percent(outsideShare))] : []),
    ...(skipped > 0 ? [notes.skipped(skipped)] : []),
    ...(vectors > 0 ? [notes.vectors(vectors)] : []),
    ...(cut > 0 ? [notes.cut(cut)] : []),
    ...(whole.kind === 'sum' && whole.mu === null ? [notes.unknownMu] : []),
  ].map(unbroken);
}
