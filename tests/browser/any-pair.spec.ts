/** Files that differ in naming, kind or scale, and a single file; every result is computed independently. */

import { expect, test, type Locator, type Page } from '@playwright/test';
import { productNorm } from './algebra.ts';
import { DEFAULTS, factors, modulesOf, type Module } from './check.ts';
import { check, checkModules } from './hold.ts';
import {
  FLUX_KOHYA_MODULES, FLUX_PEFT_MODULES, SD15_MODULES, SD15_PEFT_MODULES, makeLoHa, makeLora, withOnes, without,
  type ModuleShape, type Recipe,
} from './make.ts';
import { fromLoHa, oneNaming } from './namings.ts';
import {
  DEVICE, FIRST_RUN, accessible, advanced, convertAndSave, fuseAndSave, fuseButton, give, giveConfig, givePair, named, open, type Role,
} from './page.ts';
import type { Settings } from '../../www/core/types.ts';
import type { Safetensors } from './safetensors.ts';

test.setTimeout(2 * FIRST_RUN);

const KOHYA: Recipe = { modules: SD15_MODULES, rank: 8, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 41, sharedDirections: 3 };
const PEFT: Recipe = { ...KOHYA, modules: SD15_PEFT_MODULES, alpha: null, scheme: 'PEFT', seed: 42, rank: 6 };

const card = (page: Page, role: Role): Locator => page.getByRole('region', { name: role, exact: true });
const one = (file: Safetensors): Map<string, Module> => oneNaming(modulesOf(file));

test.describe('named differently', () => {
  test('a kohya subject and a PEFT style of SD 1.5', async ({ page }) => {
    const [content, style] = [makeLora(KOHYA), makeLora(PEFT)];
    const uncaught = await open(page);
    await givePair(page, named('subject.safetensors', content), named('style.safetensors', style));
    await expect(card(page, 'Style')).toContainText('PEFT');
    const { file } = await fuseAndSave(page);
    expect([...file.tensors.keys()].filter((name) => !name.startsWith('lora_'))).toEqual([]);
    checkModules(one(file), [one(content), one(style)], DEFAULTS, 'F16');
    expect(uncaught).toEqual([]);
  });

  test('a PEFT subject and a kohya style of FLUX.1, whose q, k and v are one layer', DEVICE, async ({ page }) => {
    const block = 'transformer.transformer_blocks.0';
    const [qkv, proj, modulation] = ['double_blocks_0_img_attn_qkv', 'double_blocks_0_img_attn_proj', 'single_blocks_0_modulation_lin']
      .map((end) => FLUX_KOHYA_MODULES.find(({ name }) => name.endsWith(end))!) as [ModuleShape, ModuleShape, ModuleShape];
    const modules = [
      ...['q', 'k', 'v'].map((part) => ({ name: `${block}.attn.to_${part}`, out: 3072, in: 3072, leansAs: qkv.name })),
      { name: `${block}.attn.to_out.0`, out: 3072, in: 3072, leansAs: proj.name },
      { ...FLUX_PEFT_MODULES[2]!, leansAs: modulation.name },
    ];
    const content = makeLora({ ...PEFT, modules, metadata: { format: 'pt', 'modelspec.architecture': 'flux-1-dev/lora' } });
    const style = makeLora({ ...KOHYA, modules: [qkv, proj, modulation] });
    const uncaught = await open(page);
    await givePair(page, named('subject.safetensors', content), named('style.safetensors', style));
    const { file } = await fuseAndSave(page);
    const [found, c, s] = [one(file), one(content), one(style)];
    expect([...found.keys()].sort()).toEqual([...s.keys()].sort());
    expect([...found.keys()].sort()).toEqual([...c.keys()].sort());
    checkModules(found, [c, s], DEFAULTS, 'F16');
    expect(uncaught).toEqual([]);
  });
});

