/** Carries out what a person does: the parts report what was pressed or set, and everything that follows from it is here. */

import type { LitElement } from 'lit';
import type { ProblemError } from '../core/problem.ts';
import type { FusedFile, Role, Settings } from '../core/types.ts';
import { ROLES } from '../core/types.ts';
import type { BarAction } from './controls/settings-bar.ts';
import type { Desk } from './desk/desk.ts';
import type { Intake } from './desk/intake.ts';
import type { Links } from './desk/links.ts';
import type { Saving } from './desk/saving.ts';
import type { Announce } from './events.ts';
import type { ActionAt, Setting } from './model.ts';
import { asBefore } from './parts/focus.ts';
import type { Notices } from './notices.ts';
import type { State } from './settings/address.ts';
import type { Keep } from './settings/keep.ts';
import { toJson } from './words/format.ts';
import { undoText } from './words/strings.ts';

/** The element, with the methods that the actions call. */
interface Doer extends LitElement {
  fuse(): Promise<FusedFile>;
  convert(): Promise<FusedFile>;
  cancel(): void;
  reset(): void;
  save(at: number): Promise<boolean>;
  saveAll(): Promise<boolean>;
}

interface ActionsHost {
  settings(): Settings;
  /** The settings with the output name as somebody chose it: empty if nobody did. */
  named(): Settings;
  state(): State;
  defaultName(): string;
  changeable(): boolean;
  tell: Announce;
}

interface Means {
  desk: Desk;
  intake: Intake;
  keep: Keep;
  links: Links;
  notices: Notices;
  saving: Saving;
}

export class Actions {
  makingExample = false;
  /** There is one file, and the person wants to convert it. */
  converting = false;
  /** The pointer that was last pressed on a slider. */
  #sliding: number | null = null;

  constructor(private element: Doer, private host: ActionsHost, private means: Means) {}

  setting({ patch, committed }: Setting): void {
    const before = toJson(this.host.state());
    this.means.keep.change(patch, committed);
    // As with the browser's own fields, a change that is made at once sends `input` as well.
    if (!committed || toJson(this.host.state()) !== before) this.host.tell('input', this.host.settings());
    if (committed) this.changed();
  }

  /** A pointer was pressed, possibly on a slider. */
  pressed(event: PointerEvent): void {
    const [at] = event.composedPath();
    if (at instanceof HTMLInputElement && at.type === 'range') this.#sliding = event.pointerId;
  }

  /**
   * Takes a slider's change back: a finger that touches a slider sets it, even if it only scrolls the page and the browser takes the gesture over.
   */
  swiped({ pointerId }: PointerEvent): void {
    if (pointerId !== this.#sliding || !this.host.changeable()) return;
    this.#sliding = null;
    if (this.means.keep.takeBack()) this.host.tell('input', this.host.settings());
  }

  bar(action: BarAction): void {
    const { desk, saving } = this.means;
    switch (action) {
      case 'save-recipe': return saving.recipe(this.host.named(), desk.sources, this.host.defaultName());
      case 'reset': return this.#restore();
      default: this.step(action);
    }
  }

  /** Undoes or redoes a change; false if there is none, or nothing may be changed. */
  step(which: 'undo' | 'redo'): boolean {
    if (!this.host.changeable() || !this.means.keep[which]()) return false;
    this.means.notices.say(which === 'undo' ? undoText.undone : undoText.redone);
    this.changed();
    return true;
  }

  paste(role: Role, link: string): void {
    this.means.notices.notice = '';
    const before = this.means.desk.places.fileOf(role);
    this.means.intake.remember(role);
    this.means.links.paste(role, link, () => {
      if (before && this.means.desk.places.fileOf(role) !== before) this.means.intake.forgetScale(role);
      this.changed();
    });
  }

  closeRecipe(): void {
    this.#replace('np-lora-card', () => this.means.keep.closeRecipe());
  }

  offerConversion(): void {
    this.#replace('np-lora-controls', () => { this.converting = true; });
  }

  loadBoth(): void {
    this.#replace('np-lora-card', () => {
      for (const role of ROLES) void this.means.desk.places.load(role);
      this.changed();
    });
  }

  /** Begins the analysis of a pair with files on servers, when a person has asked for it. */
  foresee(): void {
    this.#replace('np-lora-outlook', () => {});
  }

  foreseeAgain(): void {
    this.#replace('np-lora-outlook', () => this.means.desk.foresight.again());
  }

  async example(): Promise<void> {
    const options = asBefore(this.element);
    this.makingExample = true;
    this.element.requestUpdate();
    const made = await this.means.desk.example();
    this.makingExample = false;
    this.element.requestUpdate();
    // If nothing was made, the person has chosen something in the meantime, and the focus is there.
    if (made) this.changed();
    if (made || this.means.desk.places.isEmpty) await this.#goOn('np-lora-card', options);
  }

  do({ action, at }: ActionAt): void {
    const { element, means: { desk, notices, saving } } = this;
    const fail = (error: ProblemError): void => desk.fail(error);
    switch (action) {
      case 'fuse':
        notices.clear();
        // The desk shows and announces errors; nobody waits for this promise.
        return void element.fuse().catch(() => {});
      case 'convert':
        notices.clear();
        return void element.convert().catch(() => {});
      case 'cancel': return element.cancel();
      case 'reset':
        element.reset();
        // No settings of the last pair stay in force unseen.
        this.#restore();
        return void this.#goOn('np-lora-card');
      case 'save':
        notices.clear();
        desk.forgive();
        return void element.save(at).catch(fail);
      case 'save-all':
        notices.clear();
        desk.forgive();
        return void element.saveAll().catch(fail);
      case 'save-report': return saving.report(at);
    }
  }

  changed(): void {
    this.host.tell('change', this.host.settings());
  }

  /** Resets the settings, which can be undone. */
  #restore(): void {
    if (!this.means.keep.restore()) return;
    this.means.notices.say(undoText.wereReset);
    this.changed();
  }

  /** Performs an action that removes the pressed control, then moves the focus to the part `at`. */
  #replace(at: string, action: () => void): void {
    const options = asBefore(this.element);
    action();
    this.element.requestUpdate();
    void this.#goOn(at, options);
  }

  async #goOn(at: string, options: FocusOptions = {}): Promise<void> {
    const { element } = this;
    await element.updateComplete;
    if (element.matches(':focus-within') || document.activeElement !== document.body) return;
    const part = element.renderRoot.querySelector<LitElement>(at);
    await part?.updateComplete;
    part?.focus(options);
  }
}
