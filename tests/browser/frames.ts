/** Sites that have the tool in a frame: embed.html of another origin, put there by the script that sites include. */

import type { FrameLocator, Page } from '@playwright/test';
import { FILES, site, type Served, type Site } from './hosts.ts';

/** A site whose page makes a frame of `embed` with the script, records all its events, and holds it as `tool`. */
export async function host(embed: string, options: object = {}, headers: Record<string, string> = {}): Promise<Site> {
  const script = `
    import { NpLoraFrame } from '/np-lora/np-lora-frame.js';
    ${FILES}
    const told = [];
    const tool = new NpLoraFrame(document.querySelector('main'), { src: ${JSON.stringify(embed)}, ...${JSON.stringify(options)} });
    for (const name of ['ready', 'height', 'phase', 'change', 'inspect', 'warning', 'progress', 'complete', 'save', 'error', 'abort']) {
      tool.addEventListener(name, ({ detail }) => told.push({ name, detail, at: performance.now() }));
    }
    Object.assign(window, { tool, told, pair, NpLoraFrame });
  `;
  const page: Served = {
    body: '<!doctype html><html lang="en"><title>A shop</title><main><h1>A shop</h1></main><script type="module" src="/host.js"></script></html>', headers,
  };
  return site({ '/': page, '/host.js': { body: script } });
}

/** An event that a `host` page has heard. */
export interface Told { name: string; detail: any; at: number }

export const frame = (page: Page): FrameLocator => page.frameLocator('iframe');
export const toolOf = (baseURL: string | undefined): string => new URL('embed.html', baseURL).href;
