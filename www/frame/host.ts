/** What a site includes to have the tool in a frame: it makes the frame, speaks with it and keeps it as high as it wants to be. */

import { ProblemError, abortError, problem } from '../core/problem.ts';
import { download } from '../core/save.ts';
import type { Problem } from '../core/types.ts';
import type { Phase } from '../element/model.ts';
import { text } from './strings.ts';
import {
  asOrigin, isHello, said, spoken, type FrameCall, type FrameCalls, type FrameEvent, type FrameEvents, type FusedFile, type Given, type Opened, type Said,
  type Wishes,
} from './talk.ts';

/** Without allow-same-origin the tool works all the same, if its server lets it; without allow-downloads this page saves. */
const SANDBOX = 'allow-scripts allow-same-origin allow-downloads';
const FIRST_HEIGHT = 480;
const HIGHEST = 100_000;
/** Its script has run before the frame counts as loaded. */
const SILENT_AFTER_LOAD_MS = 10_000;
const SILENT_MS = 120_000;

export interface FrameOptions {
  /** Of embed.html; beside this script if left out. */
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

/**
 * Dispatches, as CustomEvents with what FrameEvents says as their detail: ready, height, phase, change, inspect, warning,
 * progress, complete, save, error, abort. `save` is cancelable: by itself this page downloads the file.
 */
export class NpLoraFrame extends EventTarget {
  readonly element = document.createElement('iframe');
  /** Rejects with an error that has `.code` if the tool does not come. */
  readonly ready: Promise<void>;
  phase: Phase = 'empty';

  /** The origin that the frame speaks with: "null" where its sandbox leaves it none. */
  readonly #origin: string;
  #wishes: Partial<Wishes>;
  #port: MessagePort | null = null;
  #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #came!: () => void;
  #failed!: (error: ProblemError) => void;
  #patience: ReturnType<typeof setTimeout>;

