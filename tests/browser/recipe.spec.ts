/** Settings in a file: saved, opened again, and found in the files that were fused with them. */

import { expect, test } from '@playwright/test';
import { makeLora } from './make.ts';
import { FIRST_RUN, advanced, give, givePair, named, open, setMu, setStrength } from './page.ts';
import { KOHYA, PAIR, download, fuse, openRecipe, settings, sha256, useIn } from './settings.ts';

test.setTimeout(2 * FIRST_RUN);

test('a recipe makes the same file again, and says where it does not match', async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, ...PAIR);
  await setMu(page, Infinity);
  await setStrength(page, 'Subject', 0.7);
  await advanced(page, 'Scale of the style', 'rankStabilised');
  await useIn(page, 'Style', 'INS: IN00–IN04');
  const bytes = await fuse(page);
  await expect(page.getByText(/SHA-256 [0-9a-f]{64}/)).toBeVisible();
  const recipe = await download(page, page.getByRole('button', { name: 'Save recipe' }));
  const report = await download(page, page.getByRole('button', { name: 'Save report' }));
  expect(recipe.name).toBe('cat_in_ink.recipe.json');
  const read = JSON.parse(recipe.bytes.toString()) as { content: unknown; style: unknown; settings: { mu: unknown } };
  expect(read.settings.mu).toBe('infinity');
  expect(read.content).toEqual({ name: 'cat.safetensors', size: PAIR[0].bytes.length, sha256: sha256(PAIR[0].bytes) });
  const said = JSON.parse(report.bytes.toString()) as Record<'content' | 'style', unknown>;
  for (const [role, { name, bytes }] of [['content', PAIR[0]], ['style', PAIR[1]]] as const) {
    expect(said[role]).toEqual({ name, size: bytes.length, sha256: sha256(bytes) });
  }
  const made = await settings(page);

  const about = page.getByRole('complementary', { name: 'Recipe' });
  for (const { name, bytes: json } of [recipe, report]) {
    await page.goto('./');
    await page.reload();
    expect((await settings(page)).mu).toBe(0.5);
    // The recipe is chosen like any file, before the files that it is for.
    await page.getByLabel('Subject LoRA file').setInputFiles({ name, mimeType: 'application/json', buffer: json });
    await expect(about).toContainText(`The settings are those of ${name}.`);
    await expect(about).toContainText('Subject: choose cat.safetensors');
    await givePair(page, ...PAIR);
    await expect(about).not.toContainText('choose');
    expect(await settings(page)).toEqual(made);
    expect(sha256(await fuse(page))).toBe(sha256(bytes));
    await give(page, 'Style', named('ink.safetensors', makeLora({ ...KOHYA, rank: 5, seed: 74 })));
    await expect(about).toContainText('Style: the recipe was made with another file, ink.safetensors');
    await give(page, 'Style', PAIR[1]);
    await page.getByRole('button', { name: 'Swap subject and style' }).click();
    await expect(about).toContainText('the other way round');
    await about.getByRole('button', { name: 'Dismiss' }).click();
    await expect(about).toHaveCount(0);
  }

  // Files that come together go to the places that the recipe has for them, in whatever order they come.
  await page.goto('./');
  await page.reload();
  await page.getByLabel('Subject LoRA file').setInputFiles({ name: recipe.name, mimeType: 'application/json', buffer: recipe.bytes });
  await expect(about).toContainText('Subject: choose cat.safetensors');
  await page.locator('np-lora').evaluate((tool, files) => (tool as unknown as { take(files: File[]): Promise<void> })
    .take(files.map(({ name, bytes }) => new File([new Uint8Array(bytes)], name))), [...PAIR].reverse().map(({ name, bytes }) => ({ name, bytes: [...bytes] })));
  await expect(page.getByRole('region', { name: 'Subject', exact: true })).toContainText('cat.safetensors');
  await expect(about).not.toContainText('choose');
  await expect(about).not.toContainText('the other way round');
  // The same holds if the recipe is among the files.
  await page.goto('./');
  await page.reload();
  await page.locator('np-lora').evaluate((tool, files) => (tool as unknown as { take(files: File[]): Promise<void> })
    .take(files.map(({ name, bytes }) => new File([new Uint8Array(bytes)], name))),
  [PAIR[1], { name: recipe.name, bytes: recipe.bytes }, PAIR[0]].map(({ name, bytes }) => ({ name, bytes: [...bytes] })));
  await expect(page.getByRole('region', { name: 'Subject', exact: true })).toContainText('cat.safetensors');
  await expect(about).toContainText('The settings are those of');
  await expect(about).not.toContainText('the other way round');

  // A fused file contains its recipe, with the names of its sources.
  await page.goto('./');
  await givePair(page, ...PAIR);
  await openRecipe(page, bytes, 'renamed.safetensors');
  await expect.poll(() => settings(page)).toEqual({ ...made, outputName: expect.any(String) });
  await expect(about).toContainText('The settings are those of renamed.safetensors');
  expect(sha256(await fuse(page))).toBe(sha256(bytes));
  await give(page, 'Style', named('pencil.safetensors', makeLora({ ...KOHYA, rank: 5, seed: 74 })));
  await expect(about).toContainText('Style: the recipe was made with another file, ink.safetensors');
  await give(page, 'Style', PAIR[1]);
  await openRecipe(page, PAIR[0].bytes, 'cat.safetensors');
  await expect(page.getByRole('alert')).toContainText('The file does not say how it was made.');

  await page.getByText('Advanced', { exact: true }).click();
  await page.getByLabel('Leave the sources’ names out of the file').check();
  const unnamed = await download(page, page.getByRole('button', { name: 'Save recipe' }));
  expect(unnamed.bytes.toString()).not.toMatch(/ink\.|cat\./);
  await openRecipe(page, unnamed.bytes);
  await expect(about.getByText('It does not say which files')).toBeVisible();
  // A file made in this way does not contain the names either.
  // A name chosen by a person is kept, even one that came with a recipe.
  await page.getByLabel('File name').fill('');
  const secret = await fuse(page);
  expect(secret.subarray(0, 8 + Number(secret.readBigUInt64LE(0))).toString()).not.toMatch(/cat|ink/);
  expect(await page.locator('np-lora').evaluate((tool) => (tool as unknown as { result: File }).result.name)).toBe('subject_in_style.safetensors');
  const keepsQuiet = page.getByLabel('Leave the sources’ names out of the file');
  await keepsQuiet.uncheck();
  // The recipe makes one file, whatever was to be made before.
  await page.getByLabel('What to make').selectOption('several');
  await openRecipe(page, secret, 'secret.safetensors');
  await expect(keepsQuiet).toBeChecked();
  // With another copy of the source, it can be fused again: all settings are as they were.
  await give(page, 'Style', PAIR[1]);
  expect(sha256(await fuse(page))).toBe(sha256(secret));
  await page.getByRole('button', { name: 'Reset', exact: true }).click();
  await expect(about).toHaveCount(0);
  await openRecipe(page, unnamed.bytes);
  // The focus moves to the first file, and for a mouse user the page does not scroll.
  await page.setViewportSize({ width: 390, height: 500 });
  const close = about.getByRole('button');
  await close.evaluate((button) => button.scrollIntoView({ block: 'center' }));
  const before = await page.evaluate(() => scrollY);
  expect(before).toBeGreaterThan(300);
  await close.click();
  await expect(about).toHaveCount(0);
  await expect(page.getByLabel('Subject LoRA file')).toBeFocused();
  expect(Math.abs(await page.evaluate(() => scrollY) - before)).toBeLessThan(120);
  // Strengths beyond the limits of the page's own fields, which the command accepts.
  await openRecipe(page, JSON.stringify({ ...read, settings: { ...read.settings, contentStrength: 20, styleStrength: -1000 } }));
  await expect.poll(async () => { const { contentStrength, styleStrength } = await settings(page); return [contentStrength, styleStrength]; }).toEqual([20, -1000]);
  // A name of a megabyte, made to be slow for backtracking patterns.
  await openRecipe(page, JSON.stringify({ ...read, settings: { ...read.settings, outputName: `a${'.'.repeat(1_000_000)}b` } }));
  await expect.poll(async () => (await settings(page)).outputName).toBe('a');
  expect(uncaught).toEqual([]);
});

