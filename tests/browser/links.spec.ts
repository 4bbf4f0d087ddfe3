/** Files from links: no host is asked before the person says so, and then only for what is needed. */

import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS, modulesOf } from './check.ts';
import { check, checkModules } from './hold.ts';
import { DIST, closeAll, site } from './hosts.ts';
import { Hub, partOf, sendPart, type Asked, type Spoil } from './hub.ts';
import { SD15_PEFT_MODULES, htmlPage, makeLora, type Recipe } from './make.ts';
import { FIRST_RUN, accessible, element, fuseAndSave, fuseButton, give, giveConfig, named, programComplete } from './page.ts';
import { writeSafetensors } from './safetensors.ts';
import { RECIPE, card, isOpen, loadButton, pair, style, subject } from './linked.ts';

let hub: Hub;
test.beforeEach(async () => {
  hub = await Hub.start();
});
test.afterEach(async () => {
  closeAll();
  await hub?.stop();
});

/** Another site's page with the element, which may load from the local hub. */
async function embed(page: Page, attributes: Record<string, string>, policy = '', script = ''): Promise<string[]> {
  const uncaught: string[] = [];
  page.on('pageerror', (error) => uncaught.push(String(error)));
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  const written = Object.entries({ hosts: hub.origin, ...attributes }).map(([name, value]) => `${name}="${value}"`).join(' ');
  const body = `<!doctype html><html lang="en"><meta charset="utf-8">${policy && `<meta http-equiv="Content-Security-Policy" content="${policy}">`}
    <title>Embedded</title><script type="module" src="element.js"></script><main><h1>Embedded</h1><np-lora ${written}></np-lora></main>${script}`;
  await page.route('**/embed.html', (route) => route.fulfill({ contentType: 'text/html', body }));
  await page.goto('./embed.html');
  return uncaught;
}

test('a pair from links is fused, and no more is read than that needs', async ({ page }) => {
  test.setTimeout(2 * FIRST_RUN);
  const uncaught = await embed(page, { 'content-src': hub.put('cat.safetensors', subject), 'style-src': hub.put('ink.safetensors', style) });
  for (const role of ['Subject', 'Style'] as const) {
    await expect(loadButton(page, role)).toHaveText(`Load from ${new URL(hub.origin).host}`);
    await expect(card(page, role)).toContainText(role === 'Subject' ? 'cat.safetensors' : 'ink.safetensors');
  }
  await accessible(page, 'two links offered');
  expect(hub.take().requests).toEqual([]);

  await loadButton(page, 'Subject').click();
  await isOpen(page, 'Subject');
  await loadButton(page, 'Style').click();
  await isOpen(page, 'Style');
  await expect(fuseButton(page)).toBeEnabled();
  // The whole program and the other workers open the files as well.
  await programComplete(page);
  const opening = hub.take();
  expect(opening.bytes).toBeGreaterThan(0);
  expect(opening.bytes).toBeLessThan((subject.length + style.length) / 20);
  for (const { method, headers } of opening.requests) {
    expect(method).toBe('GET');
    expect(headers.range).toMatch(/^bytes=\d+-\d+$/);
    expect([headers.cookie, headers.referer, headers.authorization]).toEqual([undefined, undefined, undefined]);
  }
  expect(opening.requests[0]!.headers.range).toBe('bytes=0-0');
  await accessible(page, 'two files from links');

  const { file, name } = await fuseAndSave(page);
  expect(name).toBe('cat_in_ink.safetensors');
  check(file, pair, DEFAULTS, 'F16');
  const fusing = hub.take();
  // Everything is read once for the result, and some modules again for its check.
  expect(fusing.bytes).toBeGreaterThan((subject.length + style.length) * 0.9);
  expect(fusing.bytes).toBeLessThan((subject.length + style.length) * 2.1);
  expect(uncaught).toEqual([]);
});

