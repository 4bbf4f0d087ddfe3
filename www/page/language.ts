/** The language of the page: what somebody chose here, or else what the browser is set to. The element speaks the page's. */

import { LANGUAGES, understood, type Language } from '../element/languages/tags.ts';
import { STRINGS, type PageText } from './strings.ts';

const KEPT = 'np-lora-language';
const root = document.documentElement;
let spoken: Language = 'en';

/** The sentences of the page in its language. */
export const text = (): PageText => STRINGS[spoken];

/** Speaks it, and offers the others. */
export function chooseLanguage(): void {
  speak(understood([...chosen(), ...navigator.languages]));
  const select = document.querySelector<HTMLSelectElement>('#language');
  if (!select) return;
  select.replaceChildren(...LANGUAGES.map((one) => {
    const option = new Option(STRINGS[one].name, one, false, one === spoken);
    option.lang = one;
    return option;
  }));
  select.addEventListener('change', () => {
    speak(understood([select.value]));
    keep(spoken);
  });
}

function speak(language: Language): void {
  spoken = language;
  root.lang = language;
  title();
  document.querySelector('#language')?.setAttribute('aria-label', text().language);
  for (const place of document.querySelectorAll<HTMLElement | SVGElement>('[data-words]')) {
    const { words } = place.dataset;
    if (words && words in text()) say(place, words as keyof PageText);
  }
}

/** Says something there, from then on in every language. */
export function say(place: HTMLElement | SVGElement, words: keyof PageText): void {
  place.dataset.words = words;
  // What is there already is not drawn anew.
  if (place.textContent !== text()[words]) place.textContent = text()[words];
}

let before = (): string => '';

/** The title of the tab; `ahead` of it stands what goes on. */
export function title(ahead = before): void {
  before = ahead;
  document.title = before() + text().title;
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
