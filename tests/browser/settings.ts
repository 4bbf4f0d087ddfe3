/** A small pair with layers in blocks of all kinds, and what a person does with settings, blocks and recipes. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, type Locator, type Page } from '@playwright/test';
import type { Settings } from '../../www/core/types.ts';
import { makeLora, type Recipe } from './make.ts';
import { FIRST_RUN, fuseButton, named, type Named } from './page.ts';

/** A layer of Stable Diffusion 1.5 in each of some blocks, and one in its text encoder. */
export const LAYERS: Record<string, { name: string; out: number; in: number }> = {
  IN01: { name: 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q', out: 320, in: 320 },
  IN04: { name: 'lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q', out: 640, in: 640 },
  MID: { name: 'lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k', out: 1280, in: 768 },
  OUT05: { name: 'lora_unet_up_blocks_1_attentions_2_transformer_blocks_0_attn2_to_v', out: 1280, in: 768 },
  OUT08: { name: 'lora_unet_up_blocks_2_attentions_2_transformer_blocks_0_attn1_to_v', out: 640, in: 640 },
  'CLIP-L': { name: 'lora_te_text_model_encoder_layers_0_mlp_fc1', out: 3072, in: 768 },
};
export const KOHYA: Recipe = { modules: Object.values(LAYERS), rank: 6, alpha: 3, dtype: 'F16', scheme: 'kohya', seed: 71, sharedDirections: 3 };
export const [CAT, INK] = [makeLora(KOHYA), makeLora({ ...KOHYA, seed: 72 })];
export const PAIR: [Named, Named] = [named('cat.safetensors', CAT), named('ink.safetensors', INK)];

export const settings = (page: Page): Promise<Settings> =>
  page.locator('np-lora').evaluate((found) => (found as unknown as { settings(): Settings }).settings());
export const row = (page: Page, label: string): Locator => page.getByRole('grid', { name: 'Layer by layer' }).getByRole('row').filter({ has: page.getByRole('rowheader', { name: label, exact: true }) });
export const own = (page: Page, label: string): Locator => row(page, label).locator('td.own');

/** Opens the folded panel for single blocks, at the map. */
export async function unfold(page: Page): Promise<void> {
  if (!(await page.getByLabel('Paint blocks with').isVisible())) await page.getByText(/^By block/).click();
}

export async function paintWith(page: Page, of: 'content' | 'style' | 'mu'): Promise<void> {
  await unfold(page);
  await page.getByLabel('Paint blocks with').selectOption(of);
}

export async function useIn(page: Page, role: 'Subject' | 'Style', label: string): Promise<void> {
  await unfold(page);
  await page.getByLabel(`${role} in`).selectOption({ label });
}

export async function drag(page: Page, from: string, to: string): Promise<void> {
  const middle = async (label: string): Promise<[number, number]> => {
    const box = (await row(page, label).getByRole('rowheader').boundingBox())!;
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  await row(page, from).scrollIntoViewIfNeeded();
  await page.mouse.move(...await middle(from));
  await page.mouse.down();
  await page.mouse.move(...await middle(to), { steps: 12 });
  await page.mouse.up();
}

export async function download(page: Page, press: Locator): Promise<{ name: string; bytes: Buffer }> {
  const [file] = await Promise.all([page.waitForEvent('download'), press.click()]);
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

/** Fuses with the current settings and returns the bytes of the result. */
export async function fuse(page: Page): Promise<Buffer> {
  await fuseButton(page).click();
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible({ timeout: FIRST_RUN });
  return (await download(page, page.getByRole('button', { name: 'Save', exact: true }))).bytes;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const openRecipe = (page: Page, recipe: string | Uint8Array, name = 'mine.recipe.json'): Promise<void> =>
  page.getByLabel('Open recipe').setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(recipe) });
