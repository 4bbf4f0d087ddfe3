/** What every page of the tool's own adds around the element. */

import type { NpLora } from '../element/np-lora.ts';
import { hasFiles } from '../element/drop.ts';

/**
 * An address from which the worker starts under this page's own policy. From a plain address it has its own, that is none;
 * from a blob: address it inherits this page's Content-Security-Policy, so that it too can reach nothing but this origin.
 * What it imports is asked of worker-src once more, which therefore names 'self' beside blob:. And a frame without an origin
 * may start none from a plain address at all.
 */
export function heldWorker(workerURL: string): string {
  const address = JSON.stringify(workerURL);
  const script = self.origin === 'null' ? `(${String(importing)})(${address})` : `import ${address};`;
  return URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
}

/** A classic worker's whole script (core/link.ts). What it is told before the module is there, the module hears then. */
function importing(address: string): void {
  const early: MessageEvent[] = [];
  const keep = (event: MessageEvent): void => { early.push(event); };
  self.addEventListener('message', keep);
  import(address).then(() => {
    self.removeEventListener('message', keep);
    for (const { data } of early) self.dispatchEvent(new MessageEvent('message', { data }));
    // Like a script that does not load, for whoever started it.
  }, (thrown: unknown) => { setTimeout(() => { throw thrown; }); });
}

/** Files can be dropped and pasted anywhere on the page. */
export function takeAnywhere(app: NpLora): void {
  window.addEventListener('dragover', (event) => {
    if (hasFiles(event.dataTransfer)) event.preventDefault();
  });
  window.addEventListener('drop', (event) => {
    // The element has already taken what fell on it.
    if (event.defaultPrevented || !event.dataTransfer || !hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    void app.take(event.dataTransfer);
  });
  window.addEventListener('paste', (event) => {
    if (!event.clipboardData || !hasFiles(event.clipboardData)) return;
    event.preventDefault();
    void app.take(event.clipboardData);
  });
}
