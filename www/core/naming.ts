/** What a result is called when nobody names it. */

import { cleanStem } from './save.ts';
import type { ResultChoice } from './types.ts';

interface Named {
  name: string;
}

/** Without its ending. */
export function defaultName(content: Named | null, style: Named | null, result: ResultChoice): string {
  const stem = (file: Named | null, otherwise: string): string =>
    cleanStem(file?.name ?? otherwise, otherwise, 48);
  if (!content !== !style) return `${stem(content ?? style, 'file')}_converted`;
  return `${stem(content, 'subject')}_${result === 'overlap' ? 'overlap_with' : 'in'}_${stem(style, 'style')}`;
}
