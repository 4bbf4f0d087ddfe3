/** Serves a folder over http, for a page made from the package; `shared`: also to pages of other origins. */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

export interface Served {
  url: string;
  close(): Promise<void>;
}

export async function serve(folder: string, shared = false): Promise<Served> {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
    const body = await readFile(join(folder, path.endsWith('/') ? `${path}index.html` : path)).catch(() => null);
    const headers = { 'Content-Type': TYPES[extname(path)] ?? (path.endsWith('/') ? TYPES['.html']! : 'application/octet-stream'), ...(shared ? { 'Access-Control-Allow-Origin': '*' } : {}) };
    if (body) response.writeHead(200, headers).end(body);
    else response.writeHead(404, { 'Content-Type': 'text/plain' }).end('404');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => new Promise((closed) => { server.close(() => closed()); server.closeAllConnections(); }),
  };
}
