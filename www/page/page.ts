/** What the page adds around the element: the tab's title, a question before leaving during a run, and what all of the tool's pages share. */

import type { NpLora } from '../element/np-lora.ts';
import { shim } from '../core/trusted.ts';
import type { Progress } from '../core/types.ts';
import { percentDone, wholePercent } from '../element/words/format.ts';
import { undoKey } from '../element/settings/undo.ts';
import { takeAnywhere } from './around.ts';
import { chooseLanguage, text, title } from './language.ts';
import { keepForOffline } from './offline.ts';

const NAME = 'np-lora';

// This must happen before the element draws anything.
chooseLanguage();

await customElements.whenDefined(NAME);
const app = document.querySelector(NAME) as NpLora;

// Starts the worker from a blob: address, so that it inherits this page's Content-Security-Policy and can reach nothing that the policy
// does not name; from a plain address it would have a policy of its own, that is none. The module that it imports is checked against
// worker-src again, which therefore names 'self' beside blob:.
(customElements.get(NAME) as typeof NpLora).workerURL = shim(new URL('./worker.js', import.meta.url).href);
takeAnywhere(app);

// Undo and redo work even if the focus is outside the element.
window.addEventListener('keydown', (event) => {
  const asked = undoKey(event);
  if (asked && app[asked]()) event.preventDefault();
});

// ?content=…&style=… are links to files. They are shown, and loaded when the person says so.
const linked = new URLSearchParams(location.search);
app.contentSrc = linked.get('content') ?? '';
app.styleSrc = linked.get('style') ?? '';

function holdBack(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

app.addEventListener('progress', (event: Event) => {
  const progress = (event as CustomEvent<Progress>).detail;
  title(() => `${progress.stage === 'verify' ? `${text().checking} ` : ''}${wholePercent(percentDone(progress))} · `);
});
for (const end of ['complete', 'error', 'abort']) app.addEventListener(end, () => title(() => (end === 'complete' ? '✓ ' : '')));
// The listener is there only during a run: a permanent one keeps the page out of the back/forward cache.
for (const turn of ['phasechange', 'complete', 'error', 'abort']) {
  app.addEventListener(turn, () => {
    if (app.phase === 'fusing' || app.phase === 'checking') window.addEventListener('beforeunload', holdBack);
    else window.removeEventListener('beforeunload', holdBack);
  });
}

const news = document.getElementById('news');
// The page also works if the browser keeps nothing.
if (news) void keepForOffline(app, news).catch(() => {});
