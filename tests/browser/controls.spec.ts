/** Settings as a person handles them: painted block by block, undone, in the address; the resulting files are computed independently. */

import { expect, test, type Locator, type Page } from '@playwright/test';
import type { LitElement } from 'lit';
import type { Outlook, Settings } from '../../www/core/types.ts';
import { DEFAULTS, modulesOf, type Module } from './check.ts';
import { checkModules } from './hold.ts';
import { FLUX_PEFT_MODULES, makeLoHa, makeLora } from './make.ts';
import {
  DEVICE, FIRST_RUN, accessible, advanced, fuseAndSave, fuseButton, give, givePair, named, open, setMu, setStrength, type Named,
} from './page.ts';
import { CAT, INK, KOHYA, LAYERS, PAIR, drag, fuse, openRecipe, own, paintWith, row, settings, sha256, useIn } from './settings.ts';

test.setTimeout(2 * FIRST_RUN);

/** Checks every layer against the method with its block's own settings. */
function holds(fused: Map<string, Module>, blocks: Record<string, Partial<typeof DEFAULTS>>, general = DEFAULTS): void {
  for (const [label, { name }] of Object.entries(LAYERS)) {
    const only = (modules: Map<string, Module>): Map<string, Module> => new Map([...modules].filter(([one]) => one === name));
    checkModules(only(fused), [only(modulesOf(CAT)), only(modulesOf(INK))], { ...general, ...blocks[label] }, 'F16');
  }
}

test('blocks are painted by mouse and by keyboard, and each is fused with its own μ and strengths', DEVICE, async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, ...PAIR);
  // The keyboard skips fields that are not known yet.
  await expect(page.getByText('6 layers analysed', { exact: true })).toBeVisible();
  await paintWith(page, 'mu');
  await drag(page, 'IN01', 'MID');
  for (const label of ['IN01', 'IN04', 'MID']) await expect(own(page, label)).toHaveText('μ ∞');
  await expect(own(page, 'OUT05')).toHaveText('');

  // Pressing a row that already has the value resets it.
  await row(page, 'IN04').getByRole('rowheader').click();
  await expect(own(page, 'IN04')).toHaveText('');

  await paintWith(page, 'style');
  await page.getByLabel('Strength, 0 is off').fill('0.5');
  await page.getByLabel('Strength, 0 is off').blur();
  await page.locator('np-lora-overlap-map td[tabindex="0"]').focus();
  for (let down = 0; down < 4; down++) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(own(page, 'OUT08')).toHaveText('style 0.5');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Space');
  await expect(own(page, 'OUT05')).toHaveText('style 0.5');
  // The map's fields open again once the brush is put away.
  await page.keyboard.press('Escape');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'OUT05 · All' })).toBeVisible();
  // Folding the panel puts the brush away as well.
  await paintWith(page, 'mu');
  await page.getByText(/^By block/).click();
  await row(page, 'MID').locator('td[data-at]').first().click();
  await expect(page.getByRole('heading', { name: 'MID · All' })).toBeVisible();

  // The table shows the same values, and takes μ as a number.
  // If a backend was chosen, Advanced is open already.
  const blocks = page.getByText('Strengths by block');
  if (!(await blocks.isVisible())) await page.getByText('Advanced', { exact: true }).click();
  await blocks.click();
  await expect(page.getByLabel('μ of MID')).toHaveValue('∞');
  await page.getByLabel('μ of IN04').fill('2');
  await page.getByLabel('μ of IN04').press('Enter');
  await expect(own(page, 'IN04')).toHaveText('μ 2');
  const { file } = await fuseAndSave(page);
  holds(modulesOf(file), {
    IN01: { mu: Infinity }, IN04: { mu: 2 }, MID: { mu: Infinity }, OUT05: { styleStrength: 0.5 }, OUT08: { styleStrength: 0.5 },
  });
  expect(uncaught).toEqual([]);
});

