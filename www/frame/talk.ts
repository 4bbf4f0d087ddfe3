/**
 * The messages between a page and the tool in its frame. First there is a handshake by window messages: the frame says hello to the one origin that
 * it was opened for, and the page answers with a port. Everything else goes through the port, carries this version and is checked against its type on
 * both sides; what a page sends is also limited in size.
 */

import { REPORT } from '../core/answers.ts';
import { frameProblem } from '../core/frame-problem.ts';
import { CHOICE, PROBLEM, PROGRESS, ROLE, SETTINGS, SUMMARY } from '../core/shapes.ts';
import { either, isFile, list, nothing, number, object, orNull, partial, table, text, textUpTo, truth, word, type Shape } from '../core/shape.ts';
import {
  DTYPES, type BackendChoice, type FusedFile, type Problem, type Progress, type Role, type Settings, type Several, type Summary,
} from '../core/types.ts';
import type { Phase } from '../element/model.ts';
import { text as words } from './strings.ts';

/** The version of the messages; a page and a frame of different versions do not talk to each other. */
const VERSION = 1;

/** What a page may set: properties of the element and the look of the frame. Values out of range are treated as in markup. */
export interface Wishes {
  mu: number;
  contentStrength: number;
  styleStrength: number;
  dtype: Settings['dtype'];
  rank: string | number;
  backend: BackendChoice;
  analysis: 'auto' | 'off';
  outputName: string;
  /** What to make of a pair when more than one file is wanted; null: one file, at `mu`. */
  several: Partial<Several> | null;
  /** Links to files on the Hugging Face Hub, which a person loads with a button; an empty one removes the link. */
  contentSrc: string;
  styleSrc: string;
  disabled: boolean;
  theme: 'auto' | 'light' | 'dark';
  /** Custom properties of the element, without their `--np-lora-` prefix: `{ ink: '#222', font: 'Georgia, serif' }`. */
  look: Record<string, string>;
  /** The wanted language, by default that of the page around the frame; `set` resolves to the one that is used. */
  locale: string;
  /** Where saved files go: to the browser's downloads, or to the page in `save` events. */
  saveTo: 'downloads' | 'page';
}

/** The files of both roles, as Files or Blobs. Null removes a file, and a role that is left out keeps its file. */
export type Given = Partial<Record<Role, Blob | null>>;
export type Opened = Record<Role, Summary | null>;

type None = Record<string, never>;

/** The calls that a page can make, with their inputs and answers. */
export interface FrameCalls {
  set: { in: Partial<Wishes>; out: { locale: string } };
  give: { in: Partial<Record<Role, File | null>>; out: Opened };
  fuse: { in: None; out: FusedFile };
  convert: { in: None; out: FusedFile };
  cancel: { in: None; out: null };
  reset: { in: None; out: null };
}
export type FrameCall = keyof FrameCalls;
export type Asked = { [N in FrameCall]: { id: number; call: N; in: FrameCalls[N]['in'] } }[FrameCall];

/** The events that the frame reports, each with its detail. */
export interface FrameEvents {
  ready: null;
  height: number; // height of the whole content, in CSS pixels
  phase: Phase;
  change: Settings;
  inspect: { role: Role; summary: Summary };
  warning: Problem;
  progress: Progress; // at most five a second
  complete: FusedFile & { results: FusedFile[] };
  save: { file: File };
  error: Problem;
  abort: null;
}
export type FrameEvent = keyof FrameEvents;

export type Said =
  | { [E in FrameEvent]: { event: E; detail: FrameEvents[E] } }[FrameEvent]
  | { id: number; out: unknown }
  | { id: number; problem: Problem };

const FUSED = object<FusedFile>({ file: isFile, report: REPORT });
const NONE = object<None>({});

/** The longest texts that a page may send; none has a reason to send longer ones. */
const LONGEST_TEXT = 300;
const LONGEST_LINK = 2048;
/** Links to the Hub only: a page must not point the tool at files on the tool's own server. */
const HUB = /^(https:\/\/(huggingface\.co|hf\.co)\/|\w[\w.-]*\/\w[\w.-]*\/|$)/i;
const hubLink: Shape<string> = (value): value is string => textUpTo(LONGEST_LINK)(value) && HUB.test(value);
const MOST_FIELDS = 32;
const few = <T>(of: Shape<T>): Shape<T> =>
  (value): value is T => typeof value === 'object' && value !== null && Object.keys(value).length <= MOST_FIELDS && of(value);

const WISHES: { [K in keyof Wishes]: Shape<Wishes[K]> } = {
  mu: number, contentStrength: number, styleStrength: number, dtype: word(...DTYPES), rank: either<string | number>(textUpTo(LONGEST_TEXT), number), backend: CHOICE,
  analysis: word('auto', 'off'), outputName: textUpTo(LONGEST_TEXT), contentSrc: hubLink, styleSrc: hubLink,
  several: orNull(partial<Several>({ mus: few(list(number)), plain: truth, bothDirections: truth })), disabled: truth, theme: word('auto', 'light', 'dark'),
  look: few(table(textUpTo(LONGEST_TEXT))), locale: textUpTo(LONGEST_TEXT), saveTo: word('downloads', 'page'),
};

