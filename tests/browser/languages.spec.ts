/** The page in other languages: all texts, numbers and problems, with the language chosen by browser, person or surrounding page. */

import { expect, test, type Page } from '@playwright/test';
import { closeAll, pairOf, site } from './hosts.ts';
import { accessible, element, open } from './page.ts';
import { writeSafetensors } from './safetensors.ts';

/** What is the same in every language: names of things, units, and texts for computers only. */
const SAME = new RegExp([
  'LoRA Block Weight', 'NP-LoRA', '\\w*LoRA\\w*', 'LoHa', 'LoKr', 'LoCon', 'DoRA', 'alpha', 'Alpha', 'WebGPU', 'CPU', 'GPU', 'SHA-256 \\w+', '[0-9a-f]{10}', 'AutoV[23]', 'B?F(?:16|32)', 'Tucker', 'PEFT', 'IA3',
  'adapter_config\\.json', 'Ctrl', 'Shift', 'Enter', 'Backspace', 'Hugging Face', 'ComfyUI', 'Forge', 'A1111', 'diffusers', 'kohya', 'CSV', 'JSON', 'safetensors', 'inf',
  'SD ?1\\.5', 'SDXL', 'FLUX', 'IN\\d+', 'MID', 'OUT\\d+', 'INS|MIDD|OUTD|INALL|MIDALL|OUTALL|ALL|BASE|XYZ', 'TE\\d?',
  'English', 'example-subject_\\S*',
].map((name) => `\\b(?:${name})\\b`).join('|'), 'g');

/** Every sentence, label and hint on the page with a word in Latin letters, except texts from files and texts marked as English. */
async function latin(page: Page): Promise<string[]> {
  const all = await page.evaluate(() => {
    const found: string[] = [];
    const look = (root: ParentNode): void => {
      for (const one of root.querySelectorAll<HTMLElement>('*')) {
        if (one.matches('style, script, noscript, [lang="en"], [lang="en"] *, .stranger, .stranger *, option:not([selected]):not(:checked)')) continue;
        for (const name of ['aria-label', 'title', 'placeholder', 'aria-valuetext']) found.push(one.getAttribute(name) ?? '');
        for (const child of one.childNodes) if (child.nodeType === Node.TEXT_NODE) found.push(child.textContent ?? '');
        if (one.shadowRoot) look(one.shadowRoot);
      }
    };
    look(document.body);
    return found;
  });
  return [...new Set(all.map((text) => text.trim()))].filter((text) => /[a-z]{3,}/i.test(text.replace(/example-\w+\.safetensors/g, '').replace('秩（rank）', '').replace(SAME, '')));
}

const part = (page: Page, name: string, inside: string) => page.locator(`np-lora-${name}`).locator(inside);