test('presets and pasted weights choose blocks, and one press takes them all back', async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, ...PAIR);
  await useIn(page, 'Style', 'OUTD: OUT00–OUT06');
  for (const label of ['IN01', 'IN04', 'MID', 'OUT08']) await expect(own(page, label)).toHaveText('style 0');
  for (const label of ['OUT05', 'CLIP-L']) await expect(own(page, label)).toHaveText('');
  await page.getByText('Paste block weights').click();
  await page.getByLabel('Subject’s numbers').fill('0.5,1,0,0.75,1,1,1,0.25,1,1,1,1,1,1,1,1,1');
  await page.getByLabel('Subject’s numbers').press('Enter');
  await expect(own(page, 'CLIP-L')).toHaveText('subject 0.5');
  await expect(own(page, 'MID')).toHaveText('subject 0.25 · style 0');
  const { file } = await fuseAndSave(page);
  holds(modulesOf(file), {
    IN01: { styleStrength: 0, mu: 0 }, IN04: { contentStrength: 0.75, styleStrength: 0, mu: 0 }, MID: { contentStrength: 0.25, styleStrength: 0, mu: 0 },
    OUT08: { styleStrength: 0, mu: 0 }, 'CLIP-L': { contentStrength: 0.5 },
  });
  const before = (await settings(page)).blocks;
  await expect(page.locator('np-lora-result').getByText(/ · 5 blocks changed/)).toBeVisible();
  // Block weights as they are written in a list of presets or in a prompt, and a preset's name.
  const [numbers, field] = ['0.5,1,0,0.75,1,1,1,0.25,1,1,1,1,1,1,1,1,1', page.getByLabel('Subject’s numbers')];
  for (const typed of [`MINE:${numbers}`, `<lora:cat:1:lbw=${numbers}:stop=10>`, `<lora:cat:1:1:LBW=${numbers}>`, `<lora:cat:1:${numbers}>`, `${numbers}, `, `<lora:cat:1:lbw=${numbers}>, a cat: red, <lora:ink:1>`, `lbw=${numbers}`]) {
    await field.fill('midd');
    await field.press('Enter');
    await expect(own(page, 'IN01')).toHaveText(/^subject 0/);
    await field.fill(typed);
    await field.press('Enter');
    expect((await settings(page)).blocks).toEqual(before);
  }
  for (const wrong of ['1,0', '1,0,0,1,1,1,1,x,1,1,1,1,1,1,1,1,1', '1,0,0,1,1,1,1,99,1,1,1,1,1,1,1,1,1']) {
    await page.getByLabel('Subject’s numbers').fill(wrong);
    await page.getByLabel('Subject’s numbers').press('Enter');
    await expect(field).toHaveAccessibleDescription(/^The count does not match/);
    await expect(field).toHaveAttribute('aria-invalid', 'true');
    await expect(page.getByLabel('Style’s numbers')).not.toHaveAttribute('aria-invalid');
    expect((await settings(page)).blocks).toEqual(before);
  }
  const on = page.getByRole('button', { name: 'All blocks on' });
  await on.click();
  expect((await settings(page)).blocks).toEqual({});
  await expect(on).toBeDisabled();
  await expect(on).toBeFocused();
  expect(uncaught).toEqual([]);
});

test('a pair that does not fit says so under the cards, and asks for nothing that would not help', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  const uncaught = await open(page);
  const elsewhere = makeLora({ ...KOHYA, modules: [{ name: 'lora_unet_up_blocks_3_attentions_0_transformer_blocks_0_attn1_to_q', out: 320, in: 320 }] });
  await givePair(page, PAIR[0], named('elsewhere.safetensors', elsewhere));
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('E_NO_COMMON_MODULES');
  // The error is not announced again when a script fuses anyway.
  expect(await page.locator('np-lora').evaluate((tool) => (tool as unknown as { fuse(): Promise<unknown> }).fuse().catch(({ code }) => code))).toBe('E_NO_COMMON_MODULES');
  await expect(alert).toHaveCount(1);
  const bottom = await page.getByRole('region', { name: 'Style', exact: true }).evaluate((card) => card.getBoundingClientRect().bottom);
  expect((await alert.boundingBox())!.y - bottom).toBeLessThan(40);
  await expect(page.getByRole('slider')).toHaveCount(0);
  await expect(page.getByText('Advanced', { exact: true })).toBeHidden();
  await give(page, 'Style', PAIR[1]);
  await expect(alert).toHaveCount(0);
  await expect(page.getByRole('slider', { name: 'Style strength' })).toBeVisible();
  await expect(fuseButton(page)).toBeEnabled();
  expect(uncaught).toEqual([]);
});

