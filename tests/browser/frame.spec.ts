/** The tool in a frame of another site: embed.html in real pages of other origins, by the script that sites include and by hand. */

import { readFile } from 'node:fs/promises';
import { expect, test, type FrameLocator, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { check } from './hold.ts';
import { FILES, checkHeld, pairOf, site, strangers, uncaughtIn, type Served, type Site } from './hosts.ts';
import { accessible } from './page.ts';
import { readSafetensors } from './safetensors.ts';

const PAIR = pairOf();
const FULL = 'allow-scripts allow-same-origin allow-downloads';
const ANY_ORIGIN = { 'Access-Control-Allow-Origin': '*' };
/** As strict as a site can be that has a frame and a script of its own. */
const policy = (frames: string): string => `default-src 'none'; script-src 'self'; connect-src 'self'; frame-src ${frames}; base-uri 'none'; `
  + "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

let open: Site[] = [];
test.afterEach(() => {
  for (const one of open) one.close();
  open = [];
});

async function serve(...of: Parameters<typeof site>): Promise<Site> {
  const made = await site(...of);
  open.push(made);
  return made;
}

/** A site whose page makes a frame of `embed` by the script, notes all that is told, and has it as `tool`. */
async function host(embed: string, options: object = {}, headers: Record<string, string> = {}): Promise<Site> {
  const script = `
    import { NpLoraFrame } from '/np-lora/np-lora-frame.js';
    ${FILES}
    const told = [];
    const tool = new NpLoraFrame(document.querySelector('main'), { src: ${JSON.stringify(embed)}, ...${JSON.stringify(options)} });
    for (const name of ['ready', 'height', 'phase', 'change', 'inspect', 'warning', 'progress', 'complete', 'save', 'error', 'abort']) {
      tool.addEventListener(name, ({ detail }) => told.push({ name, detail, at: performance.now() }));
    }
    Object.assign(window, { tool, told, pair, NpLoraFrame });
  `;
  const page: Served = {
    body: '<!doctype html><html lang="en"><title>A shop</title><main><h1>A shop</h1></main><script type="module" src="/host.js"></script></html>', headers,
  };
  return serve({ '/': page, '/host.js': { body: script } });
}

interface Told { name: string; detail: any; at: number }
/** What a host page of `host` has. */
declare const tool: any, told: Told[], pair: () => Promise<object>, NpLoraFrame: any;

const frame = (page: Page): FrameLocator => page.frameLocator('iframe');
const toolOf = (baseURL: string | undefined): string => new URL('embed.html', baseURL).href;

/** Gives the pair and fuses it from the host page, and holds what comes back to the method. */
async function fuseFromHost(page: Page, mu = 0.5): Promise<void> {
  await page.evaluate(async (mu) => {
    const [opened] = await Promise.all([tool.give(await pair()), tool.set({ mu })]);
    const { file, report } = await tool.fuse();
    Object.assign(window, { opened, file, report });
  }, mu);
  await checkHeld(page, 'file', PAIR, { mu });
}

test('a site fuses in a frame of another origin, and hears all about it', async ({ page, context, baseURL }) => {
  const shop = await host(toolOf(baseURL));
  const left = strangers(context, shop.origin, new URL(baseURL!).origin);
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await fuseFromHost(page, 1);
  const { names, opened, fused, progress, phases } = await page.evaluate(() => ({
    names: [...new Set(told.map(({ name }) => name))],
    opened: Object.values<any>((window as any).opened).map(({ name, modules }) => [name, modules]),
    fused: (window as any).report.fused,
    progress: told.filter(({ name }) => name === 'progress').map(({ at }) => at),
    phases: told.filter(({ name }) => name === 'phase').map(({ detail }) => detail),
  }));
  expect(names).toEqual(expect.arrayContaining(['ready', 'height', 'phase', 'inspect', 'progress', 'complete']));
  expect(opened).toEqual([['subject.safetensors', 6], ['style.safetensors', 6]]);
  expect(fused).toBe(6);
  expect(progress.length).toBeGreaterThan(0);
  expect(phases[0]).toBe('opening');
  expect(phases.slice(-2)).toEqual(['checking', 'done']);
  expect(await page.evaluate(() => tool.phase)).toBe('done');

  // As high as what is in it, and nothing to scroll inside.
  await expect(frame(page).getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  await expect.poll(() => page.frames()[1]!.evaluate(() => document.documentElement.scrollHeight - innerHeight)).toBe(0);
  expect(await page.evaluate(() => told.filter(({ name }) => name === 'height').at(-1)!.detail)).toBeGreaterThan(480);

  const [saved] = await Promise.all([page.waitForEvent('download'), frame(page).getByRole('button', { name: 'Save', exact: true }).click()]);
  check(readSafetensors(await readFile(await saved.path())), PAIR, { ...DEFAULTS, mu: 1 }, 'F16');
  expect(await page.evaluate(() => told.some(({ name }) => name === 'save'))).toBe(false);
  expect(left).toEqual([]);
  expect(uncaught).toEqual([]);
});

test('a person works in the frame, and the site hears of it', async ({ page, baseURL }) => {
  const shop = await host(toolOf(baseURL), { settings: { theme: 'dark', look: { page: 'rgb(0, 0, 64)' }, mu: 10 } });
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await frame(page).getByRole('button', { name: 'Try it with an example' }).click();
  await expect(frame(page).getByText('removes 91 % of the overlap', { exact: true })).toBeVisible();
  await frame(page).getByRole('button', { name: 'μ ∞' }).click();
  await expect.poll(() => page.evaluate(() => told.find(({ name }) => name === 'change')?.detail.mu)).toBe(Infinity);
  await frame(page).getByRole('button', { name: 'Fuse', exact: true }).click();
  await expect.poll(() => page.evaluate(() => told.find(({ name }) => name === 'complete')?.detail.report.settings.mu)).toBe(Infinity);
  expect(await frame(page).locator('body').evaluate((body) => [getComputedStyle(body).backgroundColor, getComputedStyle(body).colorScheme]))
    .toEqual(['rgb(0, 0, 64)', 'dark']);
  await accessible(page, 'in a frame');
  // No look changes what is not a look.
  expect(await page.evaluate(() => tool.set({ look: { 'x: red; background': 'red', page: 'rgb(1, 2, 3)' }, locale: 'de' }))).toEqual({ locale: 'en' });
  expect(await frame(page).locator('html').getAttribute('style')).toBe('color-scheme: dark; --np-lora-page: rgb(1, 2, 3);');
  expect(await page.evaluate(() => tool.set({ locale: 'ja-JP' }))).toEqual({ locale: 'ja' });
  await expect(frame(page).getByRole('heading', { name: '被写体', exact: true })).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('without allow-downloads the file goes to the page, which saves it or keeps it', async ({ page, baseURL }) => {
  const shop = await host(toolOf(baseURL), { sandbox: 'allow-scripts allow-same-origin' });
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await fuseFromHost(page);
  const save = frame(page).getByRole('button', { name: 'Save', exact: true });
  const [saved] = await Promise.all([page.waitForEvent('download'), save.click()]);
  check(readSafetensors(await readFile(await saved.path())), PAIR, DEFAULTS, 'F16');
  await expect(frame(page).getByText('Handed to the page around this tool.').first()).toBeVisible();
  const [report] = await Promise.all([page.waitForEvent('download'), frame(page).getByRole('button', { name: 'Save report' }).click()]);
  expect(JSON.parse(await readFile(await report.path(), 'utf8'))).toMatchObject({ fused: 6 });

  let downloads = 0;
  page.on('download', () => { downloads += 1; });
  await page.evaluate(() => tool.addEventListener('save', (event: CustomEvent) => {
    event.preventDefault();
    Object.assign(window, { kept: event.detail.file });
  }));
  await save.click();
  await expect.poll(() => page.evaluate(() => 'kept' in window)).toBe(true);
  await checkHeld(page, 'kept', PAIR);
  expect(downloads).toBe(0);
  expect(uncaught).toEqual([]);
});

for (const sandbox of ['allow-scripts', 'allow-scripts allow-downloads']) {
  test(`sandbox="${sandbox}": a frame without an origin fuses, where its server lets it load`, async ({ page, context }) => {
    const there = await serve({}, { headers: ANY_ORIGIN });
    const shop = await host(`${there.origin}/np-lora/embed.html`, { sandbox });
    const left = strangers(context, shop.origin, there.origin);
    const uncaught = uncaughtIn(page);
    await page.goto(shop.origin);
    await fuseFromHost(page);
    expect(await page.frames()[1]!.evaluate(() => self.origin)).toBe('null');
    const [saved] = await Promise.all([page.waitForEvent('download'), frame(page).getByRole('button', { name: 'Save', exact: true }).click()]);
    check(readSafetensors(await readFile(await saved.path())), PAIR, DEFAULTS, 'F16');
    expect(left).toEqual([]);
    expect(uncaught).toEqual([]);
  });
}

test('a frame without an origin says it when its server does not let it load', async ({ page, baseURL }) => {
  const shop = await host(toolOf(baseURL), { sandbox: 'allow-scripts' });
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await expect(frame(page).getByRole('alert')).toContainText('Access-Control-Allow-Origin');
  const refused = await page.evaluate(() => tool.ready.then(() => null, ({ code, detail }: { code: string; detail: string }) => ({ code, detail })));
  expect(refused).toEqual({ code: 'E_FRAME', detail: expect.stringContaining('Access-Control-Allow-Origin') });
  expect(await page.evaluate(async () => tool.give(await pair()).catch(({ code }: { code: string }) => code))).toBe('E_FRAME');
  expect(uncaught).toEqual([]);
});

test('the frame keeps to the policy of the page, and so does its worker', async ({ page, baseURL, request }) => {
  const policyOf = async (name: string): Promise<string> => /"Content-Security-Policy" content="([^"]+)"/.exec(await (await request.get(name)).text())![1]!;
  // Nothing of a frame is kept for visits without a network.
  expect(await policyOf('embed.html')).toBe((await policyOf('index.html')).replace(' np-lora-offline', ''));
  const shop = await host(toolOf(baseURL));
  await page.goto(shop.origin);
  await page.evaluate(async () => tool.give(await pair()));
  const reach = async (from: { evaluate(what: string): Promise<unknown> }): Promise<unknown> => from.evaluate(`
    new Promise((refused) => {
      addEventListener('securitypolicyviolation', ({ effectiveDirective }) => refused(effectiveDirective));
      fetch('https://example.com/').then(() => refused('it worked'), () => {});
    })`);
  expect([await reach(page.frames()[1]!), await reach(page.workers()[0]!)]).toEqual(['connect-src', 'connect-src']);
});

test('a strict policy with Trusted Types lets a frame be', async ({ page, baseURL }) => {
  const shop = await host(toolOf(baseURL), {}, { 'Content-Security-Policy': policy(new URL(baseURL!).origin) });
  const uncaught = uncaughtIn(page);
  const violations: string[] = [];
  page.on('console', (message) => { if (/Content Security Policy|Trusted/.test(message.text())) violations.push(message.text()); });
  await page.goto(shop.origin);
  await fuseFromHost(page);
  expect(violations).toEqual([]);
  expect(uncaught).toEqual([]);
});

test('a run is cancelled by a signal, and the frame is as good as before', async ({ page, baseURL }) => {
  const shop = await host(toolOf(baseURL));
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  const ends = await page.evaluate(async () => {
    await tool.give(await pair());
    const aborter = new AbortController();
    const run = tool.fuse({ signal: aborter.signal }).catch(({ name }: Error) => name);
    const second = await tool.fuse().catch(({ code }: { code: string }) => code);
    aborter.abort();
    const third = await tool.fuse({ signal: aborter.signal }).catch(({ name }: Error) => name);
    return [await run, second, third, told.filter(({ name }) => name === 'abort').length];
  });
  expect(ends).toEqual(['AbortError', 'E_RUNNING', 'AbortError', 1]);
  await fuseFromHost(page);

  const refused = await page.evaluate(() => tool.give({ style: new File(['<!doctype html>'], 'page.html') }).catch(({ code, file }: any) => [code, file]));
  expect(refused).toEqual(['E_NOT_SAFETENSORS', 'page.html']);
  await page.evaluate(() => tool.reset());
  await expect(frame(page).getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('a frame that is loaded anew has its settings again; one that is removed is gone', async ({ page, baseURL }) => {
  const shop = await host(toolOf(baseURL), { settings: { mu: 10 } });
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await page.evaluate(async () => {
    await tool.give(await pair());
    await tool.set({ styleStrength: 0.5 });
    // Refused now, and not again whenever the frame is loaded.
    const codeOf = ({ code }: { code: string }): string => code;
    const many = { look: Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`key${at}`, 'x'])) };
    const refused = [await tool.set({ styleStrenght: 1 }).catch(codeOf), await tool.set(many).catch(codeOf)];
    if (refused.join() !== 'E_MESSAGE,E_MESSAGE') throw new Error(`${refused}`);
    await tool.set({ rank: 5 });
    await tool.set({ rank: 'exact', mu: undefined, look: undefined });
  });
  await page.frames()[1]!.evaluate(() => location.reload());
  await expect.poll(() => page.evaluate(() => told.filter(({ name }) => name === 'ready').length)).toBe(2);
  await page.evaluate(async () => {
    await tool.give(await pair());
    Object.assign(window, await tool.fuse());
  });
  await checkHeld(page, 'file', PAIR, { mu: 10, styleStrength: 0.5 });
  const after = await page.evaluate(async () => {
    const run = tool.fuse().catch(({ name }: Error) => name);
    await tool.set({});
    tool.remove();
    return [await run, await tool.fuse().catch(({ code }: { code: string }) => code), document.querySelector('iframe')];
  });
  expect(after).toEqual(['AbortError', 'E_FRAME', null]);
  await expect.poll(() => page.workers().length).toBe(0);
  expect(uncaught).toEqual([]);
});

test('two frames on one page do not hear each other', async ({ page, baseURL }) => {
  const shop = await host(toolOf(baseURL));
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  const heard = await page.evaluate(async (src) => {
    const other = new NpLoraFrame(document.querySelector('main'), { src, settings: { mu: 10 } });
    const files = await pair();
    await Promise.all([tool.give(files), other.give(files)]);
    const [one, two] = await Promise.all([tool.fuse(), other.fuse()]);
    Object.assign(window, { one: one.file, two: two.file });
    return told.filter(({ name }) => name === 'complete').length;
  }, toolOf(baseURL));
  expect(heard).toBe(1);
  await checkHeld(page, 'one', PAIR);
  await checkHeld(page, 'two', PAIR, { mu: 10 });
  expect(uncaught).toEqual([]);
});

test('a place where nothing answers is said to be that', async ({ page, baseURL }) => {
  await page.clock.install();
  const shop = await host(new URL('nothing.html', baseURL).href);
  await page.goto(shop.origin, { waitUntil: 'load' });
  await page.clock.fastForward(10_000);
  expect(await page.evaluate(() => tool.ready.catch(({ code, detail }: any) => [code, detail]))).toEqual(['E_FRAME', expect.stringContaining('frame-ancestors')]);
});

test('a frame that comes late comes all the same, and nobody waits for one that went', async ({ page }) => {
  await page.clock.install();
  const slow = await serve({
    '/embed.html': { body: '<!doctype html><title>Slow</title><script src="/slow.js"></script>' },
    '/mute.html': { body: '<!doctype html><title>Mute</title>' },
    '/slow.js': { body: `
      addEventListener('message', ({ ports: [port] }) => {
        const say = (what) => port.postMessage({ 'np-lora': 1, ...what });
        globalThis.come = () => {
          port.onmessage = ({ data: { id, call } }) => { if (call === 'set') say({ id, out: { locale: 'en' } }); };
          say({ event: 'ready', detail: { locale: 'en' } });
        };
      });
      parent.postMessage({ 'np-lora': 1, hello: true }, '*');
    ` },
  });
  const shop = await host(`${slow.origin}/embed.html`);
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await expect.poll(() => page.frames()[1]!.evaluate(() => 'come' in globalThis)).toBe(true);
  const isReady = (): Promise<unknown> => page.evaluate(() => tool.ready.then(() => 'ready', ({ code }: { code: string }) => code));
  await page.clock.fastForward(120_000);
  expect(await isReady()).toBe('E_FRAME');
  await page.frames()[1]!.evaluate(() => (globalThis as any).come());
  await expect.poll(isReady).toBe('ready');
  expect(await page.evaluate(() => tool.set({ mu: 1 }))).toEqual({ locale: 'en' });
  // It is there: nothing runs out.
  await page.clock.fastForward(120_000);
  expect(await isReady()).toBe('ready');

  await page.evaluate(() => Object.assign(window, { run: tool.fuse().catch(({ code }: { code: string }) => code) }));
  await page.frames()[1]!.goto(`${slow.origin}/mute.html`);
  await page.clock.fastForward(10_000);
  expect(await page.evaluate(() => (window as any).run)).toBe('E_FRAME');
  expect([await isReady(), await page.evaluate(() => tool.set({ mu: 2 }).catch(({ code }: { code: string }) => code))]).toEqual(['E_FRAME', 'E_FRAME']);

  // Loaded anew, it is as good as the first one.
  await page.frames()[1]!.goto(`${slow.origin}/embed.html?parent=${shop.origin}`);
  await expect.poll(() => page.frames()[1]!.evaluate(() => 'come' in globalThis)).toBe(true);
  await page.frames()[1]!.evaluate(() => (globalThis as any).come());
  await expect.poll(isReady).toBe('ready');
  expect(await page.evaluate(() => tool.set({ mu: 2 }))).toEqual({ locale: 'en' });
  expect(uncaught).toEqual([]);
});

test('a frame that is not the tool cannot trouble the page by what it says', async ({ page }) => {
  const stranger = await serve({
    '/embed.html': { body: '<!doctype html><title>No tool</title><script src="/stranger.js"></script>' },
    '/stranger.js': { body: `
      for (const hello of [null, { hello: true }, { 'np-lora': 2, hello: true }, { 'np-lora': 1, hello: 'yes' }]) parent.postMessage(hello, '*');
      addEventListener('message', ({ ports: [port] }) => {
        const say = (what) => port.postMessage({ 'np-lora': 1, ...what });
        port.onmessage = ({ data: { id, call } }) => {
          if (call === 'fuse') for (const out of [null, {}, { file: 'x', report: {} }, { file: new File([], 'x'), report: null }]) say({ id, out });
          if (call === 'convert') say({ id, problem: { code: 'E_X', message: 'No.', remedy: '', file: null, tensor: null, detail: '' } });
        };
        for (const junk of [null, 1, 'ready', [], { event: 'ready', detail: { locale: 'en' } }, { 'np-lora': 2, event: 'ready', detail: { locale: 'en' } }]) port.postMessage(junk);
        for (const event of ['height', 'phase', 'change', 'inspect', 'warning', 'progress', 'complete', 'save', 'error', 'constructor', '__proto__']) {
          for (const detail of [undefined, null, 'x', {}, [], { file: 'x' }]) if (!(event === 'abort' && detail === null)) say({ event, detail });
        }
        say({ id: 1, out: 1 });
        say({ event: 'height', detail: 1e9 });
        say({ event: 'height', detail: NaN });
        say({ event: 'ready', detail: { locale: 'en' } });
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
  expect(uncaught).toEqual([]);
});

test('settings that the frame does not know are refused, by the script or by a tool of another build', async ({ page, baseURL }) => {
  const older = await serve({
    '/embed.html': { body: '<!doctype html><title>Another build</title><script src="/older.js"></script>' },
    '/older.js': { body: `
      addEventListener('message', ({ ports: [port] }) => {
        const say = (what) => port.postMessage({ 'np-lora': 1, ...what });
        port.onmessage = ({ data: { id } }) => {
          say({ id, problem: { code: 'E_MESSAGE', message: 'No.', remedy: '', file: null, tensor: null, detail: '' } });
          say({ event: 'ready', detail: { locale: 'en' } });
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

test('what the README says to paste works as pasted', async ({ page, baseURL }) => {
  const readme = await readFile('README.md', 'utf8');
  const [, code] = /## In an iframe[^]*?```html\n([^]*?)```/.exec(readme) ?? [];
  const paste = code!.replace('https://lora.example/', baseURL!);
  expect(paste).not.toBe(code);
  const shop = await serve({ '/': { body: `<!doctype html><title>Pasted</title>${paste}` } });
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await frame(page).getByRole('button', { name: 'Try it with an example' }).click();
  const [logged] = await Promise.all([page.waitForEvent('console'), frame(page).getByRole('button', { name: 'Fuse', exact: true }).click()]);
  expect(logged.text()).toMatch(/^example-subject_in_example-style\.safetensors \d+ \d+$/);
  expect(uncaught).toEqual([]);
});

test('a page without an origin is told so; any other may take the script from where the tool is', async ({ page }) => {
  const there = await serve({}, { headers: ANY_ORIGIN });
  const put = (script: string): Promise<unknown> => page.evaluate(async (script) => {
    const { NpLoraFrame } = await import(script);
    try {
      const tool = new NpLoraFrame(document.body);
      await tool.ready;
      return tool.element.src;
    } catch (thrown) {
      return (thrown as { code: string }).code;
    }
  }, script);
  const script = `${there.origin}/np-lora/np-lora-frame.js`;
  const body = '<!doctype html><title>A shop</title>';
  const shop = await serve({ '/': { body }, '/boxed': { body, headers: { 'Content-Security-Policy': 'sandbox allow-scripts' } } });
  await page.goto(`${shop.origin}/boxed`);
  expect(await put(script)).toBe('E_FRAME');
  await page.goto(shop.origin);
  expect(await put(script)).toBe(`${there.origin}/np-lora/embed.html?parent=${encodeURIComponent(shop.origin)}`);
});

/** A site that has the frame in its own markup and speaks with it by itself; `opened` is the origin in the frame's address. */
async function byHand(baseURL: string | undefined, opened: (own: string) => string): Promise<Site> {
  const made = await serve({
    '/host.js': {
      body: `
      ${FILES}
      const heard = [];
      const iframe = document.createElement('iframe');
      window.addEventListener('message', ({ source, data, origin }) => { if (source === iframe.contentWindow) heard.push({ data, origin }); });
      const params = new URLSearchParams(location.search);
      iframe.setAttribute('sandbox', ${JSON.stringify(FULL)});
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
declare const heard: { data: unknown; origin: string }[], greet: (hello?: unknown) => { port: MessagePort; answers: any[] };

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
    // Greetings that are none: the port of the first good one is the only one.
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
    // Far more than anybody means at once: all are answered, those beyond the limit with a refusal.
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
