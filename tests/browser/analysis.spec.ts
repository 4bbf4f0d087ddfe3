/** What the page finds out about a pair before fusing, computed independently; and that this gets in nobody's way. */

import { expect, test, type Page } from '@playwright/test';
import type { Outlook } from '../../www/core/types.ts';
import { matrix, multiply, multiplyTransposed, productNorm, productSvd, scaled, stack, beside } from './algebra.ts';
import { arm, bendWorker, held, letGo, tellWorkers } from './faults/bend.ts';
import { DEFAULTS, factors, modulesOf, type Module, type Settings } from './check.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, withNaN, type Recipe } from './make.ts';
import { DEVICE, element, fuseAndSave, fuseButton, give, givePair, named, open, programComplete, setMu, setStrength } from './page.ts';
import type { Safetensors } from './safetensors.ts';

const KOHYA: Recipe = { modules: SD15_MODULES, rank: 8, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 31, sharedDirections: 3 };
const pair: [Safetensors, Safetensors] = [makeLora(KOHYA), makeLora({ ...KOHYA, rank: 6, alpha: 6, seed: 32 })];
const OPEN = ['subject.safetensors', 'style.safetensors'] as const;

/** The outlook once the whole pair is analysed at these settings. */
async function outlookOf(page: Page, fits: (outlook: Outlook) => boolean = () => true): Promise<Outlook> {
  const found = async (): Promise<Outlook | null> => {
    const outlook = await element<Outlook | null>(page, 'outlook');
    return outlook && outlook.total > 0 && outlook.analysed === outlook.total && fits(outlook) ? outlook : null;
  };
  await expect.poll(found, { timeout: 30_000 }).not.toBeNull();
  return (await found())!;
}

interface Energies {
  content: number;
  style: number;
  sum: number;
  inside: number;
}

function energies(content: Module, style: Module, settings: Settings): Energies {
  const [c, s] = [factors(content), factors(style)];
  const { sigma, right } = productSvd(s.up, s.down);
  const k = sigma.filter((value) => value > 2e-6 * sigma[0]!).length;
  const v = matrix(k, right.cols, right.data.slice(0, k * right.cols));
  const [w, u] = [settings.contentStrength * c.scale, settings.styleStrength * s.scale];
  return {
    content: (w * productNorm(c.up, c.down)) ** 2,
    style: (u * productNorm(s.up, s.down)) ** 2,
    sum: productNorm(beside(c.up, s.up), stack(scaled(c.down, w), scaled(s.down, u))) ** 2,
    inside: (w * productNorm(c.up, multiply(multiplyTransposed(c.down, v), v))) ** 2,
  };
}

function checkOutlook(outlook: Outlook, [content, style]: [Safetensors, Safetensors], settings: Settings): void {
  const [c, s] = [modulesOf(content), modulesOf(style)];
  const all: Energies[] = [...c].map(([name, module]) => energies(module, s.get(name)!, settings));
  const total = (part: keyof Energies): number => all.reduce((sum, one) => sum + one[part], 0);
  const beta = settings.mu / (1 + settings.mu);
  expect(outlook.modules).toHaveLength(all.length);
  expect(outlook.whole.overlap).toBeCloseTo(total('inside') / total('content'), 5);
  expect(outlook.whole.contentKept).toBeCloseTo(1 - (total('inside') / total('content')) * (1 - (1 - beta) ** 2), 5);
  expect(outlook.whole.change).toBeCloseTo(beta * Math.sqrt(total('inside') / total('sum')), 5);
  expect(outlook.whole.contentNorm / Math.sqrt(total('content'))).toBeCloseTo(1, 5);
  expect(outlook.whole.styleNorm / Math.sqrt(total('style'))).toBeCloseTo(1, 5);
  const overlaps = (of: number[]): number[] => of.toSorted((a, b) => a - b);
  const ours = overlaps(outlook.modules.map((module) => module.overlap));
  overlaps(all.map(({ inside, content: whole }) => inside / whole)).forEach((overlap, at) => expect(ours[at]).toBeCloseTo(overlap, 5));
}

test('the outlook is that of the files, at every setting, and with the roles swapped', async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, named(OPEN[0], pair[0]), named(OPEN[1], pair[1]));
  const first = await outlookOf(page);
  checkOutlook(first, pair, DEFAULTS);
  expect(first.cells.flatMap((cell) => cell.members).toSorted((a, b) => a - b)).toEqual(first.modules.map((_, at) => at));
  await setMu(page, 2);
  await setStrength(page, 'Subject', 0.5);
  const weaker = await outlookOf(page, ({ whole }) => Math.abs(whole.contentNorm / first.whole.contentNorm - 0.5) < 1e-3);
  checkOutlook(weaker, pair, { ...DEFAULTS, mu: 2, contentStrength: 0.5 });
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  const swapped = await outlookOf(page, ({ modules }) => modules[0]!.styleRank === 8);
  checkOutlook(swapped, [pair[1], pair[0]], { ...DEFAULTS, mu: 2, contentStrength: 0.5 });
  expect(uncaught).toEqual([]);
});

