/** What stands outside the element's own drawing: its value in a form, and the states that a stylesheet can ask for. */

export class Standing {
  #internals: ElementInternals;
  #value: File | null = null;
  #states: readonly string[] = [];

  constructor(element: HTMLElement) {
    this.#internals = element.attachInternals();
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
