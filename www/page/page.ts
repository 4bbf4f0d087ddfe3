/** What the page adds around the element: the tab's title, a word before leaving a run, and what pages of its own have in common. */

import type { NpLora } from '../element/np-lora.ts';
import { shim } from '../core/trusted.ts';
import type { Progress } from '../core/types.ts';
import { percentDone, wholePercent } from '../element/words/format.ts';
import { undoKey } from '../element/settings/undo.ts';
import { takeAnywhere } from './around.ts';
import { chooseLanguage, text, title } from './language.ts';
import { keepForOffline } from './offline.ts';

const NAME = 'np-lora';

// Before the element draws anything.
chooseLanguage();

await customElements.whenDefined(NAME);
const app = document.querySelector(NAME) as NpLora;

// The worker under this page's own policy: from a plain address it has its own, that is none; from a blob: address it inherits
// this page's Content-Security-Policy, so that it too can reach nothing but what that names. What it imports is asked of
// worker-src once more, which therefore names 'self' beside blob:.
(customElements.get(NAME) as typeof NpLora).workerURL = shim(new URL('./worker.js', import.meta.url).href);
takeAnywhere(app);

// Also where nothing of the element has the focus.
window.addEventListener('keydown', (event) => {
  const asked = undoKey(event);
  if (asked && app[asked]()) event.preventDefault();
});

// ?content=…&style=…: links to files. They are shown, and loaded when the person says so.
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
// Only while busy: a listener that always stands keeps the page out of the back/forward cache.
for (const turn of ['phasechange', 'complete', 'error', 'abort']) {
  app.addEventListener(turn, () => {
    if (app.phase === 'fusing' || app.phase === 'checking') window.addEventListener('beforeunload', holdBack);
    else window.removeEventListener('beforeunload', holdBack);
  });
}

const news = document.getElementById('news');
// Where a browser keeps nothing, the page works as well.
if (news) void keepForOffline(app, news).catch(() => {});
