/** Undo and redo between states. */

const MOST = 200;

export class Undo<T> {
  #past: T[] = [];
  #future: T[] = [];

  constructor(private now: T, private same: (one: T, other: T) => boolean) {}

  get past(): number { return this.#past.length; }
  get future(): number { return this.#future.length; }

  /** The state after the last step. */
  get settled(): T { return this.now; }

  /** Sets the present state without making a step, for changes that are automatic or temporary. */
  settle(now: T): void {
    this.now = now;
  }

  /** Makes a step, when a person's change is complete. */
  step(now: T): void {
    if (this.same(now, this.now)) return;
    this.#past = [...this.#past, this.now].slice(-MOST);
    this.#future = [];
    this.now = now;
  }

  /** The state before the last step; null if there is none. */
  back(): T | null {
    return this.#go(this.#past, this.#future);
  }

  /** The state before the last undo; null if there is none. */
  forth(): T | null {
    return this.#go(this.#future, this.#past);
  }

  /** Changes all states, to remove something that no longer makes sense. */
  rewrite(change: (state: T) => T): void {
    this.#past = this.#past.map(change);
    this.#future = this.#future.map(change);
    this.now = change(this.now);
  }

  #go(from: T[], to: T[]): T | null {
    const state = from.pop();
    if (state === undefined) return null;
    to.push(this.now);
    return (this.now = state);
  }
}

/** The command that a key stands for, unless it belongs to a text field. */
export function undoKey(event: KeyboardEvent): 'undo' | 'redo' | null {
  if (event.defaultPrevented || event.altKey || event.ctrlKey === event.metaKey) return null;
  const [at] = event.composedPath();
  if (at instanceof HTMLTextAreaElement || (at instanceof HTMLInputElement && /^(text|number|search)$/.test(at.type))) return null;
  const key = event.key.toLowerCase();
  if (key === 'z') return event.shiftKey ? 'redo' : 'undo';
  return key === 'y' && event.ctrlKey && !event.shiftKey ? 'redo' : null;
}
