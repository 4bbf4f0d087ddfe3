/** Files out of a drop or a paste: single files, several, or a folder. */

import { CONFIG_BYTES } from '../../core/defaults.ts';
import type { Config } from '../model.ts';

const ENDING = /\.safetensors$/i;
const CONFIG = /adapter_config.*\.json$/i;
/** What this tool saves: a recipe, or the report of a run. */
const RECIPE = /\.(recipe|report)\.json$/i;
/** Any other JSON may be one under another name; not the list of parts beside a large model. */
const JSON_FILE = /(?<!\.safetensors\.index)\.json$/i;
/** A folder of a whole training run has hundreds of files; nobody means all of them. */
const MOST = 64;

export const hasFiles = (from: DataTransfer | null): boolean => from?.types.includes('Files') ?? false;

export const isConfig = (file: File): boolean => CONFIG.test(file.name);

export const isRecipe = (file: File): boolean => JSON_FILE.test(file.name) && !isConfig(file);

/** The text of an adapter_config.json; null if it is too large to be one. */
export async function readConfig(file: File): Promise<Config | null> {
  return file.size > CONFIG_BYTES ? null : { name: file.name, text: await file.text() };
}

/**
 * Must be called during the event: entries are gone once it is over. From a folder, or from more files than there are
 * places, only those that end in .safetensors come back, an adapter_config.json and what this tool has saved, as samples and logs lie beside
 * them; one or two files were meant as they are, so that a refusal can name what they are.
 */
export async function filesFrom(from: DataTransfer): Promise<File[]> {
  const entries = [...from.items].filter((item) => item.kind === 'file').map((item) => ({
    entry: item.webkitGetAsEntry?.() ?? null,
    file: item.getAsFile(),
  }));
  const files: File[] = [];
  for (const { entry, file } of entries) {
    if (entry?.isDirectory) await walk(entry as FileSystemDirectoryEntry, files);
    else if (file) files.push(file);
  }
  if (entries.length === 0) files.push(...from.files);
  const likely = files.filter((file) => ENDING.test(file.name) || isConfig(file) || RECIPE.test(file.name));
  const picked = files.length <= 2 && !entries.some(({ entry }) => entry?.isDirectory);
  return picked || likely.length === 0 ? files : likely;
}

async function walk(folder: FileSystemDirectoryEntry, into: File[]): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    // readEntries gives at most a hundred at a time and an empty list at the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (batch.length === 0) return;
    batch.sort((a, b) => a.name.localeCompare(b.name));
    for (const entry of batch) {
      if (into.length >= MOST) return;
      if (entry.isDirectory) await walk(entry as FileSystemDirectoryEntry, into);
      else await new Promise<void>((done) => (entry as FileSystemFileEntry).file((file) => { into.push(file); done(); }, () => done()));
    }
  }
}
