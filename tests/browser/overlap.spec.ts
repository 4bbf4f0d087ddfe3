/** The overlap alone: loaded with the unchanged subject and style, it makes the fusion at every μ, as computed from saved files. */

import { expect, test, type Page } from '@playwright/test';
import { apart, deviation, expected, factors, modulesOf, overlapOf, removed, stacked, type Module, type Settings } from './check.ts';
import { scaled } from './algebra.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { DEVICE, FIRST_RUN, accessible, convertAndSave, element, fuseAndSave, fuseButton, givePair, named, offerConversion, open, overlapAndSave, setMu, setStrength } from './page.ts';
import { allFinite, type Dtype, type Safetensors } from './safetensors.ts';

test.setTimeout(2 * FIRST_RUN);

// Each file has a layer of its own, and ranks differ from layer to layer.
const MODULES = SD15_MODULES.map((shape, index) => ({ ...shape, rank: 4 + index }));
const KOHYA: Recipe = { modules: MODULES.slice(1), rank: 8, alpha: 3, dtype: 'F16', scheme: 'kohya', seed: 91, sharedDirections: 3 };
const PAIR: [Safetensors, Safetensors] = [makeLora(KOHYA), makeLora({ ...KOHYA, modules: MODULES.slice(0, -1), alpha: 5, seed: 92 })];
/** The error that f32 arithmetic may add to rounding. */
const ARITHMETIC = 1e-5;

const wanted = (page: Page, result: 'fusion' | 'overlap'): Promise<unknown> => page.getByLabel('What to make').selectOption(result);

/** Checks every module of a fusion against what the three files make of it; each may deviate by no more than its rounding. */
function makesTheFusion(overlap: Safetensors, fusion: Safetensors, settings: Settings, dtype: Dtype): void {
  const [o, f, c, s] = [overlap, fusion, ...PAIR].map(modulesOf) as [Map<string, Module>, Map<string, Module>, Map<string, Module>, Map<string, Module>];
  for (const [name, fused] of f) {
    const [content, style] = [c.get(name) ?? null, s.get(name) ?? null];
    const found = stacked(content, style, o.get(name) ?? null, settings);
    const should = expected(content, style, settings, dtype);
    const part = content && style ? overlapOf(content, style, dtype) : null;
    const rounding = part ? Math.abs(removed(settings.mu) * settings.contentStrength) * part.floor * part.norm / should.norm : 0;
    expect(apart(found, should), `${name}, three files against the method`).toBeLessThan(1.01 * rounding + ARITHMETIC);
    const { up, down, scale } = factors(fused);
    const saved = { up, down: scaled(down, scale), norm: should.norm };
    expect(apart(found, saved), `${name}, three files against the fused one`).toBeLessThan(1.01 * (rounding + should.floor) + 2 * ARITHMETIC);
    if (part && settings.mu > 0) expect(should.change, name).toBeGreaterThan(10 * (rounding + should.floor));
  }
}

test('subject, style and the overlap at −μ/(1+μ) are the fusion at every μ', DEVICE, async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, named('cat.safetensors', PAIR[0]), named('ink.safetensors', PAIR[1]));
  await wanted(page, 'overlap');
  const { file: overlap, name } = await overlapAndSave(page);
  expect(name).toBe('cat_overlap_with_ink.safetensors');
  expect(allFinite(overlap)).toBe(true);
  const [found, c, s] = [overlap, ...PAIR].map(modulesOf) as [Map<string, Module>, Map<string, Module>, Map<string, Module>];
  expect([...found.keys()].sort()).toEqual([...c.keys()].filter((one) => s.has(one)).sort());
  for (const [stem, module] of found) {
    const should = overlapOf(c.get(stem)!, s.get(stem)!, 'F16');
    expect(deviation(module, should), stem).toBeLessThan(1.01 * should.floor + ARITHMETIC);
    expect(should.change, stem).toBeGreaterThan(0.1);
  }
  const report = await element<{ contentTensors: Record<string, number>; styleTensors: Record<string, number> }>(page, 'report');
  for (const tensors of [report.contentTensors, report.styleTensors]) expect(tensors).toMatchObject({ total: 15, fused: 12, passed: 0, outside: 3 });

  await wanted(page, 'fusion');
  for (const settings of [{ mu: 0.5, contentStrength: 1, styleStrength: 1 }, { mu: Infinity, contentStrength: 0.7, styleStrength: -1.2 }, { mu: 0.1, contentStrength: -0.5, styleStrength: 2 }]) {
    await setMu(page, settings.mu);
    await setStrength(page, 'Subject', settings.contentStrength);
    await setStrength(page, 'Style', settings.styleStrength);
    makesTheFusion(overlap, (await fuseAndSave(page)).file, settings, 'F16');
  }
  expect(uncaught).toEqual([]);
});

test('the page says how an overlap is used, and holds back what has no effect on it', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.setViewportSize({ width: 320, height: 800 });
  const uncaught = await open(page);
  await givePair(page, named('cat.safetensors', PAIR[0]), named('ink.safetensors', PAIR[1]));
  const idle = [page.getByLabel('as μ', { exact: true }), page.getByLabel('Subject strength, as a number'), page.getByLabel('Style strength', { exact: true })];
  for (const one of idle) await expect(one).toBeEnabled();
  await wanted(page, 'overlap');
  for (const one of idle) await expect(one).toBeDisabled();
  await expect(page.getByText('take negative strengths')).toBeVisible();
  await expect(page.getByText('left out', { exact: true })).toHaveCount(2);
  await overlapAndSave(page);
  const table = page.getByRole('table').filter({ hasText: 'times the subject’s' });
  await expect(table.getByRole('rowheader')).toHaveText(['0', '0.1', '0.5', '1', '10', '∞']);
  await expect(table.getByRole('cell')).toHaveText(['0', '-0.09', '-0.33', '-0.5', '-0.91', '-1']);
  await page.getByText('6 tensors', { exact: true }).last().click();
  await expect(page.getByRole('row', { name: 'Not part of the overlap 3 3' })).toBeVisible();
  await accessible(page, 'overlap');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);

  await wanted(page, 'fusion');
  await expect(page.locator('.stale')).toBeVisible();
  await expect(fuseButton(page)).toBeEnabled();
  // A single file has no overlap, and is converted as usual.
  await wanted(page, 'overlap');
  await page.getByRole('button', { name: 'Remove style file' }).click();
  await offerConversion(page);
  await expect(page.getByLabel('Subject strength, as a number')).toBeEnabled();
  expect([...modulesOf((await convertAndSave(page)).file).keys()].sort()).toEqual([...modulesOf(PAIR[0]).keys()].sort());
  expect(uncaught).toEqual([]);
});
