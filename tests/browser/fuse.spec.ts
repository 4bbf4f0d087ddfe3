/** From two files to one, through the page, with and without a graphics device; every result is computed independently. */

import { readFile } from 'node:fs/promises';
import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { check } from './hold.ts';
import { FLUX_PEFT_MODULES, SD15_MODULES, htmlPage, makeLora, truncated, withNaN, without, type Recipe } from './make.ts';
import { DEVICE, FIRST_RUN, advanced, fuseAndSave, fuseButton, give, givePair, named, open, setMu, setStrength, type Named, type Role } from './page.ts';
import { readSafetensors, type Safetensors } from './safetensors.ts';

test.setTimeout(2 * FIRST_RUN);

const KOHYA: Recipe = { modules: SD15_MODULES, rank: 8, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 11, sharedDirections: 3 };
// Three layers of FLUX.1 alone could also be another model's, so the metadata names the model.
const PEFT: Recipe = {
  modules: FLUX_PEFT_MODULES, rank: 8, alpha: null, dtype: 'BF16', scheme: 'PEFT', seed: 21, sharedDirections: 3,
  metadata: { format: 'pt', 'modelspec.architecture': 'flux-1-dev/lora' },
};

const takePair = (page: Page, [content, style]: [Safetensors, Safetensors]): Promise<void> =>
  givePair(page, named('subject.safetensors', content), named('style.safetensors', style));

test('a kohya pair with convolutions, at several μ and in three formats', DEVICE, async ({ page }) => {
  const pair: [Safetensors, Safetensors] = [makeLora(KOHYA), makeLora({ ...KOHYA, rank: 6, alpha: 6, seed: 12 })];
  const uncaught = await open(page);
  await takePair(page, pair);
  for (const mu of [0.5, 0, Infinity]) {
    await setMu(page, mu);
    const { file, name } = await fuseAndSave(page);
    expect(name).toMatch(/\.safetensors$/);
    check(file, pair, { ...DEFAULTS, mu }, 'F16');
  }
  for (const dtype of ['F32', 'BF16'] as const) {
    await advanced(page, 'Number format', dtype);
    const { file } = await fuseAndSave(page);
    check(file, pair, { ...DEFAULTS, mu: Infinity }, dtype);
  }
  expect(uncaught).toEqual([]);
});

test('a PEFT pair in BF16, with all of the style’s directions and with two', DEVICE, async ({ page }) => {
  const pair: [Safetensors, Safetensors] = [makeLora(PEFT), makeLora({ ...PEFT, rank: 4, seed: 22 })];
  const uncaught = await open(page);
  await takePair(page, pair);
  check((await fuseAndSave(page)).file, pair, DEFAULTS, 'BF16');
  // Choosing the strongest directions uses other kernels than taking all of them.
  await advanced(page, 'Style directions to protect', 'count');
  const count = page.getByLabel('Number of directions');
  await count.fill('2');
  await count.blur();
  check((await fuseAndSave(page)).file, pair, { ...DEFAULTS, directions: 2 }, 'BF16');
  expect(uncaught).toEqual([]);
});

test('modules of one file only pass through, and strengths and mixed ranks count', DEVICE, async ({ page }) => {
  const modules = SD15_MODULES.map((shape, index) => ({ ...shape, rank: 4 + index }));
  const content = makeLora({ ...KOHYA, dtype: 'F32', modules: modules.slice(1), alpha: 3 });
  const style = makeLora({ ...KOHYA, dtype: 'F32', modules: modules.slice(0, -1), alpha: 5, seed: 12 });
  const uncaught = await open(page);
  await takePair(page, [content, style]);
  await setStrength(page, 'Subject', 0.7);
  await setStrength(page, 'Style', 1.2);
  await setMu(page, 1);
  const { file } = await fuseAndSave(page);
  check(file, [content, style], { mu: 1, contentStrength: 0.7, styleStrength: 1.2 }, 'F32');
  await expect(page.getByText('passed through from the subject')).toBeVisible();
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  check((await fuseAndSave(page)).file, [style, content], { mu: 1, contentStrength: 0.7, styleStrength: 1.2 }, 'F32');
  expect(uncaught).toEqual([]);
});

