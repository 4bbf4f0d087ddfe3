/** What may pass between a page and the frame: each checks the other's messages, and a frame talks to one origin only. */

import { expect, test } from '@playwright/test';
import { frame, host, toolOf, type Told } from './frames.ts';
import { FILES, checkHeld, closeAll, pairOf, site, uncaughtIn, type Site } from './hosts.ts';

const PAIR = pairOf();

test.afterEach(closeAll);

/** The globals of a `host` page; a page made by `byHand` has those of the second line. */
declare const tool: any, told: Told[], pair: () => Promise<object>, NpLoraFrame: any;
declare const heard: { data: unknown; origin: string }[], greet: (hello?: unknown) => { port: MessagePort; answers: any[] };

test('a frame that is not the tool cannot trouble the page by what it says', async ({ page }) => {
  const stranger = await site({
    '/embed.html': { body: '<!doctype html><title>No tool</title><script src="/stranger.js"></script>' },
    '/stranger.js': { body: `
      for (const hello of [null, { hello: true }, { 'np-lora': 2, hello: true }, { 'np-lora': 1, hello: 'yes' }]) parent.postMessage(hello, '*');
      addEventListener('message', ({ ports: [port] }) => {
        const say = (what) => port.postMessage({ 'np-lora': 1, ...what });
        port.onmessage = ({ data: { id, call } }) => {
          if (call === 'fuse') for (const out of [null, {}, { file: 'x', report: {} }, { file: new File([], 'x'), report: null }]) say({ id, out });
          if (call === 'convert') say({ id, problem: { code: 'E_X', message: 'No.', remedy: '', file: null, tensor: null, detail: '' } });
        };
        for (const junk of [null, 1, 'ready', [], { event: 'ready', detail: null }, { 'np-lora': 2, event: 'ready', detail: null }]) port.postMessage(junk);
        for (const event of ['height', 'phase', 'change', 'inspect', 'warning', 'progress', 'complete', 'save', 'error', 'constructor', '__proto__']) {
          for (const detail of [undefined, null, 'x', {}, [], { file: 'x' }]) if (!(event === 'abort' && detail === null)) say({ event, detail });
        }
        say({ id: 1, out: 1 });
        say({ event: 'height', detail: 1e9 });
        say({ event: 'height', detail: NaN });
        say({ event: 'ready', detail: null });
      });
      parent.postMessage({ 'np-lora': 1, hello: true }, '*');
    ` },
  });
  const shop = await host(`${stranger.origin}/embed.html`);
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  expect(await page.evaluate(async () => {
    await tool.ready;
    const codeOf = ({ code }: { code: string }): string => code;
    return [await tool.fuse().catch(codeOf), await tool.convert().catch(codeOf), told.map(({ name }) => name), tool.element.style.height, tool.phase];
  })).toEqual(['E_FRAME', 'E_X', ['height', 'height', 'ready'], '100000px', 'empty']);
  // A page of another origin that has taken the frame's place gets no answer either.
  const other = await site({
    '/': { body: '<!doctype html><title>Another</title><script src="/another.js"></script>' },
    '/another.js': { body: "addEventListener('message', () => { globalThis.answered = true; }); parent.postMessage({ 'np-lora': 1, hello: true }, '*');" },
  });
  await page.evaluate(() => {
    const { contentWindow } = tool.element;
    Object.assign(window, { greeted: new Promise((come) => { addEventListener('message', ({ source }) => { if (source === contentWindow) come(true); }); }) });
  });
  await page.frames()[1]!.goto(other.origin);
  await page.evaluate(() => (window as any).greeted);
  // An answer would have arrived by then.
  expect(await page.frames()[1]!.evaluate(() => new Promise((later) => { setTimeout(() => later('answered' in globalThis), 100); }))).toBe(false);
  expect(uncaught).toEqual([]);
});

