/** What a result is called when nobody names it. */

import { cleanStem } from './save.ts';
import { isBlob, isFile } from './shape.ts';
import type { Role, Settings } from './types.ts';

const NAMELESS: Record<Role, string> = { content: 'subject', style: 'style' };

/** What was downloaded by a program has no name. Anything but a Blob stays what it is. */
export function asFile<T>(role: Role, given: T): Exclude<T, Blob> | File {
  if (isFile(given)) return given;
  return isBlob(given) ? new File([given], `${NAMELESS[role]}.safetensors`) : given as Exclude<T, Blob>;
}

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
