/** What is kept of the settings: the steps that led to them, in the address, and in a recipe. */

import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { toJson } from '../words/format.ts';
import { fromHash, isHash, toHash, type State } from './address.ts';
import { remarks, type Sources } from './recipe.ts';
import type { FamilyChoice, PairFit, SavedRecipe } from '../../core/types.ts';
import { Undo, undoKey } from './undo.ts';

/** The element, as far as it matters here. */
interface Kept extends ReactiveControllerHost, HTMLElement {
  /** Where settings are kept beside the page. */
  readonly remember: 'off' | 'hash';
  /** As a person does it, with all that follows. */
  undo(): boolean;
  redo(): boolean;
}

interface KeepHost {
  /** All settings as they are set. */
  state(): State;
  apply(patch: Partial<State>): void;
  /** The settings are a person's to change. */
  changeable(): boolean;
  fit(): PairFit | null;
  /** Of which one may be chosen. */
  families(): readonly string[];
  sources(): Sources;
}

/** Browsers refuse an address that changes all the time. */
const WRITE_AFTER_MS = 200;

/** The address of a page holds the settings of one element: of those that want it the first, as long as it is there. */
let theAddressOf: Keep | null = null;
/** What one of them wrote into it, which is nobody's wish for the next. */
let writtenHere: string | null = null;

