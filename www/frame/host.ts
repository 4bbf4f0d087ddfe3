/** The script that a site includes to have the tool in a frame: it makes the frame, talks to it and keeps its height up to date. */

import { abortError, unless } from '../core/abort.ts';
import { frameProblem } from '../core/frame-problem.ts';
import { asFile } from '../core/naming.ts';
import { plain } from '../core/plain.ts';
import { ProblemError } from '../core/problem.ts';
import { download } from '../core/save.ts';
import { ROLES, type FusedFile, type Problem } from '../core/types.ts';
import type { Phase } from '../element/model.ts';
import { text } from './strings.ts';
import {
  asOrigin, isHello, said, spoken, strangeIn, type FrameCall, type FrameCalls, type FrameEvent, type FrameEvents, type Given, type Opened, type Said,
  type Wishes,
} from './talk.ts';

/** Without allow-same-origin the tool still works if its server permits it; without allow-downloads, this page saves the files. */
const SANDBOX = 'allow-scripts allow-same-origin allow-downloads';
const FIRST_HEIGHT = 480;
const HIGHEST = 100_000;
/** How long to wait after the frame has loaded; by then the tool's script has run. */
const SILENT_AFTER_LOAD_MS = 10_000;
const SILENT_MS = 120_000;
const WATCH_MS = 1000;
/** The id of the calls that this script makes by itself: to pass on the settings, and to find out whether the tool is there. */
const OWN_ID = 0;

export interface FrameOptions {
  /** The address of embed.html; by default, the one beside this script. */
  src?: string | URL;
  sandbox?: string;
  title?: string;
  settings?: Partial<Wishes>;
}

interface Waiting {
  call: FrameCall;
  resolve(out: never): void;
  reject(error: unknown): void;
}

/** Merges and checks the wishes that a reloaded frame gets again: the frame would refuse them all because of one unknown name. */
function together(before: Partial<Wishes>, wishes: Partial<Wishes>): Partial<Wishes> {
  demand('set', wishes);
  const given = plain(wishes);
  const all = { ...before, ...given, ...(given.look ? { look: { ...before.look, ...given.look } } : {}) };
  demand('set', all);
  return all;
}

function demand(call: 'set' | 'give', input: unknown): void {
  const strange = strangeIn(call, input);
  if (strange !== null) throw new ProblemError(frameProblem('E_MESSAGE', strange));
}

/** A promise that the tool arrives; once settled, it can be replaced by a new one. */
class Arrival {
  promise!: Promise<void>;
  open = false;
  #came!: () => void;
  #failed!: (error: Error) => void;

  constructor() {
    this.again();
  }

