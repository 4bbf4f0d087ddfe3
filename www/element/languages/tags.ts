/** The languages there are, and which of them somebody reads. */

export type Language = 'en' | 'ja' | 'zh-Hans';
export const LANGUAGES: readonly Language[] = ['en', 'ja', 'zh-Hans'];

/** The language for somebody who reads these, the dearest first. Which script a tag means is the browser's to know. */
export function understood(tags: readonly string[]): Language {
  for (const tag of tags) {
    const wish = likely(tag);
    const found = LANGUAGES.find((one) => likely(one) === wish);
    if (found) return found;
  }
  return 'en';
}

function likely(tag: string): string {
  try {
    const { language, script } = new Intl.Locale(tag).maximize();
    return `${language} ${script}`;
  } catch {
    return '';
  }
}
