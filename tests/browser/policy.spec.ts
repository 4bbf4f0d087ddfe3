/** The page's Content-Security-Policy holds, in the page and in its worker, and the page itself never violates it. */

import { expect, test, type Page } from '@playwright/test';
import { serveBent } from './faults/bend.ts';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import { DEVICE, chooseDevice, element, fuseAndSave, fuseButton, give, givePair, named, open } from './page.ts';

const RECIPE: Recipe = { modules: SD15_MODULES.slice(1, 4), rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 41, sharedDirections: 2 };
const subject = named('subject.safetensors', makeLora(RECIPE));
const style = named('style.safetensors', makeLora({ ...RECIPE, seed: 42 }));

/** Collects all violations, in the page and in the worker, in one list. */
async function watch(page: Page): Promise<string[]> {
  const violations: string[] = [];
  await page.exposeFunction('violated', (what: string) => { violations.push(what); });
  const listen = (channel: string): void => {
    const line = new BroadcastChannel(channel);
    addEventListener('securitypolicyviolation', (event) => {
      line.postMessage(`${event.effectiveDirective} at ${'document' in globalThis ? 'page' : 'worker'}: ${event.blockedURI} ${event.sample}`);
    });
  };
  await page.addInitScript(`new BroadcastChannel('violations').onmessage = ({ data }) => violated(data); (${listen})('violations')`);
  // Inserted before the worker's first own line, because what it does while starting counts too.
  await page.route('**/worker.js', (route) => serveBent(route, async (response) => ({ body: `(${listen})('violations');${await response.text()}` })));
  return violations;
}

type Attempt = 'script element' | 'script address' | 'event handler' | 'innerHTML' | 'insertAdjacentHTML' | 'srcdoc' | 'document.write'
  | 'eval' | 'worker' | 'new policy' | 'second policy' | 'fetch' | 'beacon' | 'image' | 'frame' | 'style element' | 'form' | 'base' | 'import';

/** Resolves to the directive by which the policy refuses an attempt, or to what happened instead. */
async function attempt(what: Attempt): Promise<string> {
  // The debugger that calls this may evaluate strings; whatever runs later counts as the page's own.
  await new Promise((later) => setTimeout(later, 0));
  let refused = '';
  const note = (event: SecurityPolicyViolationEvent): void => { refused ||= event.effectiveDirective; };
  addEventListener('securitypolicyviolation', note);
  const OUTSIDE = 'https://example.com/';
  const put = (tag: string, set: Record<string, string>): void => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(set)) made.setAttribute(name, value);
    document.body.append(made);
  };
  const policy = (name: string): unknown => (globalThis as unknown as { trustedTypes: { createPolicy(name: string, rules: object): unknown } })
    .trustedTypes.createPolicy(name, { createHTML: (text: string) => text });
  const ways: Record<Attempt, () => unknown> = {
    'script element': () => { const made = document.createElement('script'); made.textContent = 'globalThis.ran = true'; document.body.append(made); },
    'script address': () => put('script', { src: OUTSIDE }),
    'event handler': () => put('img', { onerror: 'globalThis.ran = true', src: 'missing.png' }),
    innerHTML: () => { document.createElement('div').innerHTML = '<img src onerror="globalThis.ran = true">'; },
    insertAdjacentHTML: () => document.body.insertAdjacentHTML('beforeend', '<img src onerror="globalThis.ran = true">'),
    srcdoc: () => { document.createElement('iframe').srcdoc = '<script>parent.ran = true</script>'; },
    'document.write': () => document.write('<script>globalThis.ran = true</script>'),
    eval: () => new Function('globalThis.ran = true')(),
    worker: () => new Worker('worker.js'),
    'new policy': () => policy('stranger'),
    'second policy': () => policy('lit-html'),
    fetch: () => fetch(OUTSIDE),
    beacon: () => navigator.sendBeacon(OUTSIDE, 'x'),
    image: () => { new Image().src = OUTSIDE; },
    frame: () => put('iframe', { src: OUTSIDE }),
    'style element': () => { const made = document.createElement('style'); made.textContent = 'body { display: none }'; document.body.append(made); },
    form: () => { put('form', { action: OUTSIDE }); document.forms[0]!.submit(); },
    base: () => put('base', { href: OUTSIDE }),
    import: () => import(OUTSIDE),
  };
  let outcome = 'it worked';
  try {
    await ways[what]();
  } catch (thrown) {
    outcome = String(thrown);
  }
  for (let waits = 0; refused === '' && waits < 40; waits++) await new Promise((over) => setTimeout(over, 25));
  removeEventListener('securitypolicyviolation', note);
  if ('ran' in globalThis) return 'the injected script ran';
  return refused || outcome;
}

