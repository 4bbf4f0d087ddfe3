/** A progress bar in one line of a terminal. */

import { inert, percentDone, shareDone } from '../element/words/format.ts';
import type { Progress } from '../core/types.ts';

const WIDTH = 24;
const STAGES: Record<Progress['stage'], string> = { analyse: 'looking', compare: 'comparing', measure: 'finding ranks', fuse: 'fusing', verify: 'checking' };

export class Bar {
  #shown = false;

  constructor(private readonly terminal: NodeJS.WriteStream, private readonly on: boolean) {}

  show = (progress: Progress): void => {
    if (!this.on) return;
    const { stage, modulesDone, modulesTotal, module } = progress;
    const full = Math.round(shareDone(progress) * WIDTH);
    const line = `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${String(percentDone(progress)).padStart(3)} % ${STAGES[stage]} ${modulesDone}/${modulesTotal} ${inert(module)}`;
    // A line that wraps could not be erased.
    this.terminal.write(`\r\u001B[2K${[...line].slice(0, Math.max(20, (this.terminal.columns ?? 80) - 1)).join('')}`);
    this.#shown = true;
  };

  wipe(): void {
    if (this.#shown) this.terminal.write('\r\u001B[2K');
    this.#shown = false;
  }
}
