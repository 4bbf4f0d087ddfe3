/** What docs/API.md shows, to be run as it stands there. */

import { readFile } from 'node:fs/promises';

/** The blocks of the document in a language, by what stands behind its fence. */
export async function examples(language: string): Promise<string[]> {
  const text = await readFile('docs/API.md', 'utf8');
  const blocks = [...text.matchAll(/^```(.*)\n([^]*?)^```$/gm)].filter(([, head]) => head === language);
  return blocks.map(([, , code]) => code!);
}
