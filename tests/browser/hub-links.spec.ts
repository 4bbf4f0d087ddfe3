/** Links to the Hugging Face Hub on the page itself: in its address, in its boxes, and what its policy permits. */

import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { check } from './hold.ts';
import { partOf } from './hub.ts';
import { card, isOpen, loadButton, pair, style, subject } from './linked.ts';
import { FIRST_RUN, accessible, fuseAndSave, open } from './page.ts';

/** Stands in for the Hub at the addresses that the page may request. */
async function routeHub(page: Page, files: Record<string, Uint8Array>): Promise<string[]> {
  const asked: string[] = [];
  await page.route(/^https?:\/\/(?!127\.0\.0\.1)/, (route) => {
    const url = route.request().url();
    asked.push(url);
    const bytes = files[url];
    if (!bytes) return route.abort();
    const { headers, body } = partOf({ bytes, tag: '"1"' }, route.request().headers().range);
    return route.fulfill({ status: 206, headers, body: Buffer.from(body) });
  });
  return asked;
}

const CAT = 'https://huggingface.co/ann/loras/resolve/main/cat.safetensors';
const INK = 'https://huggingface.co/ann/loras/resolve/main/style/ink.safetensors';

test('the page takes links in its address and in its boxes, and asks the Hub alone', async ({ page, context }) => {
  test.setTimeout(2 * FIRST_RUN);
  const asked = await routeHub(page, { [CAT]: subject, [INK]: style });
  const uncaught = await open(page);
  await page.goto(`./?content=${encodeURIComponent('https://huggingface.co/ann/loras/blob/main/cat.safetensors?download=true')}&style=${encodeURIComponent(CAT)}`);
  await expect(loadButton(page, 'Subject')).toHaveText('Load from huggingface.co');
  await expect(card(page, 'Subject')).toContainText(CAT);
  await expect(card(page, 'Style')).toContainText(CAT);
  await expect(page.getByRole('button', { name: 'Load both files' })).toBeVisible();
  await page.getByRole('button', { name: 'Remove style file' }).click();
  await expect(page.getByRole('button', { name: 'Load both files' })).toHaveCount(0);
  await page.evaluate(() => {
    Object.assign(window, { changes: 0 });
    document.querySelector('np-lora')!.addEventListener('change', () => { (window as any).changes += 1; });
  });
  const changes = (): Promise<number> => page.evaluate(() => (window as any).changes);
  const box = page.getByLabel('Link to the style LoRA');
  // A pasted link is complete at once.
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.evaluate(() => navigator.clipboard.writeText('ann/loras/style/ink.safetensors'));
  await box.press('ControlOrMeta+V');
  await expect(loadButton(page, 'Style')).toBeFocused();
  await expect(card(page, 'Style')).toContainText(INK);
  expect([await changes(), asked]).toEqual([1, []]);
  await page.keyboard.press('Enter');
  await isOpen(page, 'Style');
  await loadButton(page, 'Subject').click();
  await isOpen(page, 'Subject');
  expect(await changes()).toBe(3);
  await accessible(page, 'two files of the Hub');
  check((await fuseAndSave(page)).file, pair, DEFAULTS, 'F16');
  expect([...new Set(asked)].sort()).toEqual([CAT, INK]);
  expect(uncaught).toEqual([]);
});

test('two links are loaded with one press', async ({ page }) => {
  const asked = await routeHub(page, { [CAT]: subject, [INK]: style });
  const uncaught = await open(page);
  await page.goto(`./?content=${encodeURIComponent(CAT)}&style=${encodeURIComponent(INK)}`);
  const both = page.getByRole('button', { name: 'Load both files' });
  await both.focus();
  expect(asked).toEqual([]);
  await page.keyboard.press('Enter');
  await isOpen(page, 'Subject');
  await isOpen(page, 'Style');
  await expect(both).toHaveCount(0);
  expect(await page.evaluate(() => document.activeElement?.localName)).toBe('np-lora');
  expect(uncaught).toEqual([]);
});

test('a key that is held down since a link was opened does not load it', async ({ page }) => {
  const asked = await routeHub(page, { [CAT]: subject });
  const uncaught = await open(page);
  await page.getByLabel('Link to the subject LoRA').fill(CAT);
  // Further keydown events are what a held key sends.
  await page.getByLabel('Link to the subject LoRA').focus();
  await page.keyboard.down('Enter');
  await expect(loadButton(page, 'Subject')).toBeFocused();
  for (let times = 0; times < 3; times++) await page.keyboard.down('Enter');
  await page.waitForTimeout(200);
  expect(asked).toEqual([]);
  await expect(loadButton(page, 'Subject')).toBeVisible();
  await page.keyboard.up('Enter');
  await page.keyboard.press('Enter');
  await isOpen(page, 'Subject');
  expect(uncaught).toEqual([]);
});

test('a link that leads to no file is explained where it was pasted', async ({ page }) => {
  const asked = await routeHub(page, {});
  const uncaught = await open(page);
  const box = page.getByLabel('Link to the subject LoRA');
  for (const [link, ...says] of [
    ['https://civitai.com/models/123/cat?modelVersionId=4', 'E_LINK_CIVITAI', 'Civitai does not let other pages load its files', 'Download the file there'],
    ['https://example.com/cat.safetensors', 'E_LINK_HOST', 'It is example.com'],
    ['https://huggingface.co/ann/loras', 'E_LINK_NOT_FILE'],
    ['http://huggingface.co/ann/loras/resolve/main/cat.safetensors', 'E_LINK'],
    ['<img src=x onerror=alert(1)>', 'E_LINK'],
  ]) {
    await box.fill(link!);
    await card(page, 'Subject').getByRole('button', { name: 'Open link' }).click();
    for (const part of says) await expect(card(page, 'Subject').getByRole('alert')).toContainText(part!);
    await expect(box).toHaveValue(link!);
  }
  await accessible(page, 'a link refused');
  await box.fill(`  ${CAT}  `);
  await box.press('Enter');
  await expect(loadButton(page, 'Subject')).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  expect(asked).toEqual([]);
  expect(uncaught).toEqual([]);
});

test('the page’s policy lets through the Hub’s hosts and no others', async ({ page }) => {
  const asked = await routeHub(page, {});
  await open(page);
  const through = ['https://huggingface.co/a', 'https://cdn-lfs.huggingface.co/a', 'https://cdn-lfs-us-1.hf.co/a', 'https://cas-bridge.xethub.hf.co/a'];
  const others = [
    'http://huggingface.co/a', 'https://huggingface.co.example.com/a', 'https://hf.space/a', 'https://civitai.com/a', 'https://example.com/a', 'https://127.0.0.1:1/a',
  ];
  const violated = await page.evaluate(async (urls) => {
    const violated: string[] = [];
    addEventListener('securitypolicyviolation', ({ blockedURI }) => violated.push(blockedURI));
    for (const url of urls) await fetch(url).catch(() => {});
    await new Promise((over) => setTimeout(over, 100));
    return violated;
  }, [...through, ...others]);
  expect(violated).toEqual(others);
  expect(asked).toEqual(through);
});
