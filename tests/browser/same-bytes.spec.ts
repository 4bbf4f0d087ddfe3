/**
 * The program as built makes the same file in Chromium and in Node: nothing of a browser is in the bytes. A native build is
 * not held to it: its matrix products use fused multiply-add where the processor has it, so a last bit may differ.
 */

import { createHash } from 'node:crypto';
import { expect, test } from '@playwright/test';
import { fuseInNode } from './in-node.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { FIRST_RUN, advanced, fuseAndSave, give, named, open, setMu } from './page.ts';
import { writeSafetensors } from './safetensors.ts';

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 8, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 51, sharedDirections: 3 };
const subject = named('subject.safetensors', makeLora(RECIPE));
const style = named('style.safetensors', makeLora({ ...RECIPE, rank: 12, alpha: 6, seed: 52 }));

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('Chromium and Node make the same file', async ({ page }, { project }) => {
  test.skip(project.name !== 'cpu', 'a graphics device promises bounds, not bits');
  test.setTimeout(2 * FIRST_RUN);
  await open(page);
  await give(page, 'Subject', subject);
  await give(page, 'Style', style);
  await setMu(page, 10);
  await advanced(page, 'Number format', 'BF16');
  const { file, name } = await fuseAndSave(page, project.name);
  const inNode = await fuseInNode(subject, style, { mu: 10, dtype: 'BF16', outputName: name.replace('.safetensors', '') });
  expect(digest(inNode)).toBe(digest(writeSafetensors(file)));
});
