/** The tool in a frame of another site, made by the script that sites include. */

import { readFile } from 'node:fs/promises';
import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { frame, host, toolOf, type Told } from './frames.ts';
import { check } from './hold.ts';
import { checkHeld, closeAll, pairOf, site, strangers, uncaughtIn } from './hosts.ts';
import { accessible } from './page.ts';
import { readSafetensors } from './safetensors.ts';

const PAIR = pairOf();
const ANY_ORIGIN = { 'Access-Control-Allow-Origin': '*' };
/** The strictest policy that a site with a frame and a script of its own can have. */
const policy = (frames: string): string => `default-src 'none'; script-src 'self'; connect-src 'self'; frame-src ${frames}; base-uri 'none'; `
  + "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

test.afterEach(closeAll);

/** The globals of a `host` page. */
declare const tool: any, told: Told[], pair: () => Promise<object>, NpLoraFrame: any;

/** Gives the pair and fuses it from the host page, and checks the result against the method. */
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

  // The frame is as high as its content, with nothing to scroll inside.
  await expect(frame(page).getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  await expect.poll(() => page.frames()[1]!.evaluate(() => document.documentElement.scrollHeight - innerHeight)).toBe(0);
  expect(await page.evaluate(() => told.filter(({ name }) => name === 'height').at(-1)!.detail)).toBeGreaterThan(480);

  await page.evaluate(async () => {
    await tool.set({ saveTo: 'page' });
    await tool.set({ saveTo: 'downloads' });
  });
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
  await expect.poll(() => page.evaluate(() => told.findLast(({ name }) => name === 'change')?.detail.mu)).toBe(Infinity);
  await frame(page).getByRole('button', { name: 'Fuse', exact: true }).click();
  await expect.poll(() => page.evaluate(() => told.find(({ name }) => name === 'complete')?.detail.report.settings.mu)).toBe(Infinity);
  expect(await frame(page).locator('body').evaluate((body) => [getComputedStyle(body).backgroundColor, getComputedStyle(body).colorScheme]))
    .toEqual(['rgb(0, 0, 64)', 'dark']);
  await accessible(page, 'in a frame');
  // `look` changes only custom properties.
  expect(await page.evaluate(() => tool.set({ look: { 'x: red; background': 'red', page: 'rgb(1, 2, 3)' }, locale: 'de' }))).toEqual({ locale: 'en' });
  expect(await frame(page).locator('html').getAttribute('style')).toBe('color-scheme: dark; --np-lora-page: rgb(1, 2, 3);');
  expect(await page.evaluate(() => tool.set({ locale: 'ja-JP', theme: 'auto', outputName: 'ours', disabled: true }))).toEqual({ locale: 'ja' });
  expect(await frame(page).locator('html').getAttribute('style')).toBe('--np-lora-page: rgb(1, 2, 3);');
  expect(await frame(page).locator('np-lora').evaluate((app: any) => [app.outputName, app.disabled])).toEqual(['ours', true]);
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
    const there = await site({}, { headers: ANY_ORIGIN });
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
  // Nothing of a frame is cached for visits without a network.
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
    const given = await tool.give({ style: null }).catch(({ code }: { code: string }) => code);
    aborter.abort();
    const third = await tool.fuse({ signal: aborter.signal }).catch(({ name }: Error) => name);
    return [await run, second, given, third];
  });
  expect(ends).toEqual(['AbortError', 'E_RUNNING', 'E_RUNNING', 'AbortError']);
  await expect.poll(() => page.evaluate(() => told.filter(({ name }) => name === 'abort').length)).toBe(1);
  await fuseFromHost(page);

  await page.evaluate(async () => {
    const { content } = await pair() as { content: File };
    await tool.give({ style: new File([content], 'same.safetensors') });
    await tool.fuse();
  });
  expect(await page.evaluate(() => told.some(({ name }) => name === 'warning'))).toBe(true);
  const refused = await page.evaluate(() => tool.give({ style: new File(['<!doctype html>'], 'page.html') }).catch(({ code, file }: any) => [code, file]));
  expect(refused).toEqual(['E_NOT_SAFETENSORS', 'page.html']);
  expect(await page.evaluate(() => told.find(({ name }) => name === 'error')?.detail.code)).toBe('E_NOT_SAFETENSORS');
  await page.evaluate(() => tool.reset());
  await expect(frame(page).getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  // A file can be dropped anywhere in the frame, even beside the element.
  await page.frames()[1]!.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['no LoRA'], 'note.txt'));
    document.documentElement.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
  });
  await expect(frame(page).getByRole('alert')).toContainText('note.txt');
  expect(uncaught).toEqual([]);
});