const IN_PAGE: Partial<Record<Attempt, string>> = {
  'script element': 'require-trusted-types-for', 'script address': 'require-trusted-types-for', 'event handler': 'require-trusted-types-for',
  innerHTML: 'require-trusted-types-for', insertAdjacentHTML: 'require-trusted-types-for', srcdoc: 'require-trusted-types-for',
  'document.write': 'require-trusted-types-for', eval: 'require-trusted-types-for', worker: 'require-trusted-types-for',
  'new policy': 'trusted-types', 'second policy': 'trusted-types', fetch: 'connect-src', beacon: 'connect-src', image: 'img-src', frame: 'frame-src',
  'style element': 'style-src-elem', base: 'base-uri', import: 'script-src-elem',
};
const IN_WORKER: Partial<Record<Attempt, string>> = {
  eval: 'require-trusted-types-for', 'new policy': 'trusted-types', worker: 'require-trusted-types-for', fetch: 'connect-src', import: 'script-src-elem',
};

test('the policy refuses what the page does not need, in the worker as well', async ({ page }) => {
  const uncaught = await open(page);
  await givePair(page, subject, style);
  await expect(fuseButton(page)).toBeEnabled();
  const [worker] = page.workers();
  const found = { page: {} as Record<string, string>, worker: {} as Record<string, string> };
  for (const what of Object.keys(IN_PAGE) as Attempt[]) found.page[what] = await page.evaluate<string, Attempt>(attempt, what);
  for (const what of Object.keys(IN_WORKER) as Attempt[]) found.worker[what] = await worker!.evaluate<string, Attempt>(attempt, what);
  expect(found).toEqual({ page: IN_PAGE, worker: IN_WORKER });
  // Page and worker still work as before.
  await fuseAndSave(page);
  // Done last, because the test's browser then waits for a navigation that never comes.
  expect(await page.evaluate<string, Attempt>(attempt, 'form')).toBe('form-action');
  expect(uncaught).toEqual([]);
});

test('a whole run meets no refusal, and no request leaves the origin', DEVICE, async ({ page, context, baseURL }) => {
  const strangers: string[] = [];
  const programs = new Set<string>();
  context.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== 'blob:' && protocol !== 'data:' && origin !== new URL(baseURL ?? '').origin) strangers.push(request.url());
    if (request.url().endsWith('.wasm')) programs.add(new URL(request.url()).pathname.split('/').at(-1)!);
  });
  const violations = await watch(page);
  const uncaught = await open(page);
  await page.getByRole('button', { name: 'Try it with an example' }).click();
  await expect(fuseButton(page)).toBeEnabled();
  await chooseDevice(page);
  await fuseAndSave(page);
  await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save report' }).click()]);
  await give(page, 'Style', { name: 'page.html', bytes: new TextEncoder().encode('<!doctype html>') });
  await expect(page.getByRole('alert')).toBeVisible();
  expect(await element(page, 'phase')).toBe('done');
  expect(violations).toEqual([]);
  expect(strangers).toEqual([]);
  expect([...programs]).toEqual(['np_lora_reader_bg.wasm', 'np_lora_bg.wasm']);
  // One attempt in each place proves that the list would have shown violations.
  await page.evaluate<string, Attempt>(attempt, 'fetch');
  await page.workers()[0]!.evaluate<string, Attempt>(attempt, 'fetch');
  await expect.poll(() => violations.map((one) => one.split(':')[0])).toEqual(['connect-src at page', 'connect-src at worker']);
  expect(uncaught).toEqual([]);
});