for (const [locale, lang, words] of [
  ['ja-JP', 'ja', { example: 'サンプル', fuse: 'マージ' }], ['zh-CN', 'zh-Hans', { example: '示例', fuse: '融合' }],
] as const) {
  test.describe(locale, () => {
    test.use({ locale });

    test('all of the page is in the language of the browser', async ({ page }) => {
      const uncaught = await open(page);
      await expect(page.locator('html')).toHaveAttribute('lang', lang);
      await expect(page).toHaveTitle(new RegExp(words.fuse));
      expect(await latin(page)).toEqual([]);

      await page.getByRole('button', { name: words.example }).click();
      const map = part(page, 'overlap-map', 'td[data-at]');
      await map.first().click();
      await part(page, 'modules', 'button').first().click();
      await expect(part(page, 'spectrum', 'svg').first()).toBeVisible();
      for (const folded of ['advanced', 'blocks', 'compare', 'brush']) await part(page, folded, 'summary').first().click();
      await part(page, 'brush', 'details details summary').click();
      for (const data of await part(page, 'data', 'summary').all()) await data.click();
      await part(page, 'brush', '#brush').selectOption('style');
      await part(page, 'advanced', '#cut').selectOption('count');
      await part(page, 'advanced', '#recompress').selectOption('rank');
      await expect(part(page, 'compare-view', '.well')).toBeVisible();
      expect(await latin(page)).toEqual([]);

      await part(page, 'controls', 'select#result').selectOption('several');
      expect(await latin(page)).toEqual([]);
      await page.getByRole('button', { name: words.fuse }).first().click();
      await expect(part(page, 'results', 'h2')).toBeVisible();
      await part(page, 'results', 'li button').first().click();
      await expect(part(page, 'result', 'h2')).toBeVisible();
      expect(await latin(page)).toEqual([]);

      await part(page, 'controls', 'select#result').selectOption('overlap');
      await part(page, 'run', '[part=fuse]').click();
      await expect(part(page, 'result', '.use')).toBeVisible();
      expect(await latin(page)).toEqual([]);
      if (lang === 'ja') await accessible(page, locale);
      expect(uncaught).toEqual([]);
    });

    test('problems are told in it, and to programs as ever', async ({ page }) => {
      await open(page);
      await part(page, 'card', '#file').first().setInputFiles({ name: 'broken.safetensors', mimeType: '', buffer: Buffer.alloc(0) });
      const box = part(page, 'card', 'np-lora-problem');
      await expect(box).toContainText('broken.safetensors');
      const { code, message } = await element<{ code: string; message: string }>(page, 'error');
      expect([code, message]).toEqual(['E_EMPTY', 'The file is empty.']);
      await expect(box).toContainText(code);
      await expect(box).not.toContainText(message);
      expect(await latin(page)).toEqual([code]);
    });
  });
}