// The headers that deploy/nginx.conf sends.
const ISOLATED = { 'Cross-Origin-Embedder-Policy': 'require-corp' };
const ofFile = (name: string): Record<string, string> => ({
  ...(/^(embed\.html|worker\.js)$/.test(name) ? ISOLATED : {}), ...(/^(embed\.(html|js|css)|icon\.svg)$/.test(name) ? { 'Cross-Origin-Resource-Policy': 'cross-origin' } : {}),
});
for (const [what, ofPage, sandbox] of [['a page that is isolated for shared memory', { ...ISOLATED, 'Cross-Origin-Opener-Policy': 'same-origin' }, undefined],
  ['any other page', {}, undefined], ['a frame without an origin', {}, 'allow-scripts']] as const) {
  test(`a server that says so also serves ${what}`, async ({ page }) => {
    const open: Record<string, string> = sandbox ? { 'Access-Control-Allow-Origin': '*' } : {};
    const server = await site({}, { headers: (name) => ({ ...ofFile(name), ...open }) });
    const shop = await host(`${server.origin}/np-lora/embed.html`, sandbox ? { sandbox } : {}, ofPage);
    const uncaught = uncaughtIn(page);
    await page.goto(shop.origin);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe('Cross-Origin-Opener-Policy' in ofPage);
    await page.evaluate(async () => {
      await tool.give(await pair());
      Object.assign(window, await tool.fuse());
    });
    await checkHeld(page, 'file', PAIR);
    expect(uncaught).toEqual([]);
  });
}

test('a frame that is loaded anew has its settings again; one that is removed is gone', async ({ page, baseURL }) => {
  const shop = await host(toolOf(baseURL), { settings: { mu: 10 } });
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await page.evaluate(async () => {
    // Proxies, in which frameworks wrap the objects they watch.
    await tool.give(new Proxy(await pair(), {}));
    await tool.set(new Proxy({ styleStrength: 0.5, look: new Proxy({}, {}) }, {}));
    // Wrong settings are refused now, and not again whenever the frame is loaded.
    const codeOf = ({ code }: { code: string }): string => code;
    const round: Record<string, unknown> = {};
    round.round = round;
    const many = { look: Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`key${at}`, 'x'])) };
    const refused = [await tool.set({ styleStrenght: 1 }).catch(codeOf), await tool.set(many).catch(codeOf), await tool.give({ content: () => {} }).catch(codeOf), await tool.set({ look: round }).catch(codeOf), await tool.set(null).catch(codeOf)];
    if (refused.some((code) => code !== 'E_MESSAGE')) throw new Error(`${refused}`);
    const named = await Promise.all([{ styleStrenght: 1 }, { mu: 1, dtype: 'f16' }].map((wishes) => tool.set(wishes).catch(({ detail }: { detail: string }) => detail)));
    if (`${named}` !== 'styleStrenght,dtype') throw new Error(`${named}`);
    const { content } = await pair() as { content: File };
    const given = await Promise.all([{ subject: content }, { content: 'x' }, null].map((files) => tool.give(files).catch(({ detail }: { detail: string }) => detail)));
    if (`${given}` !== 'subject,content,It is no object of names and values, or of too many.') throw new Error(`${given}`);
    // A Blob without a name, as a script would download it.
    const opened = await tool.give({ content: content.slice() });
    if (opened.content.name !== 'subject.safetensors') throw new Error(opened.content.name);
    await tool.set({ rank: 5 });
    await tool.set({ rank: 'exact', mu: undefined, look: undefined });
  });
  await page.frames()[1]!.evaluate(() => location.reload());
  await expect.poll(() => page.evaluate(() => told.filter(({ name }) => name === 'ready').length)).toBe(2);
  expect(await page.evaluate(() => tool.phase)).toBe('empty');
  await page.evaluate(async () => {
    await tool.give(await pair());
    Object.assign(window, await tool.fuse());
  });
  await checkHeld(page, 'file', PAIR, { mu: 10, styleStrength: 0.5 });
  // A page's own script may remove the frame and put it back: what the tool had is then gone.
  const gone = await page.evaluate(async () => {
    const place = tool.element.parentNode;
    const run = tool.fuse().catch(({ code }: { code: string }) => code);
    await tool.set({});
    tool.element.remove();
    const codes = [await run, await tool.fuse().catch(({ code }: { code: string }) => code), tool.phase];
    place.append(tool.element);
    return codes;
  });
  expect(gone).toEqual(['E_FRAME', 'E_FRAME', 'empty']);
  await expect.poll(() => page.evaluate(() => told.filter(({ name }) => name === 'ready').length)).toBe(3);
  await page.evaluate(async () => tool.give(await pair()));
  const after = await page.evaluate(async () => {
    const run = tool.fuse().catch(({ name }: Error) => name);
    await tool.set({});
    tool.remove();
    return [await run, await tool.fuse().catch(({ name }: Error) => name), document.querySelector('iframe'), tool.phase];
  });
  expect(after).toEqual(['AbortError', 'AbortError', null, 'empty']);
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

