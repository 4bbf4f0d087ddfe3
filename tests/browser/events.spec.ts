/** What a host does while it handles the element's events, and calls at inconvenient moments. */

import { expect, test, type Page } from '@playwright/test';
import { host, visit } from './elements.ts';
import { bendWorker } from './faults/bend.ts';
import { checkHeld, closeAll, pairOf } from './hosts.ts';
import { fuseButton } from './page.ts';

const PAIR = pairOf();

test.afterEach(closeAll);

/** The globals of a `host` page. */
declare const pair: any, tool: any, told: { name: string; detail: any }[], give: (to?: any) => Promise<unknown>;

const names = (page: Page): Promise<string[]> => page.evaluate(() => told.map(({ name }) => name));

test('a handler may begin anew, or run once more, without the run noticing', async ({ page }) => {
  const uncaught = await visit(page, await host());
  // The handler resets after the run has failed: the caller still gets the reason.
  expect(await page.evaluate(async () => {
    const { content, style } = await pair();
    const bytes = new Uint8Array(await style.arrayBuffer());
    const begin = 8 + new DataView(bytes.buffer).getUint32(0, true);
    // A NaN in the middle of the values.
    bytes.set([0, 0x7e], begin + 2 * Math.floor((bytes.length - begin) / 4));
    tool.contentFile = content;
    tool.styleFile = new File([bytes], style.name);
    await tool.inspect();
    tool.addEventListener('error', () => tool.reset(), { once: true });
    return tool.fuse().then(() => null, ({ code }: any) => code);
  })).toBe('E_NONFINITE');
  // The handler cancels during the run: then there is no result.
  expect(await page.evaluate(async () => {
    const { content } = await pair();
    tool.contentFile = content;
    tool.styleFile = new File([content], 'same.safetensors');
    await tool.inspect();
    tool.addEventListener('warning', () => tool.reset(), { once: true });
    const run = await tool.fuse().then(() => 'made', ({ name }: any) => name);
    return [run, tool.result, told.some(({ name }) => name === 'complete')];
  })).toEqual(['AbortError', null, false]);
  await page.evaluate(() => { told.length = 0; });
  // The handler starts another run when the first is done: it can be cancelled like any other.
  const second = await page.evaluate(async () => {
    await give();
    const again = new Promise<string>((over) => {
      tool.addEventListener('complete', () => {
        const run = tool.fuse().then(() => 'made', ({ name }: any) => name);
        setTimeout(() => { tool.cancel(); }, 0);
        over(run);
      }, { once: true });
    });
    await tool.fuse();
    return again;
  });
  expect(second).toBe('AbortError');
  expect((await names(page)).filter((name) => name === 'complete' || name === 'abort')).toEqual(['complete', 'abort']);
  await page.evaluate(async () => { Object.assign(window, await tool.fuse()); });
  await checkHeld(page, 'file', PAIR);
  expect(uncaught).toEqual([]);
});

test('what waits for its files can be cancelled, and a run can be asked for right after', async ({ page }) => {
  const uncaught = await visit(page, await host());
  expect(await page.evaluate(async () => {
    const outcome = (run: Promise<unknown>): Promise<string> => run.then(() => 'made', (refused) => refused.problem?.code ?? refused.name);
    const { content, style } = await pair();
    tool.contentFile = content;
    tool.styleFile = style;
    const waiting = outcome(tool.fuse());
    tool.cancel();
    const aborter = new AbortController();
    aborter.abort();
    const late = outcome(tool.fuse({ signal: aborter.signal }));
    const all = [await waiting, await late];
    await tool.inspect();
    const first = outcome(tool.fuse());
    tool.cancel();
    const next = tool.fuse();
    all.push(await outcome(next), await first);
    Object.assign(window, await next);
    return all;
  })).toEqual(['AbortError', 'AbortError', 'made', 'AbortError']);
  // No events are sent about a run that never began.
  expect((await names(page)).filter((name) => ['abort', 'complete', 'error'].includes(name))).toEqual(['abort', 'complete']);
  await checkHeld(page, 'file', PAIR);
  expect(uncaught).toEqual([]);
});

