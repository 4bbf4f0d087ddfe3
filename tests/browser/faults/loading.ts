/** The program fails to load. */

import type { Page, Route } from '@playwright/test';
import { give, named } from '../page.ts';
import { READER, WHOLE, serveBent } from './bend.ts';
import { fuse, type Fault, type Scene } from './scene.ts';

const EITHER = '**/np_lora*_bg.wasm';

const chooseOne = ({ page, pair }: Scene): Promise<void> => give(page, 'Subject', named('subject.safetensors', pair[0]));

/** The two programs. Without the reader no file can be opened; without the whole program, the pair is opened but cannot be fused. */
const PROGRAMS = [
  { of: 'the reader', wasm: READER, glue: '**/np_lora_reader.js', happens: chooseOne },
  { of: 'the whole program', wasm: WHOLE, glue: '**/np_lora.js', happens: fuse },
];

const served = (name: string, file: string, answer: (route: Route) => Promise<void>, says: RegExp, happens = chooseOne): Fault => ({
  name,
  before: (page) => page.route(file, answer),
  happens,
  ends: 'refused',
  says,
  over: ({ page }) => page.unroute(file),
});

const withPolicy = (page: Page, policy: string): Promise<unknown> => page.route(/\/$/, (route) =>
  serveBent(route, async (response) => ({ headers: { ...response.headers(), 'content-security-policy': policy } })));

/** A fault caused by a policy. It belongs to the document, so only here the page must be reloaded. */
const forbidden = (name: string, policy: string, says: RegExp): Fault => ({
  name,
  before: (page) => withPolicy(page, policy),
  happens: chooseOne,
  ends: 'refused',
  says,
  over: async ({ page }) => {
    await page.unroute(/\/$/);
    await page.reload();
    await page.evaluate(() => {
      const told: string[] = [];
      Object.assign(window, { told });
      document.querySelector('np-lora')?.addEventListener('complete', () => told.push('complete'));
    });
  },
});

const gone = (route: Route): Promise<void> => route.fulfill({ status: 404, body: 'gone' });

export const LOADING: Fault[] = [
  ...PROGRAMS.flatMap(({ of, wasm, glue, happens }) => [
    served(`the wasm of ${of} is not there (404)`, wasm, gone, /not where it should be.*404/s, happens),
    served(`the wasm of ${of} is a web page`, wasm, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }), /not where it should be.*web page/s, happens),
    served(`the wasm of ${of} is cut off`, wasm, (route) =>
      serveBent(route, async (response) => ({ body: (await response.body()).subarray(0, 100_000) })), /could not be loaded\..*CompileError/s, happens),
    served(`no answer for the wasm of ${of}`, wasm, (route) => route.abort('connectionfailed'), /could not be loaded\..*connection/s, happens),
    served(`the bindings of ${of} are not there (404)`, glue, gone, /not where it should be.*np_lora.*\.js/s, happens),
  ]),
  served('the whole program is of another version', '**/np_lora.js', (route) => route.fulfill({
    contentType: 'text/javascript', body: "export * from './np_lora.js?'; export { default } from './np_lora.js?'; export const version = () => 'another';",
  }), /not where it should be.*version another/s, fuse),
  served('the worker is not there (404)', '**/worker.js', gone, /not where it should be.*404/s),
  served('no answer for the worker', '**/worker.js', (route) => route.abort('connectionfailed'), /could not be loaded\..*connection/s),
  {
    name: 'the wasm has the wrong MIME type',
    before: (page) => page.route(EITHER, (route) =>
      serveBent(route, async (response) => ({ headers: { ...response.headers(), 'content-type': 'application/octet-stream' } }))),
    happens: fuse,
    ends: 'fused',
    says: /Fused and checked/,
  },
  forbidden('wasm is forbidden by the policy', "script-src 'self'; worker-src 'self' blob:", /security policy forbids it.*wasm-unsafe-eval/s),
  forbidden('workers are forbidden by the policy', "script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'", /security policy forbids it.*worker-src/s),
];
