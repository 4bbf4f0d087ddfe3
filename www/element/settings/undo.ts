/** Steps back and forth between states. */

const MOST = 200;

export class Undo<T> {
  #past: T[] = [];
  #future: T[] = [];

  constructor(private now: T, private same: (one: T, other: T) => boolean) {}

  get past(): number { return this.#past.length; }
  get future(): number { return this.#future.length; }

  /** As it was after the last step. */
  get settled(): T { return this.now; }

  /** What changed by itself or for the moment is no step. */
  settle(now: T): void {
    this.now = now;
  }

  /** A change that a person made is complete. */
  step(now: T): void {
    if (this.same(now, this.now)) return;
    this.#past = [...this.#past, this.now].slice(-MOST);
    this.#future = [];
    this.now = now;
  }

  /** The state before the last step; null where there is none. */
  back(): T | null {
    return this.#go(this.#past, this.#future);
  }

  /** The state that the last step back led away from. */
  forth(): T | null {
    return this.#go(this.#future, this.#past);
  }

  /** What no longer makes sense in any state. */
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

/** What a key asks for, where it is not for the text that is being typed. */
export function undoKey(event: KeyboardEvent): 'undo' | 'redo' | null {
  if (event.defaultPrevented || event.altKey || event.ctrlKey === event.metaKey) return null;
  const [at] = event.composedPath();
  if (at instanceof HTMLTextAreaElement || (at instanceof HTMLInputElement && /^(text|number|search)$/.test(at.type))) return null;
  const key = event.key.toLowerCase();
  if (key === 'z') return event.shiftKey ? 'redo' : 'undo';
  return key === 'y' && event.ctrlKey && !event.shiftKey ? 'redo' : null;
}