test('whoever hears of a result finds it in the form, and after reset there is none', async ({ page }) => {
  const uncaught = await visit(page, await host({ body: '<form><np-lora name="lora"></np-lora></form>' }));
  expect(await page.evaluate(async () => {
    const sent = (): (string | undefined)[] => [...new FormData(tool.form).values()].map((value) => (value as File).name);
    await give();
    const found: unknown[] = [];
    tool.addEventListener('complete', () => found.push(sent(), tool.matches(':state(done)')));
    await tool.fuse();
    tool.reset();
    found.push(sent());
    return found;
  })).toEqual([['subject_in_style.safetensors'], true, []]);
  expect(uncaught).toEqual([]);
});

test('a result is stale when something differs from what it was made of, and only then', async ({ page }) => {
  const uncaught = await visit(page, await host());
  const isStale = (): Promise<boolean> => page.evaluate(async () => {
    await tool.updateComplete;
    return tool.matches(':state(stale)');
  });
  // A setting changed just before the run is used by it; one changed during the run makes the result stale.
  await page.evaluate(async () => {
    await give();
    tool.mu = 2;
    await tool.fuse();
  });
  expect(await isStale()).toBe(false);
  await page.evaluate(async () => {
    const run = tool.fuse();
    tool.mu = 3;
    await run;
  });
  expect(await isStale()).toBe(true);
  await expect(fuseButton(page)).toBeVisible();
  await page.evaluate(() => { tool.mu = 2; });
  expect(await isStale()).toBe(false);
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  await expect.poll(isStale).toBe(true);
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  await expect.poll(isStale).toBe(false);
  expect(uncaught).toEqual([]);
});

test('leaving the page is nobody’s error', async ({ page }) => {
  const uncaught = await visit(page, await host());
  await page.evaluate(async () => {
    const turn = (): Promise<void> => new Promise((over) => { setTimeout(over, 0); });
    const around = tool.parentNode;
    const { content, style } = await pair();
    // The element is removed while files are being opened,
    tool.contentFile = content;
    tool.styleFile = style;
    tool.remove();
    await turn();
    around.append(tool);
    await tool.inspect();
    // while the backend is looked for and a run begins,
    const run = tool.fuse().catch(() => {});
    tool.remove();
    await run;
    // while a setting changes,
    tool.mu = 2;
    await new Promise((over) => { setTimeout(over, 400); });
    around.append(tool);
    await tool.inspect();
    // while the files are being swapped (they are, when it is back),
    const swap = (): void => tool.shadowRoot.querySelector('.swap').click();
    await tool.updateComplete;
    swap();
    tool.remove();
    await turn();
    around.append(tool);
    if ((await tool.inspect()).content.name !== 'style.safetensors') throw new Error('They are as they were.');
    await tool.updateComplete;
    swap();
    await tool.inspect();
    // and while an example is being made.
    tool.reset();
    await tool.updateComplete;
    tool.shadowRoot.querySelector('.invite button').click();
    tool.remove();
    await turn();
    around.append(tool);
    await new Promise((over) => { setTimeout(over, 400); });
    if (tool.error) throw new Error(tool.error.message);
    await give();
    Object.assign(window, await tool.fuse());
  });
  expect((await names(page)).filter((name) => ['error', 'abort', 'complete'].includes(name))).toEqual(['abort', 'complete']);
  await checkHeld(page, 'file', PAIR, { mu: 2 });
  expect(uncaught).toEqual([]);
});

