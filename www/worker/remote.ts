/** Requests parts of files from hosts. The answers are interpreted in src/remote. */

import type { Kept, RemoteFile } from '../core/types.ts';

/** The most requests that this worker makes at once. There are several workers, but browsers limit connections to a host to six anyway. */
const AT_ONCE = 6;
/**
 * A connection is given up if it brings less than `LITTLE` in this time. This is short enough for src/remote to try as often as it does before the
 * page gives this worker up for lost.
 */
const SILENT_MS = 25_000;
/**
 * The least that must arrive, in bytes. Even if all connections of all workers share the slowest line, each brings more; a host that trickles brings
 * less.
 */
const LITTLE = 4 * 1024;
/** How often to report that data is arriving. */
const HEARD_EVERY_MS = 1000;

/** An answer, as src/web/remote.rs reads it. */
type Told =
  | { silence: 'offline' | 'unreachable' | 'cors' | 'blocked' }
  | {
    status: number; url: string;
    /** `Content-Type`, `Content-Range`, and `ETag` or else `Last-Modified`. */
    kind: string | null; range: string | null; tag: string | null;
    bytes: Uint8Array<ArrayBuffer>;
  };

/** A file as the program opens it, with a function to request more of it; the program changes `kept`. */
export interface Asked extends RemoteFile {
  kept: Kept[];
  ask: typeof ask;
}

export const given = (file: File | RemoteFile, kept: Kept[]): File | Asked => (file instanceof File ? file : { ...file, kept, ask });

/** Whether the host has confirmed that both are the same version of the same file. */
export const isSame = (one: File | RemoteFile, other: File | RemoteFile): boolean =>
  'tag' in one && 'tag' in other && one.url === other.url && one.size === other.size && one.tag !== null && one.tag === other.tag;

/** The parts of the file that were read to open it. */
export const keptOf = (opened: File | Asked): Kept[] => (opened instanceof File ? [] : opened.kept);

let tell: () => void = () => {};
let lastTold = 0;

/** `told` is called while data arrives, because a slow connection is not a dead one. */
export function whenHeard(told: () => void): void {
  tell = told;
}

function heard(): void {
  const now = performance.now();
  if (now - lastTold < HEARD_EVERY_MS) return;
  lastTold = now;
  tell();
}

let free = AT_ONCE;
const next: (() => void)[] = [];

/** Requests the bytes `from` … `to - 1` at `url`, after `wait` milliseconds, unless `unwanted` is aborted by then. Never rejects. */
export async function ask(url: string, from: number, to: number, wait: number, unwanted: AbortSignal): Promise<Told> {
  if (wait > 0) await new Promise((over) => { setTimeout(over, wait); });
  if (free === 0) await new Promise<void>((turn) => { next.push(turn); });
  else free -= 1;
  try {
    return unwanted.aborted ? { silence: 'unreachable' } : await answered(url, from, to, unwanted);
  } finally {
    const turn = next.shift();
    if (turn) turn();
    else free += 1;
  }
}

async function answered(url: string, from: number, to: number, unwanted: AbortSignal): Promise<Told> {
  const aborter = new AbortController();
  unwanted.addEventListener('abort', () => aborter.abort());
  let clock: ReturnType<typeof setTimeout> | undefined;
  let since = 0;
  const wait = (): void => {
    clearTimeout(clock);
    since = performance.now();
    clock = setTimeout(() => aborter.abort(), SILENT_MS);
  };
  let came = 0;
  const listen = (bytes: number): void => {
    heard();
    came += bytes;
    if (came < LITTLE) return;
    came = 0;
    wait();
  };
  wait();
  // An earlier refusal, perhaps during a redirect to another host, says nothing about this request.
  if (URL.canParse(url)) refused.delete(new URL(url).origin);
  try {
    const response = await fetch(url, {
      headers: { Range: `bytes=${from}-${to - 1}` },
      // Sends no cookies, and of this page only its origin, which browsers send with every CORS request (`Origin`); no cache is used, because
      // it would mix parts of one version with parts of another.
      mode: 'cors', credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-store', signal: aborter.signal,
    });
    heard();
    wait();
    const header = (name: string): string | null => response.headers.get(name);
    const partial = response.status === 206;
    const bytes = partial ? await read(response, to - from, listen) : new Uint8Array();
    if (!partial) aborter.abort();
    return {
      status: response.status, url: response.url, kind: header('Content-Type'), range: header('Content-Range'),
      tag: header('ETag') ?? header('Last-Modified'), bytes,
    };
  } catch {
    // One try takes no longer than the silence that is borne, whatever it asks.
    return { silence: unwanted.aborted ? 'unreachable' : await whySilent(url, SILENT_MS - (performance.now() - since)) };
  } finally {
    clearTimeout(clock);
  }
}

/** Reads the body as far as it arrives, and at most one byte more than was asked for. */
async function read(response: Response, wanted: number, listen: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  const into = new Uint8Array(wanted + 1);
  let length = 0;
  const reader = response.body?.getReader();
  try {
    while (reader && length <= wanted) {
      const { done, value } = await reader.read();
      if (done) break;
      listen(value.length);
      const piece = value.subarray(0, into.length - length);
      into.set(piece, length);
      length += piece.length;
    }
    await reader?.cancel();
  } catch {
    // The connection broke off; the rest is requested again.
  }
  return into.subarray(0, length);
}

/** How long to wait for the report of a policy's refusal, which comes a little later than the failure. */
const TOLD_AFTER_MS = 100;

/** Origins that the page's own policy has refused, each until it is asked again. */
const refused = new Set<string>();
self.addEventListener('securitypolicyviolation', (event) => {
  const { blockedURI } = event as Event & { blockedURI: string };
  if (URL.canParse(blockedURI)) refused.add(new URL(blockedURI).origin);
});

/** Finds out why a request failed. A second request, whose answer no page may read, tells whether the host is there at all. */
async function whySilent(url: string, left: number): Promise<'offline' | 'unreachable' | 'cors' | 'blocked'> {
  if (!navigator.onLine) return 'offline';
  if (left <= 0) return 'unreachable';
  const aborter = new AbortController();
  const clock = setTimeout(() => aborter.abort(), left);
  const there = await fetch(url, {
    method: 'HEAD', mode: 'no-cors', credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-store', signal: aborter.signal,
  }).then(() => true, () => false);
  clearTimeout(clock);
  if (!URL.canParse(url)) return 'unreachable';
  if (!there) await new Promise((over) => { setTimeout(over, TOLD_AFTER_MS); });
  if (refused.has(new URL(url).origin)) return 'blocked';
  return there ? 'cors' : 'unreachable';
}
