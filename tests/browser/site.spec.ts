/** The pages around the tool: each by itself, the links between them, and what they claim. */

import { readFile } from 'node:fs/promises';
import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { crates, listed, packages } from './others.ts';
import { accessible, fuseAndSave, give, named } from './page.ts';
import { readSafetensors } from './safetensors.ts';

// A page served from the cache makes no requests, and here all requests must be seen.
test.use({ serviceWorkers: 'block' });
const SITE = ['', 'how-it-works.html', 'privacy.html', 'examples.html', 'api.html'];
const HOSTS = ['examples/plain.html', 'examples/model-card.html', 'examples/frame.html'];

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 95, sharedDirections: 2 };

interface Seen {
  trouble: string[];
  strangers: string[];
}

/** Records what goes wrong on a page, and which other hosts it contacts. */
function watch(page: Page, baseURL: string): Seen {
  const seen: Seen = { trouble: [], strangers: [] };
  page.on('pageerror', (error) => seen.trouble.push(String(error)));
  page.on('console', (message) => {
    // Messages caused by the test itself, and one that is normal for a frame with the tool of one's own site.
    const known = ['Service Worker registration blocked by Playwright', 'An iframe which has both allow-scripts and allow-same-origin'];
    if (['error', 'warning'].includes(message.type()) && !known.some((part) => message.text().includes(part))) seen.trouble.push(message.text());
  });
  page.on('response', (response) => { if (response.status() >= 400) seen.trouble.push(`${response.status()} ${response.url()}`); });
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== 'blob:' && origin !== new URL(baseURL).origin) seen.strangers.push(request.url());
  });
  return seen;
}

for (const path of [...SITE, ...HOSTS]) {
  test(`${path || 'the tool'} is sound, in light, in dark and on every width`, async ({ page, baseURL }) => {
    const seen = watch(page, baseURL!);
    await page.goto(path || './');
    await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1);
    if (await page.locator('np-lora').count() > 0) await page.evaluate(() => customElements.whenDefined('np-lora').then(() => {}));
    for (const width of [1100, 320]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await accessible(page, `${path}, ${colorScheme}, ${width} px`);
      }
    }
    expect(seen).toEqual({ trouble: [], strangers: [] });
  });
}

test('every link leads to something, and every page can be reached', async ({ page, request }) => {
  const reached = new Set<string>();
  const from = ['./'];
  while (from.length > 0) {
    await page.goto(from.pop()!);
    const links = await page.locator('a[href]').evaluateAll((all) => all.map((one) => (one as HTMLAnchorElement).href));
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) {
      const { origin, href } = new URL(link);
      if (origin !== new URL(page.url()).origin || reached.has(href)) continue;
      reached.add(href);
      expect((await request.get(href)).status(), href).toBe(200);
      if (/\/$|\.html$/.test(href)) from.push(href);
    }
  }
  const here = new URL('.', page.url()).href.replace(/examples\/$/, '');
  expect([...reached].filter((href) => /\/$|\.html$/.test(href)).sort()).toEqual([...SITE, ...HOSTS].map((path) => here + path).sort());
});

test('every page leads to the licences of all that is built in', async ({ page, request }) => {
  for (const path of SITE) {
    await page.goto(path || './');
    await expect(page.locator('footer').getByRole('link', { name: 'Licences' }), path).toHaveAttribute('href', 'THIRD-PARTY.txt');
  }
  const names = listed(await (await request.get('THIRD-PARTY.txt')).text());
  expect(names).toEqual(expect.arrayContaining([expect.stringMatching(/^nalgebra /), expect.stringMatching(/^safetensors /), expect.stringMatching(/^lit-html /)]));
  const scripts = await packages(...['element/define', 'page/page', 'worker/worker', 'frame/host', 'frame/embed', 'site/how', 'offline/sw'].map((script) => `www/${script}.ts`));
  const [ofCrates, ofPackages] = [crates(), scripts.map((name) => expect.stringMatching(`^${name} `))];
  expect(names).toEqual(expect.arrayContaining([...ofCrates, ...ofPackages]));
  expect(names.length).toBe(ofCrates.length + ofPackages.length);
  for (const ours of ['LICENSE-MIT', 'LICENSE-APACHE']) expect(await (await request.get(ours)).text()).toBe(await readFile(ours, 'utf8'));
});

test('no page of the site may talk to another origin, or run what is not its own', async ({ page }) => {
  for (const path of [...SITE, ...HOSTS]) {
    await page.goto(path || './');
    const outcome = await page.evaluate(async () => {
      const refused = new Promise<string>((resolve) => addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective), { once: true }));
      const answer = await fetch('https://example.com/').then(() => 'an answer', () => 'none');
      return [answer, await refused];
    });
    expect(outcome, path).toEqual(['none', 'connect-src']);
    const marked = await page.evaluate(() => {
      try {
        document.body.insertAdjacentHTML('beforeend', '<p>markup</p>');
        return 'it became markup';
      } catch (thrown) {
        return (thrown as Error).name;
      }
    });
    expect(marked, path).toBe('TypeError');
  }
});

