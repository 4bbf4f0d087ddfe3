/** The languages there are, and which of them somebody reads. */

export type Language = 'en' | 'ja' | 'zh-Hans';
export const LANGUAGES: readonly Language[] = ['en', 'ja', 'zh-Hans'];

/**
 * The language for somebody who reads these, the dearest first. Which script a tag means is the browser's to know; a tag that only
 * says again, and less exactly, what the one before it said is no wish of its own: `zh` behind `zh-TW`.
 */
export function understood(tags: readonly string[]): Language {
  for (const [at, tag] of tags.entries()) {
    if (tags.slice(0, at).some((before) => before.startsWith(`${tag}-`))) continue;
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