test('the last file is the one, though an adapter_config.json is still being read for the one before', async ({ page }) => {
  await visit(page, await host());
  expect(await page.evaluate(async () => {
    const { content, style } = await pair();
    const slow = (): File => Object.assign(new File(['{}'], 'adapter_config.json'), { text: () => new Promise((later) => { setTimeout(later, 50, '{"r": 4}'); }) });
    const lies = async (): Promise<unknown> => (await tool.inspect()).content?.name ?? null;
    const taken = tool.take([content, slow()], 'content');
    tool.contentFile = style;
    await taken;
    const last = await lies();
    const again = tool.take([content, slow()], 'content');
    tool.reset();
    await again;
    const none = await lies();
    // A configuration that comes alone belongs to the file that is already there.
    tool.contentFile = content;
    await tool.inspect();
    const late = tool.take([slow()], 'content');
    tool.contentFile = style;
    await late;
    return [last, none, await lies()];
  })).toEqual(['style.safetensors', null, 'style.safetensors']);
});

test('a change is told whatever a person does with files, and what happens is heard', async ({ page }) => {
  const uncaught = await visit(page, await host());
  const changes = async (): Promise<number> => (await names(page)).filter((name) => name === 'change').length;
  await page.evaluate(() => give());
  expect(await changes()).toBe(0);
  await expect(page.getByRole('status').filter({ hasText: /(Subject: subject|Style: style)\.safetensors is open/ })).toHaveCount(1);
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  await expect.poll(changes).toBe(1);
  await expect(page.getByRole('status').filter({ hasText: 'Subject: style.safetensors is open. Style: subject.safetensors is open.' })).toHaveCount(1);
  await page.getByRole('button', { name: 'Remove subject file' }).click();
  await expect.poll(changes).toBe(2);
  await page.evaluate(async () => tool.take([(await pair()).content]));
  await expect.poll(changes).toBe(3);
  // The event is sent only when the change has happened.
  const config = { name: 'adapter_config.json', text: '{"r":4,"lora_alpha":4}' };
  expect(await page.evaluate(async ({ name, text }) => {
    const found = new Promise((over) => { tool.addEventListener('change', () => over(tool.contentFile.name), { once: true }); });
    tool.reset();
    await tool.updateComplete;
    const { content } = await pair();
    await tool.take([new File([content], 'other.safetensors'), new File([text], name)]);
    return found;
  }, config)).toBe('other.safetensors');
  await expect.poll(changes).toBe(4);
  await page.evaluate(() => {
    const dragged = new DataTransfer();
    dragged.items.add(new File(['{"r":4,"lora_alpha":4}'], 'adapter_config.json'));
    tool.shadowRoot.querySelector('np-lora-card').dispatchEvent(new DragEvent('drop', { dataTransfer: dragged, bubbles: true, composed: true, cancelable: true }));
  });
  await expect.poll(changes).toBe(5);
  await page.getByRole('button', { name: 'Leave out the subject’s adapter_config.json' }).click();
  await expect.poll(changes).toBe(6);
  expect(uncaught).toEqual([]);
});

test('of a folder the LoRAs in it are taken, however many files there are', async ({ page }) => {
  const uncaught = await visit(page, await host());
  expect(await page.evaluate(async () => {
    const { content, style } = await pair();
    const fileEntry = (file: File): object => ({ name: file.name, isDirectory: false, file: (take: (file: File) => void) => take(file) });
    // The entries come in parts, as in Chromium, which gives a hundred at a time.
    const folderEntry = (name: string, ...parts: object[][]): object => ({
      name, isDirectory: true, createReader: () => ({ readEntries: (take: (part: object[]) => void) => take(parts.shift() ?? []) }),
    });
    const folder = folderEntry('run', [fileEntry(new File(['x'], 'a sample.png')), folderEntry('logs', [fileEntry(new File(['x'], 'log.txt'))])],
      [folderEntry('made', [fileEntry(content)])], [fileEntry(style)]);
    await tool.take({ files: [], items: [{ kind: 'file', webkitGetAsEntry: () => folder, getAsFile: () => null }] });
    const { content: one, style: two } = await tool.inspect();
    return [one?.name, two?.name];
  }), 'what lies in it before what lies deeper').toEqual(['style.safetensors', 'subject.safetensors']);
  expect(uncaught).toEqual([]);
});

