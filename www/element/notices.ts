/** What the element says of what happened, beside the run and to screen readers. */

import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { language } from './words/language.ts';

export class Notices implements ReactiveController {
  /** To be seen. */
  notice = '';
  /** What came of saving, to be seen where it was asked for. */
  saved = '';
  /** To be heard. */
  spoken = '';
  /** Something is to be heard that nobody has heard yet. */
  #saying = false;
  /** What was last said of a run, if nothing else was said since. */
  #progress: string | null = null;
  #spokeIn = language();

  constructor(private host: ReactiveControllerHost) {
    host.addController(this);
  }

  /** To be seen and heard. */
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

  /** To be heard. A comment on what is being said goes with it. */
  say(what: string, comment = false): void {
    this.#speak(comment && this.#saying ? `${this.spoken} ${what}` : what);
    this.#saying = true;
    this.host.requestUpdate();
  }

  /** How far a run is; null: nothing. Told often, and heard when it is another. */
  ofProgress(what: string | null): void {
    if (what === null || what === this.#progress) return;
    this.say(what);
    this.#progress = what;
  }

  /** A run has ended with nothing to say. */
  ofNoProgress(): void {
    if (this.#progress !== null) this.say('');
  }

  /** The same once more is heard only where something is another. */
  #speak(what: string): void {
    this.#progress = null;
    this.spoken = what !== '' && what === this.spoken ? `${what}\u00a0` : what;
  }

  /** Something else is being done. */
  clear(): void {
    this.notice = this.saved = '';
    this.#progress = null;
    this.host.requestUpdate();
  }

  // What was said in another language is over.
  hostUpdate(): void {
    if (this.#spokeIn !== language()) this.spoken = this.notice = this.saved = '';
    this.#spokeIn = language();
  }

  hostUpdated(): void {
    this.#saying = false;
  }
}
