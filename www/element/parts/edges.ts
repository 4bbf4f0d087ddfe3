/** Fades the edge of a scrolling box where its content goes on: otherwise half a number would be read as a whole one. */

import { css, type ReactiveController, type ReactiveControllerHost } from 'lit';

export class Edges implements ReactiveController {
  #box: HTMLElement | null = null;
  #observer: ResizeObserver | null = null;

  /** `box`: the scrolling element, which has one child; null if it is not there. */
  constructor(host: ReactiveControllerHost, private box: () => HTMLElement | null) {
    host.addController(this);
  }

  hostUpdated(): void {
    const box = this.box();
    if (box === this.#box) return;
    this.hostDisconnected();
    this.#box = box;
    if (!box) return;
    this.#observer = new ResizeObserver(this.#look);
    for (const one of [box, ...box.children]) this.#observer.observe(one);
    box.addEventListener('scroll', this.#look, { passive: true });
  }

  hostDisconnected(): void {
    this.#observer?.disconnect();
    this.#box?.removeEventListener('scroll', this.#look);
    this.#box = null;
  }

  #look = (): void => {
    const box = this.#box;
    // Sizes are rounded and scroll positions are not, so they may differ by up to a pixel.
    box?.toggleAttribute('data-right', box.scrollWidth - box.clientWidth - box.scrollLeft > 1);
    box?.toggleAttribute('data-below', box.scrollHeight - box.clientHeight - box.scrollTop > 1);
  };
}

export const edges = css`
  .scroll[data-right], .scroll[data-below] {
    --right: 1; --below: 1; mask-composite: intersect;
    mask-image: linear-gradient(90deg, #000 calc(100% - 40px), rgb(0 0 0 / var(--right))), linear-gradient(#000 calc(100% - 32px), rgb(0 0 0 / var(--below)));
  }
  .scroll[data-right] { --right: 0.1; }
  .scroll[data-below] { --below: 0.1; }
  /* A mask would cut off what is outside. */
  .scroll:focus-visible { outline-offset: -2px; }
`;
