/** Settings in the fragment of an address, in readable form: `mu=1&style=0.8&k=90%`. Nothing here throws, whatever the fragment says. */

import { BACKENDS, DTYPES, LAYOUTS, RESULTS, type BackendChoice, type Settings, type Several } from '../../core/types.ts';
import type { Blocks } from './block-strengths.ts';
import { LIMITS } from '../words/limits.ts';
import { readMus } from './several.ts';
import { cutText, number, oneOf, rankText, readCut, readRank, readScale, scaleText, whole } from '../words/spelling.ts';
import { readMu } from '../words/mu.ts';

/** Everything that a person can set. */
export type State = Settings & { backend: BackendChoice; several: Several | null };

/** How a setting is written (null: left out) and read (undefined: it makes no sense). */
interface Field<K extends keyof State> {
  key: string;
  of: K;
  write: (value: State[K]) => string | null;
  read: (text: string) => State[K] | undefined;
}

const strength = (text: string): number | undefined => number(text, LIMITS.strength);
const mu = (value: number): string => (value === Infinity ? 'infinity' : String(value));
const name = (text: string): string | undefined => (/^[\w .+-]{1,40}$/.test(text) ? text : undefined);
const among = <T extends string>(words: readonly T[]) => (text: string): T | undefined => oneOf(words, text);

const field = <K extends keyof State>(key: string, of: K, write: Field<K>['write'], read: Field<K>['read']): Field<keyof State> =>
  ({ key, of, write, read }) as unknown as Field<keyof State>;
const strengthField = (key: string, of: 'contentStrength' | 'styleStrength') => field(key, of, String, strength);
const textField = (key: string, of: 'contentTextStrength' | 'styleTextStrength') =>
  field(key, of, (value) => (value === null ? null : String(value)), strength);
const scaleField = (key: string, of: 'contentScale' | 'styleScale') => field(key, of, scaleText, readScale);
const flagField = (key: string, of: 'directionOnly' | 'keepSources', on: boolean) =>
  field(key, of, (value) => (value === on ? '1' : null), (text) => (text === '1' ? on : undefined));

/** All settings except the file name, which belongs to particular files. */
const FIELDS: readonly Field<keyof State>[] = [
  field('mu', 'mu', mu, readMu),
  strengthField('subject', 'contentStrength'),
  strengthField('style', 'styleStrength'),
  field('make', 'result', (result) => result, among(RESULTS)),
  field('files', 'several', writeSeveral, readSeveral),
  field('k', 'cut', cutText, readCut),
  textField('subject-text', 'contentTextStrength'),
  textField('style-text', 'styleTextStrength'),
  field('blocks', 'blocks', writeBlocks, readBlocks),
  scaleField('subject-scale', 'contentScale'),
  scaleField('style-scale', 'styleScale'),
  field('family', 'family', (family) => family, name),
  field('naming', 'scheme', (scheme) => scheme, name),
  field('dtype', 'dtype', (dtype) => dtype.toLowerCase(), among(DTYPES)),
  field('rank', 'recompress', rankText, readRank),
  field('dense-rank', 'denseRank', String, (text) => whole(text, LIMITS.denseRank)),
  field('layout', 'layout', (layout) => layout, among(LAYOUTS)),
  flagField('direction-only', 'directionOnly', true),
  flagField('unnamed', 'keepSources', false),
  field('backend', 'backend', (backend) => backend, among(BACKENDS)),
];

/** Several files are written as `0.5;infinity;plain;both`. */
function writeSeveral(several: Several | null): string | null {
  return several && [...several.mus.map(mu), ...several.plain ? ['plain'] : [], ...several.bothDirections ? ['both'] : []].join(';');
}

function readSeveral(text: string): Several | undefined {
  const words = text.split(';');
  const mus = readMus(words.filter((word) => word !== 'plain' && word !== 'both').join(';'));
  return mus ? { mus, plain: words.includes('plain'), bothDirections: words.includes('both') } : undefined;
}

/** Blocks are written as `IN04:1,0;MID:1,0.5,2`: subject, style and, if the block has its own, μ. */
function writeBlocks(blocks: Blocks): string | null {
  const written = Object.entries(blocks).map(([label, block]) => `${label}:${block.content},${block.style}${block.mu === null ? '' : `,${mu(block.mu)}`}`);
  return written.join(';') || null;
}

function readBlocks(text: string): Blocks | undefined {
  const blocks = text.split(';').slice(0, 1000).map((one) => {
    const [, label, content = '', style = '', own] = /^([^:;]{1,64}):([^,]*),([^,]*)(?:,([^,]*))?$/.exec(one) ?? [];
    const values = { content: strength(content), style: strength(style), mu: own === undefined ? null : readMu(own) };
    return label !== undefined && Object.values(values).every((value) => value !== undefined) ? [label, values] as const : null;
  });
  return blocks.every((block) => block !== null) ? Object.fromEntries(blocks) as Blocks : undefined;
}

/** Escapes only characters with a special meaning in a fragment; everything else stays readable. */
const escaped = (text: string): string => encodeURIComponent(text).replace(/%20/g, '+').replace(/%(2C|3A|3B|25(?=$))/g, decodeURIComponent);

/** The settings that differ from `base`, without the #; empty if none does. */
export function toHash(state: State, base: State): string {
  return FIELDS.flatMap(({ key, of, write }) => {
    const [value, usual] = [write(state[of]), write(base[of])];
    // A setting that the host has set and that is back at "none" cannot be expressed.
    return value === null || value === usual ? [] : [`${key}=${escaped(value)}`];
  }).join('&');
}

/** Whether the fragment is about settings, or is empty; otherwise something else on the page uses it. */
export function isHash(hash: string): boolean {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  return [...given].length === 0 || FIELDS.some(({ key }) => given.has(key));
}

/** The settings in a fragment; values that make no sense are left out. */
export function fromHash(hash: string): Partial<State> {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  const found = FIELDS.map(({ key, of, read }) => [of, given.has(key) ? read(given.get(key) ?? '') : undefined]);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined)) as Partial<State>;
}
