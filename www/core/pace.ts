/** Nobody needs more than five reports a second, and every one is drawn, which costs time. */

import type { Progress } from './types.ts';

const EVERY_MS = 200;

/** Passes on what is reported, as often as somebody can look at it; beginnings and ends always. */
export function paced(tell: (progress: Progress) => void): (progress: Progress) => void {
  let last = 0;
  let stage: Progress['stage'] | null = null;
  return (progress) => {
    const now = performance.now();
    const over = progress.modulesDone === progress.modulesTotal && progress.bytesDone === progress.bytesTotal;
    if (progress.stage === stage && !over && now - last < EVERY_MS) return;
    [last, stage] = [now, progress.stage];
    tell(progress);
  };
}
