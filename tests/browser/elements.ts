/** Sites that have the element itself in one of their pages. */

import { expect, type Page } from '@playwright/test';
import { FILES, pairOf, site, uncaughtIn, type Site } from './hosts.ts';

interface Host {
  body?: string;
  head?: string;
  /** The source of a classic script that runs before anything else. */
  first?: string;
  headers?: Record<string, string>;
}

/** A page of a site that serves the element itself. The page records the element's events, and holds it as `tool`. */
export async function host({ body = '<np-lora></np-lora>', head = '', first = '', headers = {} }: Host = {}, pair = pairOf()): Promise<Site> {
  const script = `
    import { NpLora } from '/np-lora/element.js';
    ${FILES}
    const tool = document.querySelector('np-lora');
    const told = [];
    for (const name of ['inspect', 'warning', 'change', 'beforesave', 'phasechange', 'complete', 'error', 'abort']) {
      tool.addEventListener(name, ({ detail }) => told.push({ name, detail }));
    }
    Object.assign(window, { NpLora, tool, told, pair, give: async (to = tool) => {
      const { content, style } = await pair();
      to.contentFile = content;
      to.styleFile = style;
      return to.inspect();
    } });
  `;
  const page = `<!doctype html><html lang="en"><head><title>A shop</title><script src="/first.js"></script>${head}</head>
    <body><main><h1>A shop</h1>${body}</main><script type="module" src="/host.js"></script></body></html>`;
  return site({ '/': { body: page, headers }, '/host.js': { body: script }, '/first.js': { body: first }, '/sent': { body: 'Thank you.' } }, { pair });
}
export async function visit(page: Page, shop: Site): Promise<string[]> {
  const uncaught = uncaughtIn(page);
  // A test cannot press the system's own window (see page.ts).
  await page.addInitScript(() => { Reflect.deleteProperty(window, 'showSaveFilePicker'); });
  await page.goto(shop.origin);
  await expect(page.getByRole('button', { name: 'Choose file' }).or(page.getByText('Choose file')).first()).toBeAttached();
  return uncaught;
}

declare const told: { name: string; detail: any }[];

/** The details of the events of this name that the page has heard. */
export const events = (page: Page, name: string): Promise<any[]> =>
  page.evaluate((name) => told.filter((one) => one.name === name).map(({ detail }) => detail), name);