const hashNow = (): string => location.hash.replace(/^#/, '');

const same = (one: State, other: State): boolean => toJson(one) === toJson(other);

export class Keep implements ReactiveController {
  #undo: Undo<State> | null = null;
  /** As the host set it up, which an address need not say. */
  #base: State | null = null;
  /** Before a person's first change: as the host, its markup and the address have it. */
  #first: State | null = null;
  #moving = false;
  #written = '';
  #listens = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Namings are the files' to offer: one from an address waits for them. */
  #naming: string | null = null;
  /** `state`: all that is set by it. */
  #recipe: { name: string; saved: SavedRecipe; state: State } | null = null;
  /** The families that the lists of namings and blocks were of. */
  #listsOf = '';

  constructor(private element: Kept, private host: KeepHost) {
    element.addController(this);
  }

  get #remembers(): boolean { return this.element.remember === 'hash' && theAddressOf === this; }

  get state(): State { return this.host.state(); }
  get canUndo(): boolean { return (this.#undo?.past ?? 0) > 0; }
  get canRedo(): boolean { return (this.#undo?.future ?? 0) > 0; }
  get hasSteps(): boolean { return this.canUndo || this.canRedo || this.isChanged; }

  /** What there is to say of the recipe that was opened. */
  get remarks(): string[] {
    if (!this.#recipe) return [];
    const { name, saved, state } = this.#recipe;
    return remarks(name, saved, !same(state, this.host.state()), this.host.sources(), this.host.fit(), this.host.families());
  }

  /** The one that is open. */
  get recipe(): SavedRecipe | null { return this.#recipe?.saved ?? null; }

  hostConnected(): void {
    this.#base ??= this.host.state();
    this.#undo ??= new Undo(this.#base, same);
    this.element.addEventListener('keydown', this.#key);
    if (this.#listens) addEventListener('hashchange', this.#read);
  }

  hostDisconnected(): void {
    this.element.removeEventListener('keydown', this.#key);
    removeEventListener('hashchange', this.#read);
    if (this.#timer !== undefined) this.#write();
    if (theAddressOf === this) theAddressOf = null;
  }

  hostUpdate(): void {
    if (this.element.remember === 'hash' && this.element.isConnected) this.#own();
    else if (theAddressOf === this) theAddressOf = null;
    const fit = this.host.fit();
    if (this.#naming === null || fit === null) return;
    if (fit.schemes.some(({ id }) => id === this.#naming)) this.host.apply({ scheme: this.#naming });
    this.#naming = null;
  }

  #own(): void {
    if (theAddressOf !== null) return;
    theAddressOf = this;
    if (hashNow() === writtenHere) this.#written = writtenHere;
    if (!this.#listens) this.#listen();
  }

  /** From when on the host wants it: what the address says, it says once. */
  #listen(): void {
    this.#listens = true;
    addEventListener('hashchange', this.#read);
    if (!isHash(location.hash) || hashNow() === writtenHere) return;
    this.#take(location.hash, {});
    this.#undo?.settle(this.host.state());
  }

  hostUpdated(): void {
    if (!this.#remembers || this.#hash === this.#written) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#write(), WRITE_AFTER_MS);
  }

  /** Around every change that a person makes. */
  change(patch: Partial<State>, committed: boolean): void {
    // What changed since by itself, or by the host, is not taken back with it.
    if (!this.#moving) this.#undo?.settle(this.host.state());
    this.#first ??= this.host.state();
    this.#moving = !committed;
    this.host.apply(patch);
    if (!committed) return;
    this.#undo?.step(this.host.state());
    this.element.requestUpdate();
  }

  /** What a person had begun to change is as it was before; false where nothing is. */
  takeBack(): boolean {
    if (!this.#moving || !this.#undo) return false;
    this.#moving = false;
    this.host.apply(this.#undo.settled);
    this.element.requestUpdate();
    return true;
  }

  /** What no longer makes sense of any settings, those of earlier steps too. */
  forget(change: (state: State) => Partial<State>): void {
    this.#undo?.rewrite((state) => ({ ...state, ...change(state) }));
    if (this.#first) this.#first = { ...this.#first, ...change(this.#first) };
    this.#ofRecipe(change);
    const [before, patch] = [this.host.state(), change(this.host.state())];
    if (!same(before, { ...before, ...patch })) this.host.apply(patch);
  }

  /** What the files alone have changed is no change of the recipe's settings. */
  #ofRecipe(change: (state: State) => Partial<State>): void {
    if (this.#recipe) this.#recipe.state = { ...this.#recipe.state, ...change(this.#recipe.state) };
  }

  /** Whether anything is set otherwise than before a person's first change. */
  get isChanged(): boolean { return this.#first !== null && !same(this.#first, this.host.state()); }

  /** A step to how it was then; false where it is so. */
  restore(): boolean {
    this.closeRecipe();
    if (!this.#first || !this.isChanged) return false;
    this.change(this.#first, true);
    return true;
  }

  undo(): boolean { return this.#go('back'); }
  redo(): boolean { return this.#go('forth'); }

  /**
   * What was chosen from a list goes when the files no longer offer it. `names`: families of which one may be chosen, if any; where one
   * `must` be, the other lists are its own. `own`: what each file is sure of itself, with nothing for a place without a file.
   */
  follow({ names, must }: FamilyChoice, own: readonly (string | null | undefined)[]): void {
    const { family } = this.host.state();
    // One that a single file is sure of says nothing about the second.
    const told = names.length > 0 || own.every((one) => one !== undefined);
    const holds = family === null || !told || names.includes(family);
    if (!holds) {
      this.host.apply({ family: null });
      this.#ofRecipe(() => ({ family: null }));
    }
    const now = [...new Set([...own, holds && (must || names.length === 0) ? family : null])].filter((name) => name).sort().join();
    // Of the first files it may have been chosen before them, by an address or a recipe.
    if (now !== this.#listsOf && this.#listsOf !== '') this.forget(() => ({ scheme: null, blocks: {} }));
    this.#listsOf = now;
  }

  open(name: string, saved: SavedRecipe): void {
    this.#naming = null;
    this.#listsOf = '';
    // One file: the very one that was made.
    this.change({ ...saved.settings, several: null }, true);
    this.#recipe = { name, saved, state: this.host.state() };
  }

  closeRecipe(): void {
    this.#recipe = null;
    this.element.requestUpdate();
  }

  /** Begins anew: what was before can no longer be taken back to. */
  reset(): void {
    this.#undo = new Undo(this.host.state(), same);
    this.#first = null;
    this.#moving = false;
    this.closeRecipe();
  }

  #go(which: 'back' | 'forth'): boolean {
    if (!this.#moving) this.#undo?.settle(this.host.state());
    const state = this.#undo?.[which]();
    if (!state) return false;
    this.#moving = false;
    this.host.apply(state);
    this.element.requestUpdate();
    return true;
  }

  #key = (event: KeyboardEvent): void => {
    const asked = undoKey(event);
    if (asked && this.element[asked]()) event.preventDefault();
  };

  get #hash(): string {
    const state = this.host.state();
    return this.#base ? toHash({ ...state, scheme: state.scheme ?? this.#naming }, this.#base) : '';
  }

  #take(hash: string, base: Partial<State>): void {
    const { scheme, ...patch } = fromHash(hash);
    this.#naming = scheme ?? null;
    this.host.apply({ ...base, ...patch });
    // What it says, whatever else has been set.
    this.#written = this.#base ? toHash({ ...this.#base, ...patch, scheme: scheme ?? null }, this.#base) : '';
  }

  /** Another link, or one that was edited. */
  #read = (): void => {
    if (!this.#base || !this.#remembers || !isHash(location.hash) || hashNow() === this.#written) return;
    // During a run it goes on saying what holds.
    if (!this.host.changeable()) return this.#write();
    const { outputName, ...base } = this.#base;
    this.#undo?.settle(this.host.state());
    this.#first ??= this.host.state();
    this.#take(location.hash, base);
    this.#undo?.step(this.host.state());
    this.element.requestUpdate();
  };

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#remembers) return;
    writtenHere = this.#written = this.#hash;
    try {
      history.replaceState(history.state, '', `${location.pathname}${location.search}${this.#written && `#${this.#written}`}`);
    } catch {
      // Refused where a page may not change its address; the settings are in force all the same.
    }
  }
}
