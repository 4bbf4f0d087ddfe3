/** Keeps the keyboard's place when the focused control disappears because of what it did. */

import type { LitElement, ReactiveController } from 'lit';

/** Moves the focus to `next` if the focused element inside the host has disappeared. */
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

/** Prevents an Enter key that was already held down on a previous button from pressing the one that replaced it. */
export function notHeld(event: KeyboardEvent): void {
  if (event.repeat && event.key === 'Enter') event.preventDefault();
}

/** How to move the focus within or beside `part`: a mouse user looks at a certain spot, so the page must not scroll. */
export function asBefore(part: Element): FocusOptions {
  let at = (part.getRootNode() as Document | ShadowRoot).activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return { preventScroll: !at?.matches(':focus-visible') };
}
