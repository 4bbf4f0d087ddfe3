/** Formats numbers for people, and makes texts from files inert. */

import type { Progress } from '../../core/types.ts';
import { language, words, type Words } from './language.ts';

const english = {
  characters: (number: number) => `(${count(number)} characters)`,
  underASecond: 'under a second',
  seconds: (number: string) => `${number} s`,
  minutes: (number: string) => `${number} min`,
  hours: (number: string) => `${number} h`,
  percent: (number: string) => `${number} %`,
};
export type FigureWords = Words<typeof english>;
const text: FigureWords = words('figures', english);

const LONGEST = 160;
// Control and format characters (bidi, zero-width), surrogates, private use, unassigned code points, line and paragraph separators,
// characters drawn as nothing (fillers, but not emoji variation selectors), and all but four of a pile of accents, which would cover
// the lines above and below.
const HIDDEN = /(?![\uFE0E\uFE0F])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?<=\p{M}{4})\p{M}/gu;

/** Makes text from a file safe to show, as all of it must be: hidden characters become visible escapes, and very long text is cut in the middle. */
export function inert(stranger: string, longest = LONGEST): string {
  let shown = stranger;
  if (stranger.length > longest) {
    const half = Math.floor(longest / 2);
    shown = `${stranger.slice(0, half)} … ${stranger.slice(-half)} ${text.characters(stranger.length)}`;
  }
  return shown.replace(HIDDEN, (character) => {
    const hex = character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
    return `‹U+${hex}›`;
  });
}

/** The short hash that model sites call AutoV2 or AutoV3, from the SHA-256 of a file or of its tensors. */
export const autoV2 = (sha256: string): string => sha256.slice(0, 10);
export const autoV3 = (sha256: string): string => sha256.slice(0, 12);

/** The share of a stage that is done, from 0 to 1; measured in bytes if they are known. */
export const shareDone = ({ bytesDone, bytesTotal, modulesDone, modulesTotal }: Progress): number =>
  Math.min(1, bytesTotal > 0 ? bytesDone / bytesTotal : modulesDone / (modulesTotal || 1));

/** The share of a stage that is done, in whole percent. */
export const percentDone = (progress: Progress): number => Math.floor(100 * shareDone(progress));

const formats = new Map<string, Intl.NumberFormat>();

/** A number in the language's format, with `behind` digits after the decimal sign. */
function digits(value: number, behind: number): string {
  const key = `${language()} ${behind}`;
  let format = formats.get(key);
  if (!format) formats.set(key, format = new Intl.NumberFormat(language(), { minimumFractionDigits: behind, maximumFractionDigits: behind }));
  return format.format(value);
}

export function count(value: number): string {
  return digits(value, 0);
}

export function plural(value: number, one: string, many: string): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A size in decimal units, as model sites and file managers show it. */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = -1;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${digits(scaled, scaled < 10 ? 1 : 0)} ${units[unit]}`;
}

/** A share from 0 to 1 as a percentage, which is never shown as 0 or 100 unless it is exactly that. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return '–';
  const value = share * 100;
  if (value === 0) return text.percent(digits(0, 0));
  if (Math.abs(value) < 0.01) return `< ${text.percent(digits(0.01, 2))}`;
  if (value < 100 && value > 99.9) return `> ${text.percent(digits(99.9, 1))}`;
  if (Math.abs(value) < 1) return text.percent(digits(value, 2));
  // 99.6 % must not become 100 %.
  return text.percent(digits(value, Math.abs(value) < 10 || (value > 99 && value < 100) ? 1 : 0));
}

/** A number of whole percent. */
export const wholePercent = (value: number): string => text.percent(count(value));

/** Keeps a number and its sign on one line. */
export const unbroken = (sentence: string): string => sentence.replaceAll(' %', '\u00a0%').replaceAll(' × ', '\u00a0×\u00a0').replaceAll('≈ ', '≈\u00a0');

/** A relative error, which may span many orders of magnitude. */
export function small(share: number): string {
  if (share === 0) return '0';
  return share >= 0.001 ? percent(share) : share.toExponential(1).replace('e-', ' × 10⁻').replace(/⁻(\d+)$/, (_, digits: string) =>
    `⁻${[...digits].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('')}`);
}

export function seconds(value: number): string {
  if (value < 1) return text.underASecond;
  if (value < 90) return text.seconds(count(Math.round(value)));
  const minutes = Math.round(value / 60);
  return minutes < 90 ? text.minutes(count(minutes)) : text.hours(digits(value / 3600, 1));
}

/** JSON that can also hold an infinite μ, with every hidden character escaped. */
export function toJson(value: unknown): string {
  const json = JSON.stringify(value, (_, item: unknown) => (item === Infinity ? 'infinity' : item), 2);
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return json.replace(HIDDEN, (found) => (found === '\n' ? found : found.split('').map(escaped).join('')));
}
