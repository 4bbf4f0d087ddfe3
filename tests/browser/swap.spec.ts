/** Swapping the two files: a refused swap is undone, and later calls use the files in their new places. */

import { expect, test } from '@playwright/test';
import { host, visit } from './elements.ts';
import { checkHeld, closeAll, pairOf } from './hosts.ts';
import { advanced } from './page.ts';

const PAIR = pairOf();

test.afterEach(closeAll);

/** The globals of a `host` page. */
declare const tool: any, give: (to?: any) => Promise<Record<string, { name: string }>>;

test('a swap that the program refuses leaves both files where they are', async ({ page }) => {
  const first = `
    const post = Worker.prototype.postMessage;
    const problem = { code: 'E_INTERNAL', message: 'No.', remedy: 'None.', file: null, tensor: null, detail: 'no swap' };
    Worker.prototype.postMessage = function (message, ...rest) {
      if (message.call !== 'swap') return post.call(this, message, ...rest);
      setTimeout(() => this.dispatchEvent(new MessageEvent('message', { data: { id: message.id, problem, fatal: false } })));
    };`;
  await visit(page, await host({ first }));
  await page.evaluate(() => give());
  const names = (): Promise<string[]> => page.evaluate(() => [tool.contentFile.name, tool.styleFile.name]);
  const before = await names();
  // The scale setting of a file stays with it.
  await advanced(page, 'Scale of the subject', 'rankStabilised');
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  const alert = page.getByRole('alert').filter({ hasText: 'no swap' });
  await expect(alert).toBeVisible();
  // The alert is still there after the settings have changed back and forth.
  await page.evaluate(() => new Promise((later) => { setTimeout(later, 500); }));
  await expect(alert).toBeVisible();
  expect(await names()).toEqual(before);
  await expect(page.getByLabel('Scale of the subject', { exact: true })).toHaveValue('rankStabilised');
  await advanced(page, 'Scale of the subject', 'auto');
  await page.evaluate(async () => { Object.assign(window, await tool.fuse()); });
  await checkHeld(page, 'file', PAIR);
});

test('a run that is asked for behind a swap is of the files as they lie then', async ({ page }) => {
  const uncaught = await visit(page, await host());
  // The button is pressed twice at once, and a file is removed at that moment.
  const swap = (times: number): Promise<string[]> => page.evaluate(async (times) => {
    await give();
    for (let done = 0; done < times; done += 1) tool.shadowRoot.querySelector('.swap').click();
    const lies = [tool.contentFile.name, tool.styleFile.name];
    const { report } = await tool.fuse();
    return [...lies, report.content.name, report.style.name, tool.matches(':state(stale)')];
  }, times);
  for (const times of [1, 2, 3]) {
    const [content, style, ...made] = await swap(times);
    expect(made, `${times} swaps`).toEqual([content, style, false]);
  }
  expect(await page.evaluate(async () => {
    await give();
    tool.shadowRoot.querySelector('.swap').click();
    tool.styleFile = null;
    const lies = tool.contentFile.name;
    const { report } = await tool.convert();
    return [report.content?.name === lies, report.style, report.fused];
  })).toEqual([true, null, 0]);
  expect(uncaught).toEqual([]);
});
