/** The language of the page: the one chosen here, or else that of the browser. The element follows the page. */

import { LANGUAGES, understood, type Language } from '../element/languages/tags.ts';
import { lazy } from '../element/lazy.ts';
import { english, type PageText } from './strings.ts';

/** The languages as their readers call them; the texts are fetched only when needed. */
const NAMES: Record<Language, string> = { en: 'English', ja: '日本語', 'zh-Hans': '简体中文' };
const TRANSLATIONS: Record<Exclude<Language, 'en'>, () => Promise<{ text: PageText } | null>> = {
  ja: lazy(() => import('./languages/ja.ts')),
  'zh-Hans': lazy(() => import('./languages/zh-hans.ts')),
};

const KEPT = 'np-lora-language';
const root = document.documentElement;
let spoken: Language = 'en';
let words = english;

/** The texts of the page in its language. */
export const text = (): PageText => words;

/** Switches to the right language, and fills the list of the others. */
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

/** Switches the language; the page stays as it is until the texts have come. */
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

/** Puts a text in a place and keeps it in the page's language. */
export function say(place: HTMLElement | SVGElement, named: keyof PageText): void {
  place.dataset.words = named;
  // Text that is already there is not drawn again.
  if (place.textContent !== words[named]) place.textContent = words[named];
}

let before = (): string => '';

/** Sets the title of the tab; `ahead` gives the text in front of it, such as the progress of a run. */
export function title(ahead = before): void {
  before = ahead;
  document.title = before() + words.title;
}

// If the browser keeps nothing, the language must be chosen again on the next visit.
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
    // The browser keeps nothing; the choice holds for this visit.
  }
}
