/** Drives the page as a person does: by labels and buttons. */

import { readFile } from 'node:fs/promises';
import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Locator, type Page } from '@playwright/test';
import { readSafetensors, writeSafetensors, type Safetensors } from './safetensors.ts';

export type Role = 'Subject' | 'Style';
export interface Named {
  name: string;
  bytes: Uint8Array;
}

/** The time limit for a first run: a software graphics device takes seconds to compile one shader, and there are a dozen. */
export const FIRST_RUN = 180_000;

/** Marks a test for which a graphics device matters: it runs both without and with one. */
export const DEVICE = { tag: '@device' };
/** Marks a test that makes no sense without a graphics device. */
export const DEVICE_ONLY = { tag: '@device-only' };

/** Whether this run has a graphics device. */
export const onDevice = (): boolean => test.info().project.name === 'webgpu';

/** Opens the page and collects uncaught errors. */
export async function open(page: Page): Promise<string[]> {
  const uncaught: string[] = [];
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => uncaught.push(String(error)));
  // The pickers are the system's own windows, which a test cannot press; without them the page saves by download links.
  await page.addInitScript(() => { for (const picker of ['showSaveFilePicker', 'showDirectoryPicker']) Reflect.deleteProperty(window, picker); });
  await page.goto('./');
  return uncaught;
}

/** Gives both files, and chooses the graphics device if there is one: on its own, the page avoids a software device. */
export async function givePair(page: Page, subject: Named | string, style: Named | string): Promise<void> {
  await give(page, 'Subject', subject);
  await give(page, 'Style', style);
  await chooseDevice(page);
}

/** Chooses the graphics device, if there is one. */
export async function chooseDevice(page: Page): Promise<void> {
  if (onDevice()) await advanced(page, 'Backend', 'webgpu');
}

/** Chooses an option in the folded settings. */
export async function advanced(page: Page, label: string, value: string): Promise<void> {
  const field = page.getByLabel(label, { exact: true });
  if (!(await field.isVisible())) await page.getByText('Advanced', { exact: true }).click();
  await field.selectOption(value);
}

export async function setMu(page: Page, mu: number): Promise<void> {
  const field = page.getByLabel('as μ', { exact: true });
  await field.fill(mu === Infinity ? '∞' : String(mu));
  await field.press('Enter');
  await field.blur();
}

export async function setStrength(page: Page, role: Role, strength: number): Promise<void> {
  const field = page.getByLabel(`${role} strength, as a number`);
  await field.fill(String(strength));
  await field.blur();
}

export const named = (name: string, file: Safetensors): Named => ({ name, bytes: writeSafetensors(file) });

export async function give(page: Page, role: Role, file: Named | string): Promise<void> {
  await page.getByLabel(`${role} LoRA file`).setInputFiles(
    typeof file === 'string' ? file : { name: file.name, mimeType: 'application/octet-stream', buffer: Buffer.from(file.bytes) },
  );
}

/** Chooses the adapter_config.json for a file that does not state its scale. */
export const giveConfig = (page: Page, role: Role, config: object): Promise<void> =>
  page.getByLabel(`Add adapter_config.json: adapter_config.json of the ${role.toLowerCase()}`, { exact: true }).setInputFiles(
    { name: 'adapter_config.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(config)) },
  );

export const fuseButton = (page: Page): Locator => page.getByRole('button', { name: 'Fuse', exact: true });

const AXE_TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Checks that nothing on the page hinders assistive technology. */
export async function accessible(page: Page, state: string): Promise<void> {
  const scan = new AxeBuilder({ page }).options({ resultTypes: ['violations'], runOnly: { type: 'tag', values: AXE_TAGS } });
  // Legacy mode takes half the time, but does not look into frames, so it is used only where there are none.
  const { violations } = await scan.setLegacyMode(page.frames().length === 1).analyze();
  expect(violations.map(({ id, nodes }) => ({ id, at: nodes.map((node) => node.html) })), state).toEqual([]);
}

/** Checks a part of the page, given with the shadow hosts around it, of which only colours have changed since the whole page was checked. */
export async function readable(page: Page, part: [string, string, ...string[]], state: string): Promise<void> {
  const { violations, passes } = await new AxeBuilder({ page }).include({ fromShadowDom: part }).withRules(['color-contrast']).analyze();
  expect(violations.map(({ id, nodes }) => ({ id, at: nodes.map((node) => node.html) })), state).toEqual([]);
  expect(passes.length, state).toBeGreaterThan(0);
}

/** A property of the element, as a host page would read it. */
export const element = <T>(page: Page, property: string): Promise<T> =>
  page.locator('np-lora').evaluate((found, name) => (found as unknown as Record<string, unknown>)[name] as T, property) as Promise<T>;

/** Resolves when the whole program is in use, which alone can report a backend; from then on only tensors are read from the files. */
export const programComplete = (page: Page): Promise<void> => expect.poll(() => element(page, 'backendInUse')).not.toBeNull();

interface Run {
  press: Locator;
  heading: string;
  timeout: number;
}

/** Checks that the work was done by the backend that this run is about. */
export const worked = async (page: Page): Promise<void> => expect(await element(page, 'backendInUse')).toBe(onDevice() ? 'webgpu' : 'cpu');

/** Presses Fuse, waits for the verified result, saves it and reads it back. */
export async function fuseAndSave(page: Page, timeout = FIRST_RUN): Promise<{ file: Safetensors; name: string }> {
  const saved = await runAndSave(page, { press: fuseButton(page), heading: 'Fused and checked', timeout });
  await worked(page);
  return saved;
}

/** Makes the overlap instead of the fusion, saves it and reads it back. */
export async function overlapAndSave(page: Page): Promise<{ file: Safetensors; name: string }> {
  const saved = await runAndSave(page, { press: page.getByRole('button', { name: 'Make the overlap' }), heading: 'Made and checked', timeout: FIRST_RUN });
  await worked(page);
  return saved;
}

/** Shows, with one file open, how it can be converted. */
export async function offerConversion(page: Page): Promise<void> {
  const offer = page.getByRole('button', { name: 'Only this file? It can be converted' });
  const press = page.getByRole('button', { name: 'Convert this file' });
  await expect(offer.or(press)).toBeVisible();
  if (await offer.isVisible()) await offer.click();
  await expect(press).toBeVisible();
}

/** Converts the only file, saves the result and reads it back. */
export async function convertAndSave(page: Page): Promise<{ file: Safetensors; name: string }> {
  await offerConversion(page);
  return runAndSave(page, { press: page.getByRole('button', { name: 'Convert this file' }), heading: 'Converted and checked', timeout: FIRST_RUN });
}

async function runAndSave(page: Page, run: Run): Promise<{ file: Safetensors; name: string }> {
  await expect(run.press).toBeEnabled();
  await run.press.click();
  await finished(page, run);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save', exact: true }).click()]);
  return { file: readSafetensors(await readFile(await download.path())), name: download.suggestedFilename() };
}

/** Waits for a new result or an alert. An older result stays visible until the new run begins, but then the button is beside it. */
async function finished(page: Page, { press, heading, timeout }: Run): Promise<void> {
  const alert = page.getByRole('alert');
  const state = async (): Promise<string> => {
    if (await alert.count() > 0) return 'failed';
    const done = await page.getByRole('heading', { name: heading }).isVisible();
    return done && !(await press.isVisible()) ? 'done' : 'busy';
  };
  await expect.poll(state, { timeout }).not.toBe('busy');
  if (await alert.count() > 0) throw new Error(await alert.first().innerText());
}
