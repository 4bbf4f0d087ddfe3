/** The page in other engines than Chromium's: what a person does with it, from two files to the saved one. */

import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { expect, type TestInfo } from '@playwright/test';
import { DEFAULTS } from '../browser/check.ts';
import { PLACES, checkFlux, fluxPair } from '../browser/flux.ts';
import { check } from '../browser/hold.ts';
import { fuseInNode } from '../browser/in-node.ts';
import { SD15_MODULES, htmlPage, makeLora, type Recipe } from '../browser/make.ts';
import { named, type Named } from '../browser/page.ts';
import { readSafetensors, type Safetensors } from '../browser/safetensors.ts';
import type { Outlook } from '../../www/core/types.ts';
import { startEngine, type Name } from './engine.ts';
import { KEYS, Visit, test } from './visit.ts';

const KOHYA: Recipe = { modules: SD15_MODULES, rank: 8, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 121, sharedDirections: 3 };
const PAIR: [Safetensors, Safetensors] = [makeLora(KOHYA), makeLora({ ...KOHYA, rank: 6, alpha: 6, seed: 122 })];
const CAT = named('cat.safetensors', PAIR[0]);
const INK = named('ink.safetensors', PAIR[1]);

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function written(info: TestInfo, { name, bytes }: Named): Promise<string> {
  const path = info.outputPath(name);
  await writeFile(path, bytes);
  return path;
}

async function choosePair(visit: Visit, info: TestInfo): Promise<void> {
  await visit.choose('Subject', await written(info, CAT));
  await visit.choose('Style', await written(info, INK));
}

/** Nothing is wider than the window. */
async function fits(visit: Visit): Promise<void> {
  const { wide, window } = await visit.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: document.documentElement.clientWidth }));
  expect(wide).toBeLessThanOrEqual(window);
}

test('a kohya pair becomes the file that the method says, to the byte that of Node', async ({ visit }, info) => {
  await visit.open();
  await choosePair(visit, info);
  await visit.press('Fuse');
  await visit.says('Fused and checked');
  const { name, bytes } = await visit.save();
  check(readSafetensors(bytes), PAIR, DEFAULTS, 'F16');
  expect(digest(bytes)).toBe(digest(await fuseInNode(CAT, INK, { outputName: name.replace('.safetensors', '') })));
});

test('charts that come in above leave the page where it is', async ({ visit }, info) => {
  await visit.open();
  await visit.choose('Subject', await written(info, CAT));
  await visit.evaluate(({ all }) => {
    const places = new Set<number>();
    Object.assign(window, { places });
    const look = (): void => {
      if (all().some((one) => one.localName === 'np-lora-outlook')) {
        // As far down as the page goes: whatever becomes lower in between moves it for good.
        if (places.size === 0) scrollTo(0, document.documentElement.scrollHeight);
        places.add(Math.round(scrollY));
      }
      setTimeout(look);
    };
    look();
  });
  await visit.choose('Style', await written(info, INK));
  await visit.says('6 layers analysed');
  await visit.says('Layer by layer');
  const places = await visit.evaluate(() => [...(window as unknown as { places: Set<number> }).places]);
  expect(places).toHaveLength(1);
  expect(places[0]).toBeGreaterThan(0);
});

test('several files in one run, each its own', async ({ visit }, info) => {
  await visit.open();
  await choosePair(visit, info);
  await visit.select('What to make', 'Several files, to compare');
  await visit.fill('μ of the files', '0.5, ∞');
  await visit.press('Fuse 3 files');
  await visit.says('3 files fused and checked');
  const files = await visit.evaluate(({ element }) => (element.results as { file: File }[]).map(({ file: { name, size } }) => ({ name, size })));
  expect(files.map(({ name }) => name)).toEqual(['cat_in_ink_plain', 'cat_in_ink_mu0.5', 'cat_in_ink_muinf'].map((stem) => `${stem}.safetensors`));
  await visit.press('Save all');
  for (const [at, mu] of [0, 0.5, Infinity].entries()) {
    const { name, size } = files[at]!;
    check(readSafetensors(await visit.downloaded(name, size)), PAIR, { ...DEFAULTS, mu }, 'F16');
  }
});

test('the example pair shows what a fusion will do, at every μ, and fits a narrow window', async ({ visit }) => {
  await visit.open();
  await visit.press('Try it with an example');
  await visit.says(/How the two fit .*Shared \d+/);
  await visit.says('What the projection will do');
  await expect.poll(() => visit.evaluate(({ element }) => {
    const { analysed, total } = element.outlook as Outlook;
    return analysed === total;
  })).toBe(true);
  const outlook = (): Promise<string> => visit.evaluate(({ all, read }) => read(all().find((one) => one.localName === 'np-lora-outlook')!));
  const before = await outlook();
  await visit.press('μ ∞');
  await visit.says('removes 100 % of the overlap');
  await expect.poll(outlook).not.toBe(before);
  await fits(visit);
  await visit.press('Fuse');
  await visit.says('Fused and checked');
  await visit.resize(390, 844);
  await expect.poll(() => visit.evaluate(() => innerWidth)).toBeLessThan(600);
  await fits(visit);
});

