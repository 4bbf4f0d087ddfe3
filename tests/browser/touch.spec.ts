/** A phone: fingers that scroll the page, and fingers that set something. */

import { expect, test, type CDPSession, type Locator, type Page } from '@playwright/test';
import { pair } from './linked.ts';
import { element, givePair, named, open } from './page.ts';

test.use({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 740 } });

type Way = readonly [number, number];

/** Swipes from a slider's middle by this much, in steps as a finger moves. */
async function swipe(page: Page, touch: CDPSession, slider: Locator, [dx, dy]: Way): Promise<void> {
  await slider.evaluate((input) => input.scrollIntoView({ block: 'center' }));
  const { x, y, width, height } = (await slider.boundingBox())!;
  const at = (part: number) => [{ x: x + width * 0.7 + part * dx, y: y + height / 2 + part * dy }];
  await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(0) });
  for (let step = 1; step <= 10; step++) {
    await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(step / 10) });
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
}

test('a finger that scrolls past a slider leaves it as it is; one that goes along it sets it', async ({ page, context }) => {
  const uncaught = await open(page);
  await givePair(page, named('cat.safetensors', pair[0]), named('ink.safetensors', pair[1]));
  await expect(page.locator('np-lora-curve .plot svg')).toBeVisible();
  const touch = await context.newCDPSession(page);
  const settings = (): Promise<object> => page.locator('np-lora').evaluate((tool) => (tool as unknown as { settings(): object }).settings());
  const undo = page.getByRole('button', { name: 'Undo', exact: true });
  const sliders = [
    page.locator('np-lora-curve input[type=range]'), page.locator('np-lora-mu input[type=range]'),
    page.getByRole('slider', { name: 'Subject strength' }), page.getByRole('slider', { name: 'Style strength' }),
  ];
  const asSet = await settings();
  await page.evaluate(() => {
    Object.assign(window, { heard: [] });
    document.querySelector('np-lora')!.addEventListener('input', ({ detail }: any) => (window as any).heard.push(JSON.stringify(detail)));
  });
  for (const slider of sliders) {
    const value = await slider.inputValue();
    const lay = await page.evaluate(() => scrollY);
    await swipe(page, touch, slider, [0, -200]);
    await expect(slider).toHaveValue(value);
    expect(await settings()).toEqual(asSet);
    // The slider was set, and set back.
    const heard = await page.evaluate(() => (window as any).heard.splice(0) as string[]);
    expect(heard.map((one) => one === JSON.stringify(asSet))).toEqual([false, true]);
    expect(await page.evaluate(() => scrollY)).toBeGreaterThan(lay + 50);
    await expect(undo).toHaveAttribute('aria-disabled', 'true');
  }
  // Waits longer than it takes to write the address.
  await page.waitForTimeout(300);
  expect(new URL(page.url()).hash).toBe('');
  let before: object = asSet;
  for (const slider of sliders) {
    await swipe(page, touch, slider, [-60, 0]);
    await expect.poll(settings).not.toEqual(before);
    before = await settings();
  }
  await expect(undo).not.toHaveAttribute('aria-disabled', 'true');
  expect(await element(page, 'phase')).toBe('ready');
  expect(uncaught).toEqual([]);
});
