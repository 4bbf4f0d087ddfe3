/** What stands outside the element's own drawing: its value in a form, its labels, and the states that a stylesheet can ask for. */

export class Internals {
  #internals: ElementInternals;
  #value: File | null = null;
  #states: readonly string[] = [];

  /** `labelled`: a label of its was pressed. */
  constructor(element: HTMLElement, labelled: () => void) {
    this.#internals = element.attachInternals();
    element.addEventListener('click', (event) => {
      if (event.composedPath()[0] !== element) return;
      // The browser passes a label's click on as it was: where the label is. Who presses the element's own edge wants nothing.
      const root = element.getRootNode() as Document | ShadowRoot;
      if (root.elementFromPoint?.(event.clientX, event.clientY) !== element) labelled();
    });
  }

  get form(): HTMLFormElement | null { return this.#internals.form; }
  get labels(): NodeList { return this.#internals.labels; }

  /** `value`: what a form sends. `states`: for `:state()`, those that hold now. */
  tell(value: File | null, states: readonly string[]): void {
    if (value !== this.#value) this.#internals.setFormValue((this.#value = value));
    if (states.join() === this.#states.join()) return;
    this.#states = states;
    try {
      this.#internals.states.clear();
      for (const state of states) this.#internals.states.add(state);
    } catch {
      // Browsers of before 2024 know no states, or only names that begin with two dashes: nothing but styles hangs on them.
    }
  }
}
