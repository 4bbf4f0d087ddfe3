/** The two places for files: what is in them, and how it got there. */

import { abortError } from '../../core/abort.ts';
import { ProblemError, problem, toProblem } from '../../core/problem.ts';
import type { Session } from '../../core/session.ts';
import { isFile } from '../../core/shape.ts';
import type { FileLink, GivenFile, Problem, RemoteFile, Role, Summary } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import type { Announce } from '../events.ts';
import { type Before, type Card, type Config, EMPTY } from '../model.ts';

interface PlacesHost {
  /** Whether the element is in no document; nothing is asked until it comes back. */
  gone(): boolean;
  /** The session, which starts with the first call. Throws if the element is in no document, where nobody would end the session. */
  core(): Session;
  /** The session, if it has started. */
  begun(): Session | null;
  /** Called when a place has changed; everything known about the pair is void. */
  changed(): void;
  redraw(): void;
  /** Called when the two files have exchanged places. */
  swapped(): void;
  /** Called when a file was removed; nothing needs to be worked out for it any more. */
  emptied(): void;
  /** Called when a file was opened or removed, so that the fit must be found again. */
  settled(): void;
  failed(thrown: unknown): void;
  /** Sends an event. False: a listener does not want the warning shown. */
  announce: Announce;
}

/** The answer of an element that is in no document. */
export const AWAY = problem('E_NOT_READY', 'The element is not in the document.');

/** The work in progress for a place, until other work replaces it. */
class Place {
  /** Aborts the work. */
  readonly aborter = new AbortController();
  /** Starts the work again for an element that comes back, as long as the card does not hold everything needed for that. */
  again: (() => Promise<void>) | null = null;
  /** The link as it was given, if the place has nothing but a link. */
  link: string | null = null;
  /** Whether the link is loaded without asking; an empty place shows an error if it cannot be. */
  loads = false;
  /** Settles when the work is done. */
  opening: Promise<void> = Promise.resolve();
  /** What was open before this work began. */
  before: Before | null = null;
}

export class Places {
  cards: Record<Role, Card> = { content: EMPTY, style: EMPTY };
  /** Whether a file came while the element was in no document. */
  #missed = false;
  #places: Record<Role, Place> = { content: new Place(), style: new Place() };

  constructor(private host: PlacesHost) {}

  get bothOpen(): boolean {
    return ROLES.every((role) => this.cards[role].state === 'open');
  }

  get isOpening(): boolean {
    return ROLES.some((role) => {
      const { loads, again } = this.#places[role];
      return (loads && again !== null) || this.cards[role].state === 'opening';
    });
  }

  get isEmpty(): boolean {
    return ROLES.every((role) => this.cards[role].state === 'empty');
  }

  /** The role of the only file, if it is open and the other place is empty. */
  get only(): Role | null {
    const [role, ...others] = ROLES.filter((one) => this.cards[one].state !== 'empty');
    return role && others.length === 0 && this.cards[role].state === 'open' ? role : null;
  }

  /** The first problem of a place that has no usable file. */
  get problem(): Problem | null {
    const [problem = null] = ROLES.map((role) => this.cards[role]).flatMap((card) => ('problem' in card && card.problem ? [card.problem] : []));
    return problem;
  }

  summaryOf(role: Role): Summary | null {
    const card = this.cards[role];
    return card.state === 'open' ? card.summary : null;
  }

  fileOf(role: Role): File | FileLink | null {
    const card = this.cards[role];
    return 'file' in card ? card.file : null;
  }

  /** The file in a place, if it is on this machine. */
  localOf(role: Role): File | null {
    const file = this.fileOf(role);
    return isFile(file) ? file : null;
  }

  /** The link in a place as it was given, as long as there is nothing else. */
  linkIn(role: Role): string | null {
    return this.#places[role].link;
  }

  /** The address of the link in a place, or of the file loaded from it; null if there is none. */
  urlIn(role: Role): string | null {
    const card = this.cards[role];
    const link = card.state === 'offered' ? card.link : this.fileOf(role);
    return isFile(link) ? null : link?.url ?? null;
  }

  /** The open files, on this machine or on a server. */
  get files(): GivenFile[] {
    return ROLES.map((role) => this.cards[role]).flatMap((card) => (card.state === 'open' ? [card.file] : []));
  }

  get remote(): RemoteFile[] {
    return this.files.filter((file): file is RemoteFile => !isFile(file));
  }

