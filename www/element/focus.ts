/** The keyboard's place: what was pressed may go with the state that it changed. */

import type { LitElement, ReactiveController } from 'lit';

/** Whoever was in a part of the page goes on at `next`, where what they were on has gone. */
export class Focus implements ReactiveController {
  #had = false;

  constructor(private host: LitElement, private next: () => void) {
    host.addController(this);
  }

  hostUpdate(): void {
    this.#had = this.host.matches(':focus-within');
  }

  hostUpdated(): void {
    if (this.#had && !this.host.matches(':focus-within')) this.next();
  }
}