const GIVEN: Record<Role, Shape<File | null>> = { content: orNull(isFile), style: orNull(isFile) };

const CALLS: { [N in FrameCall]: { in: Shape<FrameCalls[N]['in']>; out: Shape<FrameCalls[N]['out']> } } = {
  set: {
    in: partial<Wishes>(WISHES),
    out: object({ locale: text }),
  },
  give: {
    in: partial<Record<Role, File | null>>(GIVEN),
    out: object<Opened>({ content: orNull(SUMMARY), style: orNull(SUMMARY) }),
  },
  fuse: { in: NONE, out: FUSED },
  convert: { in: NONE, out: FUSED },
  cancel: { in: NONE, out: nothing },
  reset: { in: NONE, out: nothing },
};

const EVENTS: { [E in FrameEvent]: Shape<FrameEvents[E]> } = {
  ready: nothing,
  height: number,
  phase: word('empty', 'opening', 'ready', 'fusing', 'checking', 'done', 'failed'),
  change: SETTINGS,
  inspect: object({ role: ROLE, summary: SUMMARY }),
  warning: PROBLEM,
  progress: PROGRESS,
  complete: object<FrameEvents['complete']>({ file: isFile, report: REPORT, results: list(FUSED) }),
  save: object({ file: isFile }),
  error: PROBLEM,
  abort: nothing,
};

const isCall = (name: unknown): name is FrameCall => typeof name === 'string' && Object.hasOwn(CALLS, name);
const isEvent = (name: unknown): name is FrameEvent => typeof name === 'string' && Object.hasOwn(EVENTS, name);
const anything = (_: unknown): _ is unknown => true;
const THIS_VERSION = object<{ 'np-lora': typeof VERSION }>({ 'np-lora': (value): value is typeof VERSION => value === VERSION });
const HELLO = object<{ hello: true }>({ hello: (value): value is true => value === true });
const WITH_ID = object<{ id: number }>({ id: (value): value is number => Number.isSafeInteger(value) });
const ASKED = object<{ call: FrameCall; in: unknown }>({ call: isCall, in: few(anything) });
const EVENT = object<{ event: FrameEvent; detail: unknown }>({ event: isEvent, detail: anything });
const OUT = object<{ out: unknown }>({ out: anything });
const REFUSED = object<{ problem: Problem }>({ problem: PROBLEM });

export const spoken = <T extends object>(message: T): T & { 'np-lora': typeof VERSION } => ({ 'np-lora': VERSION, ...message });

export const isHello = (message: unknown): boolean => THIS_VERSION(message) && HELLO(message);

/** Null if the frame accepts the input; else the name of the first field that it refuses, or a sentence if there is none. */
export function strangeIn(call: 'set' | 'give', input: unknown): string | null {
  if (few(anything)(input) && CALLS[call].in(input)) return null;
  const known: Partial<Record<string, (value: unknown) => boolean>> = call === 'set' ? WISHES : GIVEN;
  const given = Object.entries(typeof input === 'object' && input !== null ? input : {});
  const strange = ([name, value]: [string, unknown]): boolean => !Object.hasOwn(known, name) || (value !== undefined && !known[name]!(value));
  return given.find(strange)?.[0] ?? words.notObject;
}

/** A page's message to the frame, checked. Only its `id` if it makes no sense but can be answered; null if it cannot. */
export function asked(message: unknown): Asked | { id: number; call: null } | null {
  if (!few(WITH_ID)(message)) return null;
  const whole = THIS_VERSION(message) && ASKED(message) && CALLS[message.call].in(message.in);
  return whole ? message as unknown as Asked : { id: message.id, call: null };
}

/**
 * A frame's message to its page, checked. Null if it makes no sense and nobody waits for it; a waiting call gets a problem instead. `callOf` tells
 * which call an id belongs to.
 */
export function said(message: unknown, callOf: (id: number) => FrameCall | undefined): Said | null {
  if (!THIS_VERSION(message)) return null;
  if (EVENT(message)) return EVENTS[message.event](message.detail) ? message as unknown as Said : null;
  if (!WITH_ID(message)) return null;
  if (REFUSED(message)) return message;
  const call = callOf(message.id);
  if (call === undefined) return null;
  return OUT(message) && CALLS[call].out(message.out) ? message : { id: message.id, problem: frameProblem('E_FRAME', words.strange) };
}

/** An http(s) origin in the spelling of browsers; null for anything else. */
export function asOrigin(value: string | null): string | null {
  if (value === null || !/^https?:/.test(value) || !URL.canParse(value)) return null;
  return new URL(value).origin === value ? value : null;
}
