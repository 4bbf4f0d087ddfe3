/** Checks what a program passes in, before it is used: not every caller has a compiler that does so. */

import { DEFAULT_SETTINGS } from '../core/defaults.ts';
import { plain } from '../core/plain.ts';
import { ProblemError, problem } from '../core/problem.ts';
import { isBlob } from '../core/shape.ts';
import { BACKENDS, ROLES, type BackendChoice, type BlockStrength, type PairFit, type Role, type Settings } from '../core/types.ts';
import { listed } from './blocks.ts';
import { near } from './did-you-mean.ts';
import type { Input, Inputs } from './pair.ts';

const SETTINGS = Object.keys(DEFAULT_SETTINGS);
const OF_BLOCK: readonly string[] = ['content', 'style', 'mu'] satisfies (keyof BlockStrength)[];
/** Names that the command or people use for a setting or role, and its real name. */
const ALSO: Partial<Record<string, keyof Settings | Role>> = { rank: 'recompress', k: 'cut', block: 'blocks', subject: 'content' };

const refused = (detail: string): ProblemError => new ProblemError(problem('E_SETTINGS', detail));

/** Throws a TypeError unless the inputs are { content, style } with at least one file. */
export function checkInputs(inputs: Inputs): void {
  if (typeof inputs !== 'object' || inputs === null || isBlob(inputs)) {
    throw new TypeError(`The files must be given as { content, style }, not as ${called(inputs)}.`);
  }
  const unknown = unknownOf('file', inputs, ROLES);
  if (unknown) throw new TypeError(unknown);
  if (!inputs.content && !inputs.style) throw new TypeError('There is no file to open, neither content nor style.');
}

/** The file of a role, the text of its config, and every Blob that these came from. Rejects with a TypeError. */
export async function taken(role: Role, given: Input): Promise<{ file: Blob; config: string | null; sources: Blob[] }> {
  const { file, config = null } = isBlob(given) ? { file: given } : given;
  if (!isBlob(file)) {
    const what = called(file === undefined ? given : file);
    const how = 'In Node, openFile(path) makes a File of what is on disk.';
    throw new TypeError(`${role} must be a File or a Blob, or { file, config } with one, not ${what}. ${how}`);
  }
  if (isBlob(config)) return { file, config: await config.text(), sources: [file, config] };
  if (config !== null && typeof config !== 'object' && typeof config !== 'string') {
    throw new TypeError(`config must be an adapter_config.json: as a File, its text or what that says, not ${called(config)}.`);
  }
  return { file, config: typeof config === 'object' && config !== null ? JSON.stringify(config) : config, sources: [file] };
}

function called(thing: unknown): string {
  if (typeof thing === 'string') return 'a text';
  return typeof thing === 'object' && thing !== null ? `an object of the kind ${thing.constructor?.name ?? 'Object'}` : String(thing);
}

/** Throws a TypeError unless `file` can be hashed and `of` says what to hash. */
export function checkHashed(file: unknown, of: unknown): void {
  if (!isBlob(file)) throw new TypeError(`What is hashed must be a File or a Blob, not ${called(file)}.`);
  if (of !== 'file' && of !== 'tensors') throw new TypeError(`What is hashed of it must be 'file' or 'tensors', not ${called(of)}.`);
}

/** Throws a TypeError unless a module is given by its name. */
export function checkModule(module: unknown): void {
  if (typeof module !== 'string') throw new TypeError(`A module is given by its name, not as ${called(module)}.`);
}

/** The options that every call takes. */
const OPTIONS = ['signal', 'onProgress', 'backend'];

/** Throws a TypeError if an option is unknown or of the wrong type. `more`: names of additional options of this engine. */
export function checkOptions(options: unknown, more: readonly string[]): void {
  if (!isPlain(options)) throw new TypeError(`The options must be given as an object, not as ${called(options)}.`);
  const set = plain(options) as Record<string, unknown>;
  const unknown = unknownOf('option', set, [...OPTIONS, ...more]);
  if (unknown) throw new TypeError(unknown);
  const { signal, onProgress, overwrite } = set;
  if (signal !== undefined && !(typeof signal === 'object' && signal !== null && 'aborted' in signal && 'addEventListener' in signal)) {
    throw new TypeError(`signal must be an AbortSignal, not ${called(signal)}.`);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') throw new TypeError(`onProgress must be a function, not ${called(onProgress)}.`);
  if (overwrite !== undefined && typeof overwrite !== 'boolean') throw new TypeError(`overwrite must be true or false, not ${called(overwrite)}.`);
}

export function checkBackend(backend: BackendChoice): void {
  if (!BACKENDS.includes(backend)) throw refused(`There is no backend "${String(backend)}", only ${BACKENDS.join(', ')}.`);
}

/** Refuses a block that the model does not have. A page may open a recipe of another model, but in a program's settings it is a slip. */
export function checkBlocks(blocks: Settings['blocks'], { blocks: found }: PairFit): void {
  const labels = found.map(({ label }) => label);
  const unknown = Object.keys(blocks).find((label) => !labels.includes(label));
  if (unknown === undefined) return;
  throw refused(`There is no block "${unknown}" here, ${labels.length > 0 ? `only ${listed(labels)}` : 'as the model is not known'}.`);
}

/** The settings without undefined values. The program ignores unknown names, and would complain that undefined is not a number. */
export function checkSettings(given: Partial<Settings>): Partial<Settings> {
  if (!isPlain(given)) throw refused(`The settings must be given as an object, not as ${called(given)}.`);
  const settings = plain(given);
  checkNames('setting', settings, SETTINGS);
  const { blocks, outputName } = settings as Record<string, unknown>;
  if (outputName !== undefined && typeof outputName !== 'string') throw refused(`outputName must be a text, not ${called(outputName)}.`);
  if (blocks !== undefined && !isPlain(blocks)) throw refused(`blocks must be given as an object, not as ${called(blocks)}.`);
  if (!settings.blocks) return settings;
  for (const [label, of] of Object.entries(settings.blocks)) {
    if (!isPlain(of)) throw refused(`The block "${label}" must be given as { content, style, mu }, not as ${called(of)}.`);
    checkNames(`setting of the block "${label}"`, of, OF_BLOCK);
  }
  return settings;
}

/** Whether an object holds its settings as properties of its own: those of a Map, or inherited ones, would not be read. */
function isPlain(given: unknown): given is object {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false;
  const prototype: unknown = Object.getPrototypeOf(given);
  return prototype === null || Object.keys(given).length > 0 || Object.getPrototypeOf(prototype) === null;
}

function checkNames(kind: string, given: object, known: readonly string[]): void {
  const unknown = unknownOf(kind, given, known);
  if (unknown) throw refused(unknown);
}

/** The sentence about the first unknown name, with a suggestion if one is close; null if all names are known. */
function unknownOf(kind: string, given: object, known: readonly string[]): string | null {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return null;
  const also = ALSO[unknown];
  const meant = also !== undefined && known.includes(also) ? also : near(unknown, known);
  return `There is no ${kind} called "${unknown}"${meant ? `: is it "${meant}" that you mean?` : `, only ${known.join(', ')}.`}`;
}
