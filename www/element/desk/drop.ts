/** Reads files from a drop or a paste: single files, several, or a folder. */

import { CONFIG_BYTES } from '../../core/defaults.ts';
import type { Config } from '../model.ts';

const ENDING = /\.safetensors$/i;
const CONFIG = /adapter_config.*\.json$/i;
/** The names of files that this tool saves: a recipe, or the report of a run. */
const RECIPE = /\.(recipe|report)\.json$/i;
/** Any other JSON file may be a renamed recipe, except the index of a large model's parts. */
const JSON_FILE = /(?<!\.safetensors\.index)\.json$/i;
/** The types of files that model sites offer beside a LoRA. */
const BESIDE = /^((image|video)\/|text\/(plain|markdown)$)/;
/** The most files taken from a folder: that of a whole training run has hundreds, and nobody means all of them. */
const MOST = 64;

export const hasFiles = (from: DataTransfer | null): boolean => from?.types.includes('Files') ?? false;

/** Whether this may be dropped on the tool. The content of a link can be read only when it is dropped. */
export const mayTake = (from: DataTransfer | null): boolean => hasFiles(from) || (from?.types.includes('text/uri-list') ?? false);

/** A link that was dropped, or a text that is one; links of this page are ignored, as they are dragged by mistake. */
export function linkIn(from: DataTransfer): string | null {
  const lines = [...from.getData('text/uri-list').split(/\r?\n/), from.getData('text/plain').trim()];
  const link = lines.find((line) => /^https:\/\/\S+$/i.test(line));
  return link !== undefined && URL.canParse(link) && new URL(link).origin !== self.origin ? link : null;
}

export const isConfig = (file: File): boolean => CONFIG.test(file.name);

/** Whether a file's name is that of a LoRA or of a file that belongs to one. */
export const isMeant = ({ name }: { name: string }): boolean => ENDING.test(name) || CONFIG.test(name) || RECIPE.test(name);

export const isRecipe = (file: File): boolean => JSON_FILE.test(file.name) && !isConfig(file);

/** The recipes among files that came together; if there are LoRAs among them, only files named as this tool names them. */
export function recipesAmong(files: readonly File[]): File[] {
  const besides = files.some(({ name }) => ENDING.test(name));
  return files.filter((file) => (besides ? RECIPE.test(file.name) : isRecipe(file)));
}

/** The name and text of an adapter_config.json; null if it is too large to be one. */
export async function readConfig(file: File): Promise<Config | null> {
  return file.size > CONFIG_BYTES ? null : { name: file.name, text: await file.text() };
}

/**
 * The files of a drop or a paste. Must be called during the event, because the entries are gone afterwards. From a folder, or from more files than
 * there are places, it returns only .safetensors files, an adapter_config.json and files that this tool has saved, as samples and logs are often
 * beside them. One or two files are returned as they are, so that a refusal can name them, except for the picture or the notes of a LoRA.
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
  const likely = files.filter(isMeant);
  const fromFolder = entries.some(({ entry }) => entry?.isDirectory);
  const picked = files.length <= 2 || likely.length === 0;
  if (!picked || fromFolder) return likely;
  return likely.length > 0 ? files.filter((file) => isMeant(file) || !BESIDE.test(file.type)) : files;
}

/** The number of files and folders to look at. */
const LOOKED_AT = 5000;

/** Collects a folder's own files before those of its subfolders. Hidden entries are skipped, as they belong to programs. */
async function walk(folder: FileSystemDirectoryEntry, into: File[], seen = { entries: 0 }): Promise<void> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    // readEntries returns at most a hundred entries at a time, and an empty list at the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve) => reader.readEntries(resolve, () => resolve([])));
    entries.push(...batch.filter(({ name }) => !name.startsWith('.')));
    seen.entries += batch.length;
    if (batch.length === 0 || seen.entries > LOOKED_AT) break;
  }
  entries.sort((a, b) => Number(a.isDirectory) - Number(b.isDirectory) || a.name.localeCompare(b.name));
  for (const entry of entries) {
    if (into.length >= MOST) return;
    if (entry.isDirectory) {
      if (seen.entries <= LOOKED_AT) await walk(entry as FileSystemDirectoryEntry, into, seen);
    } else if (isMeant(entry)) await new Promise<void>((done) => (entry as FileSystemFileEntry).file((file) => { into.push(file); done(); }, () => done()));
  }
}