test('settings that the frame does not know are refused, by the script or by a tool of another build', async ({ page, baseURL }) => {
  const older = await site({
    '/embed.html': { body: '<!doctype html><title>Another build</title><script src="/older.js"></script>' },
    '/older.js': { body: `
      addEventListener('message', ({ ports: [port] }) => {
        const say = (what) => port.postMessage({ 'np-lora': 1, ...what });
        port.onmessage = ({ data: { id } }) => {
          say({ id, problem: { code: 'E_MESSAGE', message: 'No.', remedy: '', file: null, tensor: null, detail: '' } });
          say({ event: 'ready', detail: null });
        };
      });
      parent.postMessage({ 'np-lora': 1, hello: true }, '*');
    ` },
  });
  const shop = await host(`${older.origin}/embed.html`);
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await expect.poll(() => page.evaluate(() => told.map(({ name, detail }) => [name, detail?.code]))).toEqual([['error', 'E_MESSAGE'], ['ready', undefined]]);
  expect(await page.evaluate((src) => {
    try {
      return String(new NpLoraFrame(document.body, { src, settings: { subjectStrength: 1 } }));
    } catch (refused) {
      return (refused as { code: string }).code;
    }
  }, toolOf(baseURL))).toBe('E_MESSAGE');
  await expect(page.locator('iframe')).toHaveCount(1);
  expect(uncaught).toEqual([]);
});
/** A site that has the frame in its own markup and talks to it by itself; `opened` gives the origin in the frame's address. */
async function byHand(baseURL: string | undefined, opened: (own: string) => string): Promise<Site> {
  const made = await site({
    '/host.js': {
      body: `
      ${FILES}
      const heard = [];
      const iframe = document.createElement('iframe');
      window.addEventListener('message', ({ source, data, origin }) => { if (source === iframe.contentWindow) heard.push({ data, origin }); });
      const params = new URLSearchParams(location.search);
      iframe.setAttribute('sandbox', 'allow-scripts allow-same-origin allow-downloads');
      iframe.src = ${JSON.stringify(toolOf(baseURL))} + params.get('query');
      document.body.append(iframe);
      const greet = (hello = { 'np-lora': 1, hello: true }) => {
        const { port1, port2 } = new MessageChannel();
        const answers = [];
        port1.onmessage = ({ data }) => answers.push(data);
        iframe.contentWindow.postMessage(hello, '*', [port2]);
        return { port: port1, answers };
      };
      Object.assign(window, { heard, iframe, greet, pair });
    `,
    },
    '/': { body: '<!doctype html><title>By hand</title><script type="module" src="/host.js"></script>' },
  });
  return { ...made, origin: `${made.origin}/?query=${encodeURIComponent(opened(made.origin))}` };
}

