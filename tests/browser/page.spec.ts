/** Drives the page as a person does: by what can be read, heard and pressed, never by its internals. */

import { expect, test, type Locator, type Page } from '@playwright/test';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { READER, arm, bendWorker, held, letGo } from './faults/bend.ts';
import { SD15_MODULES, makeLora } from './make.ts';
import { accessible, element, give, programComplete, setMu } from './page.ts';
import { writeSafetensors } from './safetensors.ts';

test.beforeEach(async ({ page }) => {
  page.on('pageerror', (error) => { throw error; });
  // The picker is the browser's own window, which no test can press; without it, Save is a plain download.
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto('./');
});

const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true });
const card = (page: Page, name: string): Locator => page.getByRole('region', { name, exact: true });
const slider = (page: Page): Locator => page.getByRole('slider', { name: 'How much of the overlap to remove' });

async function openExample(page: Page): Promise<void> {
  await button(page, 'Try it with an example').click();
  await expect(button(page, 'Fuse')).toBeEnabled();
}

async function fuse(page: Page): Promise<void> {
  await button(page, 'Fuse').click();
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
}

/** Drops files that the page already holds (the example pair), or plain text, on an element. */
async function drop(page: Page, on: Locator, files: { name: string; from?: 'contentFile' | 'styleFile'; text?: string }[]): Promise<void> {
  const transfer = await page.evaluateHandle(async (wanted) => {
    const held = (window as unknown as { held?: Record<string, Blob> }).held ?? {};
    const made = new DataTransfer();
    for (const { name, from, text } of wanted) made.items.add(new File([from ? held[from]! : text ?? ''], name));
    return made;
  }, files);
  await on.dispatchEvent('dragover', { dataTransfer: transfer });
  await on.dispatchEvent('drop', { dataTransfer: transfer });
}

/** Pastes files of the example pair that the page holds, with nothing focused. */
const paste = (page: Page, files: { name: string; from: 'contentFile' | 'styleFile' }[]): Promise<void> => page.evaluate((wanted) => {
  const { held } = window as unknown as { held: Record<string, Blob> };
  const clipboardData = new DataTransfer();
  for (const { name, from } of wanted) clipboardData.items.add(new File([held[from]!], name));
  document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, composed: true, cancelable: true }));
}, files);

/** Keeps the bytes of the example pair in the page and empties its places again. */
async function holdExample(page: Page): Promise<void> {
  await openExample(page);
  await page.evaluate(() => {
    const { contentFile, styleFile } = document.querySelector('np-lora') as unknown as Record<string, Blob>;
    Object.assign(window, { held: { contentFile, styleFile } });
  });
  await button(page, 'Remove subject file').click();
  await button(page, 'Remove style file').click();
  await expect(button(page, 'Try it with an example')).toBeVisible();
}

