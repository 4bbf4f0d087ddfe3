/**
 * Keeps the site for visits without a network: every file of one build, or none. Each build has its own worker and its own cache, and the hash of
 * every file is written into the worker, so that two builds can never be mixed. Nothing else is cached: files that a person chooses never pass
 * through here.
 */

import { asMessage, type Answer } from './messages.ts';

declare const self: ServiceWorkerGlobalScope;
/** Written ahead of it by build.mjs: the name of the build, and its files with their hashes as browsers check them. */
declare const BUILD: string;
declare const FILES: readonly (readonly [path: string, integrity: string])[];

/** The prefix of this site's caches: other sites of the same origin, in folders of their own, have caches too. */
const OURS = `np-lora ${self.registration.scope} `;
const CACHE = OURS + BUILD;

const integrities = new Map(FILES.map(([path, integrity]) => [addressOf(path), integrity]));

function addressOf(path: string): string {
  // Many hosts redirect from one of the two to the other.
  return new URL(path.replace(/(^|\/)index\.html$/, '$1'), self.registration.scope).href;
}

/** A request to the server itself for a file as it was built: an old copy, or one of the next build, is refused. */
function original(address: string): Request {
  return new Request(address, { integrity: integrities.get(address) ?? '', cache: 'no-cache' });
}

async function keepAll(): Promise<void> {
  // After a roll-back the worker in charge may be of this very build, and serve from this cache.
  const wasThere = await caches.has(CACHE);
  const cache = await caches.open(CACHE);
  try {
    await cache.addAll([...integrities.keys()].map(original));
  } catch (reason) {
    if (!wasThere) await caches.delete(CACHE);
    throw reason;
  }
}

async function dropOthers(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(OURS) && name !== CACHE).map((name) => caches.delete(name)));
}

/** The address under which a request's file is cached; null if it is not a file of this build. */
function kept({ method, mode, destination, url }: Request): string | null {
  if (method !== 'GET') return null;
  const address = new URL(url);
  address.hash = '';
  // A part of the page that did not arrive is requested again under another address (www/element/lazy.ts).
  if (mode === 'navigate' || destination === 'script') address.search = '';
  const { href } = new URL(addressOf(address.href));
  return integrities.has(href) ? href : null;
}

async function answer(address: string): Promise<Response> {
  const found = await caches.match(address, { cacheName: CACHE, ignoreVary: true });
  // A browser short of space may have deleted it.
  if (!found) return fetch(original(address));
  // A response that was redirected must not answer a navigation, so it is copied.
  return found.redirected ? new Response(found.body, { status: found.status, headers: found.headers }) : found;
}

/** Whether exactly one page of the site is open. */
async function isLonely(): Promise<boolean> {
  const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return windows.filter(({ url }) => url.startsWith(self.registration.scope)).length === 1;
}

self.addEventListener('install', (event) => event.waitUntil(keepAll()));
self.addEventListener('activate', (event) => event.waitUntil(dropOthers()));
self.addEventListener('fetch', (event) => {
  const address = kept(event.request);
  if (address !== null) event.respondWith(answer(address));
});
self.addEventListener('message', (event) => {
  const message = asMessage(event.data);
  const reply = (answer: Answer): void => event.ports[0]?.postMessage(answer);
  switch (message?.ask) {
    case 'same':
      return reply(message.build === BUILD);
    case 'lonely':
    case 'take over':
      return event.waitUntil(isLonely().then((lonely) => {
        reply(lonely);
        return lonely && message.ask === 'take over' ? self.skipWaiting() : undefined;
      }));
    case 'adopt':
      // Other pages that no worker serves yet may be of another build.
      return event.waitUntil(isLonely().then((lonely) => (lonely && message.build === BUILD ? self.clients.claim() : undefined)));
  }
});