test('what the automatic number format comes to is said, and why it is a larger one', async ({ page }) => {
  await open(page);
  await givePair(page, PAIR[0], named('ink.safetensors', makeLora({ ...KOHYA, seed: 72, dtype: 'BF16' })));
  await expect(page.getByRole('region', { name: 'How the two fit' })).toContainText(/Will be written: .* F32 · /);
  await page.getByText('Advanced', { exact: true }).click();
  const format = page.getByLabel('Number format', { exact: true });
  await expect(format.locator('option').first()).toHaveText('Auto – F32');
  await expect(page.getByText('F32, as the files’ formats differ (F16, BF16)')).toBeVisible();
  await format.selectOption('F16');
  await expect(page.getByText('F32, as the files’ formats differ')).toBeHidden();
  await format.selectOption('auto');
  await give(page, 'Style', PAIR[1]);
  await page.getByText('Advanced', { exact: true }).click();
  await expect(format.locator('option').first()).toHaveText('Auto – F16');
});

/** Two files with more in common, about which there is more to say. */
const [NEAR, NEARER] = [61, 62].map((seed) => makeLora({ ...KOHYA, rank: 4, alpha: 4, seed, sharedDirections: 2 }));
const RELATED: [Named, Named] = [named('cat.safetensors', NEAR!), named('ink.safetensors', NEARER!)];