test('what a recipe says of other models is told, and has no part in the result', async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, ...PAIR);
  await fuse(page);
  const blocks = { DOUBLE00: { content: 0, style: 1, mu: null }, SINGLE07: { content: 1, style: 0.5, mu: null } };
  await openRecipe(page, JSON.stringify({ version: '0.1.0', settings: { family: 'FLUX.1', blocks } }), 'flux.recipe.json');
  const about = page.getByRole('complementary', { name: 'Recipe' });
  await expect(about).toContainText('It was made for FLUX.1, which these files are not for.');
  await expect(page.locator('np-lora-problem').filter({ hasText: 'The files do not have all the blocks that something is set for.' })).toBeVisible();
  await expect(page.getByText('1 changed')).toHaveCount(0);
  const name = await page.locator('np-lora').evaluate((tool) => (tool as unknown as { result: File | null }).result?.name);
  expect(name).toBe('cat_in_ink.safetensors');
  // That the files are of another family does not count as a change of the settings.
  await expect(about).toContainText('The settings are those of flux.recipe.json.');
  await setMu(page, 4);
  await expect(about).toContainText('The settings were those of flux.recipe.json, and were changed since.');
  await fuse(page);
  const told = await page.locator('np-lora').evaluate((tool) => (tool as unknown as { report: { settings: { blocks: object } } }).report.settings.blocks);
  expect(told).toEqual({});
  expect(uncaught).toEqual([]);
});

