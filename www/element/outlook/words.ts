/** Words what the projection does to a pair. Rust's verdict decides which sentence applies (src/fusion/analysis). */

import type { Outlook, ResultChoice, Several, Verdict } from '../../core/types.ts';
import { percent, unbroken } from '../words/format.ts';
import { between, muText, removed } from '../words/mu.ts';
import { factor, largerOf } from './figures.ts';
import { leads, shares, text, verdicts, weights } from './strings.ts';

export function verdictOf({ total, whole: { overlap, chance, change, contentKept }, verdict }: Outlook): string {
  if (verdict === 'unknown') return total === 0 ? text.noneMeasured : text.none;
  return unbroken(verdicts[verdict]({
    overlap: percent(overlap), chance: percent(chance), change: percent(change), taken: percent(1 - contentKept),
  }));
}

/** Whether there is nothing to weigh: one of the two changes nothing, or both make the same change. */
export const isIdle = (verdict: Verdict): boolean => verdict === 'noContent' || verdict === 'noStyle' || verdict === 'same';

/** Warns that the figures cover only a part of the pair, and the rest may differ. */
export const caveatOf = ({ total, unmeasured, partial }: Outlook): string =>
  (partial && total > 0 ? unbroken(text.partial(total, total + unmeasured)) : '');

/** What will be made of the pair: one file at the slider's μ, several, or the overlap alone. */
export function leadOf(outlook: Outlook, result: ResultChoice, several: Several | null): string {
  const { analysed, whole: { overlap, chance }, verdict, curve } = outlook;
  if (analysed === 0 || isIdle(verdict)) return verdictOf(outlook);
  if (result === 'overlap') return unbroken(leads.overlapAlone(percent(overlap), percent(chance), verdict === 'apart' || verdict === 'chance'));
  const [least = 0, most = least] = several ? [several.plain ? 0 : several.mus[0], several.mus.at(-1)] : [];
  const [from, to] = [least, most].map((mu) => between(curve, removed(mu)));
  if (!several || !from || !to) return verdictOf(outlook);
  return unbroken(leads.severalChange(percent(from.change), percent(to.change), muText(least), muText(most), several.bothDirections));
}

/**
 * Relates the slider's percentage, which is of a length, to the verdict's, which are of energies; empty if there are none or the whole overlap is
 * removed.
 */
export function sharesOf({ analysed, verdict, curve, whole: { change } }: Outlook, at: number): string {
  const point = between(curve, removed(at));
  if (analysed === 0 || verdict === 'same' || verdict === 'apart' || change === 0 || !point || point.beta === 1) return '';
  return unbroken(shares.strength(percent(point.beta), percent(point.taken)));
}

/** Which of the two is larger, and whether by far. */
export function weightsOf({ analysed, balance, whole, partial }: Outlook): string {
  if (balance) return weights.outweighs(balance.heavier, factor(balance.times));
  const larger = largerOf(whole);
  if (analysed === 0 || partial || !larger) return '';
  return factor(larger.times) === '1' ? weights.equal : weights.larger(larger.role, factor(larger.times));
}

