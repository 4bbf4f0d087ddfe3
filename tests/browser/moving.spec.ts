/** The element is moved, removed, put back, and removed for good. */

import { expect, test } from '@playwright/test';
import { arm, atWork, bendWorker, held, keepWorkers, letGo } from './faults/bend.ts';
import { events, host, visit } from './elements.ts';
import { checkHeld, closeAll, pairOf } from './hosts.ts';
import { fuseButton, programComplete } from './page.ts';

const PAIR = pairOf();

test.afterEach(closeAll);

/** The globals of a `host` page. */
declare const pair: any, tool: any, give: () => Promise<unknown>;

test('moved in the middle of a run it goes on; removed it ends', async ({ page }) => {
  await keepWorkers(page);
  await bendWorker(page);
  const shop = await host({ body: '<section id="one"><np-lora></np-lora></section><section id="two"></section>' });
  const uncaught = await visit(page, shop);
  await page.evaluate(() => give());
  await programComplete(page);
  await expect(fuseButton(page)).toBeEnabled();
  await arm(page, 'input', 4);
  await page.evaluate(() => { Object.assign(window, { run: tool.fuse().then(({ file }: any) => Object.assign(window, { file })) }); });
  await held(page);
  // A second run is refused with a code, and does not affect the first.
  const codes = await page.evaluate(() => Promise.all([tool.fuse(), tool.convert()].map((run) => run.catch(({ code }: any) => code))));
  expect(codes).toEqual(['E_RUNNING', 'E_RUNNING']);
  await page.evaluate(() => document.querySelector('#two')!.append(tool));
  await expect(page.getByRole('button', { name: 'Cancel' })).toBeVisible();
  await letGo(page);
  await page.evaluate(() => (window as any).run.then(() => {}));
  await checkHeld(page, 'file', PAIR);
  expect([await events(page, 'abort'), await events(page, 'error'), (await events(page, 'complete')).length]).toEqual([[], [], 1]);

  const ends = await page.evaluate(async () => {
    const run = tool.fuse().catch(({ name }: Error) => name);
    tool.remove();
    return run;
  });
  expect(ends).toBe('AbortError');
  await expect.poll(() => atWork(page)).toBe(0);
  // A file set while the element is away is opened when it is back, even if that is at once.
  await page.evaluate(() => document.querySelector('#one')!.append(tool));
  await expect(fuseButton(page)).toBeEnabled();
  expect(await page.evaluate(async () => {
    const note = new File(['no LoRA'], 'note.txt');
    tool.remove();
    tool.styleFile = note;
    document.querySelector('#two')!.append(tool);
    return tool.inspect().catch(({ file }: any) => file);
  })).toBe('note.txt');
  expect(uncaught).toEqual([]);
});

test('an element that is gone is not kept by anything, nor what it made', async ({ page }) => {
  const uncaught = await visit(page, await host());
  await page.evaluate(async () => {
    const gone: WeakRef<object>[] = [];
    for (let at = 0; at < 3; at++) {
      const one = Object.assign(document.createElement('np-lora'), { analysis: 'off' }) as any;
      document.body.append(one);
      const { content, style } = await pair();
      Object.assign(one, { contentFile: content, styleFile: style });
      const { file } = await one.fuse();
      gone.push(new WeakRef(one), new WeakRef(file));
      one.remove();
    }
    Object.assign(window, { gone });
  });
  const collector = await page.context().newCDPSession(page);
  await expect.poll(async () => {
    await collector.send('HeapProfiler.collectGarbage');
    return page.evaluate(() => (window as any).gone.filter((ref: WeakRef<object>) => ref.deref()).length);
  }).toBe(0);
  // When the results are gone, their files may be deleted.
  await expect.poll(() => page.evaluate(async () => (await navigator.locks.query()).held!.filter(({ name }) => name!.startsWith('np-lora-temp')).length)).toBe(0);
  expect(uncaught).toEqual([]);
});

test('taken away while its files are being opened, it says so to whoever waits for them', async ({ page }) => {
  const uncaught = await visit(page, await host());
  expect(await page.evaluate(async () => {
    const { content, style } = await pair();
    Object.assign(tool, { contentFile: content, styleFile: style });
    const asked = [tool.inspect(), tool.fuse()].map((one) => one.catch(({ name }: Error) => name));
    const around = tool.parentNode;
    tool.remove();
    const names = await Promise.all(asked);
    around.append(tool);
    return [...names, Object.values(await tool.inspect() as Record<string, { name: string }>).map(({ name }) => name)];
  })).toEqual(['AbortError', 'AbortError', ['subject.safetensors', 'style.safetensors']]);
  expect(uncaught).toEqual([]);
});