test('a frame that was opened for another origin neither tells anything nor listens', async ({ page, baseURL }) => {
  const shop = await byHand(baseURL, () => '?parent=https://example.com');
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await expect(frame(page).getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  await page.evaluate(async () => {
    const { port, answers } = greet();
    port.postMessage({ 'np-lora': 1, id: 1, call: 'give', in: await pair() });
    Object.assign(window, { answers });
  });
  await frame(page).getByRole('button', { name: 'Try it with an example' }).click();
  await expect(frame(page).getByRole('button', { name: 'Fuse', exact: true })).toBeEnabled();
  await expect(frame(page).getByText('example-subject').first()).toBeVisible();
  expect(await page.evaluate(() => [heard, (window as any).answers])).toEqual([[], []]);
  expect(uncaught).toEqual([]);
});

for (const query of [
  '', '?parent=', '?parent=null', '?parent=*', '?parent=javascript:alert(1)', '?parent=http://127.0.0.1:1/', '?parent=HTTP://127.0.0.1:1',
  '?parent=file:///', '?parent=http://a@127.0.0.1:1', '?parent=http://127.0.0.1:1&parent=http://127.0.0.1:2',
]) {
  test(`a frame with the address embed.html${query} speaks with nobody`, async ({ page, baseURL }) => {
    const shop = await byHand(baseURL, () => query);
    await page.goto(shop.origin);
    await expect(frame(page).getByRole('alert')).toContainText('?parent=');
    expect(await page.evaluate(() => {
      const { answers } = greet();
      return [heard, answers];
    })).toEqual([[], []]);
  });
}

test('a page by itself is no frame', async ({ page, baseURL }) => {
  await page.goto(`${toolOf(baseURL)}?parent=${new URL(baseURL!).origin}`);
  await expect(page.getByRole('alert')).toContainText('frames of other pages');
});

test('what makes no sense is ignored, or answered where somebody waits, and does no harm', async ({ page, baseURL }) => {
  const shop = await byHand(baseURL, (own) => `?parent=${own}`);
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await expect.poll(() => page.evaluate(() => heard)).toEqual([{ data: { 'np-lora': 1, hello: true }, origin: new URL(baseURL!).origin }]);
  const { ignored, refused, flood, after } = await page.evaluate(async () => {
    // These greetings are invalid, and only the port of the first valid one counts.
    const strangers = [null, 'hello', { hello: true }, { 'np-lora': 2, hello: true }, { 'np-lora': 1 }, { 'np-lora': 1, hello: 1 }].map((one) => greet(one));
    const { port, answers } = greet();
    const late = greet();
    const ask = (message: object, id: unknown = 7): void => port.postMessage({ 'np-lora': 1, id, call: 'set', in: {}, ...message });
    const many = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key${at}`, 'x']));
    const next = async (count: number): Promise<any[]> => {
      while (answers.filter((one) => 'id' in one).length < count) await new Promise((later) => { setTimeout(later, 20); });
      return answers.filter((one) => 'id' in one);
    };
    for (const junk of [null, undefined, 0, 'set', [], [1], new Map(), new Blob(['x']), { id: 'a' }, { id: NaN }, { id: 0.5 }, { id: 1e300 }, {}, { 'np-lora': 1 }, { ...many(1000), id: 3 }]) {
      port.postMessage(junk);
    }
    ask({ in: {} }, 1);
    const first = await next(1);
    const messages: object[] = [
      { 'np-lora': 2 }, { 'np-lora': '1' }, { call: 'open' }, { call: 'constructor' }, { call: '__proto__' }, { call: null }, { in: null }, { in: 'mu' },
      { in: { mu: '1' } }, { in: { mu: {} } }, { in: { dtype: 'F64' } }, { in: { backend: 'tpu' } }, { in: { outputName: 'x'.repeat(301) } },
      { in: { theme: 'pink' } }, { in: { look: 'red' } }, { in: { look: many(40) } }, { in: { look: { ink: 'x'.repeat(301) } } }, { in: { look: { ink: 1 } } },
      { in: { disabled: 'yes' } }, { in: { subjectStrength: 1 } }, { call: 'give', in: { subject: null } }, { in: { saveTo: 'moon' } }, { in: { locale: 'x'.repeat(301) } }, { in: many(40) },
      { call: 'give', in: { content: 'subject.safetensors' } }, { call: 'give', in: { content: new Blob(['x']) } }, { call: 'give', in: [new File(['x'], 'x')][1] },
      { call: 'fuse', in: null }, { call: 'fuse', in: undefined },
    ];
    messages.forEach((message, at) => ask(message, 100 + at));
    const all = await next(1 + messages.length);
    // Far more calls than anybody makes at once: all are answered, those beyond the limit with a refusal.
    ask({ call: 'give', in: await pair() }, 1000);
    for (let id = 1001; id < 1100; id++) ask({ call: 'give' }, id);
    const flood = (await next(101 + messages.length)).slice(1 + messages.length);
    ask({ call: 'fuse' }, 2001);
    const done = await next(102 + messages.length);
    Object.assign(window, { file: done.at(-1).out?.file });
    return {
      ignored: [first, strangers.map((one) => one.answers.length), late.answers.length],
      refused: [...new Set(all.slice(1).map((one) => one.problem?.code))],
      flood: [flood.filter((one) => one.out?.content?.name === 'subject.safetensors').length, flood.filter((one) => one.problem?.code === 'E_MESSAGE').length],
      after: Object.keys(done.at(-1).out),
    };
  });
  expect(ignored).toEqual([[{ 'np-lora': 1, id: 1, out: { locale: 'en' } }], [0, 0, 0, 0, 0, 0], 0]);
  expect(refused).toEqual(['E_MESSAGE']);
  expect(flood[0]).toBeGreaterThanOrEqual(16);
  expect(flood[1]).toBe(100 - flood[0]!);
  expect(flood[1]).toBeGreaterThan(0);
  expect(after).toEqual(['file', 'report']);
  await checkHeld(page, 'file', PAIR);
  expect(uncaught).toEqual([]);
});