test('how far a run is, is spoken when it is further', async ({ page }) => {
  // Many reports about the same quarter, as in a run of hours.
  await bendWorker(page, () => {
    const { postMessage } = self;
    Object.assign(self, { postMessage: (said: object, options?: object) => {
      let times = 'progress' in said ? 3 : 1;
      while (times-- > 0) postMessage.call(self, said, options);
    } });
  });
  await visit(page, await host());
  await page.evaluate(async () => {
    await give();
    const spoken: string[] = [];
    const region = tool.shadowRoot.querySelector('.app > [role=status]');
    new MutationObserver(() => spoken.push(region.textContent.trim())).observe(region, { childList: true, characterData: true, subtree: true });
    Object.assign(window, { spoken });
    await tool.fuse();
    await tool.updateComplete;
  });
  const spoken: string[] = await page.evaluate(() => (window as any).spoken);
  expect(spoken.some((said) => said.startsWith('Fusing'))).toBe(true);
  expect(spoken).toEqual([...new Set(spoken)]);
  // Focus on Cancel moves to the result, and no message about the run is left behind.
  await page.evaluate(() => tool.reset());
  await page.evaluate(() => give());
  await expect(fuseButton(page)).toBeEnabled();
  await page.evaluate(() => (window as any).spoken.splice(0));
  await fuseButton(page).press('Enter');
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeFocused();
  await expect(page.locator('np-lora').locator('.app > [role=status]')).toHaveText('');
  expect(await page.evaluate(() => (window as any).spoken.some((said: string) => said.startsWith('Fusing')))).toBe(true);
});

test('what a person changes is told while it changes and when it has, and what matters is spoken', async ({ page }) => {
  await visit(page, await host());
  await page.evaluate(() => give());
  await expect(fuseButton(page)).toBeEnabled();
  const spoken = page.locator('np-lora').locator('.app > [role=status]');
  await expect(spoken).toHaveText('Subject: subject.safetensors is open. Style: style.safetensors is open.');
  await expect(page.locator('np-lora-outlook-view section > .unseen[role=status]')).toHaveText(/^The projection will change this pair by/);
  await page.evaluate(() => {
    const order = Object.assign(window, { order: [] as string[] }).order;
    for (const name of ['input', 'change']) {
      tool.addEventListener(name, () => order.push(name));
      // Outside the element, these events would look like those of a field of the page.
      document.addEventListener(name, () => order.push(`${name} outside`));
    }
  });
  const order = (): Promise<string[]> => page.evaluate(() => (window as any).order.splice(0));
  const both = ['input', 'change'];
  await page.getByLabel('How much of the overlap to remove').press('ArrowRight');
  expect(await order(), 'a key').toEqual(both);
  await page.getByRole('button', { name: 'μ 1', exact: true }).click();
  expect(await order(), 'a stop').toEqual(both);
  await page.getByLabel('What to make').selectOption('several');
  expect(await order(), 'a choice').toEqual(both);
  // Setting the same value again changes nothing.
  await page.getByLabel('What to make').selectOption('fusion');
  await order();
  await page.getByRole('button', { name: 'μ 1', exact: true }).click();
  expect(await order(), 'as it was').toEqual(['change']);
  // Subject and style are the same file.
  await page.evaluate(async () => { tool.styleFile = new File([(await pair()).content], 'same.safetensors'); });
  await expect(spoken).toHaveText('Subject: subject.safetensors is open. Style: same.safetensors is open.');
  await expect(page.locator('np-lora-outlook-view section > .unseen[role=status]')).toHaveText(/^Both files make the same change/);
});