test('a recipe that makes no sense is refused, and nothing changes', async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, ...PAIR);
  await setMu(page, 3);
  const before = await settings(page);
  const recipe = (settings: object, more: object = {}): string => JSON.stringify({ version: '0.1.0', settings, ...more });
  for (const [hostile, code] of [
    ['', 'E_RECIPE'], ['{', 'E_RECIPE'], ['[]', 'E_RECIPE'], ['{"peft_type":"LORA","r":8}', 'E_RECIPE'], [recipe({ mu: -1 }), 'E_SETTINGS'],
    [recipe({ mu: 'much' }), 'E_RECIPE'], [recipe({ unheardOf: true }), 'E_RECIPE'], [recipe({ blocks: { IN04: { style: 1e9 } } }), 'E_SETTINGS'],
    [recipe({ family: '<img src=x onerror=alert(1)>' }), 'E_SETTINGS'], [recipe({}, { content: { name: 7, size: 'x' } }), 'E_RECIPE'], ['['.repeat(1e6), 'E_RECIPE'],
    ['{"version":"0.1.0","settings":{"__proto__":{"mu":9}}}', 'E_RECIPE'],
  ] as const) {
    await openRecipe(page, hostile, 'nasty‮.json');
    await expect(page.getByRole('alert'), hostile.slice(0, 80)).toContainText(code);
    expect(await settings(page), hostile.slice(0, 80)).toEqual(before);
    // A valid change clears the error.
    await setMu(page, 4);
    await expect(page.getByRole('alert')).toHaveCount(0);
    await setMu(page, 3);
  }
  await openRecipe(page, recipe({ mu: 1, outputName: '../../<b>x' }, { content: { name: '<img src=x>‮.safetensors', size: 5 } }));
  await expect(page.getByRole('complementary', { name: 'Recipe' }).getByText('<img src=x>‹U+202E›.safetensors (5 B)')).toBeVisible();
  expect((await settings(page)).outputName).not.toMatch(/[/<]/);
  // The error is shown as long as the phase is `failed`, even if there is no file to try a setting on.
  await page.locator('np-lora').evaluate((tool) => (tool as unknown as { reset(): void }).reset());
  await page.locator('np-lora').evaluate((tool) => (tool as unknown as { take(files: File[]): Promise<void> }).take([new File(['{}'], 'no.recipe.json')]));
  await expect(page.getByRole('alert')).toContainText('E_RECIPE');
  await page.locator('np-lora').evaluate((tool) => { (tool as unknown as { mu: number }).mu = 7; });
  await expect(page.getByRole('alert')).toHaveCount(0);
  expect(uncaught).toEqual([]);
});
