/** What every page of the tool's own adds around the element. */

import type { NpLora } from '../element/np-lora.ts';
import { hasFiles } from '../element/desk/drop.ts';

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
