/** Chooses the element's language. Each language is a chunk of its own, fetched when it is needed. */

import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { change, isThere, language, translate, type Translation } from '../words/language.ts';
import { lazy } from '../lazy.ts';
import { understood, type Language } from './tags.ts';

const FETCH: Record<Exclude<Language, 'en'>, () => Promise<{ translation: Translation } | null>> = {
  ja: lazy(() => import('./ja.ts')),
  'zh-Hans': lazy(() => import('./zh-hans.ts')),
};

let wanted: Language = 'en';
let coming: Promise<void> | null = null;

/** Settles when the language that is on its way has come; null if none is. */
export const languageComing = (): Promise<void> | null => coming;

/** Switches all of the page to another language; if it cannot be fetched, the present one stays. The last wish counts. */
function speak(wish: Language): Promise<void> {
  if (wish === wanted) return coming ?? Promise.resolve();
  wanted = wish;
  coming = fetched(wish).then(() => {
    if (wish !== wanted) return;
    coming = null;
    if (!isThere(wish)) wanted = language();
    else if (wish !== language()) change(wish);
  });
  return coming;
}

async function fetched(wish: Language): Promise<void> {
  if (wish === 'en' || isThere(wish)) return;
  const part = await FETCH[wish]();
  if (part) translate(wish, part.translation);
}

/** Keeps the page in the language of the element's surroundings, whatever happens to the element or to them. */
export class SpeaksAsAround implements ReactiveController {
  readonly #watch = new MutationObserver(() => void this.#listen());

  constructor(private host: ReactiveControllerHost & Element) {}

  hostConnected(): void {
    for (const root of rootsAround(this.host)) this.#watch.observe(root, { subtree: true, attributeFilter: ['lang'] });
    void this.#listen();
  }

  hostDisconnected(): void {
    this.#watch.disconnect();
  }

  #listen(): Promise<void> {
    return speak(understood(languagesAround(this.host)));
  }
}

/** The shadow roots that the element is in, and the document. */
function rootsAround(element: Element): Node[] {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? [root, ...rootsAround(root.host)] : [root];
}

/** The language of the element, or else of what is around it, or else those of the browser. */
function languagesAround(element: Element): readonly string[] {
  for (let at: Node | null = element; at; at = at instanceof ShadowRoot ? at.host : at.parentNode) {
    const tag = at instanceof Element ? at.getAttribute('lang') : null;
    if (tag) return [tag];
  }
  return navigator.languages;
}
