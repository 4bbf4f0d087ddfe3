/** The graphics device. It is a real device, if a software one, and it really breaks. */

import { expect } from '@playwright/test';
import { FIRST_RUN, advanced, element } from '../page.ts';
import { bendWorker, letGo, mend, type Bendable } from './bend.ts';
import { fuse, giveGoodPair, pressFuse, type Fault, type Scene } from './scene.ts';

declare const GPUAdapter: Bendable, GPUDevice: Bendable, GPUQueue: Bendable, GPUBuffer: Bendable;
/** Globals of a bent worker. */
declare let broken: boolean;
declare const device: { destroy(): void };

const ON_CPU = /The graphics device failed during the run\..*The run was finished on the CPU; the result is as good\./s;

/** Checks that the result was made on this backend in the end. */
const fusedOn = async (scene: Scene, backend: 'webgpu' | 'cpu'): Promise<void> => {
  await expect(scene.page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible({ timeout: FIRST_RUN });
  expect(await element(scene.page, 'backendInUse')).toBe(backend);
  await expect(scene.page.getByText(ON_CPU)).toHaveCount(backend === 'cpu' ? 1 : 0);
};

/** `lines` break every device while `broken` is true; or they break one and set it to false, so that a new one works. */
const brokenDevice = (name: string, lines: () => void, backend: 'webgpu' | 'cpu'): Fault => ({
  name,
  onDevice: true,
  before: (page) => bendWorker(page, lines),
  happens: async (scene) => {
    await fuse(scene);
    await fusedOn(scene, backend);
    // The fault took effect, and another device was looked for only once.
    expect(await scene.page.workers()[0]!.evaluate('devices.length')).toBe(2);
  },
  ends: 'fused',
  says: backend === 'cpu' ? ON_CPU : /Fused and checked/,
  over: ({ page }) => mend(page),
});

/** `lines` make it impossible to get a device, and WebGPU was chosen explicitly. */
const unavailable = (name: string, lines: () => void, why: string): Fault => ({
  name,
  onDevice: true,
  before: (page) => bendWorker(page, lines),
  happens: fuse,
  ends: 'refused',
  says: new RegExp(`WebGPU was asked for but is not available\\..*Let the tool choose, or use the CPU\\..*${why}`, 's'),
  over: ({ page }) => mend(page),
});

export const GRAPHICS: Fault[] = [
  {
    name: 'there is no graphics device: no alarm',
    happens: fuse,
    ends: 'fused',
    says: /Fused and checked/,
  },
  {
    name: 'there is no graphics device, and WebGPU was asked for by name',
    happens: async (scene) => {
      await giveGoodPair(scene);
      await advanced(scene.page, 'Backend', 'webgpu');
    },
    ends: 'refused',
    says: /WebGPU was asked for but is not available\..*Let the tool choose, or use the CPU\./s,
    over: ({ page }) => advanced(page, 'Backend', 'auto'),
  },
  unavailable('the graphics device does not start', () => {
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = function (...of) {
      return broken ? Promise.reject(new DOMException('No device today.', 'OperationError')) : requestDevice!.apply(this, of);
    };
  }, 'No device today'),
  unavailable('a shader is refused', () => {
    const { createShaderModule } = GPUDevice.prototype;
    GPUDevice.prototype.createShaderModule = function (of: { code: string }) {
      return createShaderModule!.call(this, broken ? { ...of, code: `${of.code}\nfn nonsense() -> f32 { return 1u; }` } : of);
    };
  }, ''),
  brokenDevice('the device is lost before it is given work; a new one serves', () => {
    const { createCommandEncoder } = GPUDevice.prototype;
    GPUDevice.prototype.createCommandEncoder = function (...of) {
      if (broken) device.destroy();
      broken = false;
      return createCommandEncoder!.apply(this, of);
    };
  }, 'webgpu'),
  brokenDevice('the device is lost while it works; a new one serves', () => {
    const { submit } = GPUQueue.prototype;
    GPUQueue.prototype.submit = function (...of) {
      submit!.apply(this, of);
      if (broken) device.destroy();
      broken = false;
    };
  }, 'webgpu'),
  brokenDevice('the device is lost when it has done its work; a new one serves', () => {
    const { unmap } = GPUBuffer.prototype;
    GPUBuffer.prototype.unmap = function (...of) {
      unmap!.apply(this, of);
      if (broken) device.destroy();
      broken = false;
    };
  }, 'webgpu'),
  brokenDevice('the device is lost, and the new one as well', () => {
    const { submit } = GPUQueue.prototype;
    GPUQueue.prototype.submit = function (...of) {
      submit!.apply(this, of);
      if (broken) device.destroy();
    };
  }, 'cpu'),
  {
    ...brokenDevice('another worker loses its device, and the new one as well', () => {
      // On any machine, exactly one worker besides the leader.
      Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 });
      const { submit } = GPUQueue.prototype;
      GPUQueue.prototype.submit = function (...of) {
        submit!.apply(this, of);
        if (broken) device.destroy();
      };
    }, 'cpu'),
    happens: async (scene) => {
      const { page } = scene;
      await giveGoodPair(scene);
      const found = (at: number): Promise<number> => page.workers()[at]!.evaluate<number>('devices.length');
      await expect.poll(async () => page.workers().length === 2 && await found(1), { timeout: FIRST_RUN }).toBe(1);
      // The leader has a good device, and stops until the other worker has used up its two.
      await page.workers()[0]!.evaluate("broken = false; gates.arm('input', 0)");
      await pressFuse(scene);
      await expect.poll(() => found(1), { timeout: FIRST_RUN }).toBe(2);
      await letGo(page);
      await fusedOn(scene, 'cpu');
      expect(await found(0)).toBe(1);
    },
  },
  brokenDevice('there is no memory for a buffer', () => {
    const { createBuffer } = GPUDevice.prototype;
    // A size that Chromium allows but cannot provide: this gives a true GPUOutOfMemoryError.
    GPUDevice.prototype.createBuffer = function (of: { size: number }) {
      return createBuffer!.call(this, broken ? { ...of, size: 2 ** 30 } : of);
    };
  }, 'cpu'),
  brokenDevice('a buffer is refused once; a new device serves', () => {
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (of: { usage: number }) {
      // MAP_READ combined with STORAGE is not valid.
      const usage = broken ? of.usage | 0x81 : of.usage;
      broken = false;
      return createBuffer!.call(this, { ...of, usage });
    };
  }, 'webgpu'),
  brokenDevice('the device gives wrong numbers', () => {
    const { createShaderModule } = GPUDevice.prototype;
    GPUDevice.prototype.createShaderModule = function (of: { code: string }) {
      const wrong = of.code.replace('params.added * sums[i]', '1.01 * params.added * sums[i]');
      return createShaderModule!.call(this, broken ? { ...of, code: wrong } : of);
    };
  }, 'cpu'),
  {
    name: 'the device never answers',
    onDevice: true,
    before: async (page) => {
      await page.clock.install();
      await bendWorker(page, () => {
        GPUBuffer.prototype.mapAsync = () => new Promise(() => { Object.assign(self, { hung: true }); });
      });
    },
    happens: async (scene) => {
      const { page } = scene;
      await fuse(scene);
      await expect.poll(() => page.workers()[0]!.evaluate('self.hung')).toBe(true);
      await page.clock.runFor(31_000);
      await expect(page.getByText(/^Still working/)).toBeVisible();
      // The next worker, which starts as soon as this one is given up, is a good one.
      await page.unroute('**/worker.js');
      await page.clock.runFor(90_000);
    },
    ends: 'refused',
    says: /Nothing has happened for two minutes.*Nothing was saved\..*choose CPU/s,
  },
];
