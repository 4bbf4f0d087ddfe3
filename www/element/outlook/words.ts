/** What the projection does to a pair, in sentences. Which of them holds is decided elsewhere: by the verdict. */

import type { Outlook } from '../../core/types.ts';
import { percent } from '../format.ts';
import { factor, unbroken } from './figures.ts';
import { formula, text, verdicts, weights } from './strings.ts';

export function verdictOf({ analysed, whole: { overlap, chance, change, contentKept }, verdict }: Outlook): string {
  if (analysed === 0) return text.none;
  const which = verdict === 'little' && change === 0 ? 'nothing' : verdict;
  return unbroken(verdicts[which]({
    overlap: percent(overlap), chance: percent(chance), change: percent(change), taken: percent(1 - contentKept),
  }));
}

/** Which of the two is larger, whether or not it is by far. */
export function weightsOf({ analysed, balance, whole: { contentNorm, styleNorm } }: Outlook): string {
  if (balance) return weights.outweighs(balance.heavier, factor(balance.times));
  if (analysed === 0 || contentNorm === 0 || styleNorm === 0) return '';
  const [larger, times] = styleNorm >= contentNorm ? ['style', styleNorm / contentNorm] as const : ['content', contentNorm / styleNorm] as const;
  return factor(times) === '1' ? weights.equal : weights.larger(larger, factor(times));
}

export const formulaOf = ({ share }: Outlook['suggested']): string => formula.of(percent(share));
