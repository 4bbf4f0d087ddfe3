/** The keyboard's place: what was pressed may go with the state that it changed. */

import type { LitElement, ReactiveController } from 'lit';

/** Whoever was in a part of the page goes on at `next`, where what they were on has gone. */
export class Focus implements ReactiveController {
  #had = false;
  #options: FocusOptions = {};

  constructor(private host: LitElement, private next: (options: FocusOptions) => void) {
    host.addController(this);
  }

  hostUpdate(): void {
    this.#had = this.host.matches(':focus-within');
    if (this.#had) this.#options = asBefore(this.host);
  }

  hostUpdated(): void {
    if (this.#had && !this.host.matches(':focus-within')) this.next(this.#options);
  }
}

/** Enter that is held down since another button, whose place this one took, does not press it. */
export function notHeld(event: KeyboardEvent): void {
  if (event.repeat && event.key === 'Enter') event.preventDefault();
}

/** How to go on from what has the focus beside or in `part`: whoever used a mouse looks where it is, and keeps the page as it lies. */
export function asBefore(part: Element): FocusOptions {
  let at = (part.getRootNode() as Document | ShadowRoot).activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return { preventScroll: !at?.matches(':focus-visible') };
}
