/** The program does not load. */

import type { Page, Route } from '@playwright/test';
import { give, named } from '../page.ts';
import { fuse, type Fault, type Scene } from './scene.ts';

const WASM = '**/np_lora_bg.wasm';

const chooseOne = ({ page, pair }: Scene): Promise<void> => give(page, 'Subject', named('subject.safetensors', pair[0]));

const served = (name: string, file: string, answer: (route: Route) => Promise<void>, says: RegExp): Fault => ({
  name,
  before: (page) => page.route(file, answer),
  happens: chooseOne,
  ends: 'refused',
  says,
  over: ({ page }) => page.unroute(file),
});

const withPolicy = (page: Page, policy: string): Promise<unknown> => page.route(/\/$/, async (route) => {
  const response = await route.fetch();
  await route.fulfill({ response, headers: { ...response.headers(), 'content-security-policy': policy } });
});

/** A policy belongs to the document, so here alone the page must be loaded anew. */
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

export const LOADING: Fault[] = [
  served('the wasm is not there (404)', WASM, (route) => route.fulfill({ status: 404, body: 'gone' }), /not where it should be.*404/s),
  served('the wasm is a web page', WASM, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }), /not where it should be.*web page/s),
  served('the wasm is cut off', WASM, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.body()).subarray(0, 100_000) });
  }, /could not be loaded\..*CompileError/s),
  served('no answer for the wasm', WASM, (route) => route.abort('connectionfailed'), /could not be loaded\..*connection/s),
  served('its bindings are not there (404)', '**/np_lora.js', (route) => route.fulfill({ status: 404, body: 'gone' }), /not where it should be.*np_lora\.js/s),
  served('the worker is not there (404)', '**/worker.js', (route) => route.fulfill({ status: 404, body: 'gone' }), /could not be loaded\..*connection/s),
  {
    name: 'the wasm has the wrong MIME type',
    before: (page) => page.route(WASM, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, headers: { ...response.headers(), 'content-type': 'application/octet-stream' } });
    }),
    happens: fuse,
    ends: 'fused',
    says: /Fused and checked/,
  },
  forbidden('wasm is forbidden by the policy', "script-src 'self'; worker-src 'self' blob:", /security policy forbids it.*wasm-unsafe-eval/s),
  forbidden('workers are forbidden by the policy', "script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'", /could not be loaded\./),
];