test('the policy that the privacy page shows is the one that the tool has', async ({ page }) => {
  await page.goto('./');
  const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
  await page.goto('privacy.html');
  const shown = await page.locator('pre').innerText();
  expect(shown.replace(/\s+/g, ' ').trim()).toBe(policy);
  // Every directive that is explained is part of the policy.
  for (const explained of await page.locator('dt code').allInnerTexts()) expect(policy).toContain(explained);
});

/** The end points of an arrow as drawn. */
const ends = async (page: Page, id: string): Promise<number[]> =>
  ((await page.locator(`#${id}`).getAttribute('d')) ?? '').split(/[M ]/).filter(Boolean).map(Number);

test('the drawings say what the method does, at any μ', async ({ page }) => {
  await page.goto('how-it-works.html');
  const slider = page.getByRole('slider', { name: 'How much of the overlap to remove' });
  await expect(page.locator('output')).toHaveText('μ 0.5 removes 33 %');
  for (const [step, percent, mu] of [['0', '0', '0'], ['150', '50', '1'], ['240', '80', '4'], ['300', '100', '∞'], ['100', '33', '0.5']] as const) {
    await slider.fill(step);
    await expect(page.locator('output')).toHaveText(`μ ${mu} removes ${percent} %`);
    const left = 1 - Number(step) / 300;
    const [shadow, subject, kept] = [[180, -20], [340, 36], (await ends(page, 'kept')).slice(2)];
    // The tip moves along the shadow, by the share of it that is removed.
    expect(kept[0]).toBeCloseTo(subject[0]! - (1 - left) * shadow[0]!, 1);
    expect(kept[1]).toBeCloseTo(subject[1]! - (1 - left) * shadow[1]!, 1);
    const sum = (await ends(page, 'sum')).slice(2);
    expect(sum[0]).toBeCloseTo(296 + left * 56, 1);
    expect(sum[1]).toBeCloseTo(136 - left * 96, 1);
    expect(await page.locator('#taken').isVisible()).toBe(percent !== '0');
    expect(await page.locator('#left').isVisible()).toBe(percent !== '100');
  }
  for (const row of await page.getByRole('row').all()) {
    const cells = (await row.getByRole('cell').allInnerTexts()).map((cell) => cell.replace('∞', 'Infinity').replace(' %', ''));
    if (cells.length === 0) continue;
    const [mu, removed, left] = cells.map(Number);
    expect(left).toBe(Math.round(100 / (1 + mu!)));
    expect(removed! + left!).toBe(100);
  }
});

test('without scripts the drawings show the default', async ({ browser, baseURL }) => {
  const context = await browser.newContext({ javaScriptEnabled: false, baseURL: baseURL! });
  const page = await context.newPage();
  await page.goto('how-it-works.html');
  await expect(page.getByRole('img', { name: /An arrow that rises/ })).toBeVisible();
  await expect(page.locator('#try')).toBeHidden();
  expect((await ends(page, 'kept')).slice(2)).toEqual([280, 42.7]);
  await context.close();
});

