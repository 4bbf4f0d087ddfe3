/** What each of the tool's own pages adds around the element. */

import type { NpLora } from '../element/np-lora.ts';
import { hasFiles, linkIn, mayTake } from '../element/desk/drop.ts';

const isTyping = (event: Event): boolean => event.composedPath().some((one) => one instanceof HTMLElement && (one.isContentEditable || one.matches('textarea, input:not([type=file], [type=range], [type=checkbox])')));

/** Accepts files and links to them that are dropped or pasted anywhere on the page. */
export function takeAnywhere(app: NpLora): void {
  window.addEventListener('dragover', (event) => {
    if (mayTake(event.dataTransfer)) event.preventDefault();
  });
  window.addEventListener('drop', (event) => {
    // The element has already taken what was dropped on it.
    if (event.defaultPrevented || !event.dataTransfer || !mayTake(event.dataTransfer)) return;
    event.preventDefault();
    void app.take(event.dataTransfer);
  });
  window.addEventListener('paste', (event) => {
    const { clipboardData: pasted } = event;
    if (!pasted || !(hasFiles(pasted) || (linkIn(pasted) && !isTyping(event)))) return;
    event.preventDefault();
    void app.take(pasted);
  });
}
