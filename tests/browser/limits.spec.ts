/** Files that are not LoRAs, and far too large ones: refused by name, while the page keeps responding. */

import { writeFile } from 'node:fs/promises';
import { expect, test } from '@playwright/test';
import { SD15_MODULES, makeLora } from './make.ts';
import { element, fuseButton, give, named, open } from './page.ts';

const MILLION = 1_000_000;

/** A file whose header is correct except for the number of its tensors. */
function manyTensors(count: number): Uint8Array {
  const entries = Array.from({ length: count }, (_, at) => `"m${at}.lora_down.weight":{"dtype":"F16","shape":[1,1],"data_offsets":[${2 * at},${2 * at + 2}]}`);
  const header = Buffer.from(`{${entries.join(',')}}`);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(2 * count)]);
}

test('a million tensors are refused, and the page is drawn meanwhile', async ({ page }, info) => {
  const path = info.outputPath('million.safetensors');
  await writeFile(path, manyTensors(MILLION));
  const uncaught = await open(page);
  // Loads the program first, so that only the reading is measured.
  await page.getByRole('button', { name: 'Try it with an example' }).click();
  await expect(fuseButton(page)).toBeEnabled();
  await page.locator('np-lora').evaluate((found) => {
    const host = found as unknown as { phase: string };
    const seen = { frames: 0, from: 0, to: 0 };
    Object.assign(window, { seen });
    const frame = (): void => {
      if (host.phase === 'opening') {
        seen.frames += 1;
        seen.from ||= performance.now();
        seen.to = performance.now();
      }
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  await give(page, 'Subject', path);
  await expect(page.getByRole('alert')).toContainText('E_TOO_MANY_TENSORS');
  const { frames, from, to } = await page.evaluate(() => (window as unknown as { seen: { frames: number; from: number; to: number } }).seen);
  console.log(`a million tensors: refused after ${(to - from).toFixed(0)} ms, ${frames} frames drawn meanwhile`);
  expect(frames).toBeGreaterThan(3);
  await give(page, 'Subject', named('subject.safetensors', makeLora({ modules: SD15_MODULES.slice(1, 2), rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 81 })));
  await expect.poll(() => element(page, 'phase')).not.toBe('opening');
  await expect(page.getByRole('region', { name: 'Subject', exact: true })).toContainText('SD 1.5');
  expect(uncaught).toEqual([]);
});

const text = (content: string): Uint8Array => new TextEncoder().encode(content.padEnd(200, ' '));
const bytes = (...start: number[]): Uint8Array => Uint8Array.from([...start, ...Array<number>(200).fill(7)]);

const FOREIGN: [string, Uint8Array, string, RegExp][] = [
  ['empty', new Uint8Array(), 'E_EMPTY', /empty/],
  ['four bytes', new Uint8Array(4), 'E_TOO_SHORT', /too short/],
  ['a web page', text('\n<!DOCTYPE html><html><body>Log in</body></html>'), 'E_NOT_SAFETENSORS', /web page/],
  ['an error message', text('{"error": "Repository not found"}'), 'E_NOT_SAFETENSORS', /JSON/],
  ['an XML error', text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), 'E_NOT_SAFETENSORS', /XML/],
  ['a pointer', text('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'), 'E_NOT_SAFETENSORS', /Git LFS pointer/],
  ['an index', text('{"metadata": {}, "weight_map": {"a": "b.safetensors"}}'), 'E_NOT_SAFETENSORS', /index of a model/],
  ['a checkpoint', bytes(0x50, 0x4b, 3, 4), 'E_NOT_SAFETENSORS', /PyTorch.*run code/],
  ['a pickle', bytes(0x80, 2, 0x7d, 0x71), 'E_NOT_SAFETENSORS', /pickle.*run code/],
  ['a GGUF', bytes(0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0), 'E_NOT_SAFETENSORS', /GGUF/],
  ['a picture', bytes(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10), 'E_NOT_SAFETENSORS', /PNG/],
  ['a gzip', bytes(0x1f, 0x8b, 8, 0), 'E_NOT_SAFETENSORS', /gzip/],
  ['noise', bytes(9, 0, 0, 0, 0, 0, 0, 0), 'E_HEADER_JSON', /cannot be read/],
];

test('what is no safetensors file is named', async ({ page }) => {
  const uncaught = await open(page);
  for (const [what, content, code, says] of FOREIGN) {
    await test.step(what, async () => {
      await give(page, 'Subject', { name: `${what}.safetensors`, bytes: content });
      const card = page.getByRole('region', { name: 'Subject', exact: true });
      await expect(card).toContainText(what);
      await expect(card.getByRole('alert')).toContainText(code);
      await expect(card.getByRole('alert')).toContainText(says);
    });
  }
  expect(uncaught).toEqual([]);
});
