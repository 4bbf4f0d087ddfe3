/** Tells what happened, in words beside the run and to screen readers. */

import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { language } from './words/language.ts';

export class Notices implements ReactiveController {
  /** The message to be seen. */
  notice = '';
  /** How saving ended, shown beside the button that was pressed. */
  saved = '';
  /** The message to be heard. */
  spoken = '';
  /** Whether the current message has not been heard yet. */
  #saying = false;
  /** The last message about a run's progress, unless another message followed. */
  #progress: string | null = null;
  #spokeIn = language();

  constructor(private host: ReactiveControllerHost) {
    host.addController(this);
  }

  /** Shows a message and has it read out. */
  note(what: string): void {
    this.#speak(what);
    this.notice = what;
    this.host.requestUpdate();
  }

  ofSaving(what: string): void {
    this.#speak(what);
    this.saved = what;
    this.host.requestUpdate();
  }

  /** Has a message read out. A comment is added to the current message if that has not been heard yet. */
  say(what: string, comment = false): void {
    this.#speak(comment && this.#saying ? `${this.spoken} ${what}` : what);
    this.#saying = true;
    this.host.requestUpdate();
  }

  /** Announces how far a run is; null: nothing. It is called often, and only a changed message is read out. */
  ofProgress(what: string | null): void {
    if (what === null || what === this.#progress) return;
    this.say(what);
    this.#progress = what;
  }

  /** Clears the message about a run that has ended and announces nothing itself. */
  ofNoProgress(): void {
    if (this.#progress !== null) this.say('');
  }

  /** Sets the message to be heard. A repeated one must differ in something, or screen readers ignore it. */
  #speak(what: string): void {
    this.#progress = null;
    this.spoken = what !== '' && what === this.spoken ? `${what}\u00a0` : what;
  }

  /** Clears the messages because the person does something else. */
  clear(): void {
    this.notice = this.saved = '';
    this.#progress = null;
    this.host.requestUpdate();
  }

  // Messages in another language are out of date.
  hostUpdate(): void {
    if (this.#spokeIn !== language()) this.spoken = this.notice = this.saved = '';
    this.#spokeIn = language();
  }

  hostUpdated(): void {
    this.#saying = false;
  }
}
