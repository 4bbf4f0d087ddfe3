/** What the projection does to a pair, in sentences. Which of them holds is decided elsewhere: by the verdict. */

import type { Outlook } from '../../core/types.ts';
import { percent, removed, unbroken } from '../format.ts';
import { factor } from './figures.ts';
import { shares, text, verdicts, weights } from './strings.ts';

export function verdictOf({ analysed, whole: { overlap, chance, change, contentKept }, verdict }: Outlook): string {
  if (analysed === 0) return text.none;
  const which = verdict === 'little' && change === 0 ? 'nothing' : verdict;
  return unbroken(verdicts[which]({
    overlap: percent(overlap), chance: percent(chance), change: percent(change), taken: percent(1 - contentKept),
  }));
}

/** How the slider's percentage goes with those of the verdict: it is of a length, they are of energies. Empty where there are none, or all of the overlap goes. */
export function sharesOf({ analysed, verdict, whole: { change } }: Outlook, mu: number): string {
  const beta = removed(mu);
  if (analysed === 0 || verdict === 'same' || verdict === 'apart' || change === 0 || beta === 1) return '';
  return unbroken(shares.strength(percent(beta), percent(1 - (1 - beta) ** 2)));
}

/** Which of the two is larger, whether or not it is by far. */
export function weightsOf({ analysed, balance, whole: { contentNorm, styleNorm } }: Outlook): string {
  if (balance) return weights.outweighs(balance.heavier, factor(balance.times));
  if (analysed === 0 || contentNorm === 0 || styleNorm === 0) return '';
  const [larger, times] = styleNorm >= contentNorm ? ['style', styleNorm / contentNorm] as const : ['content', contentNorm / styleNorm] as const;
  return factor(times) === '1' ? weights.equal : weights.larger(larger, factor(times));
}

