/** The element beside other things in a page: other fields, a second element, the page's own sizes, well-meaning scripts. */

import { expect, test } from '@playwright/test';
import { host, visit } from './elements.ts';
import { checkHeld, closeAll, pairOf } from './hosts.ts';
import { FLUX_KOHYA_MODULES, makeLora } from './make.ts';

const PAIR = pairOf();

test.afterEach(closeAll);

/** The globals of a `host` page. */
declare const tool: any, told: { name: string; detail: any }[], pair: () => Promise<Record<'content' | 'style', File>>, give: (to?: any) => Promise<unknown>;

test('fields in its slots are the host’s, which hears of them; those of its own it sums up', async ({ page }) => {
  const uncaught = await visit(page, await host({ body: '<np-lora><label slot="footer">May be shown <input type="checkbox"></label></np-lora>' }));
  await page.evaluate(() => {
    Object.assign(window, { heard: [] });
    for (const name of ['input', 'change']) document.addEventListener(name, ({ target }) => (window as any).heard.push(`${name} ${(target as Element).localName}`));
  });
  await page.getByLabel('May be shown').check();
  await page.evaluate(() => give());
  await page.getByLabel('Subject strength, as a number').fill('0.5');
  await page.keyboard.press('Enter');
  expect(await page.evaluate(() => tool.contentStrength)).toBe(0.5);
  expect(await page.evaluate(() => (window as any).heard)).toEqual(['input input', 'change input']);
  expect(uncaught).toEqual([]);
});

test('the address holds the settings of one element, and only as long as that wants it', async ({ page }) => {
  const uncaught = await visit(page, await host({ body: '<np-lora remember="hash"></np-lora><np-lora remember="hash"></np-lora>' }));
  const [first, second] = [0, 1].map((at) => (mu: number) => page.evaluate(([at, mu]) => {
    (document.querySelectorAll('np-lora')[at!] as any).mu = mu;
  }, [at, mu]));
  const address = (): Promise<string> => page.evaluate(() => location.hash);
  await first!(1);
  await expect.poll(address).toBe('#mu=1');
  await first!(2);
  await expect.poll(address).toBe('#mu=2');
  await second!(3);
  await page.evaluate(() => new Promise((over) => { setTimeout(over, 400); }));
  expect(await address()).toBe('#mu=2');
  await page.evaluate(async () => {
    tool.mu = 4;
    await tool.updateComplete;
    tool.remember = 'off';
  });
  await page.evaluate(() => new Promise((over) => { setTimeout(over, 400); }));
  expect(await address()).toBe('#mu=2');
  // The address is free for the next element, which keeps its settings there.
  await second!(5);
  await expect.poll(address).toBe('#mu=5');
  await page.evaluate(() => {
    document.querySelectorAll('np-lora')[1]!.remove();
    tool.remember = 'hash';
  });
  await expect.poll(address).toBe('#mu=4');
  expect(uncaught).toEqual([]);
});

test('what is no text counts as the text that it would be in markup', async ({ page }) => {
  const uncaught = await visit(page, await host());
  await page.evaluate(async () => {
    tool.outputName = 2024;
    await give();
    Object.assign(window, await tool.fuse());
  });
  expect(await page.evaluate(() => (window as any).file.name)).toBe('2024.safetensors');
  await page.evaluate(() => {
    tool.contentFile = null;
    tool.contentSrc = 5;
  });
  await expect.poll(() => page.evaluate(() => tool.error?.code)).toBe('E_LINK');
  expect(uncaught).toEqual([]);
});

test('one that was never in a document fuses as well', async ({ page }) => {
  const uncaught = await visit(page, await host());
  await page.evaluate(async () => {
    const aside = document.createElement('np-lora') as any;
    const { content, style } = await pair();
    aside.contentFile = content;
    aside.styleFile = style;
    Object.assign(window, await aside.fuse(), { phase: aside.phase, error: aside.error });
  });
  expect(await page.evaluate(() => [(window as any).phase, (window as any).error])).toEqual(['done', null]);
  await checkHeld(page, 'file', PAIR);
  expect(uncaught).toEqual([]);
});

test('its text is as large as the page says, whatever the page’s rem', async ({ page }) => {
  const uncaught = await visit(page, await host({ head: '<style>html { font-size: 62.5%; } np-lora { --np-lora-font-size: 1.6rem; -webkit-text-fill-color: red; }</style>' }));
  const [size, fill] = await page.evaluate(() => {
    const { fontSize, webkitTextFillColor, color } = getComputedStyle(tool.shadowRoot.querySelector('.app'));
    return [fontSize, webkitTextFillColor === color];
  });
  expect([size, fill]).toEqual(['15px', true]);
  expect(uncaught).toEqual([]);
});

test('where nothing can be chosen, nothing held over it looks welcome', async ({ page }) => {
  const uncaught = await visit(page, await host());
  const over = (): Promise<[boolean, boolean]> => page.evaluate(async () => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['x'], 'x.safetensors'));
    const event = new DragEvent('dragover', { dataTransfer, bubbles: true, composed: true, cancelable: true });
    tool.dispatchEvent(event);
    await tool.updateComplete;
    const over = tool.shadowRoot.querySelector('np-lora-card[over]') !== null;
    return [event.defaultPrevented, over];
  });
  expect(await over()).toEqual([true, true]);
  await page.evaluate(() => { tool.disabled = true; });
  // Even so, the browser must not open the file.
  expect(await over()).toEqual([true, false]);
  expect(uncaught).toEqual([]);
});

test('of a pair that does not fit it is told once, however the settings change', async ({ page }) => {
  const another = makeLora({ modules: FLUX_KOHYA_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 1 });
  const uncaught = await visit(page, await host({}, [PAIR[0], another]));
  await page.evaluate(() => give());
  const errors = (): Promise<string[]> => page.evaluate(() => told.filter(({ name }) => name === 'error').map(({ detail }) => detail.code));
  await expect.poll(errors).toHaveLength(1);
  await page.evaluate(async () => {
    for (const mu of [1, 2]) {
      tool.mu = mu;
      await tool.updateComplete;
      await new Promise((over) => { setTimeout(over, 400); });
    }
  });
  expect(await errors()).toHaveLength(1);
  expect(uncaught).toEqual([]);
});
