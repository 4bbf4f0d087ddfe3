/** A third file beside the pair: what the page says about it, for files that are made here. */

import { readFile } from 'node:fs/promises';
import { expect, test, type Locator, type Page } from '@playwright/test';
import { beside, productNorm, scaled, stack } from './algebra.ts';
import { factors, modulesOf, type Factors } from './check.ts';
import { SD15_MODULES, SD15_PEFT_MODULES, FLUX_PEFT_MODULES, htmlPage, makeLora, type Recipe } from './make.ts';
import { accessible, fuseAndSave, fuseButton, givePair, named, open, setMu, setStrength, type Named } from './page.ts';
import { encode, type Dtype, type Safetensors, type Tensor } from './safetensors.ts';

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 6, alpha: 3, dtype: 'F16', scheme: 'kohya', seed: 91, sharedDirections: 3 };
const pair: [Safetensors, Safetensors] = [makeLora(RECIPE), makeLora({ ...RECIPE, rank: 4, alpha: 4, seed: 92 })];
const UNRELATED = makeLora({ ...RECIPE, seed: 93, sharedDirections: 0 });

const section = (page: Page): Locator => page.locator('np-lora-compare');
const lead = (page: Page): Locator => section(page).locator('.lead');

async function givePairOf(page: Page): Promise<void> {
  await givePair(page, named('subject.safetensors', pair[0]), named('style.safetensors', pair[1]));
  await expect(fuseButton(page)).toBeEnabled();
}

const unfold = (page: Page): Promise<void> => page.getByText('Compare a fused file with these two').click();

async function giveThird(page: Page, { name, bytes }: Named): Promise<void> {
  await page.getByLabel(/Fused LoRA file$/).setInputFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(bytes) });
}

const shown = async (found: Locator): Promise<string> => (await found.innerText()).replaceAll('\u00a0', ' ');

/** Both halves of every module side by side, at strength `half` each, as sd-scripts' concat writes them. */
function concatenated([content, style]: [Safetensors, Safetensors], half: number, dtype: Dtype): Safetensors {
  const [c, s] = [modulesOf(content), modulesOf(style)];
  const tensors = new Map<string, Tensor>();
  for (const [name, module] of c) {
    const [first, second] = [factors(module), factors(s.get(name)!)];
    const up = beside(scaled(first.up, first.scale), scaled(second.up, second.scale));
    const down = stack(first.down, second.down);
    const shape = (of: Tensor, at: number, size: number): number[] => of.shape.with(at, size);
    tensors.set(`${name}.lora_down.weight`, { dtype, shape: shape(module.down, 0, down.rows), bytes: encode(down.data, dtype) });
    tensors.set(`${name}.lora_up.weight`, { dtype, shape: shape(module.up, 1, down.rows), bytes: encode(up.data, dtype) });
    tensors.set(`${name}.alpha`, { dtype: 'F32', shape: [], bytes: encode([half * down.rows], 'F32') });
  }
  return { metadata: { format: 'pt' }, tensors };
}

/** ‖F − T‖/‖T‖. */
function distance(file: Factors, target: Factors): number {
  const [f, t] = [file, target].map(({ up, down, scale }) => ({ up, down: scaled(down, scale) })) as [Factors, Factors];
  return productNorm(beside(f.up, scaled(t.up, -1)), stack(f.down, t.down)) / productNorm(t.up, t.down);
}

async function table(page: Page): Promise<string[][]> {
  return section(page).getByRole('group', { name: 'Distances' }).locator('tbody tr').evaluateAll((found) =>
    found.map((row) => [...row.children].map((cell) => cell.textContent?.trim().replaceAll('\u00a0', ' ') ?? '')));
}

test('a file that was fused here is known for what it is, at its μ and strengths', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => { if (request.url().includes('/comparison-')) asked.push(request.url()); });
  const uncaught = await open(page);
  await givePairOf(page);
  await setMu(page, 2);
  await setStrength(page, 'Subject', 0.5);
  const { file } = await fuseAndSave(page);
  expect(asked).toEqual([]);
  await unfold(page);
  await giveThird(page, named('fused.safetensors', file));
  await expect(lead(page)).toBeVisible();
  expect(await shown(lead(page))).toBe('This file is what NP-LoRA gives at μ ≈ 2 (subject 0.5, style 1). It has lost 50 % of the subject.');
  const rows = await table(page);
  expect(rows.map(([name]) => name)).toEqual(['Subject', 'Style', 'Plain sum', 'Plain sum, best strengths', 'NP-LoRA, best μ and strengths']);
  expect(await shown(section(page).locator('.notes'))).toContain('By its own word it was made here of these two, with μ 2, subject 0.5, style 1.');
  expect(await shown(section(page).locator('.notes'))).toContain(`In the file: ${SD15_MODULES.length} of ${SD15_MODULES.length} shared modules.`);
  await accessible(page, 'compared');
  expect(asked).toHaveLength(1);
  expect(uncaught).toEqual([]);
});

test('what compares can be asked for anew; where it fails again, the page may be of an old version', async ({ page, context }) => {
  const uncaught = await open(page);
  await givePairOf(page);
  await context.route(/\/comparison-\w+\.js/, (route) => route.fulfill({ status: 404, body: 'gone' }));
  await unfold(page);
  await expect(section(page).getByText(/could not be loaded\. Everything else works\.$/)).toBeVisible();
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(section(page).getByText(/There may be a newer version by now/)).toBeVisible();
  await context.unroute(/\/comparison-\w+\.js/);
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByLabel(/Fused LoRA file$/)).toBeAttached();
  expect(uncaught).toEqual([]);
});