test('a person chooses another language, which changes everything at once and is kept', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Try it with an example' }).click();
  await page.getByRole('button', { name: 'Fuse', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  await expect(part(page, 'curve', '.plot svg')).toBeVisible();
  const english = await page.locator('np-lora').evaluate((found) => found.shadowRoot?.querySelector('.app')?.getAttribute('lang'));
  expect(english).toBe('en');

  await page.getByLabel('Language').selectOption('ja');
  await expect(part(page, 'result', 'h2')).toContainText('マージ');
  expect(await latin(page)).toEqual([]);
  expect(await element<string>(page, 'phase')).toBe('done');
  // A field's error is in that language too.
  await part(page, 'mu', '#exact').fill('?');
  await part(page, 'mu', '#exact').blur();
  await expect(part(page, 'mu', '.refusal')).toContainText('「?」はμとして読めないため');
  await page.reload();
  await expect(part(page, 'card', 'h2').first()).toHaveText('被写体');

  await page.getByLabel('言語').selectOption('en');
  await expect(part(page, 'card', 'h2').first()).toHaveText('Subject');
  // The same holds for the texts about several files, and about the overlap alone.
  await page.getByRole('button', { name: 'Try it with an example' }).click();
  for (const [making, english, japanese] of [['several', 'From μ 0', 'μ 0'], ['overlap', 'That part of the subject', '被写体']] as const) {
    await part(page, 'controls', 'select#result').first().selectOption(making);
    await expect(part(page, 'outlook', '.lead')).toContainText(english);
    await page.getByLabel('Language').selectOption('ja');
    await expect(part(page, 'outlook', '.lead')).toContainText(japanese);
    expect(await latin(page)).toEqual([]);
    await page.getByLabel('言語').selectOption('en');
    await expect(part(page, 'outlook', '.lead')).toContainText(english);
  }
  await expect(page).toHaveTitle('NP-LoRA: fuse a subject with a style');
  await expect(page.getByRole('heading', { name: 'How it works' })).toBeVisible();
});

test('without scripts the page says the same in English', async ({ page, browser, baseURL }) => {
  const said = (of: Page): Promise<[string, string][]> => of.locator('[data-words]').evaluateAll((all) =>
    all.map((place) => [(place as HTMLElement).dataset.words ?? '', place.textContent ?? '']));
  await open(page);
  await expect(page.getByLabel('Language')).toHaveValue('en');
  const still = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await still.goto(baseURL!);
  const written = await said(still);
  expect(written.length).toBeGreaterThan(15);
  expect(await said(page)).toEqual(written);
  await still.context().close();
});

test('a language that does not come leaves the one before, and comes later', async ({ page }) => {
  await page.route(/\/ja-\w+\.js/, (route) => route.abort());
  const uncaught = await open(page);
  await Promise.all([page.waitForEvent('requestfailed'), page.getByLabel('Language').selectOption('ja')]);
  await expect(page.getByRole('heading', { name: 'How it works' })).toBeVisible();
  await expect(part(page, 'card', 'h2').first()).toHaveText('Subject');
  await page.unroute(/\/ja-\w+\.js/);
  await page.getByLabel('Language').selectOption('en');
  await page.getByLabel('Language').selectOption('ja');
  await expect(part(page, 'card', 'h2').first()).toHaveText('被写体');
  await expect(page.getByRole('heading', { name: '仕組み' })).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('a language that hangs keeps nobody waiting, and what was away meanwhile speaks it too', async ({ page }) => {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => { release = resolve; });
  await page.route(/\/ja-\w+\.js/, async (route) => { await released; await route.continue(); });
  await page.addInitScript(() => { Object.defineProperty(navigator, 'languages', { value: ['ja'] }); });
  await open(page);
  await page.getByRole('button', { name: 'Try it with an example' }).click();
  await expect(part(page, 'curve', '.plot svg')).toBeVisible();
  const tool = await page.locator('np-lora').elementHandle();
  const place = await page.locator('main').elementHandle();
  await tool!.evaluate((element) => element.remove());
  const comes = page.waitForResponse(/\/ja-\w+\.js/);
  release();
  await comes;
  await tool!.evaluate((element, into) => into!.prepend(element), place);
  await expect(part(page, 'card', 'h2').first()).toHaveText('被写体');
  expect(await latin(page)).toEqual([]);
});

test.describe('on a page of others', () => {
  test.use({ locale: 'ja-JP' });
  test.afterEach(closeAll);

  test('the element speaks as what is around it, from right to left too', async ({ page }) => {
    const host = await site({ '/': { body: `<!doctype html><html lang="de" dir="rtl"><body><main id="around"><np-lora></np-lora></main>
      <script type="module" src="/np-lora/element.js"></script></body></html>` } });
    await page.setViewportSize({ width: 390, height: 800 });
    await page.goto(`${host.origin}/`);
    const head = part(page, 'card', 'h2').first();
    // There is no German translation.
    await expect(head).toHaveText('Subject');
    const say = (lang: string): Promise<void> => page.locator('#around').evaluate((around, to) => { (around as HTMLElement).lang = to; }, lang);
    for (const [tag, says] of [['zh-SG', '主体'], ['ja', '被写体'], ['zh-TW', 'Subject'], ['no language', 'Subject'], ['', 'Subject']] as const) {
      await say(tag);
      await expect(head).toHaveText(says);
    }
    // After a tag without a translation, a tag that only repeats it less exactly is not a wish of its own.
    const understood = (...tags: string[]) => page.evaluate((of) => (customElements.get('np-lora') as unknown as { understands(...tags: string[]): string }).understands(...of), tags);
    expect(await Promise.all([understood('zh-TW', 'zh', 'en'), understood('fr', 'zh-Hans-CN'), understood('JA-jp'), understood()])).toEqual(['en', 'zh-Hans', 'ja', 'en']);
    await page.locator('html').evaluate((root) => { root.removeAttribute('lang'); });
    await expect(head).toHaveText('被写体');

    const [content, style] = pairOf();
    for (const [at, file] of [content, style].entries()) {
      await part(page, 'card', '#file').nth(at).setInputFiles({ name: `${at}.safetensors`, mimeType: '', buffer: Buffer.from(writeSafetensors(file)) });
    }
    await expect(part(page, 'curve', '.plot svg')).toBeVisible();
    await part(page, 'advanced', 'summary').first().click();
    // The tool runs from left to right: otherwise its sliders would run against their marks.
    expect(await part(page, 'mu', 'input[type=range]').evaluate((slider) => getComputedStyle(slider).direction)).toBe('ltr');
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)).toBe(true);
  });
});