async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if (await target.evaluate((element) => element.matches(':focus')).catch(() => false)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab never reached ${target}`);
}

test('an example pair goes all the way to a saved file', async ({ page }) => {
  await openExample(page);
  await expect(page.getByRole('region', { name: 'How the two fit' })).toContainText(/Shared\s*\d+/);
  await page.locator('np-lora').evaluate((tool) => {
    const asks: Record<string, boolean> = {};
    for (const name of ['progress', 'complete']) {
      tool.addEventListener(name, () => { asks[name] = !window.dispatchEvent(new Event('beforeunload', { cancelable: true })); });
    }
    Object.assign(window, { asks });
  });
  await fuse(page);
  await expect(page).toHaveTitle(/✓/);
  expect(await page.evaluate(() => (window as any).asks), 'before the page is left').toEqual({ progress: true, complete: false });
  await expect(page.getByText(/The projection changes this pair by/)).toBeVisible();

  // An unsaved result is not lost by one press.
  await button(page, 'Start over').click();
  await expect(page.getByText('Discard the unsaved file?')).toBeVisible();
  await expect(button(page, 'Keep')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(button(page, 'Start over')).toBeFocused();
  await button(page, 'Start over').click();
  await button(page, 'Keep').click();
  await button(page, 'Start over').click();
  const [saved] = await Promise.all([page.waitForEvent('download'), button(page, 'Save').click()]);
  await expect(button(page, 'Start over')).toBeVisible();
  expect(saved.suggestedFilename()).toMatch(/^[\w.+-]+\.safetensors$/);
  expect((await readFile(await saved.path())).length).toBeGreaterThan(100);

  const [written] = await Promise.all([page.waitForEvent('download'), button(page, 'Save report').click()]);
  const report = JSON.parse(await readFile(await written.path(), 'utf8')) as { fused: number; settings: { mu: number } };
  expect(report.fused).toBeGreaterThan(0);
  expect(report.settings.mu).toBe(0.5);

  await button(page, 'Start over').click();
  await expect(button(page, 'Try it with an example')).toBeVisible();

  await openExample(page);
  // This strength is set by a host, not chosen by a person.
  await page.locator('np-lora').evaluate((tool) => Object.assign(tool, { contentStrength: 0.75 }));
  await setMu(page, 2);
  await fuse(page);
  await expect(page.getByRole('region', { name: 'Fused and checked' })).toContainText('μ 2 · subject 0.75, style 1');
  await expect(page.getByText('Replaces the unsaved file below.')).toHaveCount(0);
  await setMu(page, 1);
  await expect(page.getByText('Replaces the unsaved file below.')).toBeVisible();
  await button(page, 'Start over').click();
  await button(page, 'Discard').click();
  await expect(button(page, 'Try it with an example')).toBeVisible();
  // No setting of the discarded run stays in force unseen.
  expect([await element(page, 'mu'), await element(page, 'contentStrength')]).toEqual([0.5, 0.75]);
  const back = async (): Promise<unknown[]> => {
    await page.keyboard.press('ControlOrMeta+Z');
    return [await element(page, 'mu'), await element(page, 'contentStrength')];
  };
  // A setting made by the host is not a step to undo.
  expect([await back(), await back(), await back()]).toEqual([[1, 0.75], [2, 0.75], [0.5, 0.75]]);
});

test('a file that is dropped while a run goes on is not taken, and that is said', async ({ page }) => {
  await holdExample(page);
  await drop(page, page.locator('np-lora'), [{ name: 'dog.safetensors', from: 'contentFile' }, { name: 'ink.safetensors', from: 'styleFile' }]);
  await expect(button(page, 'Fuse')).toBeEnabled();
  // Delays the messages to the page's worker.
  await page.evaluate(() => {
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (message: any, ...more: any[]): void {
      if (message.call === 'fuse') setTimeout(() => postMessage.call(this, message, ...more as []), 1500);
      else postMessage.call(this, message, ...more as []);
    };
  });
  await button(page, 'Fuse').click();
  const said = page.getByText('Files can be added once this run ends or is cancelled.').first();
  await drop(page, page.locator('body'), [{ name: 'other.safetensors', from: 'contentFile' }]);
  await expect(said).toBeVisible();
  await expect(card(page, 'Style')).toContainText('ink.safetensors');
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  await expect(page.locator('np-lora-run').getByText('Files can be added')).toHaveCount(0);
  await drop(page, card(page, 'Style'), [{ name: 'other.safetensors', from: 'contentFile' }]);
  await expect(card(page, 'Style')).toContainText('other.safetensors');
});

test('a file’s hashes are read and copied without a mouse', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await openExample(page);
  await expect(card(page, 'Subject')).toContainText(/AutoV2\s*[0-9a-f]{10}/);
  const short = (await card(page, 'Subject').locator('summary').innerText()).trim();
  await tabTo(page, card(page, 'Subject').locator('summary'));
  await page.keyboard.press('Enter');
  await expect(button(page, 'Copy SHA-256')).toBeVisible();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(button(page, 'Copied')).toBeVisible();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toMatch(/^[0-9a-f]{64}$/);
  expect(copied.slice(0, 10)).toBe(short);
  await expect(page.getByText(`SHA-256 ${copied}`)).toBeVisible();
});

test('what model sites know a file by, whole and without its header', async ({ page }) => {
  const files = [1, 2].map((seed) => writeSafetensors(makeLora({ modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed })));
  const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  const header = (bytes: Uint8Array): number => 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  for (const [at, role] of (['Subject', 'Style'] as const).entries()) {
    await give(page, role, { name: `${role}.safetensors`, bytes: files[at]! });
    await expect(card(page, role)).toContainText(digest(files[at]!).slice(0, 10));
  }
  await card(page, 'Subject').locator('summary').click();
  const has = (bytes: Uint8Array): Promise<void> =>
    expect(card(page, 'Subject')).toContainText(`AutoV3 ${digest(bytes.subarray(header(bytes))).slice(0, 12)}`);
  await has(files[0]!);
  // The opened details stay open for the file that takes its place.
  await button(page, 'Swap subject and style').click();
  await has(files[1]!);
  // The hash of each copy is asked for.
  await give(page, 'Style', { name: 'copy.safetensors', bytes: files[1]! });
  await expect(card(page, 'Style')).toContainText(digest(files[1]!).slice(0, 10));
  await button(page, 'Swap subject and style').click();
  await expect(card(page, 'Subject')).toContainText('copy.safetensors');
  await has(files[1]!);
});

test('a changed setting marks the result and offers Fuse again', async ({ page }) => {
  await openExample(page);
  await fuse(page);
  await expect(button(page, 'Fuse')).toBeHidden();
  await button(page, 'μ ∞').click();
  await expect(page.getByText('removes 100 % of the overlap', { exact: true })).toBeVisible();
  await expect(page.locator('.stale')).toBeVisible();
  await fuse(page);
  await expect(page.locator('.stale')).toBeHidden();
  // Removing a file is reported as a change of files, not of settings.
  await button(page, 'Remove style file').click();
  await expect(page.locator('.stale')).toHaveText('Made before you changed the files.');
  await expect(page.getByRole('status').filter({ hasText: 'Made before you changed the files.' })).toHaveCount(1);
});

test('the same file twice is said before anything is fused, and no μ is suggested', async ({ page }) => {
  await holdExample(page);
  await drop(page, page.locator('body'), [{ name: 'cat.safetensors', from: 'contentFile' }, { name: 'copy.safetensors', from: 'contentFile' }]);
  await expect(page.getByRole('region', { name: 'How the two fit' })).toContainText('Subject and style are the same file.');
  await expect(page.getByText(/Both files make the same change/).first()).toBeVisible();
  await expect(page.getByRole('button', { name: /^Use suggested μ/ })).toBeHidden();
  await drop(page, card(page, 'Style'), [{ name: 'ink.safetensors', from: 'styleFile' }]);
  await expect(page.getByText('Subject and style are the same file.')).toBeHidden();
  await expect(page.getByRole('button', { name: /^Use suggested μ/ })).toBeVisible();
});

test('two files dropped anywhere become subject and style, and can be swapped', async ({ page }) => {
  await holdExample(page);
  await drop(page, page.getByRole('heading', { name: 'How it works' }), [
    { name: 'cat.safetensors', from: 'contentFile' }, { name: 'ink.safetensors', from: 'styleFile' },
  ]);
  await expect(card(page, 'Subject')).toContainText('cat.safetensors');
  await expect(card(page, 'Style')).toContainText('ink.safetensors');
  await expect(button(page, 'Fuse')).toBeEnabled();
  await button(page, 'Swap subject and style').click();
  await expect(card(page, 'Subject')).toContainText('ink.safetensors');
  await fuse(page);
});

test('what is chosen while the example is being made is kept', async ({ page }) => {
  await page.route(READER, async (route) => {
    await chosen;
    await route.continue();
  });
  let choose = (): void => {};
  const chosen = new Promise<void>((resolve) => { choose = resolve; });
  await button(page, 'Try it with an example').click();
  await give(page, 'Subject', { name: 'mine.safetensors', bytes: writeSafetensors(makeLora({ modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 1 })) });
  choose();
  // The worker answers in turn, so the example was made before the file was open.
  await expect(card(page, 'Subject')).toContainText('Rank');
  await expect(card(page, 'Subject')).toContainText('mine');
  await expect(button(page, 'Try it with an example')).toHaveCount(0);
  await expect(card(page, 'Style').getByText('Choose file')).toBeVisible();
});

test('Fuse can be read on a phone, whatever stands beside it', async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 700 });
  await openExample(page);
  await fuse(page);
  await page.getByLabel('What to make').selectOption('several');
  const again = page.locator('[part=fuse]');
  await expect(again).toHaveText(/^Fuse \d+ files$/);
  await expect(page.getByText('Replaces the unsaved file')).toBeVisible();
  expect(await again.evaluate((one) => one.scrollWidth <= one.clientWidth)).toBe(true);
});

test('one file fills the free place, or the card it falls on', async ({ page }) => {
  await holdExample(page);
  await drop(page, card(page, 'Style'), [{ name: 'ink.safetensors', from: 'styleFile' }]);
  await expect(card(page, 'Style')).toContainText('ink.safetensors');
  await paste(page, [{ name: 'cat.safetensors', from: 'contentFile' }]);
  await expect(card(page, 'Subject')).toContainText('cat.safetensors');
  // With one free place, the first of two files is taken, and replaces none; of more than two files, the first two are taken.
  await button(page, 'Remove subject file').click();
  await drop(page, page.locator('body'), [{ name: 'dog.safetensors', from: 'contentFile' }, { name: 'pencil.safetensors', from: 'styleFile' }]);
  await expect(page.getByRole('paragraph').filter({ hasText: 'only the first of these files was taken' })).toBeVisible();
  for (const [role, name] of [['Subject', 'dog'], ['Style', 'ink']] as const) await expect(card(page, role)).toContainText(`${name}.safetensors`);
  await drop(page, page.locator('body'), [
    { name: 'cat.safetensors', from: 'contentFile' }, { name: 'ink.safetensors', from: 'styleFile' }, { name: 'more.safetensors', from: 'styleFile' },
  ]);
  await expect(page.getByRole('paragraph').filter({ hasText: 'the first two were taken' })).toBeVisible();
  await expect(card(page, 'Subject')).toContainText('cat.safetensors');
  // The message about the open file is announced too.
  await expect(button(page, 'Fuse')).toBeEnabled();
  await drop(page, page.locator('body'), [{ name: 'third.safetensors', from: 'contentFile' }]);
  // The message is both visible and announced.
  await expect(page.getByRole('paragraph').filter({ hasText: 'Both places are taken' })).toBeVisible();
  await expect(page.getByRole('status').filter({ hasText: 'Both places are taken' })).toHaveCount(1);
});

test('an adapter_config.json goes with the file it falls with, or with the only one', async ({ page }) => {
  await holdExample(page);
  const config = { name: 'adapter_config.json', text: '{"r":4,"lora_alpha":4}' };
  const note = { name: 'Leave out the style’s adapter_config.json' };
  await drop(page, page.locator('body'), [config]);
  await expect(page.getByRole('paragraph').filter({ hasText: 'choose the LoRA first' })).toBeVisible();
  await drop(page, card(page, 'Style'), [{ name: 'ink.safetensors', from: 'styleFile' }, config]);
  await page.getByRole('button', note).click();
  await expect(page.getByRole('button', note)).toBeHidden();
  await drop(page, page.locator('body'), [{ ...config, name: 'adapter_config (1).json' }]);
  await expect(card(page, 'Style')).toContainText('adapter_config (1).json');
  await drop(page, page.locator('body'), [{ name: 'cat.safetensors', from: 'contentFile' }]);
  await drop(page, page.locator('body'), [config]);
  await expect(page.getByRole('paragraph').filter({ hasText: 'on the card that it belongs to' })).toBeVisible();
  await drop(page, card(page, 'Style'), [{ ...config, text: ' '.repeat(2_000_000) }]);
  await expect(page.getByRole('paragraph').filter({ hasText: 'too large for an adapter_config' })).toBeVisible();
  await fuse(page);
});

test('everything can be done with the keyboard', async ({ page }) => {
  await tabTo(page, button(page, 'Try it with an example'));
  await page.keyboard.press('Enter');
  await expect(button(page, 'Fuse')).toBeEnabled();
  await tabTo(page, slider(page));
  await page.keyboard.press('End');
  await expect(page.getByText('removes 100 % of the overlap', { exact: true })).toBeVisible();
  await page.keyboard.press('PageDown');
  await expect(page.getByText('removes 91 % of the overlap', { exact: true })).toBeVisible();
  await page.keyboard.press('ArrowLeft');
  await expect(page.getByText('removes 90 % of the overlap', { exact: true })).toBeVisible();
  await tabTo(page, button(page, 'Fuse'));
  await page.keyboard.press('Enter');
  // The focus is not lost with the button: it moves to the result.
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeFocused();
  await tabTo(page, button(page, 'Save'));
  const [saved] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  expect(saved.suggestedFilename()).toContain('.safetensors');
});

test('the keyboard keeps its place when what was pressed goes', async ({ page }) => {
  const subject = page.getByLabel('Subject LoRA file');
  const style = page.getByLabel('Style LoRA file');
  await tabTo(page, button(page, 'Try it with an example'));
  await page.keyboard.press('Enter');
  await expect(subject).toBeFocused();
  await tabTo(page, button(page, 'Remove style file'));
  await page.keyboard.press('Enter');
  await expect(style).toBeFocused();
  await expect(button(page, 'Remove style file')).toHaveCount(0);
  await style.setInputFiles({ name: 'text.safetensors', mimeType: '', buffer: Buffer.from('no LoRA at all') });
  await expect(page.getByRole('alert')).toBeVisible();
  await expect(style).toBeFocused();
});

test('a key that is held down on Fuse does not cancel, and the end is said once', async ({ page }) => {
  await bendWorker(page);
  await page.reload();
  // Without an analysis, everything that is read is read for the run.
  await page.locator('np-lora').evaluate((tool) => tool.setAttribute('analysis', 'off'));
  await openExample(page);
  await programComplete(page);
  await arm(page, 'input');
  await button(page, 'Fuse').focus();
  await page.keyboard.down('Enter');
  await held(page);
  await expect(button(page, 'Cancel')).toBeFocused();
  await page.keyboard.down('Enter');
  await page.keyboard.up('Enter');
  await letGo(page);
  const heading = page.getByRole('heading', { name: 'Fused and checked' });
  await expect(heading).toBeFocused();
  await expect(page.getByRole('status').filter({ hasText: 'Fused and checked' })).toHaveCount(0);
});

test('a bad file is named and explained, and a good one works right after', async ({ page }) => {
  await holdExample(page);
  await drop(page, page.locator('body'), [
    { name: 'cat.safetensors', from: 'contentFile' },
    { name: 'login\u202Epage.html', text: '<!doctype html><title>Sign in</title>' },
  ]);
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('not a safetensors file');
  await expect(alert).toContainText('‹U+202E›');
  await expect(page.getByRole('button', { name: 'Copy details' })).toBeVisible();
  await expect(button(page, 'Fuse')).toBeHidden();
  await drop(page, page.locator('body'), [{ name: 'ink.safetensors', from: 'styleFile' }]);
  await expect(alert).toBeHidden();
  await fuse(page);
});

test('a program that does not load is said, and tried anew', async ({ page, context }) => {
  await context.route('**/np_lora_reader_bg.wasm', (route) => route.fulfill({ status: 404, body: 'gone' }));
  await button(page, 'Try it with an example').click();
  await expect(page.getByRole('alert')).toContainText('could not be loaded');
  await context.unroute('**/np_lora_reader_bg.wasm');
  await openExample(page);
  await expect(page.getByRole('alert')).toBeHidden();
});

test('a tool that does not load leaves a word in its place, after a while', async ({ page, context }) => {
  const word = page.getByText('has not loaded yet');
  await expect(button(page, 'Try it with an example')).toBeVisible();
  await expect(word).toBeHidden();
  for (const script of ['element.js', 'chunk-*.js']) {
    await context.route(`**/${script}`, (route) => route.fulfill({ status: 404, body: 'gone' }));
    await page.reload();
    await expect(word).toBeHidden();
    await page.evaluate(() => document.getAnimations().forEach((animation) => animation.finish()));
    await expect(word).toBeVisible();
    await context.unroute(`**/${script}`);
  }
});

test('what a share of the energy leaves is not known beforehand, which is said', async ({ page }) => {
  await openExample(page);
  const fit = page.getByRole('region', { name: 'How the two fit' });
  const rank = (of: string): Promise<unknown> => page.locator('np-lora').evaluate((tool, rank) => Object.assign(tool, { rank }), of);
  await expect(fit).toContainText(/ · rank \d+ · F16 · [\d.]+ [kM]B/);
  await rank('50%');
  await expect(fit).toContainText(/ · at most rank \d+ · F16 · at most [\d.]+ [kM]B/);
  await rank('3');
  await expect(fit).toContainText(/ · rank 3 · F16 · [\d.]+ [kM]B/);
});

test('settings that make no sense are put back, which is said', async ({ page }) => {
  await openExample(page);
  const strength = page.getByLabel('Subject strength, as a number');
  await strength.fill('99');
  await strength.press('Tab');
  await expect(strength).toHaveValue('1');
  await expect(page.getByRole('alert').filter({ hasText: '“99” cannot be used here' })).toBeVisible();
  const mu = page.getByRole('textbox', { name: 'as μ' });
  await mu.fill('nonsense');
  await mu.press('Tab');
  await expect(mu).toHaveValue('0.5');
  await expect(page.getByRole('alert').filter({ hasText: '“nonsense” is no μ' })).toBeVisible();
  await expect(mu).toHaveAttribute('aria-invalid', 'true');
  await mu.fill('∞');
  await mu.press('Tab');
  await expect(page.getByText('is no μ')).toHaveCount(0);
  await expect(mu).not.toHaveAttribute('aria-invalid');
  await expect(page.getByText('removes 100 % of the overlap', { exact: true })).toBeVisible();
  // Full-width digits, as typed with an East Asian input method.
  await mu.fill('１．５');
  await mu.press('Tab');
  await expect(mu).toHaveValue('1.5');
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`nothing stands in the way of assistive technology (${colorScheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await accessible(page, 'empty');
    await openExample(page);
    await page.getByText('Advanced', { exact: true }).click();
    await expect(page.getByLabel('Backend').locator('option')).toHaveText(['Auto', 'WebGPU', 'CPU']);
    await page.getByText(/^Shared/).click();
    await accessible(page, 'ready');
    await fuse(page);
    await accessible(page, 'done');
    await drop(page, card(page, 'Style'), [{ name: 'page.html', text: '<!doctype html>' }]);
    await expect(page.getByRole('alert')).toBeVisible();
    await accessible(page, 'refused');
  });
}

for (const width of [390, 320]) {
  test(`nothing scrolls sideways at ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height: 800 });
    const fits = async (): Promise<void> => {
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    };
    await fits();
    await openExample(page);
    for (const stop of ['0', '0.1', '0.5', '1', '10', '∞']) await expect(button(page, `μ ${stop}`)).toBeVisible();
    await page.getByText('Advanced', { exact: true }).click();
    await fits();
    await fuse(page);
    await fits();
  });
}
