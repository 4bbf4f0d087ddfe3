/** What a result is called when nobody names it. */

import { cleanStem } from './save.ts';
import type { Settings } from './types.ts';

interface Named {
  name: string;
}

/** Without its ending. It stands in the result's notes as well, where the sources may have to stay unnamed. */
export function defaultName(content: Named | null, style: Named | null, { result, keepSources }: Pick<Settings, 'result' | 'keepSources'>): string {
  const stem = (file: Named | null, otherwise: string): string =>
    cleanStem(keepSources && file ? file.name : otherwise, otherwise, 48);
  if (!content !== !style) return `${stem(content ?? style, 'file')}_converted`;
  return `${stem(content, 'subject')}_${result === 'overlap' ? 'overlap_with' : 'in'}_${stem(style, 'style')}`;
}
