/** What a screen reader is told about files and runs. */

import type { NpLoraEvents } from './events.ts';
import { inert, percentDone, wholePercent } from './words/format.ts';
import type { Running } from './model.ts';
import { doneWith } from './words/made.ts';
import { stageOf } from './run/run-panel.ts';
import { roleName, text } from './words/strings.ts';
import { worded } from './words/language.ts';
import { ROLES, type Role, type Summary } from '../core/types.ts';

/** The open files and their roles. */
export const whatIsOpen = (open: Record<Role, Summary | null>): string =>
  ROLES.flatMap((role) => (open[role] ? [text.opened(roleName[role], inert(open[role].name))] : [])).join(text.gap);

/** What to announce for one of the element's events; null: nothing. `open`: the files that are open. */
export function spokenOf(name: string, detail: unknown, running: Running | null, open: Record<Role, Summary | null>): string | null {
  if (name === 'abort') return text.cancelled;
  // Names both files, because the second may open before the first has been announced.
  if (name === 'inspect') return whatIsOpen(open);
  if (name === 'warning') return inert(worded(detail as NpLoraEvents['warning']['detail'])[0]);
  if (name === 'complete') {
    const { report, results } = detail as NpLoraEvents['complete']['detail'];
    return results.length > 1 ? text.doneFiles(results.length) : doneWith(report);
  }
  if (name !== 'progress' || !running?.progress) return null;
  // Announcing every percent would drown a screen reader; quarters are enough.
  return `${stageOf(running)} ${wholePercent(Math.floor(percentDone(running.progress) / 25) * 25)}`;
}