test('what is no LoRA is refused in words, and the next file fuses', async ({ visit }, info) => {
  await visit.open();
  await choosePair(visit, info);
  await visit.choose('Style', await written(info, { name: 'login.safetensors', bytes: htmlPage() }));
  const alert = (): Promise<string> => visit.evaluate(({ all, read }) => all().filter((one) => one.matches('[role=alert]')).map(read).join(' '));
  await expect.poll(alert).toMatch(/not a safetensors file.*login\.safetensors.*a web page/);
  expect(await visit.element('error')).toMatchObject({ code: 'E_NOT_SAFETENSORS' });
  await visit.choose('Style', await written(info, INK));
  await expect.poll(alert).toBe('');
  await visit.press('Fuse');
  await visit.says('Fused and checked');
  check(readSafetensors((await visit.save()).bytes), PAIR, DEFAULTS, 'F16');
});

test('everything can be reached and pressed with the keyboard', async ({ visit }) => {
  await visit.open();
  await visit.tabTo('Subject LoRA file');
  expect(await visit.focused()).toContain('Subject LoRA file');
  // The window to choose a file in is the system's; that it would be opened is all that can be seen.
  await visit.evaluate(({ focused }) => {
    focused()!.addEventListener('click', (event) => { event.preventDefault(); Object.assign(window, { asked: true }); }, { once: true });
  });
  await visit.key(KEYS.Enter);
  expect(await visit.evaluate(() => (window as unknown as { asked?: boolean }).asked)).toBe(true);
  await visit.tabTo('Try it with an example');
  expect(await visit.focused()).toBe('button Try it with an example');
  await visit.key(KEYS.Enter);
  await visit.find('button', 'Fuse');
  await visit.tabTo('How much of the overlap to remove');
  expect(await visit.focused()).toBe('slider How much of the overlap to remove');
  await visit.key(KEYS.End);
  await visit.says('removes 100 % of the overlap');
  await visit.key(KEYS.PageDown);
  await visit.says('removes 91 % of the overlap');
  await visit.tabTo('Fuse');
  await visit.key(KEYS.Enter);
  await visit.says('Fused and checked');
  // Focus is not lost with the button: it goes to the result.
  await expect.poll(() => visit.focused()).toBe('heading Fused and checked');
  // A label of the whole leads to the first file.
  await visit.evaluate(() => {
    const [tool, label] = [document.querySelector('np-lora')!, document.createElement('label')];
    label.htmlFor = tool.id = 'labelled';
    document.body.append(label);
    label.click();
    label.remove();
  });
  expect(await visit.focused()).toContain('Subject LoRA file');
});

test('a real size: cancelled it leaves nothing, fused again it is the method’s', async ({ visit }) => {
  test.skip(!PLACES, 'NP_LORA_FLUX_CONTENT and NP_LORA_FLUX_STYLE name no files');
  test.setTimeout(300_000);
  const pair = await fluxPair(PLACES!);
  const kept = (): Promise<number | null> => visit.evaluate(async () => {
    // A session of WebKitWebDriver has none of this; large results are Blobs there.
    const root = await (navigator.storage as StorageManager | undefined)?.getDirectory() as unknown as { keys(): AsyncIterable<string> } | undefined;
    if (!root) return null;
    const names: string[] = [];
    for await (const name of root.keys()) names.push(name);
    return names.length;
  });
  await visit.open();
  await visit.choose('Subject', pair.content);
  await visit.choose('Style', pair.style);
  await visit.press('Fuse');
  await visit.says(/Fusing [1-9]\d? %/);
  await visit.press('Cancel');
  await visit.says('Cancelled. Nothing was saved.');
  expect(await visit.element('results')).toEqual([]);
  await visit.press('Fuse');
  await visit.says('Fused and checked');
  expect(await kept()).toBe(visit.engine.name === 'firefox' ? 1 : null);
  const { bytes } = await visit.save();
  expect(bytes.length).toBeGreaterThan(200e6);
  await checkFlux(readSafetensors(bytes), pair);
});

test('whoever wants it dark has it dark', async ({ baseURL }, { project }) => {
  const engine = await startEngine(project.name as Name, { dark: true });
  try {
    const visit = new Visit(engine, baseURL!);
    await visit.open();
    const [ground, card, ink] = await visit.evaluate(({ all }) => {
      const light = (colour: string): number => Math.max(...(colour.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number));
      const section = all().find((one) => one.matches('section[part=card]'))!;
      return [light(getComputedStyle(document.body).backgroundColor), light(getComputedStyle(section).backgroundColor), light(getComputedStyle(section).color)];
    });
    expect([ground! < 40, card! < 60, ink! > 200]).toEqual([true, true, true]);
  } finally {
    await engine.stop();
  }
});
