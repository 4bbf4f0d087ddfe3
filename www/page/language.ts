/** The language of the page: what somebody chose here, or else what the browser is set to. The element speaks the page's. */

import { LANGUAGES, understood, type Language } from '../element/languages/tags.ts';
import { lazy } from '../element/lazy.ts';
import { english, type PageText } from './strings.ts';

/** By its readers' name; its sentences come only to them. */
const NAMES: Record<Language, string> = { en: 'English', ja: '日本語', 'zh-Hans': '简体中文' };
const TRANSLATIONS: Record<Exclude<Language, 'en'>, () => Promise<{ text: PageText } | null>> = {
  ja: lazy(() => import('./languages/ja.ts')),
  'zh-Hans': lazy(() => import('./languages/zh-hans.ts')),
};

const KEPT = 'np-lora-language';
const root = document.documentElement;
let spoken: Language = 'en';
let words = english;

/** The sentences of the page in its language. */
export const text = (): PageText => words;

/** Speaks it, and offers the others. */
export function chooseLanguage(): void {
  void speak(understood([...chosen(), ...navigator.languages]));
  const select = document.querySelector<HTMLSelectElement>('#language');
  if (!select) return;
  select.replaceChildren(...LANGUAGES.map((one) => {
    const option = new Option(NAMES[one], one, false, one === spoken);
    option.lang = one;
    return option;
  }));
  select.addEventListener('change', () => {
    void speak(understood([select.value]));
    keep(spoken);
  });
}

/** In English until its sentences have come. */
async function speak(language: Language): Promise<void> {
  spoken = language;
  root.lang = language;
  const translation = language === 'en' ? { text: english } : await TRANSLATIONS[language]();
  if (!translation || spoken !== language) return;
  words = translation.text;
  title();
  document.querySelector('#language')?.setAttribute('aria-label', words.language);
  for (const place of document.querySelectorAll<HTMLElement | SVGElement>('[data-words]')) {
    const { words: named } = place.dataset;
    if (named && named in words) say(place, named as keyof PageText);
  }
}

/** Says something there, from then on in every language. */
export function say(place: HTMLElement | SVGElement, named: keyof PageText): void {
  place.dataset.words = named;
  // What is there already is not drawn anew.
  if (place.textContent !== words[named]) place.textContent = words[named];
}

let before = (): string => '';

/** The title of the tab; `ahead` of it stands what goes on. */
export function title(ahead = before): void {
  before = ahead;
  document.title = before() + words.title;
}

// A browser may keep nothing; then it is chosen anew.
function chosen(): string[] {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept ? [kept] : [];
  } catch {
    return [];
  }
}

function keep(language: Language): void {
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // See above.
  }
}
