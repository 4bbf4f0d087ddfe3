/** What a fusion was made with, in few words. */

import type { Settings } from '../../core/types.ts';
import { muText } from './mu.ts';
import { cutText } from './spelling.ts';
import { text } from './strings.ts';

export const madeWith = ({ mu, contentStrength, styleStrength, cut, blocks }: Settings): string[] => {
  const own = Object.keys(blocks).length;
  return [`μ ${muText(mu)}`, text.strengthsAre(String(contentStrength), String(styleStrength)),
    ...(cut.kind === 'all' ? [] : [`k ${cutText(cut)}`]), ...(own > 0 ? [text.blocksChanged(own)] : [])];
};
