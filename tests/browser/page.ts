/** Driving the page as a person does: by labels and buttons. */

import { readFile } from 'node:fs/promises';
import { expect, type Locator, type Page } from '@playwright/test';
import { readSafetensors, writeSafetensors, type Safetensors } from './safetensors.ts';

export type Role = 'Subject' | 'Style';
export interface Named {
  name: string;
  bytes: Uint8Array;
}

/** A software graphics device takes seconds to compile one shader, and there are eight. */
export const FIRST_RUN = 180_000;

/** Opens the page with a backend that must be the one used; collects errors that nobody caught. */
export async function open(page: Page, project: string): Promise<string[]> {
  const uncaught: string[] = [];
  page.on('pageerror', (error) => uncaught.push(String(error)));
  // The picker is the system's own window, which a test cannot press; without it the page saves by a download link.
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto('./');
  await page.getByText('Advanced', { exact: true }).waitFor();
  // The page would choose the CPU by itself on a software device; in the project without a device it has no choice.
  if (project === 'webgpu') await advanced(page, 'Backend', 'webgpu');
  return uncaught;
}

/** Chooses an option in the folded part of the settings. */
export async function advanced(page: Page, label: string, value: string): Promise<void> {
  const field = page.getByLabel(label, { exact: true });
  if (!(await field.isVisible())) await page.getByText('Advanced', { exact: true }).click();
  await field.selectOption(value);
}

export async function setMu(page: Page, mu: number): Promise<void> {
  const field = page.getByLabel('μ, exactly');
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

export const fuseButton = (page: Page): Locator => page.getByRole('button', { name: 'Fuse', exact: true });

/** What the element says of itself, as a host page would read it. */
export const element = <T>(page: Page, property: string): Promise<T> =>
  page.locator('np-lora').evaluate((found, name) => (found as unknown as Record<string, unknown>)[name] as T, property) as Promise<T>;

/** Presses Fuse, waits for the verified result, saves it and reads it back. */
export async function fuseAndSave(page: Page, project: string, timeout = FIRST_RUN): Promise<{ file: Safetensors; name: string }> {
  await expect(fuseButton(page)).toBeEnabled();
  await fuseButton(page).click();
  await finished(page, timeout);
  expect(await element(page, 'backendInUse')).toBe(project === 'webgpu' ? 'webgpu' : 'cpu');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save', exact: true }).click()]);
  return { file: readSafetensors(await readFile(await download.path())), name: download.suggestedFilename() };
}

async function finished(page: Page, timeout: number): Promise<void> {
  const outcome = page.getByText('Fused and checked').or(page.getByRole('alert')).first();
  // An older result stands until the new run has begun; then it stands again only when that run is over.
  await expect.poll(() => element<string>(page, 'phase'), { timeout }).toMatch(/^(done|failed)$/);
  await outcome.waitFor();
  if (await page.getByRole('alert').count() > 0) throw new Error(await page.getByRole('alert').first().innerText());
}