test('links that load by themselves are waited for', async ({ page }) => {
  const script = `<script type="module">
    const tool = document.querySelector('np-lora');
    window.asked = Promise.all([tool.inspect(), tool.fuse()]).then(([found, { file }]) => [found.content.name, found.style.name, file.name], ({ code }) => code);
  </script>`;
  const uncaught = await embed(page, { 'content-src': hub.put('cat.safetensors', subject), 'style-src': hub.put('ink.safetensors', style), autoload: '' }, '', script);
  expect(await page.evaluate(() => (window as any).asked)).toEqual(['cat.safetensors', 'ink.safetensors', 'cat_in_ink.safetensors']);
  // If a link cannot be loaded, that is the error of the call, as with a file.
  expect(await page.evaluate(async () => {
    const tool = document.querySelector('np-lora') as any;
    const link = tool.contentSrc;
    tool.reset();
    await tool.updateComplete;
    tool.contentSrc = link;
    return (await tool.inspect()).content.name;
  })).toBe('cat.safetensors');
  expect(await page.evaluate(async () => {
    const tool = document.querySelector('np-lora') as any;
    tool.reset();
    tool.contentSrc = 'https://stranger.example/x.safetensors';
    const phase = tool.phase;
    return [await tool.fuse().then(() => null, ({ code }: { code: string }) => code), phase, tool.phase];
  })).toEqual(['E_LINK_HOST', 'empty', 'failed']);
  expect(uncaught).toEqual([]);
});

