/** What the projection does to a pair, in sentences. Which of them holds is decided elsewhere: by the verdict. */

import type { Outlook, Tally, Verdict } from '../../core/types.ts';
import { percent } from '../format.ts';
import { factor, unbroken } from './figures.ts';
import { text, who } from './strings.ts';

const SENTENCES: Record<Verdict, (whole: Tally) => string> = {
  same: () => 'Both files make the same change to the model: fusing them adds nothing new. Choose another file for one of the two.',
  apart: ({ overlap, chance }) => `These two hardly overlap (by ${percent(overlap)}, where unrelated LoRAs would by ${percent(chance)}): the result will be close to plain addition, whatever μ.`,
  little: ({ change, contentKept, overlap }) => (change === 0
    ? `With these settings nothing is taken away and the result is plain addition. ${percent(overlap)} of the subject overlaps with the style.`
    : `At this μ the projection will change this pair by only ${percent(change)}: it takes away ${percent(1 - contentKept)} of the subject.`),
  usual: ({ change, contentKept, overlap, chance }) => `The projection will change this pair by ${percent(change)}: it takes away ${percent(1 - contentKept)} of the subject. The two overlap by ${percent(overlap)}, where unrelated LoRAs would by ${percent(chance)}.`,
  most: ({ change, contentKept }) => `The projection will take away nearly everything of the subject: ${percent(1 - contentKept)}. It changes this pair by ${percent(change)}; a smaller μ leaves more of the subject.`,
};

export const verdict = ({ analysed, whole, verdict: which }: Outlook): string => (analysed === 0 ? text.none : unbroken(SENTENCES[which](whole)));

/** Which of the two is larger, whether or not it is by far. */
export function weights({ analysed, balance, whole: { contentNorm, styleNorm } }: Outlook): string {
  if (balance) {
    return `The ${who[balance.heavier]} outweighs the ${who[balance.heavier === 'style' ? 'content' : 'style']} ${factor(balance.times)} times.`;
  }
  if (analysed === 0 || contentNorm === 0 || styleNorm === 0) return '';
  const [larger, times] = styleNorm >= contentNorm ? ['style', styleNorm / contentNorm] as const : ['content', contentNorm / styleNorm] as const;
  const equal = factor(times) === '1';
  return equal ? 'Both are equally large.' : `The ${who[larger]} is ${factor(times)} times as large as the ${who[larger === 'style' ? 'content' : 'style']}, so neither drowns the other.`;
}

/** Where the suggested μ comes from. */
export const formula = ({ share }: Outlook['suggested']): string =>
  `The smallest μ at which ‖ΔW꜀·V‖² / (1 + μ)² is at most ${percent(share)} of ‖ΔWₛ‖²: what is left of the subject in the style’s directions is then small beside the style.`;
