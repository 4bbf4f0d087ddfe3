/** Files out of a drop or a paste: single files, several, or a folder. */

import { CONFIG_BYTES } from '../../core/defaults.ts';
import type { Config } from '../model.ts';

const ENDING = /\.safetensors$/i;
const CONFIG = /adapter_config.*\.json$/i;
/** What this tool saves: a recipe, or the report of a run. */
const RECIPE = /\.(recipe|report)\.json$/i;
/** Any other JSON may be one under another name; not the list of parts beside a large model. */
const JSON_FILE = /(?<!\.safetensors\.index)\.json$/i;
/** What model sites show of one. */
const BESIDE = /^((image|video)\/|text\/(plain|markdown)$)/;
/** A folder of a whole training run has hundreds of files; nobody means all of them. */
const MOST = 64;

export const hasFiles = (from: DataTransfer | null): boolean => from?.types.includes('Files') ?? false;

/** What may be let go over the tool. What a link is shows only then. */
export const mayTake = (from: DataTransfer | null): boolean => hasFiles(from) || (from?.types.includes('text/uri-list') ?? false);

/** A link that was dragged here, or a text that is one; not one of this page, which is dragged by mistake. */
export function linkIn(from: DataTransfer): string | null {
  const lines = [...from.getData('text/uri-list').split(/\r?\n/), from.getData('text/plain').trim()];
  const link = lines.find((line) => /^https:\/\/\S+$/i.test(line));
  return link !== undefined && URL.canParse(link) && new URL(link).origin !== self.origin ? link : null;
}

export const isConfig = (file: File): boolean => CONFIG.test(file.name);

/** By its name a LoRA, or what goes with one. */
export const isMeant = ({ name }: { name: string }): boolean => ENDING.test(name) || CONFIG.test(name) || RECIPE.test(name);

export const isRecipe = (file: File): boolean => JSON_FILE.test(file.name) && !isConfig(file);

/** Of files that came together: beside LoRAs, only what is called as this tool calls it. */
export function recipesAmong(files: readonly File[]): File[] {
  const besides = files.some(({ name }) => ENDING.test(name));
  return files.filter((file) => (besides ? RECIPE.test(file.name) : isRecipe(file)));
}

/** The text of an adapter_config.json; null if it is too large to be one. */
export async function readConfig(file: File): Promise<Config | null> {
  return file.size > CONFIG_BYTES ? null : { name: file.name, text: await file.text() };
}

/**
 * Must be called during the event: entries are gone once it is over. From a folder, or from more files than there are
 * places, only those that end in .safetensors come back, an adapter_config.json and what this tool has saved, as samples and logs lie beside
 * them; one or two files were meant as they are, so that a refusal can name what they are, but for the picture or the notes of a LoRA.
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

/** So many files and folders are looked at. */
const LOOKED_AT = 5000;

/** What lies in it before what lies deeper; hidden folders are a program's own. */
async function walk(folder: FileSystemDirectoryEntry, into: File[], seen = { entries: 0 }): Promise<void> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    // readEntries gives at most a hundred at a time and an empty list at the end.
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
