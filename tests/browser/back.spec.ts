/** A person can go back from a refused file to the one before it, with its settings. */

import { expect, test, type Locator, type Page } from '@playwright/test';
import { card } from './linked.ts';
import { makeLora } from './make.ts';
import { fuseButton, give, givePair, named, open, type Named, type Role } from './page.ts';
import { KOHYA, PAIR, openRecipe, settings } from './settings.ts';

const BAD: Named = { name: 'page.safetensors', bytes: new TextEncoder().encode('<!doctype html>') };

const back = (page: Page, role: Role): Locator => card(page, role).getByRole('button', { name: /^Back to / });

test('with what was said of its scale', async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, ...PAIR);
  const scale = { kind: 'alpha', alpha: 8 };
  await openRecipe(page, JSON.stringify({ version: '0.1.0', settings: { contentScale: scale } }));
  await expect.poll(async () => (await settings(page)).contentScale).toEqual(scale);
  await give(page, 'Subject', BAD);
  await expect(back(page, 'Subject')).toHaveText('Back to cat.safetensors');
  expect((await settings(page)).contentScale).toEqual({ kind: 'auto' });
  await back(page, 'Subject').click();
  await expect(fuseButton(page)).toBeEnabled();
  await expect(card(page, 'Subject')).toContainText('cat.safetensors');
  expect((await settings(page)).contentScale).toEqual(scale);
  // The scale setting belongs to that file, not to one that came before it.
  await give(page, 'Subject', named('dog.safetensors', makeLora({ ...KOHYA, seed: 79 })));
  await expect(fuseButton(page)).toBeEnabled();
  expect((await settings(page)).contentScale).toEqual({ kind: 'auto' });
  await give(page, 'Subject', BAD);
  await back(page, 'Subject').click();
  await expect(card(page, 'Subject')).toContainText('dog.safetensors');
  await expect(fuseButton(page)).toBeEnabled();
  expect((await settings(page)).contentScale).toEqual({ kind: 'auto' });
  // A file that was removed does not come back.
  await page.getByRole('button', { name: 'Remove subject file' }).click();
  await give(page, 'Subject', BAD);
  await expect(card(page, 'Subject').getByRole('alert')).toBeVisible();
  await expect(back(page, 'Subject')).toHaveCount(0);
  expect(uncaught).toEqual([]);
});

test('on a narrow page, whatever it is called', async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 740 });
  const uncaught = await open(page);
  await give(page, 'Subject', named(`${'cat_in_the_rain'.repeat(8)}.safetensors`, makeLora(KOHYA)));
  await expect(page.getByRole('button', { name: 'Only this file? It can be converted' })).toBeVisible();
  await give(page, 'Subject', BAD);
  const [button, around] = await Promise.all([back(page, 'Subject').boundingBox(), card(page, 'Subject').boundingBox()]);
  expect(button!.x + button!.width).toBeLessThan(around!.x + around!.width);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
  expect(uncaught).toEqual([]);
});

test('in the other place after a swap, and after a second one that is no better', async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, ...PAIR);
  await expect(fuseButton(page)).toBeEnabled();
  for (const name of ['first.safetensors', 'second.safetensors']) {
    await give(page, 'Subject', { ...BAD, name });
    await expect(card(page, 'Subject').getByRole('alert')).toContainText(name);
  }
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  await expect(card(page, 'Subject')).toContainText('ink.safetensors');
  await expect(back(page, 'Style')).toHaveText('Back to cat.safetensors');
  await back(page, 'Style').click();
  await expect(card(page, 'Style')).toContainText('cat.safetensors');
  await expect(fuseButton(page)).toBeEnabled();
  expect(uncaught).toEqual([]);
});

test('a link that leads nowhere takes nothing away from the file beside it', async ({ page }) => {
  const uncaught = await open(page);
  await give(page, 'Subject', PAIR[0]);
  await page.getByRole('button', { name: 'Only this file? It can be converted' }).click();
  const convert = page.getByRole('button', { name: 'Convert this file' });
  await expect(convert).toBeEnabled();
  const box = page.getByLabel('Link to the style LoRA');
  await box.fill('https://example.org/x');
  await box.press('Enter');
  await expect(page.getByRole('alert')).toContainText('E_LINK_HOST');
  await page.evaluate(() => new Promise((later) => { setTimeout(later, 500); }));
  await expect(convert).toBeEnabled();
  expect(uncaught).toEqual([]);
});