test('a run does not wait for an analysis, and the analysis ends all the same', DEVICE, async ({ page }) => {
  const uncaught = await open(page);
  // Fuse is pressed as soon as it can be.
  await givePair(page, named(OPEN[0], pair[0]), named(OPEN[1], pair[1]));
  check((await fuseAndSave(page)).file, pair, DEFAULTS, 'F16');
  checkOutlook(await outlookOf(page), pair, DEFAULTS);
  // The subject is replaced before and after its analysis.
  const other = makeLora({ ...KOHYA, seed: 33 });
  for (const content of [other, pair[0], other]) await give(page, 'Subject', named(OPEN[0], content));
  await expect(fuseButton(page)).toBeEnabled();
  const isOther = modulesOf(other).get(SD15_MODULES[0]!.name)!;
  const { content } = energies(isOther, modulesOf(pair[1]).get(SD15_MODULES[0]!.name)!, DEFAULTS);
  const close = (norm: number): boolean => Math.abs(norm / Math.sqrt(content) - 1) < 1e-5;
  checkOutlook(await outlookOf(page, ({ modules }) => modules.some((module) => close(module.contentNorm))), [other, pair[1]], DEFAULTS);
  expect(uncaught).toEqual([]);
});

test('a run begins though the analysis is still waiting for a file', async ({ page }) => {
  await bendWorker(page);
  const uncaught = await open(page);
  const analysis = (value: string): Promise<void> => page.locator('np-lora').evaluate((tool, value) => tool.setAttribute('analysis', value), value);
  await analysis('off');
  await givePair(page, named(OPEN[0], pair[0]), named(OPEN[1], pair[1]));
  await programComplete(page);
  await arm(page, 'input');
  await analysis('auto');
  await held(page);
  await fuseButton(page).click();
  await expect(page.getByRole('heading', { name: /^Fusing/ })).toBeVisible({ timeout: 20_000 });
  await letGo(page);
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('what is wrong with a file the analysis tells, and the run as well, and the next pair is analysed', async ({ page }) => {
  const uncaught = await open(page);
  const up = `${SD15_MODULES[1]!.name}.lora_up.weight`;
  await givePair(page, named(OPEN[0], withNaN(pair[0], up)), named(OPEN[1], pair[1]));
  await expect(page.getByRole('alert')).toContainText('E_NONFINITE');
  expect(await element(page, 'outlook')).toBeNull();
  expect([await element(page, 'phase'), (await element<{ code: string }>(page, 'error')).code]).toEqual(['failed', 'E_NONFINITE']);
  // The page does not offer what cannot be done, and a script that asks for it anyway gets the same error.
  await expect(fuseButton(page)).toHaveCount(0);
  const refused = page.locator('np-lora').evaluate((tool) => (tool as HTMLElement & { fuse(): Promise<unknown> }).fuse().catch(({ code }: { code: string }) => code));
  expect([await refused, await element(page, 'phase')]).toEqual(['E_NONFINITE', 'failed']);
  await expect(page.getByRole('alert')).toContainText('E_NONFINITE');
  await give(page, 'Subject', named(OPEN[0], pair[0]));
  checkOutlook(await outlookOf(page), pair, DEFAULTS);
  expect(uncaught).toEqual([]);
});

test('an analysis that fails for once says so, and is made on request', async ({ page }) => {
  await bendWorker(page, () => {
    const { arrayBuffer } = Blob.prototype;
    Blob.prototype.arrayBuffer = async function () {
      if ('torn' in self && self.torn) throw new DOMException('The disk is gone.', 'NotReadableError');
      return arrayBuffer.call(this);
    };
  });
  const uncaught = await open(page);
  const analysis = (value: string): Promise<void> => page.locator('np-lora').evaluate((tool, value) => tool.setAttribute('analysis', value), value);
  await analysis('off');
  await givePair(page, named(OPEN[0], pair[0]), named(OPEN[1], pair[1]));
  await programComplete(page);
  await tellWorkers(page, 'self.torn = true');
  await analysis('auto');
  await expect(page.getByRole('alert')).toContainText('An input file changed while it was being read.');
  // This failure may be temporary, so the pair stays ready.
  expect(await element(page, 'phase')).toBe('ready');
  await tellWorkers(page, 'self.torn = false');
  await page.getByRole('button', { name: 'Try again' }).focus();
  await page.keyboard.press('Enter');
  checkOutlook(await outlookOf(page), pair, DEFAULTS);
  expect(await page.evaluate(() => document.activeElement?.localName)).toBe('np-lora');
  await expect(page.getByRole('alert')).toHaveCount(0);
  expect(uncaught).toEqual([]);
});

test('a host may do without', async ({ page }) => {
  await open(page);
  await page.locator('np-lora').evaluate((tool) => tool.setAttribute('analysis', 'off'));
  await givePair(page, named(OPEN[0], pair[0]), named(OPEN[1], pair[1]));
  check((await fuseAndSave(page)).file, pair, DEFAULTS, 'F16');
  expect(await element(page, 'outlook')).toBeNull();
  await page.locator('np-lora').evaluate((tool) => tool.removeAttribute('analysis'));
  checkOutlook(await outlookOf(page), pair, DEFAULTS);
});
