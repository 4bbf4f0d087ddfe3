/** Where settings are kept: as steps to undo, in the address, and in a recipe. */

import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { toJson } from '../words/format.ts';
import { fromHash, isHash, toHash, type State } from './address.ts';
import { remarks, type Sources } from './recipe.ts';
import type { FamilyChoice, PairFit, SavedRecipe } from '../../core/types.ts';
import { Undo, undoKey } from './undo.ts';

/** The parts of the element that are needed here. */
interface Kept extends ReactiveControllerHost, HTMLElement {
  /** Where settings are kept outside the page. */
  readonly remember: 'off' | 'hash';
  /** Undoes a change as the person would, with all consequences. */
  undo(): boolean;
  redo(): boolean;
}

interface KeepHost {
  /** All settings as they are now. */
  state(): State;
  apply(patch: Partial<State>): void;
  /** Whether a person may change the settings. */
  changeable(): boolean;
  fit(): PairFit | null;
  /** The model families to choose from. */
  families(): readonly string[];
  sources(): Sources;
}

/** How long to wait before writing the address: browsers refuse one that changes all the time. */
const WRITE_AFTER_MS = 200;

/** The element whose settings the page's address holds: the first that asked for it, as long as it is on the page. */
let theAddressOf: Keep | null = null;
/** What such an element last wrote into the address, which the next one must not take for a person's wish. */
let writtenHere: string | null = null;

const hashNow = (): string => location.hash.replace(/^#/, '');

const same = (one: State, other: State): boolean => toJson(one) === toJson(other);

export class Keep implements ReactiveController {
  #undo: Undo<State> | null = null;
  /** The settings as the host set them up, which the address need not repeat. */
  #base: State | null = null;
  /** The settings before a person's first change: those of the host, its markup and the address. */
  #first: State | null = null;
  #moving = false;
  #written = '';
  #listens = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** A naming from the address, which waits until it is known whether the files offer it. */
  #naming: string | null = null;
  /** `state`: all settings as they were after opening the recipe. */
  #recipe: { name: string; saved: SavedRecipe; state: State } | null = null;
  /** The families that the current lists of namings and blocks belong to. */
  #listsOf = '';

  constructor(private element: Kept, private host: KeepHost) {
    element.addController(this);
  }

  get #remembers(): boolean { return this.element.remember === 'hash' && theAddressOf === this; }

  get state(): State { return this.host.state(); }
  get canUndo(): boolean { return (this.#undo?.past ?? 0) > 0; }
  get canRedo(): boolean { return (this.#undo?.future ?? 0) > 0; }
  get hasSteps(): boolean { return this.canUndo || this.canRedo || this.isChanged; }

  /** The remarks on the opened recipe. */
  get remarks(): string[] {
    if (!this.#recipe) return [];
    const { name, saved, state } = this.#recipe;
    return remarks(name, saved, !same(state, this.host.state()), this.host.sources(), this.host.fit(), this.host.families());
  }

  /** The recipe that is open. */
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

  /** Follows the address from when the host wants it; its present settings are taken once. */
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

  /** Makes a person's change. */
  change(patch: Partial<State>, committed: boolean): void {
    // Changes made by the files or the host in the meantime are not undone with it.
    if (!this.#moving) this.#undo?.settle(this.host.state());
    this.#first ??= this.host.state();
    this.#moving = !committed;
    this.host.apply(patch);
    if (!committed) return;
    this.#undo?.step(this.host.state());
    this.element.requestUpdate();
  }

  /** Takes back a change that a person has begun; false if there is none. */
  takeBack(): boolean {
    if (!this.#moving || !this.#undo) return false;
    this.#moving = false;
    this.host.apply(this.#undo.settled);
    this.element.requestUpdate();
    return true;
  }

  /** Removes something that no longer makes sense from the settings, including those of earlier steps. */
  forget(change: (state: State) => Partial<State>): void {
    this.#undo?.rewrite((state) => ({ ...state, ...change(state) }));
    if (this.#first) this.#first = { ...this.#first, ...change(this.#first) };
    this.#ofRecipe(change);
    const [before, patch] = [this.host.state(), change(this.host.state())];
    if (!same(before, { ...before, ...patch })) this.host.apply(patch);
  }

  /** Changes that come from the files alone do not count as changes of the recipe's settings. */
  #ofRecipe(change: (state: State) => Partial<State>): void {
    if (this.#recipe) this.#recipe.state = { ...this.#recipe.state, ...change(this.#recipe.state) };
  }

  /** Whether any setting differs from before a person's first change. */
  get isChanged(): boolean { return this.#first !== null && !same(this.#first, this.host.state()); }

  /** Restores the settings from before a person's first change, as a new step; false if nothing has changed. */
  restore(): boolean {
    this.closeRecipe();
    if (!this.#first || !this.isChanged) return false;
    this.change(this.#first, true);
    return true;
  }

  undo(): boolean { return this.#go('back'); }
  redo(): boolean { return this.#go('forth'); }

  /**
   * Removes choices that the files no longer offer. `names`: the families to choose from, if any; where one `must` be chosen, the other lists depend
   * on it. `own`: the family that each file is certain of, undefined for a place without a file.
   */
  follow({ names, must }: FamilyChoice, own: readonly (string | null | undefined)[]): void {
    const { family } = this.host.state();
    // The certainty of a single file says nothing about the second.
    const told = names.length > 0 || own.every((one) => one !== undefined);
    const holds = family === null || !told || names.includes(family);
    if (!holds) {
      this.host.apply({ family: null });
      this.#ofRecipe(() => ({ family: null }));
    }
    const now = [...new Set([...own, holds && (must || names.length === 0) ? family : null])].filter((name) => name).sort().join();
    // For the first files, the choice may have been made before them, by an address or a recipe.
    if (now !== this.#listsOf && this.#listsOf !== '') this.forget(() => ({ scheme: null, blocks: {} }));
    this.#listsOf = now;
  }

  open(name: string, saved: SavedRecipe): void {
    this.#naming = null;
    this.#listsOf = '';
    // A recipe makes one file: exactly the one that it comes from.
    this.change({ ...saved.settings, several: null }, true);
    this.#recipe = { name, saved, state: this.host.state() };
  }

  closeRecipe(): void {
    this.#recipe = null;
    this.element.requestUpdate();
  }

  /** Starts over: earlier steps can no longer be undone. */
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
    // What the fragment itself says, regardless of other settings.
    this.#written = this.#base ? toHash({ ...this.#base, ...patch, scheme: scheme ?? null }, this.#base) : '';
  }

  /** Reads the settings of another link, or of an address that was edited. */
  #read = (): void => {
    if (!this.#base || !this.#remembers || !isHash(location.hash) || hashNow() === this.#written) return;
    // During a run, the address keeps showing the settings in force.
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