for (const [width, height, pair, which] of [
  [1280, 900, PAIR, 'a pair'], [360, 740, PAIR, 'a pair'],
  [320, 740, RELATED, 'a related pair'], [360, 740, RELATED, 'a related pair'], [481, 740, RELATED, 'a related pair'],
] as const) {
  test(`the settings stay where they first stand while ${which} is looked at, at ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height });
    await open(page);
    await give(page, 'Subject', pair[0]);
    await expect(page.getByRole('button', { name: 'Only this file? It can be converted' })).toBeVisible();
    await page.evaluate(() => {
      const root = document.querySelector('np-lora')!.shadowRoot!;
      const tops = new Set<number>();
      Object.assign(window, { tops });
      const look = (): void => {
        const slider = root.querySelector('np-lora-controls')?.shadowRoot?.querySelector('np-lora-mu');
        if (slider) tops.add(Math.round(slider.getBoundingClientRect().top + scrollY));
        requestAnimationFrame(look);
      };
      look();
    });
    await give(page, 'Style', pair[1]);
    await expect(page.getByText('6 layers analysed', { exact: true })).toBeVisible();
    await expect(page.locator('np-lora-curve .plot svg')).toBeVisible();
    expect(await page.evaluate(() => [...(window as unknown as { tops: Set<number> }).tops])).toHaveLength(1);
  });
}

for (const language of ['en', 'ja', 'zh-Hans']) {
  test(`the settings stay where they are, whatever there is to say of a pair, in ${language}`, async ({ page }) => {
    await open(page);
    await givePair(page, ...PAIR);
    await expect(page.locator('np-lora-curve .plot svg')).toBeVisible();
    await page.getByRole('combobox', { name: 'Language' }).selectOption(language);
    await expect(page.locator('np-lora-outlook-view').getByText('6 layers analysed')).toHaveCount(language === 'en' ? 1 : 0);
    for (const width of [320, 360, 399, 400, 480, 481, 600, 601, 700, 701, 800, 801, 950, 951, 1100, 1101, 1280]) {
      await page.setViewportSize({ width, height: 740 });
      const heights = await page.locator('np-lora-outlook').evaluate(async (found) => {
        const place = found as LitElement & { outlook: Outlook | null; running: boolean };
        const known = place.outlook!;
        const balance = { heavier: 'style', times: 12.3, contentStrength: 1, styleStrength: 0.53, contentTextStrength: null, styleTextStrength: null } as const;
        const ofMany = (analysed: number): Partial<Outlook> => ({ analysed, total: 1082 });
        const whole = { ...known.whole, change: 0.237, contentKept: 0.377, overlap: 0.1234, chance: 0.0123 };
        // The first state is that before anything is known.
        const states: (Partial<Outlook> | null)[] = [
          null, {}, ofMany(0), ofMany(1024), { balance }, { balance, ...ofMany(1024) },
          ...(['same', 'noContent', 'noStyle', 'chance', 'apart', 'little', 'usual', 'most'] as const).map((verdict) => ({ verdict, whole })),
          { verdict: 'nothing', whole: { ...whole, change: 0 } },
        ];
        const heights: number[] = [];
        for (const state of states) {
          Object.assign(place, { outlook: state && { ...known, ...state }, running: !state || state.total === 1082 });
          await place.updateComplete;
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          heights.push(place.getBoundingClientRect().height);
        }
        Object.assign(place, { outlook: known, running: false });
        await place.updateComplete;
        return heights;
      });
      expect(heights, `at ${width} px`).toEqual(heights.map(() => heights[0]));
    }
  });
}

test('changes are taken back and made again, and text keeps its own steps', async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, ...PAIR);
  const [undo, redo] = ['Undo', 'Redo'].map((name) => page.getByRole('button', { name, exact: true })) as [Locator, Locator];
  await expect(undo).toBeDisabled();
  const states = [await settings(page)];
  const step = async (change: Promise<void>): Promise<void> => {
    await change;
    states.push(await settings(page));
    expect(states.at(-1)).not.toEqual(states.at(-2));
  };
  await step(setMu(page, 2));
  await step(setStrength(page, 'Style', 0.8));
  await step(advanced(page, 'Number format', 'BF16'));
  await paintWith(page, 'content');
  // A stroke over several rows is one step.
  await step(drag(page, 'IN01', 'OUT05'));
  await expect(own(page, 'IN04')).toHaveText('subject 0');
  for (const [at, state] of states.slice(0, -1).toReversed().entries()) {
    await undo.click();
    expect(await settings(page)).toEqual(state);
    // A repeated message must be a different text, or screen readers would not read it out.
    await expect.poll(() => page.locator('np-lora').evaluate((tool) => tool.shadowRoot!.querySelector('.app > [role=status]')!.textContent))
      .toBe(`Undone.${at % 2 === 0 ? '' : '\u00a0'}`);
  }
  // The button has nothing left to do, but keeps the focus.
  await expect(undo).toBeDisabled();
  await expect(undo).toBeFocused();
  await page.locator('body').click({ position: { x: 2, y: 2 } });
  await page.evaluate(() => {
    Object.assign(window, { changes: 0 });
    document.querySelector('np-lora')!.addEventListener('change', () => { (window as any).changes += 1; });
  });
  for (const [at, state] of states.slice(1).entries()) {
    await page.keyboard.press(at === 0 ? 'Control+Y' : 'ControlOrMeta+Shift+Z');
    expect(await settings(page)).toEqual(state);
  }
  await expect(redo).toBeDisabled();
  expect(await page.evaluate(() => (window as any).changes)).toBe(states.length - 1);
  await page.keyboard.press('ControlOrMeta+Z');
  expect(await settings(page)).toEqual(states.at(-2));

  // A reset of all settings is a step as well.
  const reset = page.getByRole('button', { name: 'Reset', exact: true });
  await expect(page.getByText('Advanced 1 changed')).toBeVisible();
  await reset.click();
  await expect(reset).toBeDisabled();
  expect(await settings(page)).toEqual(states[0]);
  await expect(page.getByText('Advanced 1 changed')).toHaveCount(0);
  await undo.click();
  expect(await settings(page)).toEqual(states.at(-2));
  await page.keyboard.press('ControlOrMeta+Shift+Z');
  await page.keyboard.press('ControlOrMeta+Z');

  // In a text field, the undo keys belong to the field.
  const field = page.getByLabel('as μ', { exact: true });
  await field.click();
  await field.pressSequentially('3');
  await page.keyboard.press('ControlOrMeta+Z');
  expect(await settings(page)).toEqual(states.at(-2));
  await expect(redo).toBeEnabled();
  // After a new change there is nothing to redo.
  await setMu(page, 7);
  await expect(redo).toBeDisabled();

  // The scale setting of one file is in no step of another file.
  await advanced(page, 'Scale of the subject', 'rankStabilised');
  await give(page, 'Subject', named('dog.safetensors', makeLora({ ...KOHYA, seed: 73 })));
  await undo.click();
  await redo.click();
  expect((await settings(page)).contentScale).toEqual({ kind: 'auto' });
  await advanced(page, 'Scale of the subject', 'rankStabilised');
  await undo.click();
  await give(page, 'Subject', PAIR[0]);
  await redo.click();
  expect((await settings(page)).contentScale).toEqual({ kind: 'auto' });
  expect(uncaught).toEqual([]);
});

const hashOf = (page: Page): Promise<string> => page.evaluate(() => decodeURIComponent(location.hash));

test('an address carries the settings that differ, and nothing of the files', async ({ page, context }) => {
  const uncaught = await open(page);
  await page.goto('./?from=elsewhere');
  await page.evaluate(() => history.replaceState({ ofTheHost: 1 }, ''));
  await givePair(page, ...PAIR);
  expect(await hashOf(page)).toBe('');
  await setMu(page, 1);
  await setStrength(page, 'Style', 0.8);
  await advanced(page, 'Style directions to protect', 'energy');
  await page.getByLabel('Share of the energy, in %').fill('90');
  await page.getByLabel('Share of the energy, in %').blur();
  await page.getByLabel('File name').fill('secret');
  await page.getByLabel('File name').blur();
  await paintWith(page, 'mu');
  await row(page, 'IN04').getByRole('rowheader').click();
  await expect.poll(() => page.evaluate(() => location.hash)).toBe('#mu=1&style=0.8&k=90%&blocks=IN04:1,1,infinity');
  expect(await page.evaluate(() => [location.search, history.state])).toEqual(['?from=elsewhere', { ofTheHost: 1 }]);
  const bytes = await fuse(page);

  const other = await context.newPage();
  await other.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await other.goto(page.url());
  await give(other, 'Subject', PAIR[0]);
  await give(other, 'Style', PAIR[1]);
  await expect(own(other, 'IN04')).toHaveText('μ ∞');
  await other.getByText('Advanced', { exact: true }).click();
  await other.getByLabel('File name').fill('secret');
  await other.getByLabel('File name').blur();
  expect(await settings(other)).toEqual(await settings(page));
  expect(sha256(await fuse(other))).toBe(sha256(bytes));
  // With all defaults the fragment is empty, and a link followed in the same page takes effect.
  await other.evaluate(() => { location.hash = '#subject=0.5'; });
  await expect(other.getByLabel('Subject strength, as a number')).toHaveValue('0.5');
  expect(await settings(other)).toMatchObject({ mu: 0.5, styleStrength: 1, blocks: {}, cut: { kind: 'all' } });
  await other.getByRole('button', { name: 'Undo', exact: true }).click();
  expect(await settings(other)).toEqual(await settings(page));
  expect(uncaught).toEqual([]);
});

test('an address that makes no sense leaves the defaults, and a naming waits for files that have it', async ({ page }) => {
  const uncaught = await open(page);
  const standard = await settings(page);
  for (const hash of [
    'mu=-1&subject=1e9&style=&k=0%&rank=1.5&dense-rank=999&dtype=exe&make=money&layout=x&blocks=__proto__:1,nan;a', 'k=%E0%A4%A&mu=%', '&&==&#&mu', 'mu=NaN&style=Infinity&subject-scale=Infinity',
    'blocks=IN04:1,1,-1', 'naming=<img src=x>&family=../..&unnamed=2&direction-only=yes', `mu=${'9'.repeat(100_000)}x`, 'constructor=1&__proto__=2&toString=3',
  ]) {
    await page.goto(`./#${hash}`);
    expect(await settings(page), hash.slice(0, 80)).toEqual(standard);
    await page.reload();
    expect(await settings(page), hash.slice(0, 80)).toEqual(standard);
  }
  await page.goto('./#naming=nobodys&family=Nothing&blocks=nowhere:0,0&mu=2');
  await page.reload();
  await givePair(page, ...PAIR);
  await expect(fuseButton(page)).toBeEnabled();
  expect(await settings(page)).toMatchObject({ mu: 2, scheme: null, family: null });
  await page.goto('./#naming=peft');
  await page.reload();
  await givePair(page, ...PAIR);
  await expect.poll(async () => (await settings(page)).scheme).toBe('peft');
  // A naming belongs to these files' model, as block settings do.
  await page.locator('np-lora').evaluate((tool) => (tool as unknown as { apply(patch: Partial<Settings>): void }).apply({ blocks: { IN04: { content: 0, style: 1, mu: null } } }));
  for (const [at, role] of (['Subject', 'Style'] as const).entries()) {
    await give(page, role, named(`flux${at}.safetensors`, makeLora({ ...KOHYA, modules: FLUX_PEFT_MODULES, rank: 2, scheme: 'PEFT', seed: 75 + at })));
  }
  await expect.poll(() => settings(page)).toMatchObject({ scheme: null, blocks: {} });
  expect(uncaught).toEqual([]);
});

