/** The languages there are, and the choice of the one that a person reads. */

export type Language = 'en' | 'ja' | 'zh-Hans';
export const LANGUAGES: readonly Language[] = ['en', 'ja', 'zh-Hans'];

/**
 * The language for a person who reads `tags`, in order of preference. The browser knows which script a tag means. A tag that only repeats, less
 * exactly, what an earlier one said is not a wish of its own: `zh` after `zh-TW`.
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
