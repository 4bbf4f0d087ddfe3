/** What a result is called when nobody names it. */

import { cleanStem } from './save.ts';
import type { ResultChoice } from './types.ts';

/** Without its ending. */
export function defaultName(content: Blob | null, style: Blob | null, result: ResultChoice): string {
  const stem = (file: Blob | null, otherwise: string): string =>
    cleanStem(file instanceof File ? file.name : otherwise, otherwise, 48);
  if (!content !== !style) return `${stem(content ?? style, 'file')}_converted`;
  return `${stem(content, 'subject')}_${result === 'overlap' ? 'overlap_with' : 'in'}_${stem(style, 'style')}`;
}
