/**
 * The language of the page. Its texts are in tables, which are written in English; another language (languages/) replaces them in place, so that
 * readers of a table need not know. The compiler reports what a translation lacks.
 */

import type { ProgramCode } from '../../core/codes.ts';
import type { FrameCode } from '../../core/frame-problem.ts';
import type { PageCode } from '../../core/problem.ts';
import type { Problem } from '../../core/types.ts';
import type { ComparisonWords } from '../compare/strings.ts';
import type { FigureWords } from './format.ts';
import type { Phrase } from '../languages/phrases.ts';
import type { Language } from '../languages/tags.ts';
import type { OutlookWords } from '../outlook/strings.ts';
import type { ElementWords } from './strings.ts';

/** The shape of a table of texts, whatever its words. */
export type Words<Table> = Table extends string ? string
  : Table extends (...of: infer Of) => string ? (...of: Of) => string
  : { readonly [Key in keyof Table]: Words<Table[Key]> };

type Worded = readonly [happened: string, remedy: string];

/** A translation into another language, in a file of its own. */
export interface Translation {
  element: ElementWords;
  figures: FigureWords;
  outlook: OutlookWords;
  comparison: ComparisonWords;
  problems: Record<ProgramCode | PageCode | FrameCode, Worded>;
  /** Rust's names for kinds of things, with `*` for the variable parts; other texts stay as they are. */
  phrases: Readonly<Record<Phrase, string>>;
}

type TableName = 'element' | 'figures' | 'outlook' | 'comparison';
type Sentence = string | ((...of: never[]) => string);
interface Table { [key: string]: Sentence | Table }

const translations = new Map<Language, Translation>();
const patterns = new Map<Language, [RegExp, string[]][]>();
const tables = new Map<TableName, { now: Table; english: Table }>();
/** Elements that are drawn again when the language changes. */
export const followers = new Set<{ requestUpdate(): void }>();
let spoken: Language = 'en';

/** The language in use. */
export const language = (): Language => spoken;

export const isThere = (one: Language): boolean => one === 'en' || translations.has(one);

/** Adds a language that has been fetched. */
export function translate(to: Language, translation: Translation): void {
  translations.set(to, translation);
  patterns.set(to, patternsOf(translation.phrases));
}

/** Makes a table of texts that follows the language. Its functions must be called through the table, as in `text.fuseFiles(2)`. */
export function words<English extends object>(name: TableName, english: English): Words<English> {
  const now = english as unknown as Table;
  const table = { now, english: copyOf(now) };
  tables.set(name, table);
  put(name, table);
  return english as unknown as Words<English>;
}

/** Switches all of the page to a language that has been fetched. */
export function change(to: Language): void {
  spoken = to;
  for (const [name, table] of tables) put(name, table);
  for (const part of followers) part.requestUpdate();
}

function put(name: TableName, { now, english }: { now: Table; english: Table }): void {
  fill(now, (translations.get(spoken)?.[name] ?? english) as unknown as Table);
}

function copyOf(table: Table): Table {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, typeof value === 'object' ? copyOf(value) : value]));
}

function fill(table: Table, from: Table): void {
  for (const [key, value] of Object.entries(from)) {
    const there = table[key];
    if (typeof value === 'object' && typeof there === 'object') fill(there, value);
    else table[key] = value;
  }
}

/** What happened and what to do, in the language in use. */
export function worded({ code, message, remedy }: Problem): Worded {
  const problems: Partial<Record<string, Worded>> = translations.get(spoken)?.problems ?? {};
  return problems[code] ?? [message, remedy];
}

/** Rust's name for a kind of thing, in the language in use. */
export function called(phrase: string): string {
  for (const [pattern, here] of patterns.get(spoken) ?? []) {
    const found = pattern.exec(phrase);
    if (found) return here.map((text, at) => text + (found[at + 1] ?? '')).join('');
  }
  return phrase;
}

/** Turns phrases into patterns; the variable parts are inserted where the translation has them. */
const patternsOf = (phrases: Translation['phrases']): [RegExp, string[]][] =>
  Object.entries(phrases).map(([rust, here]) => [new RegExp(`^${rust.split('*').map(literally).join('(.*)')}$`), here.split('*')]);

const literally = (text: string): string => text.replace(/[\\^$.?+()[\]{}|]/g, '\\$&');
