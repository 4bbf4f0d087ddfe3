/** deploy/nginx.conf on a real nginx: its headers, and the page behind them. Skipped if there is no nginx. */

import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, request as requests, test } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { host } from './frames.ts';
import { check } from './hold.ts';
import { closeAll, site } from './hosts.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { fuseAndSave, give, named } from './page.ts';
import { freePort } from './ports.ts';

// Debian installs it in a folder that only root searches.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
const missing = spawnSync('nginx', ['-v'], { env }).error !== undefined;
const BROTLI = '/usr/lib/nginx/modules/ngx_http_brotli_static_module.so';

test.use({ serviceWorkers: 'allow' });
test.afterEach(closeAll);
test.beforeEach(() => {
  test.skip(missing, 'there is no nginx on this machine');
});

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 97, sharedDirections: 2 };

let work: string;
let address: string;
/** The same, open to other origins. */
let open: string;
let server: ChildProcess;
let brotli: boolean;

test.beforeAll(async () => {
  if (missing) return;
  work = await mkdtemp(join(tmpdir(), 'np-lora-nginx-'));
  await chmod(work, 0o755);
  await cp(process.env.NP_LORA_DIST ?? 'dist', join(work, 'dist'), { recursive: true });
  execFileSync('node', ['www/compress.mjs', join(work, 'dist')]);
  await mkdir(join(work, 'conf.d'));
  const [port, another] = await Promise.all([freePort(), freePort()]);
  [address, open] = [`http://127.0.0.1:${port}/`, `http://127.0.0.1:${another}/`];
  brotli = await readFile(BROTLI).then(() => true, () => false);
  // The configuration as it is, except for the page's folder, the port, and the options that it suggests.
  const given = (await readFile('deploy/nginx.conf', 'utf8'))
    .replace('root /var/www/np-lora;', `root ${work}/dist;`).replace('# brotli_static on;', brotli ? 'brotli_static on;' : '');
  await writeFile(join(work, 'conf.d/np-lora.conf'), given.replace('listen 80;', `listen 127.0.0.1:${port};`));
  await writeFile(join(work, 'conf.d/open.conf'), given.slice(given.indexOf('server {')).replace('listen 80;', `listen 127.0.0.1:${another};`)
    .replace('# add_header Access-Control', 'add_header Access-Control'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${work}/${kind};`).join('\n');
  await writeFile(join(work, 'nginx.conf'), `${brotli ? `load_module ${BROTLI};\n` : ''}${process.getuid?.() === 0 ? 'user root;\n' : ''}
    daemon off; pid ${work}/pid; error_log ${work}/error.log; events {}
    http { include /etc/nginx/mime.types; default_type application/octet-stream; access_log off; ${temporary} include ${work}/conf.d/*.conf; }`);
  server = spawn('nginx', ['-e', `${work}/error.log`, '-p', work, '-c', join(work, 'nginx.conf')], { env, stdio: 'inherit' });
  await expect.poll(() => fetch(address).then(({ status }) => status, () => 0)).toBe(200);
});

test.afterAll(async () => {
  if (missing) return;
  const ended = new Promise((resolve) => { server.once('exit', resolve); });
  server.kill('SIGQUIT');
  await ended;
  await rm(work, { recursive: true, force: true });
});

test('every file has its type, its policy and its time to live', async () => {
  const asked = await requests.newContext({ baseURL: address, extraHTTPHeaders: { 'Accept-Encoding': brotli ? 'br' : 'gzip' } });
  const page = await (await asked.get('')).text();
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1];
  const hashed = /href="(chunk-[A-Z0-9]{8}\.js)"/.exec(page)?.[1];
  expect(hashed).toBeDefined();
  const cases: [path: string, type: RegExp, cache: string][] = [
    ['', /^text\/html/, 'no-cache'], ['sw.js', /javascript/, 'no-cache'], ['element.js', /javascript/, 'no-cache'],
    ['worker.js', /javascript/, 'no-cache'], ['np_lora_bg.wasm', /^application\/wasm$/, 'no-cache'], ['page.css', /^text\/css/, 'no-cache'],
    ['icon.svg', /^image\/svg\+xml/, 'no-cache'], ['embed.html', /^text\/html/, 'no-cache'], ['embed.js', /javascript/, 'no-cache'], ['embed.css', /^text\/css/, 'no-cache'],
    [hashed!, /javascript/, 'public, max-age=31536000, immutable'],
  ];
  for (const [path, type, cache] of cases) {
    const answer = await asked.get(path);
    const headers = answer.headers();
    expect(answer.status(), path).toBe(200);
    expect(headers['content-type'], path).toMatch(type);
    expect(headers['cache-control'], path).toBe(cache);
    expect(headers['content-encoding'], path).toBe(brotli ? 'br' : 'gzip');
    expect(headers['x-content-type-options'], path).toBe('nosniff');
    expect(headers['content-security-policy'], path).toBe(`${policy}; frame-ancestors ${path === 'embed.html' ? '*' : "'self'"}`);
    const embedder = ['embed.html', 'worker.js'].includes(path) ? 'require-corp' : undefined;
    expect(headers['cross-origin-embedder-policy'], path).toBe(embedder);
    expect(headers['cross-origin-resource-policy'], path).toBe(/^embed\.|^icon/.test(path) ? 'cross-origin' : undefined);
    // An unchanged file is answered as unchanged.
    expect((await asked.get(path, { headers: { 'If-None-Match': headers.etag! } })).status(), path).toBe(304);
    // The compressed answer unpacks to the file.
    expect(Buffer.compare(await answer.body(), await readFile(join(work, 'dist', path || 'index.html'))), path).toBe(0);
  }
  const plain = await requests.newContext({ baseURL: address, extraHTTPHeaders: { 'Accept-Encoding': 'gzip' } });
  expect((await plain.get('np_lora_bg.wasm')).headers()['content-encoding']).toBe('gzip');
  // A part that has not come yet, or is gone.
  const gone = await asked.get('chunk-AAAAAAAA.js');
  expect([gone.status(), gone.headers()['cache-control']]).toEqual([404, 'no-cache']);
  await asked.dispose();
  await plain.dispose();
});

test('the page fuses behind these headers, and once more without a network', async ({ page, context }) => {
  const trouble: string[] = [];
  page.on('pageerror', (error) => trouble.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') trouble.push(message.text()); });
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto(address);
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  const pair = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 98 })] as const;
  for (const offline of [false, true]) {
    await context.setOffline(offline);
    await page.goto(address);
    await give(page, 'Subject', named('subject.safetensors', pair[0]));
    await give(page, 'Style', named('style.safetensors', pair[1]));
    check((await fuseAndSave(page)).file, [...pair], DEFAULTS, 'F16');
  }
  expect(trouble).toEqual([]);
});

test('another site can show embed.html in a frame, and nothing else', async ({ page }) => {
  // A real server, because browsers let no other site's page reach this machine; it uses another name, and so another origin.
  const body = `<!doctype html><title>Host</title><iframe name="tool" src="${address}"></iframe><iframe name="embed" src="${address}embed.html"></iframe>`;
  const stranger = createHttpServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(body));
  await new Promise<void>((listening) => stranger.listen(0, '127.0.0.1', listening));
  await page.goto(`http://localhost:${(stranger.address() as AddressInfo).port}/`);
  await expect.poll(() => page.frame('embed')?.title()).toBe('NP-LoRA: fuse a subject with a style');
  // The browser shows its own page in place of the refused one.
  await expect.poll(() => page.frame('tool')?.url()).toMatch(/^chrome-error:/);
  stranger.closeAllConnections();
  stranger.close();
});

test('with the line for other origins switched on, a page of one has the element, and frames need no origin', async ({ page }) => {
  const element = await site({ '/': { body: `<!doctype html><title>Host</title><script type="module" src="${open}element.js"></script><np-lora></np-lora>` } });
  await page.goto(element.origin);
  const pair = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 98 })] as const;
  await give(page, 'Subject', named('subject.safetensors', pair[0]));
  await give(page, 'Style', named('style.safetensors', pair[1]));
  await page.locator('np-lora').evaluate((tool) => (tool as unknown as { fuse(): Promise<unknown> }).fuse().then(() => {}));
  await page.goto((await host(`${open}embed.html`, { sandbox: 'allow-scripts' })).origin);
  await page.evaluate(() => (window as unknown as { tool: { ready: Promise<unknown> } }).tool.ready.then(() => {}));
});
