/** A stroke of the brush over rows of the map, with the rows painted so far. The first row decides whether it paints or erases. */

import { changed, WHOLE, type Blocks } from '../settings/block-strengths.ts';
import type { Brush } from './brush.ts';

export class Stroke {
  #labels: string[] = [];
  #value: number | null;

  constructor(readonly before: Blocks, private brush: Brush, first: string) {
    const painted = (before[first] ?? WHOLE)[brush.of] === brush.value;
    this.#value = painted ? WHOLE[brush.of] : brush.value;
    this.#labels.push(first);
  }

  /** Adds a row to the stroke; false if it was painted already. */
  reach(label: string): boolean {
    if (this.#labels.includes(label)) return false;
    this.#labels.push(label);
    return true;
  }

  get blocks(): Blocks {
    return changed(this.before, this.#labels, (strength) => ({ ...strength, [this.brush.of]: this.#value }));
  }
}
