/**
 * The tool in a frame of another page. This is a classic script because it loads in every frame: if the frame has no origin of its own and the server
 * does not let it load modules, this script can still say so.
 */

import type { NpLora } from '../element/np-lora.ts';
import { isAbort } from '../core/abort.ts';
import { frameProblem } from '../core/frame-problem.ts';
import { problem, toProblem } from '../core/problem.ts';
import { shim } from '../core/trusted.ts';
import { ROLES, type Problem } from '../core/types.ts';
import { understood } from '../element/languages/tags.ts';
import { takeAnywhere } from '../page/around.ts';
import { text } from './strings.ts';
import { asOrigin, asked, isHello, spoken, type Asked, type FrameCall, type FrameCalls, type Said, type Wishes } from './talk.ts';

/** How many calls a page may have waiting; no sensible page needs more. */
const MOST_WAITING = 16;
const LOOK = /^[a-z][a-z-]{0,31}$/;
const FILES = { content: 'contentFile', style: 'styleFile' } as const;
/** The wishes that are properties of the element. */
const OF_ELEMENT = {
  mu: true, contentStrength: true, styleStrength: true, dtype: true, rank: true, backend: true, analysis: true, outputName: true, several: true, contentSrc: true,
  styleSrc: true, disabled: true,
} satisfies Record<Exclude<keyof Wishes, 'theme' | 'look' | 'locale' | 'saveTo'>, true>;
const SETTINGS = Object.keys(OF_ELEMENT) as (keyof typeof OF_ELEMENT)[];
/** Events that are passed on unchanged, under the same name. */
const PASSED = ['change', 'inspect', 'warning', 'progress', 'complete', 'error', 'abort'] as const;

const root = document.documentElement;
const app = document.querySelector('np-lora') as NpLora;
let port: MessagePort | null = null;

/** The full address of a file beside this page: a script of another origin than its page cannot resolve relative addresses. */
const beside = (name: string): string => new URL(name, location.href).href;

const say = (what: Said): void => port?.postMessage(spoken(what));

/** The one origin that this frame talks to; null if its address names none. */
function parentOrigin(): string | null {
  const [named = null, ...others] = new URLSearchParams(location.search).getAll('parent');
  return others.length > 0 || window.parent === window ? null : asOrigin(named);
}

/** The port with which the page around answers. Pages of other origins get no message and are not listened to. */
function meet(origin: string): Promise<MessagePort> {
  return new Promise((resolve) => {
    const hear = ({ source, origin: from, data, ports: [offered, ...others] }: MessageEvent<unknown>): void => {
      if (source !== window.parent || from !== origin || !isHello(data) || !offered || others.length > 0) return;
      window.removeEventListener('message', hear);
      resolve(offered);
    };
    window.addEventListener('message', hear);
    window.parent.postMessage(spoken({ hello: true }), origin);
  });
}

function tellInstead(what: string): void {
  const said = document.createElement('p');
  said.textContent = what;
  said.setAttribute('role', 'alert');
  app.replaceWith(said);
}

/** Carries out the page's calls with the element. */
function answers(Element: typeof NpLora): { [N in FrameCall]: (input: FrameCalls[N]['in']) => FrameCalls[N]['out'] | Promise<FrameCalls[N]['out']> } {
  const isRunning = (): boolean => app.phase === 'fusing' || app.phase === 'checking';
  const set = (wishes: Partial<Wishes>): { locale: string } => {
    if (isRunning() && (wishes.contentSrc !== undefined || wishes.styleSrc !== undefined)) throw problem('E_RUNNING');
    for (const name of SETTINGS) if (wishes[name] !== undefined) Object.assign(app, { [name]: wishes[name] });
    if (wishes.locale !== undefined) root.lang = understood([wishes.locale]);
    if (wishes.theme) root.style.colorScheme = wishes.theme === 'auto' ? '' : wishes.theme;
    for (const [name, value] of Object.entries(wishes.look ?? {})) if (LOOK.test(name)) root.style.setProperty(`--np-lora-${name}`, value);
    if (wishes.saveTo) Element.deliver = wishes.saveTo === 'page' ? (file) => say({ event: 'save', detail: { file } }) : null;
    return { locale: root.lang };
  };
  return {
    set,
    give: (given) => {
      if (isRunning()) throw problem('E_RUNNING');
      for (const role of ROLES) {
        const file = given[role];
        if (file !== undefined) app[FILES[role]] = file;
      }
      return app.inspect();
    },
    fuse: () => app.fuse(),
    convert: () => app.convert(),
    cancel: () => { app.cancel(); return null; },
    reset: () => { app.reset(); return null; },
  };
}

/** Listens to the page, and answers every message that has an id. */
function listen(to: MessagePort, answer: (request: Asked) => unknown): void {
  let waiting = 0;
  const refuse = (id: number, why: Problem): void => say({ id, problem: why });
  to.onmessage = async ({ data }: MessageEvent<unknown>) => {
    const request = asked(data);
    if (!request) return;
    const { id } = request;
    if (request.call === null) return refuse(id, frameProblem('E_MESSAGE'));
    if (waiting >= MOST_WAITING) return refuse(id, frameProblem('E_MESSAGE', text.tooMany));
    waiting += 1;
    try {
      say({ id, out: await answer(request) });
    } catch (thrown) {
      refuse(id, isAbort(thrown) ? problem('E_ABORTED') : toProblem(thrown));
    }
    waiting -= 1;
  };
}

/** Reports to the page what it may want to show outside the frame. */
function report(): void {
  for (const name of PASSED) {
    app.addEventListener(name, (event) => say({ event: name, detail: (event as CustomEvent).detail }));
  }
  app.addEventListener('phasechange', () => say({ event: 'phase', detail: app.phase }));
  if (app.phase !== 'empty') say({ event: 'phase', detail: app.phase });
  let height = 0;
  new ResizeObserver(() => {
    const now = Math.ceil(root.getBoundingClientRect().height);
    // A frame that is not displayed has no layout.
    if (now > 0 && now !== height) say({ event: 'height', detail: (height = now) });
  }).observe(root);
}

async function main(): Promise<void> {
  const origin = parentOrigin();
  if (!origin) return tellInstead(text.alone);
  const met = meet(origin);
  // Used until the page sets another language.
  root.lang = understood(navigator.languages);
  try {
    const { NpLora: Element } = await import(beside('element.js')) as { NpLora: typeof NpLora };
    Element.workerURL = shim(beside('worker.js'));
    takeAnywhere(app);
    port = await met;
    const answer = answers(Element);
    say({ event: 'ready', detail: null });
    report();
    listen(port, ({ call, in: input }) => answer[call](input as never));
  } catch (thrown) {
    const { detail } = toProblem(thrown);
    const why = frameProblem('E_FRAME', self.origin === 'null' ? `${text.noOrigin} (${detail})` : detail);
    tellInstead(`${why.message} ${why.detail}`);
    port = await met;
    say({ event: 'error', detail: why });
    listen(port, () => { throw why; });
  }
}

void main();
