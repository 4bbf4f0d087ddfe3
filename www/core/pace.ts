/** Nobody needs more than five reports a second, and every one is drawn, which costs time. */

import type { Progress } from './types.ts';

const EVERY_MS = 200;

/** Passes on what is reported, as often as somebody can look at it; each stage's beginning and end always, once. */
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
