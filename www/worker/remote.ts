/** Asks hosts for parts of files. What their answers mean is known in src/remote. */

import type { Kept, RemoteFile } from '../core/types.ts';

/** Of one worker, of which there are several; browsers hold back more than six to one host anyway. */
const AT_ONCE = 6;
/** A connection that says nothing for so long is given up, and so is one by which less than `LITTLE` comes. So often as src/remote asks, before
 *  the page takes this worker for lost. */
const SILENT_MS = 25_000;
/** In bytes. All connections of all workers together bring as much each over the slowest line; whoever trickles brings less. */
const LITTLE = 4 * 1024;
/** How often somebody is told that something comes in. */
const HEARD_EVERY_MS = 1000;

/** What src/web/remote.rs reads of an answer. */
type Told =
  | { silence: 'offline' | 'unreachable' | 'cors' | 'blocked' }
  | {
    status: number; url: string;
    /** `Content-Type`, `Content-Range`, and `ETag` or else `Last-Modified`. */
    kind: string | null; range: string | null; tag: string | null;
    bytes: Uint8Array<ArrayBuffer>;
  };

/** A file as the program opens it, with a way to ask for more of it; the program changes `kept`. */
export interface Asked extends RemoteFile {
  kept: Kept[];
  ask: typeof ask;
}

export const given = (file: File | RemoteFile, kept: Kept[]): File | Asked => (file instanceof File ? file : { ...file, kept, ask });

/** Whether the host has said that both are one version of one file. */
export const isSame = (one: File | RemoteFile, other: File | RemoteFile): boolean =>
  'tag' in one && 'tag' in other && one.url === other.url && one.size === other.size && one.tag !== null && one.tag === other.tag;

/** What was read to open it. */
export const keptOf = (opened: File | Asked): Kept[] => (opened instanceof File ? [] : opened.kept);

let tell: () => void = () => {};
let lastTold = 0;

/** `told` is called while something comes in: a slow connection is not a dead one. */
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

/** The bytes `from` … `to - 1` of what lies at `url`, after `wait` milliseconds, unless they are `unwanted` by then. Never rejects. */
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
  let silent = false;
  const wait = (): void => {
    clearTimeout(clock);
    clock = setTimeout(() => { silent = true; aborter.abort(); }, SILENT_MS);
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
  // What was refused once, perhaps on its way to another host, says nothing about this request.
  if (URL.canParse(url)) refused.delete(new URL(url).origin);
  try {
    const response = await fetch(url, {
      headers: { Range: `bytes=${from}-${to - 1}` },
      // No cookies, and of this page no more than its origin, which browsers send with every request that CORS decides on (`Origin`);
      // a cache would keep parts of one version beside parts of another.
      mode: 'cors', credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-store', signal: aborter.signal,
    });
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
    // Whoever is silent has nothing more to say to another request.
    return { silence: unwanted.aborted || silent ? 'unreachable' : await whySilent(url) };
  } finally {
    clearTimeout(clock);
  }
}

/** The body, as far as it came and no further than a byte behind what was asked for. */
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
    // It broke off: the rest is asked for again.
  }
  return into.subarray(0, length);
}

/** A policy's refusal is told somewhat later than the request fails. */
const TOLD_AFTER_MS = 100;

/** Origins that the page's own policy has refused, each until it is asked again. */
const refused = new Set<string>();
self.addEventListener('securitypolicyviolation', (event) => {
  const { blockedURI } = event as Event & { blockedURI: string };
  if (URL.canParse(blockedURI)) refused.add(new URL(blockedURI).origin);
});

/** A request that failed does not say why. One of which a page may read nothing, whatever it answers, tells whether the host is there. */
async function whySilent(url: string): Promise<'offline' | 'unreachable' | 'cors' | 'blocked'> {
  if (!navigator.onLine) return 'offline';
  const aborter = new AbortController();
  const clock = setTimeout(() => aborter.abort(), SILENT_MS);
  const there = await fetch(url, {
    method: 'HEAD', mode: 'no-cors', credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-store', signal: aborter.signal,
  }).then(() => true, () => false);
  clearTimeout(clock);
  if (!URL.canParse(url)) return 'unreachable';
  if (!there) await new Promise((over) => { setTimeout(over, TOLD_AFTER_MS); });
  if (refused.has(new URL(url).origin)) return 'blocked';
  return there ? 'cors' : 'unreachable';
}