test('who may be asked, and when, may be said after the link', async ({ page, baseURL }) => {
  const uncaught = await embed(page, { hosts: '', 'content-src': hub.put('cat.safetensors', subject) });
  const set = (properties: object): Promise<unknown> => page.evaluate((properties) => {
    Object.assign(document.querySelector('np-lora')!, properties);
  }, properties);
  await expect.poll(() => element(page, 'error')).toMatchObject({ code: 'E_LINK_HOST' });
  expect(await element(page, 'phase')).toBe('failed');
  await set({ hosts: hub.origin });
  await expect(loadButton(page, 'Subject')).toBeVisible();
  expect(await element(page, 'error')).toBeNull();
  expect(hub.take().requests).toEqual([]);
  await set({ autoload: true });
  await isOpen(page, 'Subject');
  // A file that is already there is not loaded again.
  hub.take();
  await set({ hosts: '' });
  await set({ autoload: false });
  await set({ autoload: true });
  // A relative link is the page's own.
  await set({ autoload: false, styleSrc: './ink.safetensors' });
  await expect(loadButton(page, 'Style')).toHaveText(`Load from ${new URL(baseURL!).host}`);
  await isOpen(page, 'Subject');
  await set({ styleSrc: '' });
  await expect(loadButton(page, 'Style')).toHaveCount(0);
  // The same holds if the page's own host is written out.
  await set({ styleSrc: new URL('ink.safetensors', baseURL).href });
  await expect(loadButton(page, 'Style')).toBeVisible();
  expect(hub.take().requests).toEqual([]);
  // Removing the attribute removes the file that it led to, and nothing else.
  await set({ contentSrc: '' });
  await expect(card(page, 'Subject')).not.toContainText('cat.safetensors');
  await give(page, 'Subject', named('mine.safetensors', pair[0]));
  await set({ contentSrc: 'no link' });
  await expect.poll(() => element(page, 'error')).toMatchObject({ code: 'E_LINK' });
  await set({ contentSrc: '' });
  await set({ styleSrc: undefined });
  const box = card(page, 'Style').getByRole('textbox');
  await box.fill('ann/loras/pasted.safetensors');
  await box.press('Enter');
  await expect(card(page, 'Style')).toContainText('pasted.safetensors');
  await set({ styleSrc: '' });
  await set({ styleSrc: null });
  for (const [role, name] of [['Subject', 'mine'], ['Style', 'pasted']] as const) await expect(card(page, role)).toContainText(`${name}.safetensors`);
  await set({ styleSrc: new URL('ink.safetensors', baseURL).href });
  await expect(loadButton(page, 'Style')).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('a pair on a server is looked at beforehand when the person wants it', async ({ page }) => {
  const uncaught = await embed(page, { 'content-src': hub.put('cat.safetensors', subject), autoload: '' });
  await isOpen(page, 'Subject');
  await give(page, 'Style', named('ink.safetensors', pair[1]));
  await expect(fuseButton(page)).toBeEnabled();
  const panel = page.getByRole('region', { name: 'What the projection will do' });
  await expect(panel).toContainText(/up to \d+ kB is loaded from 127\.0\.0\.1/);
  expect(await element(page, 'outlook')).toBeNull();
  expect(hub.take().bytes).toBeLessThan(subject.length / 20);
  await accessible(page, 'an offer to look');
  await panel.getByRole('button', { name: 'Show it' }).click();
  await expect(page.getByText(/The projection will change this pair by/).first()).toBeVisible();
  // The first figures are shown before the last layer is analysed.
  await expect(page.getByText('6 layers analysed', { exact: true })).toBeVisible();
  expect(hub.take().bytes).toBeGreaterThan(subject.length / 2);
  // The file in the other place is local, and so has a hash.
  await expect(card(page, 'Style')).toContainText(/AutoV2\s*[0-9a-f]{10}/);
  await expect(card(page, 'Subject')).not.toContainText('AutoV2');
  // A person's own files are analysed without asking again.
  await give(page, 'Subject', named('own.safetensors', pair[0]));
  await expect(card(page, 'Subject')).toContainText('own.safetensors');
  await expect(page.getByText(/The projection will change this pair by/).first()).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('a host that is slow to tell of a pair holds up no other file', async ({ page }) => {
  const uncaught = await embed(page, { 'content-src': hub.put('cat.safetensors', subject), autoload: '' });
  await isOpen(page, 'Subject');
  await give(page, 'Style', named('ink.safetensors', pair[1]));
  await programComplete(page);
  const waiting: [Asked, ServerResponse][] = [];
  hub.spoil = (asked, _, response) => waiting.push([asked, response]) > 0;
  await page.getByRole('button', { name: 'Show it' }).click();
  await expect.poll(() => waiting.length).toBeGreaterThan(0);
  const first = [...waiting];
  await give(page, 'Style', named('other.safetensors', makeLora({ ...RECIPE, seed: 85 })));
  await expect(card(page, 'Style')).toContainText(/other\.safetensors.*AutoV2/s, { timeout: 10_000 });
  await expect.poll(() => first.every(([, { closed }]) => closed), { timeout: 10_000 }).toBe(true);
  // Cancelled requests are not followed by one that asks why there was no answer.
  expect(hub.asked.filter(({ method }) => method === 'HEAD')).toEqual([]);
  hub.spoil = () => false;
  for (const [asked, response] of waiting) sendPart(asked, response, { bytes: subject, tag: '"1"' });
  await expect(page.getByText(/The projection will change this pair by/).first()).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('a host that falls silent during a run holds up no other file once that is cancelled', async ({ page }) => {
  const uncaught = await embed(page, { 'content-src': hub.put('cat.safetensors', subject), 'style-src': hub.put('ink.safetensors', style), autoload: '' });
  await isOpen(page, 'Subject');
  await isOpen(page, 'Style');
  await programComplete(page);
  let silent = 0;
  hub.spoil = () => { silent += 1; return true; };
  await fuseButton(page).click();
  await expect.poll(() => silent).toBeGreaterThan(0);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(fuseButton(page)).toBeEnabled();
  await give(page, 'Subject', named('mine.safetensors', pair[0]));
  await expect(card(page, 'Subject')).toContainText(/mine\.safetensors.*AutoV2/s, { timeout: 10_000 });
  await give(page, 'Style', named('other.safetensors', pair[1]));
  await fuseButton(page).click({ timeout: 10_000 });
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('a single file from a link is swapped over and removed like any other', async ({ page }) => {
  const uncaught = await embed(page, { 'content-src': hub.put('cat.safetensors', subject), 'style-src': hub.put('ink.safetensors', style) });
  await loadButton(page, 'Subject').click();
  await isOpen(page, 'Subject');
  await page.getByRole('button', { name: 'Swap subject and style' }).click();
  await isOpen(page, 'Style');
  await expect(card(page, 'Style')).toContainText('cat.safetensors');
  await expect(loadButton(page, 'Subject')).toBeVisible();
  await page.getByRole('button', { name: 'Remove subject file' }).click();
  await page.getByRole('button', { name: 'Remove style file' }).click();
  await expect(page.getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  expect(uncaught).toEqual([]);
});

/** The ways in which loading a file from a server can fail. */
const FAULTS: { name: string; says: string[]; spoil: Spoil; policy?: string }[] = [
  {
    name: 'a gated file', says: ['E_GATED', 'It answered 401', 'Log in at the host'],
    spoil: (_, __, response) => Boolean(response.writeHead(401, { 'Access-Control-Allow-Origin': '*' }).end('Access is restricted')),
  },
  {
    name: 'no such file', says: ['E_MISSING', 'Check the link'],
    spoil: (_, __, response) => Boolean(response.writeHead(404, { 'Access-Control-Allow-Origin': '*' }).end('Entry not found')),
  },
  {
    name: 'ranges are ignored', says: ['E_WHOLE_ONLY', 'Download the file'],
    spoil: ({ on }, _, response) => on === 'cdn' && Boolean(response.writeHead(200, { 'Access-Control-Allow-Origin': '*', 'Content-Type': 'binary/octet-stream' }).end(subject)),
  },
  {
    name: 'a login page', says: ['E_WEB_PAGE', 'may ask you to log in'],
    spoil: (_, __, response) => Boolean(response.writeHead(200, { 'Access-Control-Allow-Origin': '*', 'Content-Type': 'text/html' }).end(htmlPage())),
  },
  {
    name: 'another part than asked for', says: ['E_WRONG_PART', 'bytes 5-5/'],
    spoil: ({ on }, _, response) => on === 'cdn' && Boolean(response.writeHead(206, {
      'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': 'Content-Range', 'Content-Range': `bytes 5-5/${subject.length}`,
    }).end('x')),
  },
  {
    name: 'a part that is not named to other pages', says: ['E_WRONG_PART', 'does not say which'],
    spoil: (asked, _, response) => {
      if (asked.on === 'hub') return false;
      const { headers, body } = partOf({ bytes: subject, tag: '"1"' }, asked.headers.range);
      return Boolean(response.writeHead(206, { ...headers, 'Access-Control-Expose-Headers': '' }).end(body));
    },
  },
  {
    name: 'no leave for other pages', says: ['E_CORS', 'Download the file'],
    spoil: ({ on }, _, response) => on === 'cdn' && Boolean(response.writeHead(206, { 'Content-Range': 'bytes 0-0/10' }).end('x')),
  },
  { name: 'nobody answers', says: ['E_UNREACHABLE'], spoil: (_, request) => Boolean(request.socket.destroy()) },
  { name: 'too many requests', says: ['E_BUSY', '429'], spoil: (_, __, response) => Boolean(response.writeHead(429, { 'Access-Control-Allow-Origin': '*' }).end()) },
  {
    name: 'the connection breaks off again and again', says: ['E_BROKEN_OFF'],
    spoil: ({ on, headers }, _, response) => {
      if (on === 'hub' || headers.range === 'bytes=0-0') return false;
      const part = partOf({ bytes: subject, tag: '"1"' }, headers.range);
      response.writeHead(206, { ...part.headers, 'Content-Length': part.body.length });
      response.flushHeaders();
      setTimeout(() => response.destroy(), 20);
      return true;
    },
  },
  {
    name: 'the file changes while it is opened', says: ['E_REMOTE_CHANGED', 'Load it again'],
    spoil: (asked, _, response) => {
      if (asked.on === 'hub' || asked.headers.range === 'bytes=0-0') return false;
      sendPart(asked, response, { bytes: subject, tag: '"2"' });
      return true;
    },
  },
  {
    name: 'something else than a LoRA', says: ['E_NOT_SAFETENSORS', 'pickle'],
    spoil: (asked, _, response) => {
      if (asked.on === 'hub') return false;
      sendPart(asked, response, { bytes: Uint8Array.from({ length: 9000 }, (_, at) => [0x80, 0x02][at] ?? 0x7d), tag: '"1"' });
      return true;
    },
  },
  {
    name: 'a policy of the page forbids it', says: ['E_REQUEST_BLOCKED'], spoil: () => false,
    policy: "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self'",
  },
];

for (const { name, says, spoil, policy } of FAULTS) {
  test(`refused: ${name}`, async ({ page }) => {
    if (policy) {
      // Starts the worker from a blob: address, as the page's own script does: such a worker has the page's policy.
      await page.addInitScript(() => {
        const address = new URL('./worker.js', location.href).href;
        const blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(address)};`], { type: 'text/javascript' }));
        void customElements.whenDefined('np-lora').then((found) => { (found as unknown as { workerURL: string }).workerURL = blob; });
      });
    }
    hub.spoil = spoil;
    const uncaught = await embed(page, { 'content-src': hub.put('cat.safetensors', subject) }, policy);
    await loadButton(page, 'Subject').click();
    const alert = card(page, 'Subject').getByRole('alert');
    await expect(alert).toBeVisible();
    for (const part of ['cat.safetensors', ...says]) await expect(alert).toContainText(part);
    expect(await element(page, 'phase')).toBe('failed');
    // The same link loads at the next try, and so does a person's own file.
    hub.spoil = () => false;
    if (!policy) {
      await card(page, 'Subject').getByRole('button', { name: 'Load again' }).click();
      await isOpen(page, 'Subject');
    }
    await give(page, 'Subject', named('own.safetensors', pair[0]));
    await expect(card(page, 'Subject')).toContainText('own.safetensors');
    await expect(page.getByRole('alert')).toHaveCount(0);
    expect(uncaught).toEqual([]);
  });
}

test('without a connection the page says so', async ({ page, context }) => {
  await embed(page, { 'content-src': hub.put('cat.safetensors', subject) });
  await expect(loadButton(page, 'Subject')).toBeVisible();
  await context.setOffline(true);
  await loadButton(page, 'Subject').click();
  await expect(card(page, 'Subject').getByRole('alert')).toContainText(/E_(OFFLINE|UNREACHABLE)/);
  await context.setOffline(false);
  await card(page, 'Subject').getByRole('button', { name: 'Load again' }).click();
  await isOpen(page, 'Subject');
});

test('a file that changes before it is fused ends the run, and is loaded again', async ({ page }) => {
  test.setTimeout(2 * FIRST_RUN);
  const other = makeLora({ ...RECIPE, seed: 83 });
  const uncaught = await embed(page, { 'content-src': hub.put('cat.safetensors', subject), autoload: '' });
  await isOpen(page, 'Subject');
  await give(page, 'Style', named('ink.safetensors', pair[1]));
  await expect(fuseButton(page)).toBeEnabled();
  await programComplete(page);
  hub.put('cat.safetensors', writeSafetensors(other), '"2"');
  await fuseButton(page).click();
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('E_REMOTE_CHANGED', { timeout: FIRST_RUN });
  await expect(page.getByRole('button', { name: 'Save', exact: true })).toHaveCount(0);
  await card(page, 'Subject').getByRole('button', { name: 'Load again' }).click();
  await expect(alert).toHaveCount(0);
  await isOpen(page, 'Subject');
  check((await fuseAndSave(page)).file, [other, pair[1]], DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});

test('broken connections, busy hosts and expired addresses only take longer', async ({ page }) => {
  test.setTimeout(2 * FIRST_RUN);
  let [broken, busy, expired] = [0, 0, 0];
  const used = new Map<string, number>();
  hub.spoil = (asked, request, response) => {
    // With HEAD requests, the page finds out why a request failed.
    if (asked.method === 'HEAD') return false;
    if (asked.on === 'hub' && busy < 2 && hub.asked.length > 6) return ++busy > 0 && Boolean(response.writeHead(503, { 'Access-Control-Allow-Origin': '*' }).end());
    if (asked.on === 'hub') return false;
    // A signed address works three times; then it is refused as real ones are, with no permission to read why.
    const times = (used.get(request.url!) ?? 0) + 1;
    used.set(request.url!, times);
    if (times > 3) return ++expired > 0 && Boolean(response.writeHead(403).end());
    if (hub.asked.length % 7 !== 0 || asked.headers.range === 'bytes=0-0') return false;
    broken += 1;
    const { headers, body } = partOf({ bytes: subject, tag: '"1"' }, asked.headers.range);
    response.writeHead(206, { ...headers, 'Content-Length': body.length });
    response.write(body.subarray(0, body.length / 2), () => setTimeout(() => response.destroy(), 20));
    return true;
  };
  const uncaught = await embed(page, { 'content-src': hub.put('cat.safetensors', subject), autoload: '' });
  await isOpen(page, 'Subject');
  await give(page, 'Style', named('ink.safetensors', pair[1]));
  check((await fuseAndSave(page)).file, pair, DEFAULTS, 'F16');
  for (const [what, times] of Object.entries({ broken, busy, expired })) expect(times, what).toBeGreaterThan(0);
  expect(uncaught).toEqual([]);
});

test('a host that trickles is given up', async ({ page }) => {
  const worker = await readFile(join(DIST, 'worker.js'), 'utf8');
  expect(worker).toContain('25e3');
  let trickling = 0;
  hub.spoil = ({ headers, method }, _, response) => {
    if (method === 'HEAD' || headers.range === 'bytes=0-0') return false;
    trickling += 1;
    const part = partOf({ bytes: subject, tag: '"1"' }, headers.range);
    response.writeHead(206, { ...part.headers, 'Content-Length': part.body.length });
    let at = 0;
    const trickle = setInterval(() => response.write(part.body.subarray(at, ++at)), 200);
    response.on('close', () => clearInterval(trickle));
    return true;
  };
  const body = `<!doctype html><title>Slow</title><script type="module" src="/np-lora/element.js"></script>
    <np-lora autoload hosts="${hub.origin}" content-src="${hub.put('cat.safetensors', subject)}"></np-lora>`;
  // The 25 s of the time limit are a second here.
  const shop = await site({ '/': { body }, '/np-lora/worker.js': { body: worker.replaceAll('25e3', '1e3') } });
  await page.goto(shop.origin);
  await expect(card(page, 'Subject').getByRole('alert')).toContainText('E_BROKEN_OFF', { timeout: 20_000 });
  expect(trickling).toBe(4);
});

const PEFT: Recipe = { ...RECIPE, modules: SD15_PEFT_MODULES, rank: 6, alpha: null, scheme: 'PEFT', seed: 84 };
const CONFIG = Buffer.from(JSON.stringify({ peft_type: 'LORA', r: 6, lora_alpha: 3 }));
const UNSAID = '1 – nothing in the file says';
const isConfig = ({ path }: { path: string }): boolean => path.endsWith('.json');
const leaveOut = (page: Page): Promise<void> => page.getByRole('button', { name: 'Leave out the subject’s adapter_config.json' }).click();

test('the adapter_config.json beside a file that leaves its scale open is loaded with it', async ({ page }) => {
  test.setTimeout(2 * FIRST_RUN);
  const peft = makeLora(PEFT);
  hub.put('cat/adapter_config.json', CONFIG);
  hub.put('adapter_config.json', Buffer.from('{"lora_alpha": 600}'));
  const uncaught = await embed(page, {
    'content-src': hub.put('cat/adapter_model.safetensors', writeSafetensors(peft)), 'style-src': hub.put('ink.safetensors', style),
  });
  await expect(loadButton(page, 'Subject')).toBeVisible();
  await expect(loadButton(page, 'Style')).toBeVisible();
  expect(hub.take().requests).toEqual([]);

  await loadButton(page, 'Subject').click();
  await expect(card(page, 'Subject')).toContainText('0.5 from adapter_config.json');
  const { requests } = hub.take();
  const behind = requests.slice(requests.findIndex(isConfig));
  // The file's header is not requested again.
  expect([...new Set(behind.map(({ path }) => path))]).toEqual(['/ann/loras/resolve/main/cat/adapter_config.json']);
  for (const { method, headers } of behind) {
    expect([method, headers.cookie, headers.referer]).toEqual(['GET', undefined, undefined]);
    expect(headers.range).toMatch(/^bytes=\d+-\d+$/);
  }
  await loadButton(page, 'Style').click();
  await isOpen(page, 'Style');
  await accessible(page, 'a file with what lies beside it');
  const { file } = await fuseAndSave(page);
  const kohyaNamed = new Map(SD15_PEFT_MODULES.map(({ name, leansAs }) => [leansAs!, { ...modulesOf(peft).get(name)!, alpha: 3 }]));
  checkModules(modulesOf(file), [kohyaNamed, modulesOf(pair[1])], DEFAULTS, 'F16');
  expect(hub.take().requests.filter(isConfig)).toEqual([]);

  await leaveOut(page);
  await expect(card(page, 'Subject')).toContainText(UNSAID);
  expect(hub.take().requests.filter(isConfig)).toEqual([]);
  hub.put('cat/adapter_config.json', Buffer.from('{"lora_alpha": 12}'), '"2"');
  await card(page, 'Subject').getByRole('button', { name: 'Load again' }).click();
  await expect(card(page, 'Subject')).toContainText('2 from adapter_config.json');
  hub.put('cat/adapter_config.json', CONFIG, '"3"');
  await card(page, 'Subject').getByRole('button', { name: 'Load again' }).click();
  await expect(card(page, 'Subject')).toContainText('0.5 from adapter_config.json');
  expect(uncaught).toEqual([]);
});

/** The ways in which a host says that it has no configuration. */
const NO_CONFIG: Record<string, Spoil> = {
  'no such file': () => false,
  'no such file, and no leave to read that': (_, __, response) => Boolean(response.writeHead(404).end()),
  'a page for every address': (_, __, response) => Boolean(response.writeHead(200, { 'Access-Control-Allow-Origin': '*', 'Content-Type': 'text/html' }).end(htmlPage())),
  'not open to everybody': (_, __, response) => Boolean(response.writeHead(403, { 'Access-Control-Allow-Origin': '*' }).end()),
};

for (const [name, spoil] of Object.entries(NO_CONFIG)) {
  test(`without an adapter_config.json a file opens all the same: ${name}`, async ({ page }) => {
    hub.spoil = (asked, ...rest) => isConfig(asked) && spoil(asked, ...rest);
    const uncaught = await embed(page, { 'content-src': hub.put('adapter_model.safetensors', writeSafetensors(makeLora(PEFT))), autoload: '' });
    await isOpen(page, 'Subject');
    await expect(card(page, 'Subject')).toContainText(UNSAID);
    await expect(page.getByRole('alert')).toHaveCount(0);
    expect(hub.take().requests.filter(isConfig).length).toBeGreaterThan(0);
    await giveConfig(page, 'Subject', { lora_alpha: 3 });
    await expect(card(page, 'Subject')).toContainText('0.5 from adapter_config.json');
    expect(uncaught).toEqual([]);
  });
}

for (const silent of ['the file', 'the adapter_config.json beside it']) {
  test(`a host that is silent about ${silent} is asked no more once the file is taken away`, async ({ page }) => {
    const uncaught = await embed(page, { 'content-src': hub.put('adapter_model.safetensors', writeSafetensors(makeLora(PEFT))) });
    let [asked, given] = [0, 0];
    hub.spoil = (request, _, response) => {
      if (isConfig(request) !== (silent !== 'the file')) return false;
      asked += 1;
      response.on('close', () => { given += 1; });
      return true;
    };
    await loadButton(page, 'Subject').click();
    await expect.poll(() => asked).toBe(1);
    await page.getByRole('button', { name: 'Remove subject file' }).click();
    await expect.poll(() => given).toBe(1);
    await expect(page.getByRole('alert')).toHaveCount(0);
    expect(uncaught).toEqual([]);
  });
}

test('a link that is being read is forgotten with all else when the tool is reset', async ({ page }) => {
  const uncaught = await embed(page, {});
  let come = (): void => {};
  const later = new Promise<void>((free) => { come = free; });
  await page.route('**/np_lora_bg.wasm', (route) => later.then(() => route.continue()).catch(() => {}));
  await card(page, 'Subject').getByRole('textbox').fill(`${hub.origin}/ann/loras/resolve/main/cat.safetensors`);
  await card(page, 'Subject').getByRole('button', { name: 'Open link' }).click();
  await expect(card(page, 'Subject').getByRole('button', { name: /^Reading/ })).toBeDisabled();
  await page.locator('np-lora').evaluate((tool) => (tool as unknown as { reset(): void }).reset());
  await expect(card(page, 'Subject').getByRole('button', { name: 'Open link' })).toBeEnabled();
  come();
  // The program answers in turn, so by now it has answered the first link.
  await card(page, 'Style').getByRole('textbox').fill(`${hub.origin}/ann/loras/resolve/main/ink.safetensors`);
  await card(page, 'Style').getByRole('button', { name: 'Open link' }).click();
  await expect(loadButton(page, 'Style')).toBeVisible();
  await expect(card(page, 'Subject').getByRole('button', { name: 'Open link' })).toBeEnabled();
  expect(uncaught).toEqual([]);
});

test('an adapter_config.json that does not come, or is none, is named', async ({ page }) => {
  hub.spoil = (asked, _, response) => isConfig(asked) && Boolean(response.writeHead(503, { 'Access-Control-Allow-Origin': '*' }).end());
  const uncaught = await embed(page, { 'content-src': hub.put('adapter_model.safetensors', writeSafetensors(makeLora(PEFT))), autoload: '' });
  const alert = card(page, 'Subject').getByRole('alert');
  for (const part of ['E_BUSY', 'adapter_config.json', '503']) await expect(alert).toContainText(part);

  hub.spoil = () => false;
  hub.put('adapter_config.json', Buffer.from('{"nothing": "of use"}'));
  await card(page, 'Subject').getByRole('button', { name: 'Load again' }).click();
  for (const part of ['E_CONFIG', 'lora_alpha']) await expect(alert).toContainText(part);
  hub.take();
  await leaveOut(page);
  await expect(card(page, 'Subject')).toContainText(UNSAID);
  expect(hub.take().requests.filter(isConfig)).toEqual([]);
  expect(uncaught).toEqual([]);
});
