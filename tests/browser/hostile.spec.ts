/** Text from strangers' files stays text wherever it is shown: it runs nothing, loads nothing, hides nothing. */

import { readFile } from 'node:fs/promises';
import { expect, test, type Page } from '@playwright/test';
import { SD15_MODULES, makeLora, withOnes, without, type Recipe } from './make.ts';
import { element, fuseAndSave, fuseButton, give, named, open, type Named } from './page.ts';
import type { Safetensors } from './safetensors.ts';

/** Texts that would call the trap, load something or hide something if they were treated as more than text. */
const PAYLOADS = [
  '<img src="https://example.com/a.png" onerror="trap()">',
  '<script>trap()</script>',
  '"><svg onload=trap()><style>*{display:none}</style>',
  '\'"--><iframe srcdoc="<script>parent.trap()</script>">',
  '<a href="javascript:trap()" autofocus onfocus="trap()">x</a>',
  '<np-lora content-src="https://example.com/"></np-lora>',
  'javascript:trap()',
  '${trap()}{{constructor.constructor("trap()")()}}<!--?lit$-->',
  '__proto__', 'constructor', 'toString',
  '\u202Etxt.exe\u202C\u2066\u200B\u200D\uFEFF\u00AD\u3164',
  '\u0000\u0007\u001B[31m\u007F\u0085\r\n\t\u2028\u2029',
  '\u{E0041}\u{E000}\uFFFE',
  `pile${'\u0301'.repeat(400)}`,
  `long${'A'.repeat(100_000)}`,
];
/** Characters that a person cannot see, or that turn the text around them. Written independently of the page's own list. */
const UNSEEN = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u200B-\u200F\u2028-\u202E\u2060-\u206F\u3164\uD800-\uDFFF\uE000-\uF8FF\uFEFF\uFFA0\uFFFE\uFFFF\u{E0000}-\u{E0FFF}]|\u0301{6}/u;

const RECIPE: Omit<Recipe, 'modules'> = { rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 61, sharedDirections: 2 };
const real = SD15_MODULES.slice(1, 3);
const strangers = (texts: string[]) => texts.map((text) => ({ name: text, out: 64, in: 32 }));
/** Metadata with hostile values and, where keys are free, hostile keys. */
const metadata = (role: string): Record<string, string> => {
  const words = Object.fromEntries(PAYLOADS.map((text, at) => [`${text} ${role}`, PAYLOADS.length - at]));
  const keys = ['ss_output_name', 'ss_base_model_version', 'ss_sd_model_name', 'ss_network_module', 'modelspec.title', 'modelspec.author',
    'modelspec.description', 'modelspec.architecture', 'modelspec.license', 'ss_training_comment', 'np_lora.recipe'];
  return {
    ...Object.fromEntries([...keys, ...PAYLOADS].map((key, at) => [key, PAYLOADS[at % PAYLOADS.length]!])),
    ss_tag_frequency: JSON.stringify({ [PAYLOADS[0]!]: words }),
    'modelspec.thumbnail': 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="trap()"><image href="https://example.com/b.png"/></svg>',
    ...(role === 'style' ? { 'modelspec.trigger_phrase': PAYLOADS.join(', ') } : {}),
  };
};
const half = Math.ceil(PAYLOADS.length / 2);
const make = (role: string, texts: string[], seed: number): Safetensors => {
  const file = makeLora({ ...RECIPE, seed, modules: [...real, ...strangers(texts)], metadata: metadata(role) });
  // Adds a kind that cannot be fused, and tensors that belong to nothing.
  const more = PAYLOADS.flatMap((text) => [[`${text} ${role}.oft_blocks`, [2, 2]], [`${text} ${role}.nothing`, [2]]] as [string, number[]][]);
  return more.reduce((made, [name, shape]) => withOnes(made, name, shape), file);
};
const subject = make('subject', PAYLOADS.slice(0, half + 4), 61);
const style = make('style', PAYLOADS.slice(half - 4), 62);