  /** Puts the frame at the end of `place`. Throws where the page has no origin of the web. */
  constructor(place: Element, { src = new URL('./embed.html', import.meta.url), sandbox = SANDBOX, title = text.title, settings = {} }: FrameOptions = {}) {
    super();
    const own = asOrigin(self.origin);
    if (!own) throw new ProblemError(problem('E_FRAME', text.originless));
    this.ready = new Promise((resolve, reject) => { [this.#came, this.#failed] = [resolve, reject]; });
    // Whoever does not ask has the event.
    this.ready.catch(() => {});
    const allowed = new Set(sandbox.split(/\s+/));
    this.#wishes = { saveTo: allowed.has('allow-downloads') ? 'downloads' : 'page', ...settings };
    const address = new URL(src, document.baseURI);
    address.searchParams.set('parent', own);
    this.#origin = allowed.has('allow-same-origin') ? address.origin : 'null';
    this.#patience = setTimeout(() => this.#lose(text.silent), SILENT_MS);
    const { element } = this;
    element.setAttribute('sandbox', sandbox);
    element.allow = 'clipboard-write';
    element.referrerPolicy = 'no-referrer';
    element.title = title;
    Object.assign(element.style, { display: 'block', width: '100%', height: `${FIRST_HEIGHT}px`, border: '0', borderRadius: '12px' });
    element.src = address.href;
    element.addEventListener('load', () => {
      if (this.#port) return;
      clearTimeout(this.#patience);
      this.#patience = setTimeout(() => this.#lose(text.silent), SILENT_AFTER_LOAD_MS);
    });
    window.addEventListener('message', this.#greet);
    place.append(element);
  }

  /** Settings, look and language, now and whenever the frame is loaded anew. */
  set(wishes: Partial<Wishes>): Promise<{ locale: string }> {
    this.#wishes = { ...this.#wishes, ...wishes, ...(wishes.look ? { look: { ...this.#wishes.look, ...wishes.look } } : {}) };
    return this.#ask('set', wishes);
  }

  /** Two files, or one. Resolves when they are open; rejects if one is refused. */
  give(files: Given): Promise<Opened> {
    return this.#ask('give', files);
  }

  /** Resolves with the verified file. Rejects with AbortError, or with an error that has `.code`. */
  fuse({ signal }: { signal?: AbortSignal } = {}): Promise<FusedFile> {
    return this.#run('fuse', signal);
  }

  /** The only file, in another naming. */
  convert({ signal }: { signal?: AbortSignal } = {}): Promise<FusedFile> {
    return this.#run('convert', signal);
  }

  async cancel(): Promise<void> {
    await this.#ask('cancel', {});
  }

  async reset(): Promise<void> {
    await this.#ask('reset', {});
  }

  /** Takes the frame away, with whatever runs in it. */
  remove(): void {
    clearTimeout(this.#patience);
    window.removeEventListener('message', this.#greet);
    this.element.remove();
    this.#failed(new ProblemError(problem('E_ABORTED')));
    this.#hangUp(abortError());
  }

  async #run(call: 'fuse' | 'convert', signal?: AbortSignal): Promise<FusedFile> {
    if (signal?.aborted) throw abortError();
    const cancel = (): void => { this.cancel().catch(() => {}); };
    signal?.addEventListener('abort', cancel, { once: true });
    return this.#ask(call, {}).finally(() => signal?.removeEventListener('abort', cancel));
  }

  async #ask<N extends FrameCall>(call: N, input: FrameCalls[N]['in']): Promise<FrameCalls[N]['out']> {
    await this.ready;
    return new Promise((resolve, reject) => {
      if (!this.#port) return reject(new ProblemError(problem('E_FRAME', text.reloaded)));
      const id = ++this.#lastId;
      // Throws, and thereby rejects, what no message can carry.
      this.#port.postMessage(spoken({ id, call, in: input }));
      this.#waiting.set(id, { call, resolve, reject });
    });
  }

  #greet = ({ source, origin, data }: MessageEvent<unknown>): void => {
    const frame = this.element.contentWindow;
    if (!frame || source !== frame || origin !== this.#origin || !isHello(data)) return;
    clearTimeout(this.#patience);
    this.#hangUp(new ProblemError(problem('E_FRAME', text.reloaded)));
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data: message }: MessageEvent<unknown>) => {
      const what = said(message, (id) => this.#waiting.get(id)?.call);
      if (what) this.#hear(what);
    };
    // Nobody but the frame has an origin called "null" here: it has just spoken.
    frame.postMessage(spoken({ hello: true }), origin === 'null' ? '*' : origin, [port2]);
    port1.postMessage(spoken({ id: 0, call: 'set', in: this.#wishes }));
  };

  #hear(what: Said): void {
    if ('event' in what) return this.#tell(what.event, what.detail);
    const waiting = this.#waiting.get(what.id);
    this.#waiting.delete(what.id);
    if ('out' in what) waiting?.resolve(what.out as never);
    else waiting?.reject(what.problem.code === 'E_ABORTED' ? abortError() : new ProblemError(what.problem));
  }

  #tell<E extends FrameEvent>(event: E, detail: FrameEvents[E]): void {
    const by: { [E in FrameEvent]?: (detail: FrameEvents[E]) => void } = {
      ready: () => this.#came(),
      height: (height) => { this.element.style.height = `${Math.min(HIGHEST, height)}px`; },
      phase: (phase) => { this.phase = phase; },
      // Before it is ready only what keeps it from that is told; afterwards nothing hangs on it.
      error: (of) => this.#failed(new ProblemError(of)),
    };
    by[event]?.(detail);
    const wanted = this.dispatchEvent(new CustomEvent(event, { detail, cancelable: event === 'save' }));
    if (event === 'save' && wanted) {
      const { file } = detail as FrameEvents['save'];
      download(file, file.name);
    }
  }

  #lose(why: string): void {
    const of: Problem = problem('E_FRAME', why);
    this.#failed(new ProblemError(of));
    this.dispatchEvent(new CustomEvent('error', { detail: of }));
  }

  #hangUp(why: unknown): void {
    this.#port?.close();
    this.#port = null;
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
  }
}
