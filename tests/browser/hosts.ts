/** Other people's sites: small servers on origins of their own, with pages that contain the tool. */

import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { extname, join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { expect, type BrowserContext, type Page } from '@playwright/test';
import { DEFAULTS, type Settings } from './check.ts';
import { check } from './hold.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { readSafetensors, writeSafetensors, type Safetensors } from './safetensors.ts';

export const DIST = process.env.NP_LORA_DIST ?? 'dist';
const TYPES: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.svg': 'image/svg+xml' };

export interface Site {
  origin: string;
  /** The bodies of all POST requests. */
  posted: Promise<Buffer>[];
}

let open: Server[] = [];

/** Called after each test: closes all sites that `site` made. */
export function closeAll(): void {
  for (const server of open) {
    server.closeAllConnections();
    server.close();
  }
  open = [];
}

export interface Served {
  body: string | Uint8Array;
  headers?: Record<string, string>;
}

const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 71, sharedDirections: 2 };
export type Pair = [subject: Safetensors, style: Safetensors];
export const pairOf = (seed = RECIPE.seed): Pair => [makeLora({ ...RECIPE, seed }), makeLora({ ...RECIPE, seed: seed + 1 })];

interface Options {
  /** The headers of the tool's files, or a function that gives those of each by its name. */
  headers?: Headers | ((name: string) => Headers);
  pair?: Pair;
}
type Headers = Record<string, string>;

/** Serves `pages` by their paths, the built tool in `/np-lora/`, and the files of the pair. */
export async function site(pages: Record<string, Served>, { headers = {}, pair = pairOf() }: Options = {}): Promise<Site> {
  const posted: Promise<Buffer>[] = [];
  const files: Record<string, Served> = {
    ...pages, '/subject.safetensors': { body: writeSafetensors(pair[0]) }, '/style.safetensors': { body: writeSafetensors(pair[1]) },
    '/favicon.ico': { body: '' },
  };
  const find = async (path: string): Promise<Served> => {
    const page = files[path];
    if (page) return page;
    const [, name] = /^\/np-lora\/([\w.-]+)$/.exec(path) ?? [];
    if (name === undefined) throw new Error(path);
    return { body: await readFile(join(DIST, name)), headers: typeof headers === 'function' ? headers(name) : headers };
  };
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') posted.push(bodyOf(request));
    try {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const { body, headers } = await find(pathname);
      response.writeHead(200, { 'Content-Type': TYPES[extname(pathname) || '.html'] ?? 'application/octet-stream', ...headers }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => { server.listen(0, '127.0.0.1', listening); });
  open.push(server);
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, posted };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Code for a host page's script: the pair that its site serves. */
export const FILES = `
  const file = async (name) => new File([await (await fetch('/' + name)).blob()], name);
  const pair = async () => ({ content: await file('subject.safetensors'), style: await file('style.safetensors') });
`;

/** Records the requests that went to none of `origins`. */
export function strangers(context: BrowserContext, ...origins: string[]): string[] {
  const found: string[] = [];
  context.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== 'blob:' && protocol !== 'data:' && !origins.includes(origin)) found.push(request.url());
  });
  return found;
}

export function uncaughtIn(page: Page): string[] {
  const uncaught: string[] = [];
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => uncaught.push(String(error)));
  return uncaught;
}

/** Checks the file that the host page has in `window[name]` against the method. */
export async function checkHeld(page: Page, name: string, pair: Pair, settings: Partial<Settings> = {}): Promise<void> {
  const text = await page.evaluate(async (name) => {
    const bytes = new Uint8Array(await (window as unknown as Record<string, File>)[name]!.arrayBuffer());
    let text = '';
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return btoa(text);
  }, name);
  const bytes = Buffer.from(text, 'base64');
  expect(bytes.length).toBeGreaterThan(0);
  check(readSafetensors(bytes), pair, { ...DEFAULTS, ...settings }, 'F16');
}
