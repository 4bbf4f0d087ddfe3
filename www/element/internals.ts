/** What is outside the element's own drawing: its value in a form, its labels, and the states that a stylesheet can select. */

export class Internals {
  #internals: ElementInternals;
  #value: File | null = null;
  #states: readonly string[] = [];

  /** `labelled` is called when one of the element's labels was pressed. */
  constructor(element: HTMLElement, labelled: () => void) {
    this.#internals = element.attachInternals();
    element.addEventListener('click', (event) => {
      if (event.composedPath()[0] !== element) return;
      // The browser repeats a label's click with its coordinates, which are outside the element. A click on the element's own edge means nothing.
      const root = element.getRootNode() as Document | ShadowRoot;
      if (root.elementFromPoint?.(event.clientX, event.clientY) !== element) labelled();
    });
  }

  get form(): HTMLFormElement | null { return this.#internals.form; }
  get labels(): NodeList { return this.#internals.labels; }

  /** `value`: what a form sends. `states`: the current states, for `:state()`. */
  tell(value: File | null, states: readonly string[]): void {
    if (value !== this.#value) this.#internals.setFormValue((this.#value = value));
    if (states.join() === this.#states.join()) return;
    this.#states = states;
    try {
      this.#internals.states.clear();
      for (const state of states) this.#internals.states.add(state);
    } catch {
      // Browsers from before 2024 have no states, or only names that begin with two dashes; only styles depend on them.
    }
  }
}
