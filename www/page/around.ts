/** What every page of the tool's own adds around the element. */

import type { NpLora } from '../element/np-lora.ts';
import { hasFiles } from '../element/drop.ts';

/**
 * An address from which the worker starts under this page's own policy. From a plain address it has its own, that is none;
 * from a blob: address it inherits this page's Content-Security-Policy, so that it too can reach nothing but this origin.
 * What it imports is asked of worker-src once more, which therefore names 'self' beside blob:. And a frame without an origin
 * may start none from a plain address at all.
 */
export const heldWorker = (workerURL: string): string =>
  URL.createObjectURL(new Blob([`import ${JSON.stringify(workerURL)};`], { type: 'text/javascript' }));

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
