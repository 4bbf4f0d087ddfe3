/** A server that behaves as the Hugging Face Hub does: a link redirects to a signed address on another host, which sends parts. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  method: string;
  /** Whether the request went to the first or to the second host. */
  on: 'hub' | 'cdn';
  path: string;
  headers: IncomingMessage['headers'];
  /** How many bytes of a file were sent in answer. */
  sent: number;
}

/** Answers a request instead of the good answer; false: leaves it to that. */
export type Spoil = (asked: Asked, request: IncomingMessage, response: ServerResponse) => boolean;

interface Stored {
  bytes: Uint8Array;
  tag: string;
}

const SHOWN = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': 'Content-Range, ETag, Accept-Ranges' };

export class Hub {
  readonly asked: Asked[] = [];
  spoil: Spoil = () => false;
  #files = new Map<string, Stored>();
  #signatures = 0;
  #hub: Server;
  #cdn: Server;

  private constructor() {
    this.#hub = createServer((request, response) => this.#answer('hub', request, response));
    this.#cdn = createServer((request, response) => this.#answer('cdn', request, response));
  }

  static async start(): Promise<Hub> {
    const hub = new Hub();
    for (const server of [hub.#hub, hub.#cdn]) await new Promise<void>((ready) => { server.listen(0, '127.0.0.1', ready); });
    return hub;
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((closed) => { server.close(closed); });
    }
  }

  get origin(): string {
    return origin(this.#hub);
  }

  /** Stores a file, or another version of it, and returns its link. */
  put(name: string, bytes: Uint8Array, tag = '"1"'): string {
    const path = `/ann/loras/resolve/main/${name}`;
    this.#files.set(path, { bytes, tag });
    return this.origin + path;
  }

  /** The requests and the bytes sent since the last call. */
  take(): { requests: Asked[]; bytes: number } {
    const requests = this.asked.splice(0);
    return { requests, bytes: requests.reduce((sum, { sent }) => sum + sent, 0) };
  }

  #answer(on: Asked['on'], request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '/', 'http://hub');
    const asked: Asked = { method: request.method ?? '', on, path: pathname, headers: request.headers, sent: 0 };
    this.asked.push(asked);
    if (this.spoil(asked, request, response)) return;
    const file = this.#files.get(pathname);
    if (!file) return void response.writeHead(404, SHOWN).end('Entry not found');
    if (on === 'hub') {
      const Location = `${origin(this.#cdn)}${pathname}?X-Signature=${++this.#signatures}`;
      return void response.writeHead(302, { ...SHOWN, Location, 'X-Linked-Etag': file.tag, 'X-Linked-Size': file.bytes.length }).end();
    }
    if (asked.method === 'HEAD') response.writeHead(200).end();
    else sendPart(asked, response, file);
  }
}

const origin = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** The part of a file that `range` names, with its headers. */
export function partOf({ bytes, tag }: Stored, range: string | undefined): { headers: Record<string, string>; body: Uint8Array } {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  if (first === undefined || last === undefined) throw new Error(`asked without a range: ${range}`);
  const body = bytes.subarray(Number(first), Number(last) + 1);
  const headers = {
    ...SHOWN, ETag: tag, 'Accept-Ranges': 'bytes', 'Content-Type': 'binary/octet-stream',
    'Content-Range': `bytes ${first}-${Number(first) + body.length - 1}/${bytes.length}`,
  };
  return { headers, body };
}

export function sendPart(asked: Asked, response: ServerResponse, file: Stored): void {
  const { headers, body } = partOf(file, asked.headers.range);
  asked.sent = body.length;
  response.writeHead(206, { ...headers, 'Content-Length': body.length }).end(body);
}