test('what is asked of a frame that went before its tool came ends as cancelled', async ({ page }) => {
  await page.clock.install();
  const mute = await site({ '/embed.html': { body: '<!doctype html><title>Mute</title>' } });
  await page.goto((await host(`${mute.origin}/embed.html`)).origin);
  expect(await page.evaluate(() => {
    const name = (asked: Promise<unknown>): Promise<string> => asked.then(() => '', (error: Error) => error.name);
    const before = tool.fuse();
    tool.remove();
    return Promise.all([before, tool.ready, tool.set({ mu: 1 })].map(name));
  })).toEqual(['AbortError', 'AbortError', 'AbortError']);
  // A removed frame is not reported as silent later.
  await page.clock.fastForward(120_000);
  expect(await page.evaluate(() => told.map(({ name }) => name))).toEqual([]);
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
  const slow = await site({
    '/embed.html': { body: '<!doctype html><title>Slow</title><script src="/slow.js"></script>' },
    '/mute.html': { body: '<!doctype html><title>Mute</title>' },
    '/slow.js': { body: `
      addEventListener('message', ({ ports: [port] }) => {
        const say = (what) => port.postMessage({ 'np-lora': 1, ...what });
        globalThis.come = () => {
          port.onmessage = ({ data: { id, call } }) => { if (call === 'set') say({ id, out: { locale: 'en' } }); };
          say({ event: 'ready', detail: null });
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
  // The tool is there, so no time limit runs out.
  await page.clock.fastForward(120_000);
  expect(await isReady()).toBe('ready');

  await page.evaluate(() => Object.assign(window, { run: tool.fuse().catch(({ code }: { code: string }) => code) }));
  await page.frames()[1]!.goto(`${slow.origin}/mute.html`);
  await page.clock.fastForward(10_000);
  expect(await page.evaluate(() => (window as any).run)).toBe('E_FRAME');
  expect([await isReady(), await page.evaluate(() => tool.set({ mu: 2 }).catch(({ code }: { code: string }) => code))]).toEqual(['E_FRAME', 'E_FRAME']);

  // After a reload the frame works as it did at first.
  await page.frames()[1]!.goto(`${slow.origin}/embed.html?parent=${shop.origin}`);
  await expect.poll(() => page.frames()[1]!.evaluate(() => 'come' in globalThis)).toBe(true);
  await page.frames()[1]!.evaluate(() => (globalThis as any).come());
  await expect.poll(isReady).toBe('ready');
  expect(await page.evaluate(() => tool.set({ mu: 2 }))).toEqual({ locale: 'en' });
  expect(uncaught).toEqual([]);
});

test('what the README says to paste works as pasted', async ({ page, baseURL }) => {
  const readme = await readFile('README.md', 'utf8');
  const [, code] = /## In an iframe[^]*?```html\n([^]*?)```/.exec(readme) ?? [];
  const paste = code!.replace('https://lora.example/', baseURL!);
  expect(paste).not.toBe(code);
  const shop = await site({ '/': { body: `<!doctype html><title>Pasted</title>${paste}` } });
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  await frame(page).getByRole('button', { name: 'Try it with an example' }).click();
  const [logged] = await Promise.all([page.waitForEvent('console'), frame(page).getByRole('button', { name: 'Fuse', exact: true }).click()]);
  expect(logged.text()).toMatch(/^example-subject_in_example-style\.safetensors \d+ \d+$/);
  expect(uncaught).toEqual([]);
});

test('a link is typed into a frame, which may not send any form', async ({ page, baseURL }) => {
  const shop = await host(toolOf(baseURL));
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  const subject = frame(page).getByRole('region', { name: 'Subject', exact: true });
  const box = subject.getByLabel('Link to the subject LoRA');
  await box.fill('https://civitai.com/models/1');
  await box.press('Enter');
  await expect(subject.getByRole('alert')).toContainText('E_LINK_CIVITAI');
  await box.fill('ann/loras/cat.safetensors');
  await subject.getByRole('button', { name: 'Open link' }).click();
  await expect(subject.getByRole('button', { name: 'Load from huggingface.co' })).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('a page gives links, of whose host nothing is asked before somebody loads them, and asks for several files', async ({ page, context, baseURL }) => {
  const asked: string[] = [];
  await context.route('https://huggingface.co/**', (route) => { asked.push(route.request().url()); return route.abort(); });
  const shop = await host(toolOf(baseURL), { settings: { contentSrc: 'somebody/cats/cat.safetensors' } });
  const uncaught = uncaughtIn(page);
  await page.goto(shop.origin);
  const load = frame(page).getByRole('button', { name: 'Load from huggingface.co' });
  await expect(load).toHaveCount(1);
  await page.evaluate(() => tool.set({ styleSrc: 'https://huggingface.co/somebody/inks/resolve/main/ink.safetensors' }));
  await expect(load).toHaveCount(2);
  await page.evaluate(() => tool.set({ contentSrc: '', styleSrc: '' }));
  await expect(load).toHaveCount(0);
  expect(asked).toEqual([]);
  const made = await page.evaluate(async () => {
    await tool.set({ several: { mus: [0.5, 1], plain: true } });
    await tool.give(await pair());
    const { file } = await tool.fuse();
    await tool.set({ several: null });
    await tool.fuse();
    return [file.name, ...told.filter(({ name }) => name === 'complete').map(({ detail }) => detail.results.length)];
  });
  expect(made).toEqual(['subject_in_style_plain.safetensors', 3, 1]);
  const strange = await page.evaluate(() => Promise.all([{ several: { mus: Array(33).fill(1) } }, { several: { mu: [1] } }, { contentSrc: 'x'.repeat(2049) }]
    .concat(['./x.safetensors', '//host/x', 'https://example.org/x', new URL(location.href).origin].map((contentSrc) => ({ contentSrc })) as any[])
    .map((wishes) => tool.set(wishes).catch(({ detail }: { detail: string }) => detail))));
  expect(strange).toEqual(['several', 'several', ...Array(5).fill('contentSrc')]);
  // A link that was reset does not come back when the frame is loaded again.
  await page.evaluate(async () => {
    await tool.set({ contentSrc: 'somebody/cats/cat.safetensors' });
    await tool.reset();
  });
  await page.frames()[1]!.evaluate(() => location.reload());
  await expect.poll(() => page.evaluate(() => told.filter(({ name }) => name === 'ready').length)).toBe(2);
  await expect(frame(page).getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  await expect(load).toHaveCount(0);
  expect(uncaught).toEqual([]);
});

test('a page without an origin is told so; any other may take the script from where the tool is', async ({ page }) => {
  const there = await site({}, { headers: ANY_ORIGIN });
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
  const shop = await site({ '/': { body }, '/boxed': { body, headers: { 'Content-Security-Policy': 'sandbox allow-scripts' } } });
  await page.goto(`${shop.origin}/boxed`);
  expect(await put(script)).toBe('E_FRAME');
  await page.goto(shop.origin);
  // A frame with a javascript: address would run as this page's own.
  expect(await page.evaluate(async (script) => {
    const { NpLoraFrame } = await import(script);
    try {
      return new NpLoraFrame(document.body, { src: 'javascript:void(parent.sprung = true)//' });
    } catch (thrown) {
      return [(thrown as { code: string }).code, document.querySelector('iframe'), 'sprung' in window];
    }
  }, script)).toEqual(['E_FRAME', null, false]);
  expect(await page.evaluate(async (script) => {
    const { NpLoraFrame } = await import(script);
    return [null, undefined].map((place) => {
      try {
        return new NpLoraFrame(place);
      } catch (thrown) {
        return (thrown as { detail: string }).detail;
      }
    });
  }, script)).toEqual(Array(2).fill(expect.stringContaining('no element')));
  expect(await put(script)).toBe(`${there.origin}/np-lora/embed.html?parent=${encodeURIComponent(shop.origin)}`);
});