test('a concatenation at half strength has lost half of either, and every distance is the dense one', async ({ page }) => {
  const uncaught = await open(page);
  await givePairOf(page);
  await unfold(page);
  const file = concatenated(pair, 0.5, 'F32');
  await giveThird(page, named('concat.safetensors', file));
  await expect(lead(page)).toBeVisible();
  expect(await shown(lead(page))).toBe(
    'This file is a plain sum at half strengths: 0.5 × subject + 0.5 × style. It has lost 50 % of the style and 50 % of the subject.');
  const [, , sum, best] = await table(page);
  expect(sum!.slice(1)).toEqual(['1', '1', '', '50 %', '100 %']);
  expect(best!.slice(1, 3)).toEqual(['0.5', '0.5']);

  const about = section(page).locator('np-lora-data').last();
  await about.getByText('Data of all layers').click();
  const [download] = await Promise.all([page.waitForEvent('download'), about.getByRole('button', { name: 'JSON' }).click()]);
  const said = JSON.parse(await readFile(await download.path(), 'utf8')) as Record<string, number | string>[];
  expect(said).toHaveLength(SD15_MODULES.length);
  const [c, s, f] = [modulesOf(pair[0]), modulesOf(pair[1]), modulesOf(file)];
  const near = (is: number[], should: number[]): void => {
    const [a, b] = [is.toSorted((x, y) => x - y), should.toSorted((x, y) => x - y)];
    a.forEach((value, at) => expect(value / b[at]!).toBeCloseTo(1, 5));
  };
  near(said.map(({ toContent }) => Number(toContent)), [...f].map(([name, module]) => distance(factors(module), factors(c.get(name)!))));
  near(said.map(({ toStyle }) => Number(toStyle)), [...f].map(([name, module]) => distance(factors(module), factors(s.get(name)!))));
  for (const { content, style, toSum, kind, found } of said) {
    expect([Number(content).toFixed(4), Number(style).toFixed(4), Number(toSum).toFixed(4), kind, found]).toEqual(['0.5000', '0.5000', '0.5000', 'sum', 'yes']);
  }
  expect(uncaught).toEqual([]);
});

test('one of the two alone, another naming, and a file of something else', async ({ page }) => {
  const uncaught = await open(page);
  await givePairOf(page);
  await unfold(page);
  await giveThird(page, named('again.safetensors', pair[0]));
  await expect(lead(page)).toHaveText(/nothing of the style/);
  expect(await shown(lead(page))).toBe('This file has nothing of the style: it is 1 × subject.');

  await giveThird(page, named('unrelated.safetensors', UNRELATED));
  await expect(lead(page)).toHaveText(/made of something else/);

  // The same layers under PEFT's names.
  const peft = modulesOf(pair[1]);
  const renamed: Safetensors = { metadata: { format: 'pt' }, tensors: new Map(SD15_PEFT_MODULES.flatMap((shape, at) => {
    const { down, up } = peft.get(SD15_MODULES[at]!.name)!;
    return [[`${shape.name}.lora_A.weight`, down], [`${shape.name}.lora_B.weight`, up]] as [string, Tensor][];
  })) };
  await giveThird(page, named('renamed.safetensors', renamed));
  await expect(lead(page)).toHaveText(/nothing of the subject/);
  expect(await shown(lead(page))).toBe('This file has nothing of the subject: it is 1 × style.');
  expect(uncaught).toEqual([]);
});

test('a file that is none, or of another model, is refused in its place, and the page goes on', async ({ page }) => {
  const uncaught = await open(page);
  await givePairOf(page);
  await unfold(page);
  await section(page).getByLabel('Choose a fused file: Fused LoRA file').focus();
  await giveThird(page, { name: 'page.safetensors', bytes: htmlPage() });
  const alert = section(page).getByRole('alert');
  await expect(alert).toContainText('page.safetensors');
  await expect(section(page).getByLabel('Choose another: Fused LoRA file')).toBeFocused();
  await giveThird(page, named('flux.safetensors', makeLora({ ...RECIPE, modules: FLUX_PEFT_MODULES, rank: 2, scheme: 'PEFT' })));
  await expect(alert).toContainText('nothing to do with the two');
  await accessible(page, 'refused');
  await giveThird(page, named('style.safetensors', pair[1]));
  await expect(lead(page)).toBeVisible();
  await expect(alert).toHaveCount(0);
  await fuseAndSave(page);
  // With another pair, the finding about the last one is gone.
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  await expect(lead(page)).toHaveCount(0);
  expect(uncaught).toEqual([]);
});

test('a file is dropped on the folded section, and is not taken for one of the pair', async ({ page }) => {
  const uncaught = await open(page);
  await givePairOf(page);
  const bytes = [...named('', pair[1]).bytes];
  await section(page).evaluate((found, content) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(content)], 'dropped.safetensors'));
    for (const type of ['dragover', 'drop']) {
      found.shadowRoot!.querySelector('summary')!.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, composed: true, cancelable: true }));
    }
  }, bytes);
  await expect(lead(page)).toHaveText(/nothing of the subject/);
  await expect(section(page).locator('.name')).toContainText('dropped');
  await expect(page.getByText('Both places are taken')).toHaveCount(0);
  expect(uncaught).toEqual([]);
});