test('a LoHa style under a LoRA subject', DEVICE, async ({ page }) => {
  const linear = SD15_MODULES.filter(({ kernel }) => !kernel);
  const [content, style] = [makeLora({ ...KOHYA, modules: linear }), makeLoHa({ ...KOHYA, modules: linear, rank: 4, alpha: 2, seed: 43 })];
  const uncaught = await open(page);
  await givePair(page, named('subject.safetensors', content), named('style.safetensors', style));
  await expect(card(page, 'Style')).toContainText('LoHa');
  checkModules(modulesOf((await fuseAndSave(page)).file), [modulesOf(content), fromLoHa(style)], DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});

test('one file is converted from PEFT to kohya and back', async ({ page }) => {
  const file = makeLora(PEFT);
  const uncaught = await open(page);
  await give(page, 'Subject', named('mine.safetensors', file));
  await expect(page.getByRole('slider', { name: 'How much of the overlap to remove' })).toHaveCount(0);
  const kohya = await convertAndSave(page);
  expect(kohya.name).toBe('mine_converted.safetensors');
  expect([...kohya.file.tensors.keys()].filter((name) => !/^lora_(unet|te)_/.test(name))).toEqual([]);
  checkModules(modulesOf(kohya.file), [one(file), new Map()], DEFAULTS, 'F16');
  await expect(page.getByText(/The projection changes/)).toHaveCount(0);
  // All values keep their bits, so there are no figures to show.
  await expect(page.getByRole('columnheader', { name: 'Median' })).toHaveCount(0);

  await page.getByLabel('Number format').selectOption('BF16');
  const rounded = await convertAndSave(page);
  checkModules(modulesOf(rounded.file), [one(file), new Map()], DEFAULTS, 'BF16');
  await expect(page.getByRole('row', { name: /^Rounding, against the update/ })).toBeVisible();
  await page.getByLabel('Number format').selectOption('auto');

  await give(page, 'Subject', named('back.safetensors', kohya.file));
  const naming = page.getByLabel('Naming', { exact: true });
  await expect(naming).toHaveAccessibleDescription('Loads in ComfyUI, Forge, A1111, diffusers, InvokeAI.');
  await naming.selectOption({ label: 'diffusers (PEFT)' });
  await expect(naming).toHaveAccessibleDescription('Loads in diffusers. Not in ComfyUI, A1111, InvokeAI.');
  const back = await convertAndSave(page);
  expect([...modulesOf(back.file).keys()].sort()).toEqual([...modulesOf(file).keys()].sort());
  checkModules(modulesOf(back.file), [modulesOf(file), new Map()], DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});

test('an adapter_config.json says the scale, until it is left out', async ({ page }) => {
  const [content, style] = [makeLora(PEFT), makeLora({ ...PEFT, seed: 45 })];
  const uncaught = await open(page);
  await givePair(page, named('subject.safetensors', content), named('style.safetensors', style));
  await expect(card(page, 'Subject')).toContainText('1 – nothing in the file says');
  await giveConfig(page, 'Subject', { peft_type: 'LORA', r: 6, lora_alpha: 3 });
  await expect(card(page, 'Subject')).toContainText('0.5 from adapter_config.json');
  const { file } = await fuseAndSave(page);
  const halved = new Map([...one(content)].map(([name, module]) => [name, { ...module, alpha: 3 }]));
  checkModules(one(file), [halved, one(style)], DEFAULTS, 'F16');

  await giveConfig(page, 'Style', { nothing: 'of use' });
  await expect(card(page, 'Style').getByRole('alert')).toContainText('E_CONFIG');
  for (const role of ['Subject', 'Style'] as const) {
    await page.getByRole('button', { name: `Leave out the ${role.toLowerCase()}’s adapter_config.json` }).click();
    await expect(card(page, role)).toContainText('1 – nothing in the file says');
  }
  checkModules(one((await fuseAndSave(page)).file), [one(content), one(style)], DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});

test('DoRA modules are refused by name, and fused without their magnitudes when told to', async ({ page }) => {
  const { name, out } = SD15_MODULES[2]!;
  const [plain, style] = [makeLora(KOHYA), makeLora({ ...KOHYA, seed: 46 })];
  const content = withOnes(plain, `${name}.dora_scale`, [out, 1]);
  const uncaught = await open(page);
  await givePair(page, named('subject.safetensors', content), named('style.safetensors', style));
  await page.getByText('4 tensors, 1 module refused').click();
  await expect(page.getByRole('list', { name: 'Left out' })).toContainText(name);
  await expect(page.getByRole('list', { name: 'Left out' })).toContainText('DoRA');
  const rest = ['lora_down.weight', 'lora_up.weight', 'alpha'].reduce((file, part) => without(file, `${name}.${part}`), plain);
  check((await fuseAndSave(page)).file, [rest, style], DEFAULTS, 'F16');

  await page.getByLabel('Take DoRA without its magnitudes (direction only)').check();
  await expect(page.getByText('1 module refused')).toHaveCount(1); // in the older result
  const { file } = await fuseAndSave(page);
  await expect(page.getByText('1 module refused')).toHaveCount(0);
  check(file, [plain, style], DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});

test('files that fit two model families ask which', async ({ page }) => {
  const recipe: Recipe = { ...PEFT, modules: FLUX_PEFT_MODULES };
  const pair: [Safetensors, Safetensors] = [makeLora(recipe), makeLora({ ...recipe, seed: 47 })];
  const uncaught = await open(page);
  await give(page, 'Subject', named('subject.safetensors', pair[0]));
  // For a single file this is not an error, because the second file may settle it.
  await page.getByRole('button', { name: 'Only this file? It can be converted' }).click();
  await expect(page.getByLabel('Model family', { exact: true })).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await give(page, 'Style', named('style.safetensors', pair[1]));
  await expect(page.getByRole('alert')).toContainText('E_FAMILY_UNCLEAR');
  await expect(fuseButton(page)).toHaveCount(0);
  await page.getByLabel('Model family', { exact: true }).selectOption('FLUX.1');
  await expect(page.getByRole('alert')).toHaveCount(0);
  checkModules(one((await fuseAndSave(page)).file), [one(pair[0]), one(pair[1])], DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});

test('a family that makes no difference to the tensors is not asked for, but may be told', async ({ page }) => {
  // FLUX.1 and Chroma share these layers, and no other family has them.
  const modules = [...FLUX_PEFT_MODULES.slice(0, 1), { name: 'transformer.x_embedder', out: 3072, in: 64 }];
  const recipe: Recipe = { ...PEFT, modules };
  const uncaught = await open(page);
  const settings = (): Promise<Settings> => page.locator('np-lora').evaluate((tool) => (tool as HTMLElement & { settings(): Settings }).settings());
  await givePair(page, named('subject.safetensors', makeLora(recipe)), named('style.safetensors', makeLora({ ...recipe, seed: 47 })));
  const fit = page.getByRole('region', { name: 'How the two fit' });
  await expect(fit).toContainText('FLUX.1 or Chroma');
  await expect(fuseButton(page)).toBeEnabled();
  expect((await fuseAndSave(page)).file.metadata).not.toHaveProperty('ss_base_model_version');
  // Block settings are valid for either family, and can be undone.
  await advanced(page, 'Layout', 'compact');
  await page.getByText('Strengths by block').click();
  await page.getByLabel('Style strength of double 0').fill('0.5');
  await page.getByLabel('Style strength of double 0').blur();
  const { blocks } = await settings();
  expect(Object.keys(blocks)).toEqual(['double 0']);
  await page.getByLabel('Model family', { exact: true }).selectOption('Chroma');
  expect(await settings()).toMatchObject({ family: 'Chroma', blocks });
  await expect(fit).not.toContainText('FLUX.1');
  expect((await fuseAndSave(page)).file.metadata).toMatchObject({ ss_base_model_version: 'chroma' });
  await page.getByRole('button', { name: 'Undo', exact: true }).click();
  expect(await settings()).toMatchObject({ family: null, blocks, layout: 'compact' });
  expect(uncaught).toEqual([]);
});

test('what a result is cut to is said of all of it', async ({ page }) => {
  const metadata = { format: 'pt', ss_base_model_version: 'sd_v1', ss_sd_model_name: 'dream<b>shaper.safetensors', 'modelspec.merged_from': 'cat, <i>ink' };
  const uncaught = await open(page);
  await givePair(page, named('subject.safetensors', { ...makeLora(KOHYA), metadata }), named('style.safetensors', makeLora({ ...KOHYA, seed: 49 })));
  await expect(card(page, 'Subject')).toContainText('sd_v1 · dream<b>shaper.safetensors');
  await expect(card(page, 'Subject')).toContainText('cat, <i>ink');
  await advanced(page, 'Rank', 'rank');
  await page.getByLabel('Highest rank').fill('2');
  await page.getByLabel('Highest rank').blur();
  const { file } = await fuseAndSave(page);
  await advanced(page, 'Rank', 'exact');
  const { file: whole } = await fuseAndSave(page);
  const energy = (of: Safetensors): number => [...modulesOf(of).values()].map((module) => {
    const { up, down, scale } = factors(module);
    return (scale * productNorm(up, down)) ** 2;
  }).reduce((sum, one) => sum + one, 0);
  await page.getByRole('button', { name: 'Undo', exact: true }).click();
  await fuseAndSave(page);
  const said = await page.locator('np-lora-result .lead').last().innerText();
  const [, left] = /of the subject is kept\. Cut to a lower rank, (\d+) % of the result’s energy is left\.$/.exec(said) ?? [];
  expect(Math.abs(Number(left) / 100 - energy(file) / energy(whole))).toBeLessThan(0.006);
  expect(uncaught).toEqual([]);
});

test('a hostile name among the refused modules is only text', async ({ page }) => {
  const hostile = '<img src=x onerror="window.pwned=1">\u202Efdp.exe';
  const content = withOnes(makeLora(KOHYA), `${hostile}.oft_blocks`, [4, 4]);
  const uncaught = await open(page);
  await give(page, 'Subject', named('subject.safetensors', content));
  await give(page, 'Style', named('style.safetensors', makeLora({ ...KOHYA, seed: 48 })));
  await page.getByText('1 tensor, 1 module refused').click();
  const list = page.getByRole('list', { name: 'Left out' });
  await expect(list).toContainText('<img src=x onerror="window.pwned=1">‹U+202E›fdp.exe');
  await expect(list).toContainText('OFT');
  expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
  expect(uncaught).toEqual([]);
});

test('single blocks can be turned down, and files find their hashes', DEVICE, async ({ page }) => {
  const [content, style] = [makeLora(KOHYA), makeLora({ ...KOHYA, seed: 49 })];
  const uncaught = await open(page);
  await givePair(page, named('subject.safetensors', content), named('style.safetensors', style));
  await advanced(page, 'Layout', 'compatible');
  await page.getByText('Strengths by block').click();
  await page.getByLabel('Style strength of CLIP-L').fill('0.5');
  await page.getByLabel('Style strength of CLIP-L').blur();
  await expect(page.getByText('1 block changed', { exact: true })).toBeVisible();
  const { file } = await fuseAndSave(page);
  const te = SD15_MODULES[0]!.name;
  const [found, c, s] = [file, content, style].map(modulesOf) as [Map<string, Module>, Map<string, Module>, Map<string, Module>];
  const only = (modules: Map<string, Module>, wanted: boolean): Map<string, Module> => new Map([...modules].filter(([name]) => (name === te) === wanted));
  checkModules(only(found, true), [only(c, true), only(s, true)], { ...DEFAULTS, styleStrength: 0.5 }, 'F16');
  checkModules(only(found, false), [only(c, false), only(s, false)], DEFAULTS, 'F16');

  const sha256 = async (bytes: Uint8Array): Promise<string> => Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
  await expect(card(page, 'Subject')).toContainText((await sha256(named('', content).bytes)).slice(0, 10));
  await expect(page.getByText(/SHA-256 [0-9a-f]{64}/)).toBeVisible();
  await page.locator('np-lora-blocks').getByRole('button', { name: 'All blocks on' }).click();
  await expect(page.getByText('1 block changed', { exact: true })).toHaveCount(0);
  expect(uncaught).toEqual([]);
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`what is asked, left out and converted can be read by everybody (${colorScheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width: 320, height: 800 });
    const state = async (name: string): Promise<void> => {
      await accessible(page, name);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), name).toBeLessThanOrEqual(320);
    };
    await open(page);
    await give(page, 'Style', named('style.safetensors', makeLora({ ...PEFT, seed: 50 })));
    await convertAndSave(page);
    await state('converted');
    const dora = withOnes(makeLora(KOHYA), `${SD15_MODULES[2]!.name}.dora_scale`, [320, 1]);
    await give(page, 'Subject', named('a-rather-long-name-of-a-subject_v3-000012.safetensors', dora));
    await page.getByText('4 tensors, 1 module refused').click();
    await advanced(page, 'Scale of the subject', 'alpha');
    await advanced(page, 'Rank', 'energy');
    await page.getByText('Strengths by block').click();
    await page.getByLabel('CLIP-L on').uncheck();
    await state('settings');
    await fuseButton(page).click();
    await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
    await state('fused');
    for (const role of ['Subject', 'Style'] as const) await give(page, role, named(`${role}.safetensors`, makeLora({ ...PEFT, modules: FLUX_PEFT_MODULES })));
    await expect(page.getByText('E_FAMILY_UNCLEAR')).toBeVisible();
    await state('unclear');
  });
}
