/** The names of files and results that nobody has named. */

import { cleanStem } from './save.ts';
import { isBlob, isFile } from './shape.ts';
import type { Role, Settings } from './types.ts';

const NAMELESS: Record<Role, string> = { content: 'subject', style: 'style' };

/** A File for a Blob, which a program may have downloaded and which has no name. Anything but a Blob is returned unchanged. */
export function asFile<T>(role: Role, given: T): Exclude<T, Blob> | File {
  if (isFile(given)) return given;
  return isBlob(given) ? new File([given], `${NAMELESS[role]}.safetensors`) : given as Exclude<T, Blob>;
}

interface Named {
  name: string;
}

/** The result's name without its ending. It is also written into the result's metadata, where the sources may have to stay unnamed. */
export function defaultName(content: Named | null, style: Named | null, { result, keepSources }: Pick<Settings, 'result' | 'keepSources'>): string {
  const stem = (file: Named | null, otherwise: string): string =>
    cleanStem(keepSources && file ? file.name : otherwise, otherwise, 48);
  if (!content !== !style) return `${stem(content ?? style, 'file')}_converted`;
  return `${stem(content, 'subject')}_${result === 'overlap' ? 'overlap_with' : 'in'}_${stem(style, 'style')}`;
}