test('bad files are refused by name, and the next good pair fuses without a reload', async ({ page }) => {
  const good = makeLora({ ...KOHYA, modules: SD15_MODULES.slice(1, 4) });
  const style = makeLora({ ...KOHYA, modules: SD15_MODULES.slice(1, 4), seed: 12 });
  const [, to_q] = SD15_MODULES.slice(1);
  const up = `${to_q!.name}.lora_up.weight`;
  const wider = SD15_MODULES.slice(1, 4).map((shape) => (shape === to_q ? { ...shape, in: shape.in + 8 } : shape));
  const bad: { file: Named; role: Role; says: (string | RegExp)[] }[] = [
    { file: { name: 'cut-off.safetensors', bytes: truncated(good, 100) }, role: 'Subject', says: ['E_TRUNCATED'] },
    { file: { name: 'login.safetensors', bytes: htmlPage() }, role: 'Style', says: ['E_NOT_SAFETENSORS'] },
    { file: named('half.safetensors', without(good, up)), role: 'Subject', says: ['E_PAIR_MISSING', to_q!.name] },
    { file: named('nan.safetensors', withNaN(good, up)), role: 'Subject', says: ['E_NONFINITE', up] },
    { file: named('nan-style.safetensors', withNaN(style, up)), role: 'Style', says: ['E_NONFINITE', up] },
    { file: named('wider.safetensors', makeLora({ ...KOHYA, modules: wider })), role: 'Style', says: ['E_SHAPE_MISMATCH', to_q!.name] },
    {
      file: named('elsewhere.safetensors', makeLora({ ...KOHYA, modules: [SD15_MODULES[0]!] })), role: 'Subject',
      says: ['E_NO_COMMON_MODULES'],
    },
  ];
  const uncaught = await open(page);
  await takePair(page, [good, style]);
  await expect(fuseButton(page)).toBeVisible();
  let backs = 0;
  for (const { file, role, says } of bad) {
    await test.step(file.name, async () => {
      await give(page, role, file);
      const alert = page.getByRole('alert');
      const card = page.getByRole('region', { name: role, exact: true });
      await expect(card).toContainText(file.name);
      // Fuse need not be pressed: the analysis finds errors in the values, and removes the button.
      await expect(alert.first()).toBeVisible({ timeout: FIRST_RUN });
      for (const part of [file.name, ...says]) await expect(alert.first()).toContainText(part);
      await expect(page.getByRole('button', { name: 'Save', exact: true })).toHaveCount(0);
      // A file that cannot be opened has not removed the one before it.
      const back = card.getByRole('button', { name: /^Back to / });
      if (await back.count() > 0) {
        backs++;
        await back.click();
        await expect(card).not.toContainText(file.name);
        await expect(alert).toHaveCount(0);
        await expect(fuseButton(page)).toBeVisible();
      }
      await give(page, role, named('good.safetensors', role === 'Subject' ? good : style));
      await expect(alert).toHaveCount(0);
    });
  }
  expect(backs).toBe(3);
  check((await fuseAndSave(page)).file, [good, style], DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});

test('what shows a result is fetched before there is one, and anew when that fails', async ({ page, context }) => {
  const asked: string[] = [];
  context.on('request', (request) => { if (request.url().includes('/results-')) asked.push(request.url()); });
  await context.route(/\/results-\w+\.js/, (route) => route.fulfill({ status: 404, body: 'gone' }));
  const uncaught = await open(page);
  await expect(page.getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  expect(asked).toEqual([]);
  const pair: [Safetensors, Safetensors] = [makeLora(KOHYA), makeLora({ ...KOHYA, seed: 12 })];
  await takePair(page, pair);
  await expect.poll(() => asked.length).toBe(1);
  await fuseButton(page).press('Enter');
  await expect(page.getByText('the part of the page that shows it could not be loaded')).toBeVisible();
  // The view was requested once more, in vain; the focus has moved to its place, and the result can be saved.
  expect(asked).toHaveLength(2);
  await expect(page.getByText('There may be a newer version by now')).toBeVisible();
  await expect(page.getByRole('region', { name: 'Fused and checked' })).toBeFocused();
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save', exact: true }).press('Enter')]);
  check(readSafetensors(await readFile(await saved.path())), pair, DEFAULTS, 'F16');
  await context.unroute(/\/results-\w+\.js/);
  await page.getByRole('button', { name: 'Try again' }).press('Enter');
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeFocused();
  expect(uncaught).toEqual([]);
});

test('the same pair gives the same result to the last bit', async ({ page }) => {
  const pair: [Safetensors, Safetensors] = [makeLora(KOHYA), makeLora({ ...KOHYA, seed: 12 })];
  const runs: Safetensors[] = [];
  for (let run = 0; run < 2; run++) {
    await open(page);
    await takePair(page, pair);
    runs.push((await fuseAndSave(page)).file);
  }
  expect(runs[0]!.tensors).toEqual(runs[1]!.tensors);
  for (const run of runs) check(run, pair, DEFAULTS, 'F16');
});
