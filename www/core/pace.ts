/** Limits progress reports to five a second: nobody needs more, and drawing each one takes time. */

import type { Progress } from './types.ts';

const EVERY_MS = 200;

/** Passes progress on at most every 200 ms, but always the first report of a stage and, once, its last. */
export function paced(tell: (progress: Progress) => void): (progress: Progress) => void {
  let last = 0;
  let stage: Progress['stage'] | null = null;
  let ended = false;
  return (progress) => {
    const now = performance.now();
    if (progress.stage !== stage) ended = false;
    const ends = !ended && progress.modulesDone === progress.modulesTotal && progress.bytesDone === progress.bytesTotal;
    if (progress.stage === stage && !ends && now - last < EVERY_MS) return;
    [last, stage, ended] = [now, progress.stage, ended || ends];
    tell(progress);
  };
}