/** Opens a page with the trap, and records its requests for anything but its own parts. */
async function trapped(page: Page): Promise<{ uncaught: string[]; requests: string[] }> {
  await page.addInitScript(() => { Object.assign(window, { sprung: 0, trap: () => { (window as unknown as { sprung: number }).sprung += 1; } }); });
  const uncaught = await open(page);
  const requests: string[] = [];
  page.context().on('request', (request) => {
    const programs = ['np_lora', 'np_lora_reader'].flatMap((name) => [`${name}.js`, `${name}_bg.wasm`]);
    const own = ['worker.js', ...programs, 'icon.svg'].map((name) => new URL(name, page.url()).href);
    const charts = ['charts-', 'results-', 'chunk-'].map((name) => new URL(name, page.url()).href);
    if (!/^blob:/.test(request.url()) && !charts.some((of) => request.url().startsWith(of)) && !own.includes(request.url())) requests.push(request.url());
  });
  page.on('dialog', (dialog) => uncaught.push(`dialog ${dialog.message()}`));
  return { uncaught, requests };
}

/** All texts and attributes on the page, shadow trees included, and all kinds of elements, except the page's own links and link boxes. */
const drawn = (page: Page): Promise<{ texts: string[]; elements: string[]; handlers: string[] }> => page.evaluate(() => {
  const texts: string[] = [document.title];
  const elements = new Set<string>();
  const handlers: string[] = [];
  const walk = (node: Node): void => {
    if (node.nodeType === Node.TEXT_NODE && node.parentNode?.nodeName !== 'STYLE') texts.push(node.textContent ?? '');
    if (node instanceof Element) {
      const own = node.closest('nav') !== null || (node.localName === 'form' && (node.getRootNode() as ShadowRoot).host?.localName === 'np-lora-link');
      if (!own) elements.add(node.localName);
      for (const { name, value } of node.attributes) {
        texts.push(value);
        if (/^on|^srcdoc$/.test(name) || (/^(href|src)$/.test(name) && !own && !document.head.contains(node))) handlers.push(`${node.localName} ${name}`);
      }
      if (node instanceof HTMLInputElement && node.type === 'text') texts.push(node.value);
      node.shadowRoot?.childNodes.forEach(walk);
    }
    node.childNodes.forEach(walk);
  };
  walk(document);
  return { texts, elements: [...elements], handlers };
});

async function harmless(page: Page, state: string): Promise<void> {
  const { texts, elements, handlers } = await drawn(page);
  expect(texts.filter((text) => UNSEEN.test(text)), state).toEqual([]);
  expect(texts.filter((text) => text.length > 5000), state).toEqual([]);
  expect(elements.filter((name) => ['img', 'iframe', 'a', 'image', 'object', 'embed', 'base', 'form'].includes(name)), state).toEqual([]);
  expect(handlers, state).toEqual([]);
  expect(await page.evaluate(() => (window as unknown as { sprung: number }).sprung), state).toBe(0);
  expect(await page.evaluate(() => Object.keys(Object.prototype)), state).toEqual([]);
  await expect(page.getByRole('heading', { name: 'NP-LoRA', exact: true }), state).toBeVisible();
}

