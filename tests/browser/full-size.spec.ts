/** Modules of full size through the page: those of a whole pair, and on a graphics device, which is slow here, those of some blocks. */

import { expect, test } from '@playwright/test';
import { PLACES, checkFlux, fluxPair } from './flux.ts';
import { DEVICE, fuseAndSave, givePair, onDevice, open } from './page.ts';

const MINUTE = 60_000;
/** The number of blocks of each kind, so that every shape comes twice. */
const BLOCKS_ON_A_DEVICE = 2;

test.describe('FLUX.1, rank 16', () => {
  test.skip(!PLACES, 'NP_LORA_FLUX_CONTENT and NP_LORA_FLUX_STYLE name no files');

  test('modules of full size fuse', DEVICE, async ({ page }) => {
    test.setTimeout(15 * MINUTE);
    const pair = await fluxPair(PLACES!, onDevice() ? BLOCKS_ON_A_DEVICE : Infinity);
    const uncaught = await open(page);
    await givePair(page, pair.content, pair.style);
    const began = performance.now();
    const { file } = await fuseAndSave(page, 10 * MINUTE);
    console.log(`FLUX.1 rank 16, ${pair.modules.length} modules, on ${onDevice() ? 'webgpu' : 'cpu'}: ${((performance.now() - began) / 1000).toFixed(1)} s from Fuse to the saved file`);
    await checkFlux(file, pair);
    expect(uncaught).toEqual([]);
  });
});