  /** Called when the element is in a document, perhaps again. */
  comeBack(): void {
    // The old worker is gone, but the files are still chosen.
    if (this.host.begun() && !this.#missed) return;
    this.#missed = false;
    for (const role of ROLES) {
      const card = this.cards[role];
      const { again } = this.#places[role];
      if (again) void again();
      else if ('file' in card) void this.choose(role, card.file, card.config);
    }
  }

  /** Called when the element has left the document: opening a file is stopped, and starts again when the element comes back. */
  leave(): void {
    for (const role of ROLES) {
      const { aborter, again, link, loads, opening, before } = this.#places[role];
      aborter.abort();
      this.#places[role] = Object.assign(new Place(), { again, link, loads, opening, before });
    }
  }

  /** The summaries of the open files, once nothing is being opened any more. Rejects with the first refusal. */
  async opened(): Promise<Record<Role, Summary | null>> {
    if (this.isOpening && this.host.gone()) throw new ProblemError(AWAY);
    for (let waited: unknown[] = []; this.isOpening;) {
      if (this.host.gone()) throw abortError();
      const openings = ROLES.map((role) => this.#places[role].opening);
      // Nothing more is on its way, and waiting again would spin.
      if (openings.every((opening, at) => opening === waited[at])) break;
      await Promise.all(openings);
      waited = openings;
    }
    for (const role of ROLES) {
      const card = this.cards[role];
      // Nobody waits for a link that was only offered.
      const refusal = card.state === 'refused' || (card.state === 'empty' && this.#places[role].loads) ? card.problem : null;
      if (refusal) throw new ProblemError(refusal);
    }
    return { content: this.summaryOf('content'), style: this.summaryOf('style') };
  }

  /**
   * Finds out what a link means; its host is not asked yet, unless the file is to be loaded without asking. `placed` is called once the link, or its
   * file, is in the role's place.
   */
  offer(role: Role, link: string, hosts: string[], load: boolean, placed: () => void): Promise<void> {
    const before = this.before(role);
    const place = this.#next(role, () => this.offer(role, link, hosts, load, placed));
    Object.assign(place, { link, loads: load, before });
    if (this.cards[role].state === 'empty') {
      // The place stays empty for now, so nothing changes for the other file.
      this.cards = { ...this.cards, [role]: { state: 'empty', problem: null, reading: true } };
      this.host.redraw();
    }
    return (place.opening = this.#offer(role, place, link, hosts, placed));
  }

  async #offer(role: Role, place: Place, link: string, hosts: string[], placed: () => void): Promise<void> {
    const offered = await this.#link(link, hosts);
    if (place.aborter.signal.aborted) return;
    if (this.host.gone()) {
      this.#missed = true;
      return;
    }
    if ('url' in offered && place.loads) {
      const opened = this.choose(role, offered);
      placed();
      return opened;
    }
    // A link that leads to no file does not remove the one that is there.
    if (!('url' in offered) && this.fileOf(role)) {
      const card = this.cards[role];
      Object.assign(place, { again: null, link: null, loads: false });
      // Opening the old file was stopped for the link, so it starts again.
      if (card.state === 'opening') await this.choose(role, card.file, card.config);
      return this.host.failed(new ProblemError(offered));
    }
    const before = this.before(role);
    void this.clear(role);
    Object.assign(this.#places[role], { link, loads: place.loads, before });
    this.#set(role, 'url' in offered ? { state: 'offered', link: offered } : { state: 'empty', problem: offered, reading: false });
    placed();
    // The place counts as empty, so the other file may be the only one.
    this.host.settled();
    if (!('url' in offered)) this.host.announce('error', offered);
  }

  async #link(link: string, hosts: string[]): Promise<FileLink | Problem> {
    try {
      return await this.host.core().link(link, hosts);
    } catch (thrown) {
      return toProblem(thrown);
    }
  }

  /** Loads the file of a role's link from its host, even if it was loaded before. */
  async load(role: Role): Promise<void> {
    const card = this.cards[role];
    const link = card.state === 'offered' ? card.link : this.fileOf(role);
    if (!link || isFile(link)) return;
    const { url, host, name } = link;
    const config = 'config' in card && !card.config?.loaded ? card.config : null;
    await this.choose(role, { url, host, name }, config);
  }

  /** Opens a file in a role's place. Its configuration may still have to be read. */
  choose(role: Role, file: File | FileLink, config: Config | null | Promise<Config | null> = null, before = this.before(role)): Promise<void> {
    const place = this.#next(role, config instanceof Promise ? () => this.choose(role, file, config, before) : null);
    // Opening the same file again does not make it its own predecessor.
    place.before = before && (before.file !== file || before.config !== config) ? before : null;
    return (place.opening = this.#open(role, place, file, config));
  }

  async #open(role: Role, place: Place, file: File | FileLink, coming: Config | null | Promise<Config | null>): Promise<void> {
    const { signal } = place.aborter;
    let config = coming instanceof Promise ? null : coming;
    this.#set(role, { state: 'opening', file, config });
    if (coming instanceof Promise) {
      config = await coming;
      if (signal.aborted) return;
      place.again = null;
      this.#set(role, { state: 'opening', file, config });
    }
    if (this.host.gone()) {
      this.#missed = true;
      return;
    }
    try {
      const core = this.host.core();
      const given = isGiven(file) ? file : await core.find(file, signal);
      if (signal.aborted) return;
      let summary = await core.inspect(role, given, config?.text ?? null, signal);
      if (signal.aborted) return;
      const beside = given === file || config ? null : await core.config(role, signal);
      if (signal.aborted) return;
      if (beside !== null) {
        // The configuration is kept even if it is refused, so that the person can remove it.
        [file, config] = [given, { name: 'adapter_config.json', text: beside, loaded: true }];
        summary = await core.inspect(role, given, beside, signal);
        if (signal.aborted) return;
      }
      this.#set(role, { state: 'open', file: given, config, summary });
      this.host.announce('inspect', { role, summary });
      const warnings = summary.warnings.filter((warning) => this.host.announce('warning', warning));
      if (warnings.length < summary.warnings.length && !signal.aborted) {
        this.cards = { ...this.cards, [role]: { state: 'open', file: given, config, summary: { ...summary, warnings } } };
      }
      this.host.settled();
    } catch (thrown) {
      if (signal.aborted) return;
      const refusal = toProblem(thrown);
      this.#set(role, { state: 'refused', file, config, problem: refusal, before: place.before });
      this.host.announce('error', refusal);
    }
  }

  /** What is open in a role's place, or was before the present content. */
  before(role: Role): Before | null {
    const card = this.cards[role];
    return card.state === 'open' ? card : card.state === 'refused' ? card.before : this.#places[role].before;
  }

  /** Opens what was in a role's place before the file that was refused. */
  async back(role: Role): Promise<void> {
    const card = this.cards[role];
    if (card.state === 'refused' && card.before) await this.choose(role, card.before.file, card.before.config);
  }

  async clear(role: Role): Promise<void> {
    this.#next(role);
    const had = this.cards[role].state !== 'empty';
    this.#set(role, EMPTY);
    this.host.emptied();
    if (had) await this.host.begun()?.close(role).catch(() => {});
    // The remaining file can be converted.
    this.host.settled();
  }

  /** Swaps the files. `undone` is called if that fails, when both are back in place and before the failure is reported. */
  async swap(undone: () => Promise<void>): Promise<void> {
    const { content, style } = this.cards;
    if (content.state === 'open' && style.state === 'open') {
      const swapped = (this.cards = { content: style, style: content });
      const session = this.host.begun();
      this.host.swapped();
      try {
        await session?.swap();
        this.host.settled();
      } catch (thrown) {
        // The next session opens the files where they are now.
        if (this.host.begun() !== session) return;
        // In the session the files are where they were, so the cards go back as well.
        if (this.cards === swapped) {
          this.cards = { content, style };
          await undone();
        }
        this.host.settled();
        this.host.failed(thrown);
      }
      return;
    }
    // With a single file, the wasm session has nothing to swap: the file simply moves over.
    const [ofContent, ofStyle] = ROLES.map((role) => ({ before: this.before(role), link: this.#places[role].link }));
    for (const [role, card, was] of [['content', style, ofStyle!], ['style', content, ofContent!]] as const) {
      if ('file' in card) void this.choose(role, card.file, card.config, card.state === 'open' ? null : was.before);
      else {
        void this.clear(role);
        if (card.state === 'offered') Object.assign(this.#places[role], was);
        // A link that was still being read is given up.
        this.#set(role, card.state === 'empty' ? { ...card, reading: false } : card);
      }
    }
  }

  /** Ends whatever was in progress for the role's place, and begins something new. */
  #next(role: Role, again: (() => Promise<void>) | null = null): Place {
    this.#places[role].aborter.abort();
    return (this.#places[role] = Object.assign(new Place(), { again }));
  }

  #set(role: Role, card: Card): void {
    this.cards = { ...this.cards, [role]: card };
    this.host.changed();
  }
}

/** Whether the host of a linked file has answered; a link alone does not tell what it leads to. */
const isGiven = (file: File | FileLink): file is GivenFile => isFile(file) || 'tag' in file;