test('a number is read as people write it, and one that goes too far is refused', async ({ page }) => {
  const uncaught = await open(page);
  const { modules, alpha, dtype } = KOHYA;
  // 17·17 is more than a rank may be, so the difference is cut.
  const loha = (seed: number): Named => named(`loha${seed}.safetensors`, makeLoHa({ modules, rank: 17, alpha, dtype, seed }));
  await givePair(page, loha(1), loha(2));
  await expect(page.getByRole('region', { name: 'How the two fit' })).toContainText('12 full differences cut');
  const type = async (field: Locator, text: string): Promise<void> => {
    await field.fill(text);
    await field.blur();
  };
  const strength = page.getByLabel('Style strength, as a number');
  const refused = page.getByRole('alert').filter({ hasText: 'cannot be used here' });
  for (const [typed, value] of [['0,7', 0.7], ['-1', -1], ['−0,5', -0.5], [' 1.25 ', 1.25]] as const) {
    await type(strength, typed);
    await expect(strength).toHaveValue(String(value));
    expect((await settings(page)).styleStrength).toBe(value);
  }
  for (const typed of ['50', '', '1,000,5', '0.5x', 'infinity', '0x1', '1e0', '<b>']) {
    await type(strength, typed);
    await expect(refused).toContainText('so it stays 1.25. Type a number from -10 to 10.');
    await expect(strength).toHaveValue('1.25');
    await expect(strength).toHaveAttribute('aria-invalid', 'true');
    expect((await settings(page)).styleStrength).toBe(1.25);
  }
  // Arrow keys work as in number fields, also starting from text that is only typed.
  await strength.press('ArrowUp');
  await expect(strength).toHaveValue('1.3');
  await expect(refused).toHaveCount(0);
  await strength.fill('0,3');
  await strength.press('ArrowDown');
  await expect(strength).toHaveValue('0.25');
  await strength.fill('10');
  await strength.press('ArrowUp');
  await expect(strength).toHaveValue('10');
  expect((await settings(page)).styleStrength).toBe(10);
  await type(strength, '1.25');
  await type(strength, 'x');
  await expect(refused).toHaveCount(1);
  // Any other change there clears the error.
  await page.getByRole('slider', { name: 'Style strength' }).press('ArrowLeft');
  await expect(refused).toHaveCount(0);
  await expect(strength).toHaveValue('1.2');

  await page.getByText('Advanced', { exact: true }).click();
  const rank = page.getByLabel('Rank for full differences');
  for (const typed of ['300', '8.5', '0', '1,0', '0x10']) {
    await type(rank, typed);
    await expect(refused).toContainText('so it stays 64. Type a whole number from 1 to 256.');
  }
  await type(rank, '256');
  await expect(refused).toHaveCount(0);
  expect((await settings(page)).denseRank).toBe(256);
  await page.getByText('Strengths by block').click();
  const block = page.getByLabel('Style strength of IN04');
  await type(block, '0,25');
  expect((await settings(page)).blocks['IN04']).toEqual({ content: 1, style: 0.25, mu: null });
  await type(page.getByLabel('μ of IN04'), 'much');
  await expect(page.getByText('“much” is no μ, so it stays 0.5.')).toBeVisible();
  await expect(fuseButton(page)).toBeEnabled();
  expect(uncaught).toEqual([]);
});

for (const [colorScheme, width] of [['light', 1200], ['dark', 1200], ['light', 390], ['light', 320]] as const) {
  test(`painting and recipes can be used by everybody (${colorScheme}, ${width})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 900 });
    await open(page);
    await givePair(page, ...PAIR);
    await useIn(page, 'Style', 'OUTD: OUT00–OUT06');
    await paintWith(page, 'mu');
    await row(page, 'IN04').getByRole('rowheader').click();
    await page.getByText('Paste block weights').click();
    const blocks = { IN01: { mu: 'infinity' }, MID: { content: 0, style: 0 }, OUT05: { content: 0.5, style: 1.2, mu: 2 } };
    await page.getByText('Advanced', { exact: true }).click();
    await page.getByText('Strengths by block').click();
    await openRecipe(page, JSON.stringify({ version: '1', settings: { ...await settings(page), blocks }, style: { name: 'other.safetensors', size: 5e6 } }));
    await expect(page.getByRole('complementary', { name: 'Recipe' })).toBeVisible();
    await accessible(page, 'painted');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  });
}