test('hostile texts in names and notes stay texts, up to the saved file and the report', async ({ page }) => {
  const { uncaught, requests } = await trapped(page);
  await give(page, 'Subject', named(`${PAYLOADS[0]!} \u202Etxt.exe.safetensors`, subject));
  await give(page, 'Style', named(`${PAYLOADS[7]!}\u200B\u{1F600}.safetensors`, style));
  await expect(fuseButton(page)).toBeEnabled();
  for (const list of [/^Only subject/, /^Shared/, /^Only style/, /^Left out/]) await page.getByText(list).first().click();
  await expect(page.getByRole('list', { name: 'Only subject' })).toContainText('<script>trap()</script>');
  await expect(page.getByRole('list', { name: 'Left out' })).toContainText('‹U+202E›');
  await expect(page.getByRole('region', { name: 'Subject', exact: true })).toContainText(PAYLOADS[0]!);
  await expect(page.getByRole('region', { name: 'Style', exact: true })).toContainText('javascript:trap()');
  await harmless(page, 'ready');

  const { file, name } = await fuseAndSave(page);
  expect(name).not.toMatch(UNSEEN);
  expect(name).toMatch(/^[^<>:"/\\|?*,]{1,212}\.safetensors$/u);
  // The texts are only data: the modules keep exactly the names they came with.
  for (const text of PAYLOADS) expect([...file.tensors.keys()]).toContain(`${text}.lora_down.weight`);
  await page.getByText(/^Left out/).last().click();
  await harmless(page, 'done');

  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save report' }).click()]);
  expect(saved.suggestedFilename()).not.toMatch(UNSEEN);
  const report = await readFile(await saved.path(), 'utf8');
  expect(report).not.toMatch(UNSEEN);
  // The saved report also has the hashes of the sources.
  const made = await page.locator('np-lora').evaluate((found) => (found as unknown as { report: Record<string, unknown> }).report);
  expect(JSON.parse(report)).toEqual({ ...made, content: expect.any(Object), style: expect.any(Object) });
  expect(JSON.parse(report)).toMatchObject(made);
  expect(report).toContain('\\u202e');
  expect(requests).toEqual([]);
  expect(uncaught).toEqual([]);

  // The result can be opened like any other file.
  await give(page, 'Subject', named('again.safetensors', file));
  await expect(fuseButton(page)).toBeEnabled();
  await harmless(page, 'again');
});

test('hostile texts in refusals stay texts', async ({ page }) => {
  const { uncaught, requests } = await trapped(page);
  for (const text of PAYLOADS) {
    const file = makeLora({ ...RECIPE, modules: strangers([text]), metadata: metadata('subject') });
    const bad: Named[] = [
      named(`${text.slice(0, 200)}.safetensors`, without(file, `${text}.lora_up.weight`)),
      named(`${text.slice(0, 200)}.safetensors`, { ...file, metadata: {}, tensors: new Map([[text, [...file.tensors.values()][0]!]]) }),
      { name: `${text.slice(0, 200)}.html`, bytes: new TextEncoder().encode(`<!doctype html>${text}`) },
    ];
    for (const one of bad) {
      await give(page, 'Subject', one);
      await expect(page.getByRole('alert')).toBeVisible();
      await harmless(page, text.slice(0, 60));
      await page.getByRole('button', { name: 'Remove subject file' }).click();
    }
  }
  expect(requests).toEqual([]);
  expect(uncaught).toEqual([]);
});

test('hostile texts in an adapter_config.json stay texts', async ({ page }) => {
  const { uncaught } = await trapped(page);
  // Without alphas, the card asks for the configuration.
  await give(page, 'Subject', named('subject.safetensors', makeLora({ ...RECIPE, scheme: 'PEFT', modules: [{ name: 'unet.x', out: 64, in: 32 }], alpha: null })));
  const configs = PAYLOADS.flatMap((text) => [
    text,
    JSON.stringify({ r: text, lora_alpha: text }),
    JSON.stringify({ r: 4, lora_alpha: 4, peft_type: text, base_model_name_or_path: text, rank_pattern: { [text]: 4 }, alpha_pattern: { [text]: 2 }, [text]: {} }),
    `{"__proto__": {"r": 4, "lora_alpha": 1}, "constructor": {"prototype": {"polluted": 1}}, "r": 4, "lora_alpha": 4}`,
  ]);
  for (const config of configs) {
    const name = `adapter_config ${config.slice(0, 80)}.json`;
    await page.locator('np-lora').evaluate(async (found, [name, config]) => {
      const host = found as unknown as { take(files: File[], role: string): Promise<void> };
      await host.take([new File([config!], name!)], 'content');
    }, [name, config]);
    await expect.poll(() => element<string>(page, 'phase')).not.toBe('opening');
    await harmless(page, config.slice(0, 60));
  }
  expect(uncaught).toEqual([]);
});
