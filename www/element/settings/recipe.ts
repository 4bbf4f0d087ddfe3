/** A recipe: the settings in a file, and the files they were used with. The program reads saved recipes. */

import type { GivenFile, PairFit, Role, SavedRecipe, SavedSource, Settings } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import { bytes, inert, toJson } from '../words/format.ts';
import { recipeText as text, roleName } from '../words/strings.ts';

/** A file on the page, with its hash if that is known. */
interface Source {
  file: GivenFile;
  sha256: string | null;
}

export type Sources = Record<Role, Source | null>;

export function writeRecipe(version: string, settings: Settings, sources: Sources): string {
  const source = (role: Role): SavedSource | null => {
    const from = sources[role];
    return from && settings.keepSources ? { name: from.file.name, size: from.file.size, sha256: from.sha256 } : null;
  };
  return toJson({ what: 'NP-LoRA recipe', version, settings, content: source('content'), style: source('style') });
}

/** Whether a saved source is this file. Hashes decide if both are known, because names can be changed. */
const isSame = (saved: SavedSource, { file, sha256 }: Source): boolean =>
  (saved.sha256 !== null && sha256 !== null ? saved.sha256 === sha256 : saved.name === file.name && (saved.size === null || saved.size === file.size));

/** Puts files that came together in order, the recipe's subject first and its style last: a drop does not tell which is which. */
export function inPlaces({ content, style }: SavedRecipe, files: readonly File[]): File[] {
  const place = ({ name }: File): number => Number(name !== content?.name) + Number(name === style?.name && name !== content?.name);
  return [...files].sort((one, other) => place(one) - place(other));
}

const called = ({ name, size }: SavedSource): string => inert(name, 80) + (size === null ? '' : ` (${bytes(size)})`);

/**
 * What to say about a recipe beside the open files, which may have to choose one of the `families`: first where the settings come from, and whether
 * they were `changed` since; then everything that does not match.
 */
export function remarks(name: string, recipe: SavedRecipe, changed: boolean, sources: Sources, fit: PairFit | null, families: readonly string[]): string[] {
  const lead = [(changed ? text.fromSince : text.from)(inert(name, 80)), ...(fit ? elsewhere(recipe.settings, fit, families) : [])];
  return [...lead, ...ofSources(recipe, sources)];
}

/** Says if the recipe's model family is not that of these files. About missing blocks the program warns. */
const elsewhere = ({ family }: Settings, fit: PairFit, families: readonly string[]): string[] =>
  (family !== null && fit.family !== null && ![fit.family, ...families].includes(family) ? [text.otherFamily(inert(family, 80))] : []);

function ofSources(recipe: SavedRecipe, sources: Sources): string[] {
  const { content, style } = recipe;
  if (!content && !style) return [text.unnamed];
  if (content && style && sources.content && sources.style && isSame(content, sources.style) && isSame(style, sources.content)) return [text.swapped];
  return ROLES.flatMap((role) => {
    const [saved, open] = [recipe[role], sources[role]];
    if (!saved || (open && isSame(saved, open))) return [];
    return [(open ? text.other : text.missing)(roleName[role], called(saved))];
  });
}
