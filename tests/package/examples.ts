/** The examples in docs/API.md, to be run exactly as written there. */

import { readFile } from 'node:fs/promises';

/** The document's code blocks in a language, given by the text after the opening fence. */
export async function examples(language: string): Promise<string[]> {
  const text = await readFile('docs/API.md', 'utf8');
  const blocks = [...text.matchAll(/^```(.*)\n([^]*?)^```$/gm)].filter(([, head]) => head === language);
  return blocks.map(([, , code]) => code!);
}
