/** What the page adds around the element: drops and pastes anywhere, the tab's title, and a word before leaving a run. */

import type { NpLora } from '../element/np-lora.ts';
import type { Progress } from '../core/types.ts';
import { hasFiles } from '../element/drop.ts';
import { keepForOffline } from './offline.ts';

const NAME = 'np-lora';
const title = document.title;

await customElements.whenDefined(NAME);
const app = document.querySelector(NAME) as NpLora;

// A worker from a plain address has its own policy, that is none; one from a blob: address inherits this page's
// Content-Security-Policy, so that the worker too can reach nothing but this origin. What it imports is asked of
// worker-src once more, which therefore names 'self' beside blob:.
const workerURL = new URL('./worker.js', import.meta.url).href;
(customElements.get(NAME) as typeof NpLora).workerURL =
  URL.createObjectURL(new Blob([`import ${JSON.stringify(workerURL)};`], { type: 'text/javascript' }));

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

function holdBack(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

app.addEventListener('progress', (event: Event) => {
  const { bytesDone, bytesTotal, stage } = (event as CustomEvent<Progress>).detail;
  const percent = Math.floor((100 * bytesDone) / (bytesTotal || 1));
  document.title = `${stage === 'verify' ? 'Checking ' : ''}${percent} % · ${title}`;
  // Only while busy: a listener that always stands keeps the page out of the back/forward cache.
  window.addEventListener('beforeunload', holdBack);
});
for (const end of ['complete', 'error', 'abort']) {
  app.addEventListener(end, () => {
    document.title = end === 'complete' ? `✓ ${title}` : title;
    window.removeEventListener('beforeunload', holdBack);
  });
}

const news = document.getElementById('news');
// Where a browser keeps nothing, the page works as well.
if (news) void keepForOffline(app, news).catch(() => {});