test('the interface that is listed is the one that there is', async ({ page }) => {
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto('api.html');
  const listed = async (heading: string): Promise<string[]> =>
    (await page.locator(`h2:text-is("${heading}") ~ dl`).first().locator('dt > code:first-child').allInnerTexts()).map((text) => text.replace(/\(.*/s, ''));
  const [attributes, properties, methods, events, statics, parts, custom] = [
    await listed('Attributes'), await listed('Properties'), await listed('Methods'), await listed('Events'),
    await listed('Before the first element'), await listed('Parts'), await listed('Custom properties'),
  ];
  const words = await page.locator('dl').allInnerTexts();
  for (const names of [attributes, properties, methods, events, statics, parts, custom]) expect(names.length).toBeGreaterThan(0);
  // "undefined" may occur only in a type.
  expect(words.join().replaceAll('| undefined', '')).not.toContain('undefined');
  expect(await page.locator('dd:empty').count()).toBe(0);

  await page.goto('./');
  const there = await page.evaluate(() => {
    const made = customElements.get('np-lora') as CustomElementConstructor & { observedAttributes: string[] };
    // The settings are in a base class.
    const own = [Object.getPrototypeOf(made.prototype) as object, made.prototype].flatMap((of) => Object.entries(Object.getOwnPropertyDescriptors(of)))
      .filter(([name]) => !name.startsWith('_'));
    const element = document.querySelector('np-lora')!;
    return {
      attributes: made.observedAttributes,
      properties: own.filter(([, { get }]) => get).map(([name]) => name),
      methods: own.filter(([, { value }]) => typeof value === 'function').map(([name]) => name),
      statics: Object.getOwnPropertyNames(made),
      parts: [...element.shadowRoot!.querySelectorAll('[part]')].map((part) => part.getAttribute('part')!),
      // The custom properties that the element's styles use.
      custom: [...element.shadowRoot!.adoptedStyleSheets].flatMap((sheet) => [...sheet.cssRules])
        .flatMap((rule) => [...rule.cssText.matchAll(/var\((--np-lora-[\w-]+)/g)]).map(([, name]) => name!),
    };
  });
  // `name` is handled by the browser itself, as for every form field.
  expect(attributes.sort()).toEqual([...there.attributes, 'name'].sort());
  // The properties include accessors that Lit makes for attributes.
  expect(there.properties).toEqual(expect.arrayContaining(properties));
  expect(there.methods).toEqual(expect.arrayContaining(methods));
  expect(there.statics).toEqual(expect.arrayContaining(statics));
  expect(parts).toEqual(expect.arrayContaining(there.parts));
  expect(custom.sort()).toEqual([...new Set(there.custom)].sort());

  // A run sends only events that are listed, and all of those that a good run should send.
  await page.evaluate((names) => {
    const told = Object.assign(window, { told: new Set<string>() }).told;
    const element = document.querySelector('np-lora')!;
    for (const name of names) element.addEventListener(name, () => told.add(name));
    const { dispatchEvent } = element;
    element.dispatchEvent = (event) => {
      if (!names.includes(event.type)) told.add(`not listed: ${event.type}`);
      return dispatchEvent.call(element, event);
    };
  }, events);
  await page.getByRole('button', { name: 'Try it with an example' }).click();
  await page.getByRole('button', { name: 'μ 10', exact: true }).click();
  await fuseAndSave(page);
  const told = await page.evaluate(() => [...(window as unknown as { told: Set<string> }).told].sort());
  expect(told).toEqual(expect.arrayContaining(['backendchange', 'beforesave', 'change', 'complete', 'inspect', 'progress']));
  expect(told.filter((name) => name.startsWith('not listed'))).toEqual([]);
});

test('the plain host tells what the element told it', async ({ page, baseURL }) => {
  const seen = watch(page, baseURL!);
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto('examples/plain.html');
  const pair = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 96 })] as const;
  await give(page, 'Subject', named('<b>subject.safetensors', pair[0]));
  await give(page, 'Style', named('style.safetensors', pair[1]));
  const { file } = await fuseAndSave(page);
  check(file, [...pair], { ...DEFAULTS, mu: 1 }, 'F16');
  await expect(page.getByRole('log')).toContainText(`content: ${SD15_MODULES.length} modules`);
  await expect(page.getByRole('log')).toContainText(`${SD15_MODULES.length} modules fused`);
  expect(seen).toEqual({ trouble: [], strangers: [] });
});

test('the host with a frame is told what is made in it, and downloads what is saved', async ({ page, baseURL }) => {
  const seen = watch(page, baseURL!);
  await page.goto('examples/frame.html');
  await expect(page.getByRole('log')).toContainText('ready');
  const tool = page.frameLocator('iframe');
  await tool.getByRole('button', { name: 'Try it with an example' }).click();
  await tool.getByRole('button', { name: 'Fuse', exact: true }).click();
  await expect(page.getByRole('log')).toContainText(/complete · \S+\.safetensors, \d+ modules fused/);
  const [download] = await Promise.all([page.waitForEvent('download'), tool.getByRole('button', { name: 'Save', exact: true }).click()]);
  await expect(page.getByRole('log')).toContainText(`save · ${download.suggestedFilename()}`);
  expect(readSafetensors(new Uint8Array(await readFile(await download.path()))).tensors.size).toBeGreaterThan(0);
  expect(seen).toEqual({ trouble: [], strangers: [] });
});

test('the model’s page gives its style when asked, and fuses it with the visitor’s subject', async ({ page, baseURL, request }) => {
  const seen = watch(page, baseURL!);
  const asked: string[] = [];
  page.on('request', (one) => { if (one.url().endsWith('.safetensors')) asked.push(one.url()); });
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto('examples/model-card.html');
  await expect(page.getByRole('button', { name: 'Fuse it with my subject' })).toBeVisible();
  expect(asked).toEqual([]);
  await page.getByRole('button', { name: 'Fuse it with my subject' }).click();
  await expect(page.getByRole('region', { name: 'Style', exact: true })).toContainText('example-style');
  await accessible(page, 'the model’s page with its style');
  const style = readSafetensors(await (await request.get('examples/example-style.safetensors')).body());
  // A subject with the style's layers, in the same sizes.
  const modules = [...style.tensors].filter(([name]) => name.endsWith('.lora_down.weight')).map(([name, { shape }]) => {
    const stem = name.replace('.lora_down.weight', '');
    const up = style.tensors.get(`${stem}.lora_up.weight`)!.shape;
    const kernel = shape.length === 4 ? { kernel: [shape[2]!, shape[3]!] as [number, number] } : {};
    return { name: stem, out: up[0]!, in: shape[1]!, ...kernel };
  });
  expect(modules.length).toBeGreaterThan(3);
  const subject = makeLora({ ...RECIPE, modules });
  await give(page, 'Subject', named('subject.safetensors', subject));
  const { file } = await fuseAndSave(page);
  check(file, [subject, style], DEFAULTS, 'F16');
  expect(seen).toEqual({ trouble: [], strangers: [] });
});