  again(): void {
    if (this.open) return;
    this.open = true;
    this.promise = new Promise((resolve, reject) => { [this.#came, this.#failed] = [resolve, reject]; });
    // A failure that nobody awaits is reported by the event.
    this.promise.catch(() => {});
  }

  came(): void {
    this.again();
    this.open = false;
    this.#came();
  }

  failed(error: Error): void {
    this.again();
    this.open = false;
    this.#failed(error);
  }
}

/** The signature of addEventListener and removeEventListener, with the frame's events. */
interface Listening<Options> {
  <E extends FrameEvent>(type: E, listener: (event: CustomEvent<FrameEvents[E]>) => unknown, options?: boolean | Options): void;
  (type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | Options): void;
}

export interface NpLoraFrame {
  addEventListener: Listening<AddEventListenerOptions>;
  removeEventListener: Listening<EventListenerOptions>;
}

/**
 * Dispatches these CustomEvents, whose `detail` FrameEvents describes: ready, height, phase, change, inspect, warning, progress, complete, save,
 * error, abort. `save` can be cancelled; otherwise this page downloads the file.
 */
export class NpLoraFrame extends EventTarget {
  readonly element = document.createElement('iframe');
  phase: Phase = 'empty';

  /** The origin that the frame talks with: "null" if its sandbox leaves it none. */
  readonly #origin: string;
  #wishes: Partial<Wishes>;
  #port: MessagePort | null = null;
  #waiting = new Map<number, Waiting>();
  #lastId = OWN_ID;
  #removed = false;
  readonly #arrival = new Arrival();
  #patience: ReturnType<typeof setTimeout> | undefined;
  #watching: ReturnType<typeof setInterval> | undefined;

  /**
   * Appends the frame to `place`. Throws if `place` is null, if the page or `src` has no http(s) origin, or if `settings` has something that `set`
   * refuses.
   */
  constructor(place: Element | null, { src = new URL('./embed.html', import.meta.url), sandbox = SANDBOX, title = text.title, settings = {} }: FrameOptions = {}) {
    super();
    // A querySelector that found nothing gives null.
    if (!place) throw new ProblemError(frameProblem('E_FRAME', text.placeless));
    const own = asOrigin(self.origin);
    if (!own) throw new ProblemError(frameProblem('E_FRAME', text.originless));
    const allowed = new Set(sandbox.toLowerCase().split(/\s+/));
    const locale = place.closest<HTMLElement>('[lang]')?.lang;
    this.#wishes = together({ saveTo: allowed.has('allow-downloads') ? 'downloads' : 'page', ...(locale ? { locale } : {}) }, settings);
    const address = new URL(src, document.baseURI);
    // A frame with another kind of address would have this page's own origin, or none.
    if (!/^https?:$/.test(address.protocol)) throw new ProblemError(frameProblem('E_FRAME', text.address));
    address.searchParams.set('parent', own);
    this.#origin = allowed.has('allow-same-origin') ? address.origin : 'null';
    this.#wait(SILENT_MS);
    const { element } = this;
    element.setAttribute('sandbox', sandbox);
    element.allow = 'clipboard-write';
    element.referrerPolicy = 'no-referrer';
    element.title = title;
    Object.assign(element.style, { display: 'block', width: '100%', height: `${FIRST_HEIGHT}px`, border: '0', borderRadius: '12px' });
    element.src = address.href;
    element.addEventListener('load', () => this.#loaded());
    window.addEventListener('message', this.#greet);
    place.append(element);
  }

  /**
   * Resolves when the tool is there. Rejects with an error that has a `code` if it does not come; if it comes later, or is loaded again, this
   * property holds a new promise.
   */
  get ready(): Promise<void> {
    return this.#arrival.promise;
  }

  /** Sets settings, look and language, now and whenever the frame is loaded again. */
  async set(wishes: Partial<Wishes>): Promise<{ locale: string }> {
    this.#wishes = together(this.#wishes, wishes);
    return this.#ask('set', plain(wishes));
  }

  /** Gives two files to the tool, or one. Resolves when they are open; rejects if one is refused. */
  async give(files: Given): Promise<Opened> {
    const given = plain(files);
    for (const role of ROLES) if (given?.[role]) given[role] = asFile(role, given[role]);
    demand('give', given);
    return this.#ask('give', given as FrameCalls['give']['in']);
  }

  /** Fuses the files. Resolves to the verified file; rejects with an AbortError, or with an error that has a `code`. */
  fuse({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<FusedFile> {
    return this.#run('fuse', signal);
  }

  /** Converts the only file to another naming. Resolves and rejects like `fuse`. */
  convert({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<FusedFile> {
    return this.#run('convert', signal);
  }

  async cancel(): Promise<void> {
    await this.#ask('cancel', {});
  }

  async reset(): Promise<void> {
    const { contentSrc: _content, styleSrc: _style, ...kept } = this.#wishes;
    this.#wishes = kept;
    await this.#ask('reset', {});
  }

  /** Removes the frame, with whatever runs in it. */
  remove(): void {
    this.#removed = true;
    clearTimeout(this.#patience);
    this.#unwatch();
    window.removeEventListener('message', this.#greet);
    this.element.remove();
    if (this.#arrival.open) this.#arrival.failed(abortError());
    this.#hangUp(abortError());
    this.#rest();
  }

  async #run(call: 'fuse' | 'convert', signal?: AbortSignal): Promise<FusedFile> {
    if (signal?.aborted) throw abortError();
    const cancel = (): void => { this.cancel().catch(() => {}); };
    signal?.addEventListener('abort', cancel, { once: true });
    return unless(signal, this.#ask(call, {})).finally(() => signal?.removeEventListener('abort', cancel));
  }

  async #ask<N extends FrameCall>(call: N, input: FrameCalls[N]['in']): Promise<FrameCalls[N]['out']> {
    if (!this.#removed) {
      this.#watching ??= setInterval(() => this.#watch(), WATCH_MS);
      await this.ready;
    }
    return new Promise((resolve, reject) => {
      if (this.#removed) return reject(abortError());
      if (!this.element.contentWindow) {
        this.#rest();
        return reject(new ProblemError(frameProblem('E_FRAME', text.away)));
      }
      if (!this.#port) return reject(new ProblemError(frameProblem('E_FRAME', text.reloaded)));
      const id = ++this.#lastId;
      // Throws, and so rejects, if the input cannot be posted.
      try {
        this.#port.postMessage(spoken({ id, call, in: input }));
      } catch (thrown) {
        throw new ProblemError(frameProblem('E_MESSAGE', String(thrown)));
      }
      this.#waiting.set(id, { call, resolve, reject });
    });
  }

  #greet = ({ source, origin, data }: MessageEvent<unknown>): void => {
    const frame = this.element.contentWindow;
    if (!frame || source !== frame || origin !== this.#origin || !isHello(data)) return;
    this.#hangUp(new ProblemError(frameProblem('E_FRAME', text.reloaded)));
    this.#rest();
    this.#arrival.again();
    this.#wait(SILENT_MS);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data: message }: MessageEvent<unknown>) => {
      const what = said(message, (id) => (id === OWN_ID ? 'set' : this.#waiting.get(id)?.call));
      if (what) this.#hear(what);
    };
    // A frame without an origin cannot be addressed by one; no other window is meant here, because this one has just spoken.
    frame.postMessage(spoken({ hello: true }), origin === 'null' ? '*' : origin, [port2]);
    port1.postMessage(spoken({ id: OWN_ID, call: 'set', in: this.#wishes }));
  };

  /** Called when the frame has loaded the tool, or something else in its place: if nothing answers, the tool is not there. */
  #loaded(): void {
    if (this.#port && this.#arrival.open) return;
    if (this.#port) this.#port.postMessage(spoken({ id: OWN_ID, call: 'set', in: {} }));
    else this.#arrival.again();
    this.#wait(SILENT_AFTER_LOAD_MS);
  }

  #wait(patience: number): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#lose(), patience);
  }

  #hear(what: Said): void {
    if ('event' in what) return this.#tell(what.event, what.detail);
    if (what.id === OWN_ID) {
      clearTimeout(this.#patience);
      if ('out' in what) this.#arrival.came();
      // A tool of another build may not know all of the settings.
      else this.#tell('error', what.problem);
    }
    const waiting = this.#waiting.get(what.id);
    this.#waiting.delete(what.id);
    if ('out' in what) waiting?.resolve(what.out as never);
    else waiting?.reject(what.problem.code === 'E_ABORTED' ? abortError() : new ProblemError(what.problem));
  }

  #tell<E extends FrameEvent>(event: E, detail: FrameEvents[E]): void {
    const by: { [E in FrameEvent]?: (detail: FrameEvents[E]) => void } = {
      ready: () => this.#arrival.came(),
      height: (height) => { this.element.style.height = `${Math.min(HIGHEST, height)}px`; },
      phase: (phase) => { this.phase = phase; },
      // Before the tool is ready, an error means that it will not come; afterwards, nothing depends on it here.
      error: (of) => { if (this.#arrival.open) this.#arrival.failed(new ProblemError(of)); },
    };
    by[event]?.(detail);
    const wanted = this.dispatchEvent(new CustomEvent(event, { detail, cancelable: event === 'save' }));
    if (event === 'save' && wanted) {
      const { file } = detail as FrameEvents['save'];
      download(file, file.name);
    }
  }

  /** Reports that the tool does not answer. The port stays open, as the tool may only be slow. */
  #lose(): void {
    const of: Problem = frameProblem('E_FRAME', self.crossOriginIsolated ? `${text.silent} ${text.isolated}` : text.silent);
    this.#arrival.failed(new ProblemError(of));
    this.#refuseAll(new ProblemError(of));
    this.dispatchEvent(new CustomEvent('error', { detail: of }));
  }

  /** Checks that the frame is still in the page: nothing reports its removal, and calls would never be answered. */
  #watch(): void {
    if (!this.element.contentWindow) {
      const why = new ProblemError(frameProblem('E_FRAME', text.away));
      if (this.#arrival.open) this.#arrival.failed(why);
      this.#hangUp(why);
      this.#rest();
    }
    if (this.#waiting.size === 0 && !this.#arrival.open) this.#unwatch();
  }

  #unwatch(): void {
    clearInterval(this.#watching);
    this.#watching = undefined;
  }

  /** Resets the phase, because files, run and result are gone with the tool. */
  #rest(): void {
    if (this.phase !== 'empty') this.#tell('phase', 'empty');
  }

  #hangUp(why: unknown): void {
    this.#port?.close();
    this.#port = null;
    this.#refuseAll(why);
  }

  #refuseAll(why: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
  }
}
