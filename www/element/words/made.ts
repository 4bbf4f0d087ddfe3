/** Says briefly what was made, and with which settings. */

import type { Report, Settings } from '../../core/types.ts';
import { isConversion } from '../model.ts';
import { muText } from './mu.ts';
import { cutText } from './spelling.ts';
import { text } from './strings.ts';

export const madeWith = ({ mu, contentStrength, styleStrength, cut, blocks }: Settings): string[] => {
  const own = Object.keys(blocks).length;
  return [`μ ${muText(mu)}`, text.strengthsAre(String(contentStrength), String(styleStrength)),
    ...(cut.kind === 'all' ? [] : [`k ${cutText(cut)}`]), ...(own > 0 ? [text.blocksChanged(own)] : [])];
};

/** Says that a run is done, and what it did. */
export const doneWith = (report: Report): string => (isConversion(report) ? text.doneConverting : text.done[report.settings.result]);
