/**
 * The built program makes the same file in Chromium and in Node: the bytes do not depend on the browser. A native build is not compared: its matrix
 * products use fused multiply-add if the processor has it, so a last bit may differ.
 */

import { createHash } from 'node:crypto';
import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { bendWorker, letGo, started, type Bendable } from './faults/bend.ts';
import { check } from './hold.ts';
import { fuseInNode } from './in-node.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { DEVICE_ONLY, FIRST_RUN, advanced, fuseAndSave, give, givePair, named, open, programComplete, setMu } from './page.ts';
import { writeSafetensors } from './safetensors.ts';

declare const GPUBuffer: Bendable, GPUDevice: Bendable, GPUQueue: Bendable;

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 8, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 51, sharedDirections: 3 };
const pair = [makeLora(RECIPE), makeLora({ ...RECIPE, rank: 12, alpha: 6, seed: 52 })] as const;
const [subject, style] = [named('subject.safetensors', pair[0]), named('style.safetensors', pair[1])];

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('Chromium and Node make the same file', async ({ page }) => {
  test.setTimeout(2 * FIRST_RUN);
  await open(page);
  await give(page, 'Subject', subject);
  await give(page, 'Style', style);
  await setMu(page, 10);
  await advanced(page, 'Number format', 'BF16');
  const { file, name } = await fuseAndSave(page);
  const inNode = await fuseInNode(subject, style, { mu: 10, dtype: 'BF16', outputName: name.replace('.safetensors', '') });
  expect(digest(inNode)).toBe(digest(writeSafetensors(file)));
});

/** How much work each worker's graphics device was given. */
const submitted = (page: Page): Promise<number[]> => Promise.all(page.workers().map((worker) => worker.evaluate<number>('self.submitted')));

test('each worker has a graphics device of its own, and who makes what changes no byte', DEVICE_ONLY, async ({ page }) => {
  test.setTimeout(2 * FIRST_RUN);
  const made: Uint8Array[] = [];
  for (const cores of [1, 3]) {
    await page.unroute('**/worker.js');
    await bendWorker(page, () => {
      const buffers = new Set<object>();
      const seen = Object.assign(self, { submitted: 0, made: 0, kept: () => buffers.size });
      const { createBuffer } = GPUDevice.prototype;
      GPUDevice.prototype.createBuffer = function (...of) {
        const buffer = createBuffer!.apply(this, of);
        buffers.add(buffer);
        seen.made++;
        return buffer;
      };
      const { destroy } = GPUBuffer.prototype;
      GPUBuffer.prototype.destroy = function () {
        buffers.delete(this);
        return destroy!.call(this);
      };
      const { submit } = GPUQueue.prototype;
      GPUQueue.prototype.submit = function (...of) {
        seen.submitted++;
        return submit!.apply(this, of);
      };
    }, (script) => `Object.defineProperty(navigator, 'hardwareConcurrency', { value: ${cores} });\n${script}`);
    await open(page);
    await givePair(page, subject, style);
    await programComplete(page);
    await started(page, cores);
    await expect.poll(async () => {
      const devices = await Promise.all(page.workers().map((worker) => worker.evaluate<number>('devices.length')));
      return devices.every((each) => each === 1);
    }, { timeout: FIRST_RUN }).toBe(true);
    const [leader] = page.workers();
    // The leader stops until each of the others has had something to do.
    if (cores > 1) await leader!.evaluate("gates.arm('input', 0)");
    const fused = fuseAndSave(page);
    await expect.poll(async () => (await submitted(page)).filter((each) => each > 0).length, { timeout: FIRST_RUN }).toBe(Math.max(1, cores - 1));
    await letGo(page);
    const { file } = await fused;
    check(file, [...pair], DEFAULTS, 'F16');
    expect((await submitted(page)).filter((each) => each > 0)).toHaveLength(cores);
    // Memory of the device is freed explicitly, because the garbage collector does not know about it.
    expect(await Promise.all(page.workers().map((worker) => worker.evaluate<[boolean, number]>('[self.made > 0, self.kept()]')))).toEqual(Array(cores).fill([true, 0]));
    made.push(writeSafetensors(file));
  }
  expect(made[0]).toEqual(made[1]);
});
